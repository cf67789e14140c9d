"""Read the webhooks of email service providers, normalized by anymail: tracking events and inbound mail."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from email.errors import MessageError
from typing import Any

from anymail.signals import AnymailInboundEvent, AnymailTrackingEvent, EventType, RejectReason

from common.ids import parse_uuid
from mail.bounces.refusals import is_temporary, suppression_reason
from mail.enums import RecipientState, SuppressionReason, SuppressionSource
from mail.mime.headers import remove_controls
from mail.providers.esp import ROW_KEY
from mail.services.feedback import ProviderEvent
from mail.services.settling import Settlement

_DETAIL_MAX_CHARS = 500
_LINE_END = re.compile(rb"\r\n|\r|\n")
# Their events are one for each recipient, all alike (anymail reports the first address of To).
_WITHOUT_RECIPIENT = frozenset({"resend"})
_REASONS = {
    RejectReason.INVALID: SuppressionReason.HARD_BOUNCE,
    RejectReason.BOUNCED: SuppressionReason.HARD_BOUNCE,
    RejectReason.SPAM: SuppressionReason.COMPLAINT,
}


def provider_event(esp: str, event: AnymailTrackingEvent) -> ProviderEvent | None:
    """A tracking event as feedback; None for what settles nothing (a delay, an open, a click)."""
    settlement = _settlement(event)
    if settlement is None or not event.recipient:
        return None
    metadata = event.metadata if isinstance(event.metadata, dict) else {}
    return ProviderEvent(
        transport=f"anymail:{esp}"[:32],
        address=str(event.recipient),
        settlement=settlement,
        provider_id=str(event.message_id or "")[:255],
        message_id=parse_uuid(str(metadata.get(ROW_KEY, ""))),
        names_recipient=esp not in _WITHOUT_RECIPIENT,
    )


def _settlement(event: AnymailTrackingEvent) -> Settlement | None:
    words = " ".join(str(text) for text in (event.mta_response, event.description) if text)
    detail = remove_controls(words)[:_DETAIL_MAX_CHARS]
    provider = SuppressionSource.PROVIDER
    match event.event_type:
        case EventType.QUEUED | EventType.SENT:
            # Only an uncertain recipient learns from it: the provider did take the message.
            return Settlement(RecipientState.SENT, "", detail)
        case EventType.DELIVERED:
            return Settlement(RecipientState.DELIVERED, "", detail)
        case EventType.COMPLAINED:
            complaint = SuppressionReason.COMPLAINT
            return Settlement(RecipientState.BOUNCED, "", detail, suppress=complaint, source=provider)
        case EventType.BOUNCED | EventType.REJECTED:
            return Settlement(RecipientState.BOUNCED, "", detail, suppress=_reason(event, detail), source=provider)
        case EventType.FAILED:
            return Settlement(RecipientState.FAILED, "", detail)
    return None


def _reason(event: AnymailTrackingEvent, detail: str) -> SuppressionReason | None:
    """The recipient's server decides when its words are known, else the provider's own verdict."""
    if event.reject_reason == RejectReason.SPAM:
        return SuppressionReason.COMPLAINT
    if is_temporary(detail):
        return None
    if event.mta_response:
        return suppression_reason(str(event.mta_response))
    return _REASONS.get(event.reject_reason)


def raw_mail(esp: str, event: AnymailInboundEvent) -> bytes:
    """The message as it was received where the provider hands it over, else put together from its fields."""
    try:
        original = _ORIGINALS[esp](event.esp_event)
    except (KeyError, TypeError, ValueError, AttributeError):
        original = None
    if original is None:
        original = _rebuilt(event.message)
    raw = original.encode("utf-8", "surrogateescape") if isinstance(original, str) else original
    return _LINE_END.sub(b"\r\n", raw)


def _rebuilt(message: Any) -> bytes | str:
    _fix_boundaries(message)
    # Folding headers again would break the signatures over them.
    policy = message.policy.clone(refold_source="none")
    try:
        rebuilt: bytes = message.as_bytes(policy=policy)
    except (UnicodeError, MessageError):
        return str(message.as_string(policy=policy))
    return rebuilt


def _fix_boundaries(message: Any) -> None:
    """Boundaries from the content: with Python's random ones, mail that a provider posts twice would differ."""
    digest = hashlib.sha256()
    parts = list(message.walk())
    for part in parts:
        digest.update(repr(part.items()).encode("utf-8", "surrogateescape"))
        if not part.is_multipart():
            digest.update(str(part.get_payload()).encode("utf-8", "surrogateescape"))
    for number, part in enumerate(parts):
        if part.get_content_maintype() == "multipart" and part.get_boundary() is None:
            part.set_boundary(f"=_{digest.hexdigest()[:32]}_{number}")


def _decoded(text: Any, *, is_base64: bool) -> bytes | str | None:
    if text is None:
        return None
    return base64.b64decode(text) if is_base64 else str(text)


def _sparkpost(event: Any) -> bytes | str | None:
    content = event["msys"]["relay_message"]["content"]
    return _decoded(content["email_rfc822"], is_base64=bool(content["email_rfc822_is_base64"]))


def _amazon_ses(event: Any) -> bytes | str | None:
    encoding = event.get("receipt", {}).get("action", {}).get("encoding")
    return _decoded(event.get("content"), is_base64=encoding == "BASE64")


# Where each provider keeps the raw message in its own event.
_ORIGINALS: dict[str, Callable[[Any], bytes | str | None]] = {
    "amazon_ses": _amazon_ses,
    "mailersend": lambda event: event["data"]["raw"],
    "mailgun": lambda event: event.POST["body-mime"],
    "mandrill": lambda event: event["msg"]["raw_msg"],
    "postal": lambda event: _decoded(event["message"], is_base64=event.get("base64") is True),
    "postmark": lambda event: event["RawEmail"],
    "sendgrid": lambda event: event.POST["email"],
    "sparkpost": _sparkpost,
}
# Providers that send one event for several recipients, of which anymail keeps the first.
_RECIPIENT_LISTS: dict[str, Callable[[Any], Any]] = {
    "amazon_ses": lambda event: event["receipt"]["recipients"],
    "mailersend": lambda event: [row["email"] for row in event["data"]["recipients"]["rcptTo"]],
    "sendgrid": lambda event: json.loads(event.POST["envelope"])["to"],
}


def recipients(esp: str, event: AnymailInboundEvent) -> tuple[str, ...]:
    """Envelope recipients; those of the headers when the provider tells none."""
    found: Any = None
    if esp in _RECIPIENT_LISTS:
        try:
            found = _RECIPIENT_LISTS[esp](event.esp_event)
        except (KeyError, TypeError, ValueError, AttributeError):
            found = None
    if not isinstance(found, list) or not found:
        found = [event.message.envelope_recipient] if event.message.envelope_recipient else None
    if not found:
        message = event.message
        found = [address.addr_spec for kind in ("to", "cc", "bcc") for address in getattr(message, kind)]
    return tuple(dict.fromkeys(str(address) for address in found))
