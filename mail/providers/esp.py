"""Mail through the HTTP API of an email service provider, by way of django-anymail.

Most of these APIs take fields instead of a message and build (and sign) their own, so the message is taken apart again.
Where the backend sends raw MIME (Amazon SES), the bytes go out as they are, DKIM signatures included.
"""

from __future__ import annotations

import email
import email.encoders
import email.policy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from email.message import EmailMessage as MimeMessage
from email.message import Message, MIMEPart
from email.mime.base import MIMEBase
from email.utils import getaddresses
from functools import partial
from typing import Any

from anymail.exceptions import AnymailAPIError, AnymailError, AnymailRecipientsRefused
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.mail import EmailMultiAlternatives, get_connection

from common.db import refuse_in_transaction
from mail.providers.base import Envelope, Outcome, RecipientResult
from mail.providers.outcomes import HandOffOnce, PartlyUnknown, clean_detail, same_for_all, send_in_parts

# The provider writes these itself, or they belong to the bytes that are taken apart here.
_NOT_PASSED_ON = frozenset(
    {
        "bcc",
        "cc",
        "date",
        "dkim-signature",
        "from",
        "mime-version",
        "received",
        "reply-to",
        "return-path",
        "sender",
        "subject",
        "to",
    }
)
# Headers that make a provider keep what it would otherwise replace.
_PROVIDER_HEADERS: dict[str, dict[str, str]] = {"postmark": {"X-PM-KeepID": "true"}}
# What providers that keep custom data with a message are told, and send back with every event about it. (Others have
# nothing of the kind, or put it into a header that the recipient sees.)
ROW_KEY = "inkbox_message"
KEEPS_METADATA = frozenset(
    {"mailgun", "mailjet", "mailtrap", "mandrill", "postmark", "sendgrid", "sparkpost", "unisender_go"}
)
# The account is wrong, not the message (credentials, payment, an unverified domain), or it is too early: worth a retry.
_ACCOUNT_STATUSES = frozenset({401, 402, 403, 408, 425, 429})
# A gateway gave up on the provider's own server, which may have taken the message.
_UNKNOWN_STATUSES = frozenset({502, 504})
_STATUS_OUTCOMES = {
    "sent": Outcome.ACCEPTED,
    "queued": Outcome.ACCEPTED,
    "unknown": Outcome.ACCEPTED,
    "invalid": Outcome.REFUSED,
    "rejected": Outcome.REFUSED,
    "failed": Outcome.DEFERRED,
}
# Errors of requests, urllib3, ssl and botocore that come before anything was written. By name, because which of these
# libraries is installed depends on the provider.
_NOTHING_WRITTEN = frozenset(
    {
        "ConnectTimeout",
        "ConnectTimeoutError",
        "EndpointConnectionError",
        "NameResolutionError",
        "NewConnectionError",
        "NoCredentialsError",
        "PartialCredentialsError",
        "SSLCertVerificationError",
    }
)


class _ExactMime(Message):
    """A parsed message that is written out byte for byte as it came in."""

    raw: bytes = b""

    def as_bytes(self, unixfrom: bool = False, policy: Any = None) -> bytes:
        return self.raw


class OutgoingMail(EmailMultiAlternatives):
    """A Django message made from finished MIME: fields for APIs that want fields, the very bytes for the others."""

    raw: bytes = b""
    metadata: dict[str, str]

    def message(self, *args: Any, **kwargs: Any) -> Any:
        exact = email.message_from_bytes(self.raw, _class=_ExactMime)
        exact.raw = self.raw
        return exact


@dataclass(frozen=True, slots=True)
class Split:
    """The recipients of one API call."""

    to: tuple[str, ...]
    cc: tuple[str, ...] = ()
    bcc: tuple[str, ...] = ()

    @property
    def addresses(self) -> tuple[str, ...]:
        return self.to + self.cc + self.bcc


def split_recipients(mime: MimeMessage, recipients: Sequence[str]) -> list[Split]:
    """Assign envelope recipients to To, Cc and Bcc by the message's headers.

    Provider APIs need a To, and show it. So recipients named in no header share a call only with a visible To; alone,
    each gets a call of its own, because one blind recipient must not see another.
    """
    named = {kind: _bare_addresses(mime, kind) for kind in ("to", "cc")}
    unique = tuple(dict.fromkeys(recipients))
    to = tuple(address for address in unique if address.lower() in named["to"])
    cc = tuple(address for address in unique if address.lower() in named["cc"] and address not in to)
    bcc = tuple(address for address in unique if address not in to and address not in cc)
    if not to:
        to, cc = cc, ()
    if not to:
        return [Split((address,)) for address in bcc]
    return [Split(to, cc, bcc)]


def _bare_addresses(mime: MimeMessage, header: str) -> set[str]:
    values = [str(value) for value in mime.get_all(header, [])]
    return {address.lower() for _, address in getaddresses(values) if address}


def to_django_message(esp: str, raw: bytes, mime: MimeMessage, split: Split) -> OutgoingMail:
    """The same message as fields: text, HTML, attachments, inline images and the headers that threading needs."""
    text, html = mime.get_body(("plain",)), mime.get_body(("html",))
    headers = {
        name: str(value)
        for name, value in mime.items()
        if name.lower() not in _NOT_PASSED_ON and not name.lower().startswith("content-")
    }
    message = OutgoingMail(
        subject=str(mime.get("subject", "")),
        body=_text_of(text),
        from_email=str(mime.get("from", "")),
        to=list(split.to),
        cc=list(split.cc),
        bcc=list(split.bcc),
        reply_to=[str(value) for value in mime.get_all("reply-to", [])],
        headers=headers | _PROVIDER_HEADERS.get(esp, {}),
    )
    message.raw = raw
    if html is not None:
        message.attach_alternative(_text_of(html), "text/html")
    for part in _leaves(mime):
        if part is not text and part is not html:
            message.attach(_attachment(part))
    return message


def _text_of(part: MIMEPart | None) -> str:
    if part is None:
        return ""
    try:
        text = str(part.get_content())
    except LookupError:  # a charset that Python does not know
        text = _bytes_of(part).decode("utf-8", "replace")
    return text.replace("\r\n", "\n")


def _bytes_of(part: MIMEPart) -> bytes:
    if part.get_content_maintype() == "message":
        children = part.get_payload()
        return children[0].as_bytes() if isinstance(children, list) and isinstance(children[0], Message) else b""
    decoded = part.get_payload(decode=True)
    return decoded if isinstance(decoded, bytes) else b""


def _leaves(part: MimeMessage) -> Iterator[MimeMessage]:
    if part.get_content_maintype() == "multipart":
        for child in part.iter_parts():
            yield from _leaves(child)  # type: ignore[arg-type]
    else:
        yield part


def _attachment(part: MimeMessage) -> MIMEBase:
    """A part in the class that anymail reads, with its name, Content-ID and disposition."""
    content, charset = _bytes_of(part), part.get_content_charset("utf-8")
    attachment = MIMEBase(*_safe_type(part.get_content_type(), content, charset).split("/", 1))
    if attachment.get_content_maintype() == "text":
        attachment.set_param("charset", charset)
    attachment.set_payload(content)
    email.encoders.encode_base64(attachment)
    content_id = part.get("Content-ID")
    disposition = part.get_content_disposition() or ("inline" if content_id else "attachment")
    name = part.get_filename()
    if name is None:
        attachment.add_header("Content-Disposition", disposition)
    else:
        attachment.add_header("Content-Disposition", disposition, filename=("utf-8", "", name))
    if content_id:
        attachment["Content-ID"] = str(content_id).strip()
    return attachment


def _safe_type(content_type: str, content: bytes, charset: str) -> str:
    """The type of an attachment; text that its charset cannot decode goes as bytes, because anymail decodes text."""
    if content_type.startswith("text/"):
        try:
            content.decode(charset)
        except (LookupError, UnicodeDecodeError):
            return "application/octet-stream"
    return content_type


class AnymailTransport:
    """Sends through one of anymail's backends; its credentials come from settings.ANYMAIL."""

    def __init__(self, esp: str) -> None:
        self.esp = esp
        self.name = f"anymail:{esp}"[:32]

    def send(self, envelope: Envelope, hand_off: Callable[[], None]) -> list[RecipientResult]:
        """One API call, or several when all recipients are blind; `hand_off` comes right before the first request."""
        refuse_in_transaction("Sending mail")
        once = HandOffOnce(hand_off)
        mime = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(mime, MimeMessage)
        parts = []
        for split in split_recipients(mime, envelope.recipients):
            message = to_django_message(self.esp, envelope.content, mime, split)
            if self.esp in KEEPS_METADATA:
                message.metadata = {ROW_KEY: str(envelope.message_row_id)}
            parts.append((split.addresses, partial(self._call, message, split, once)))
        return send_in_parts(envelope, once, parts)

    def _call(self, message: OutgoingMail, split: Split, hand_off: Callable[[], None]) -> list[RecipientResult]:
        try:
            connection = get_connection(backend_path(self.esp), **_connection_options(self.esp))
        except ImproperlyConfigured as error:
            # Mail waits until the operator has completed the settings.
            return same_for_all(split.addresses, Outcome.DEFERRED, str(error))
        _call_before_request(connection, hand_off)
        try:
            connection.send_messages([message])
        except AnymailRecipientsRefused:
            pass  # the statuses of the recipients say the same, one by one
        except AnymailAPIError as error:
            return _results_of_error(error, split.addresses)
        except AnymailError as error:
            # Raised while the request was being built: the provider cannot express this message.
            return same_for_all(split.addresses, Outcome.REFUSED, str(error))
        return _results_of_status(message, split.addresses)


def backend_path(esp: str) -> str:
    """The dotted path of anymail's backend class."""
    return f"anymail.backends.{esp}.EmailBackend"


def _connection_options(esp: str) -> dict[str, Any]:
    """Arguments of the backend besides the operator's settings, which they complete and do not replace."""
    if esp != "amazon_ses":
        return {}
    params = dict(getattr(settings, "ANYMAIL", {}).get("AMAZON_SES_CLIENT_PARAMS") or {})
    # botocore repeats a request that timed out, which would send the mail twice.
    params["config"] = {"retries": {"total_max_attempts": 1}, **dict(params.get("config") or {})}
    return {"client_params": params}


def _call_before_request(connection: Any, hand_off: Callable[[], None]) -> None:
    """Call `hand_off` between building the request, which may be refused locally, and posting it."""
    post = connection.post_to_esp

    def post_to_esp(payload: Any, message: Any) -> Any:
        hand_off()
        return post(payload, message)

    connection.post_to_esp = post_to_esp


def _results_of_status(message: OutgoingMail, addresses: Sequence[str]) -> list[RecipientResult]:
    """The provider's answer for each recipient (anymail_status)."""
    status = message.anymail_status  # type: ignore[attr-defined]
    by_address = {str(address).lower(): found for address, found in status.recipients.items()}
    results: list[RecipientResult] = []
    missing: list[str] = []
    for address in addresses:
        found = by_address.get(address.lower())
        if found is None:
            missing.append(address)
            continue
        outcome = _STATUS_OUTCOMES.get(found.status or "unknown", Outcome.ACCEPTED)
        provider_id = "" if found.message_id is None else str(found.message_id)[:255]
        results.append(RecipientResult(address, outcome, clean_detail(found.status or ""), provider_id))
    if missing:
        raise PartlyUnknown("The provider did not name every recipient.", results=results, recipients=missing)
    return results


def _results_of_error(error: AnymailAPIError, addresses: Sequence[str]) -> list[RecipientResult]:
    """What a failed API call means. Raises PartlyUnknown when the request may have been carried out."""
    status = _http_status(error)
    detail = _describe(error, status)
    if status is None and _never_connected(error):
        return same_for_all(addresses, Outcome.DEFERRED, detail)
    if status is None or status < 400 or status in _UNKNOWN_STATUSES:
        raise PartlyUnknown(detail, results=(), recipients=addresses) from error
    outcome = Outcome.DEFERRED if status >= 500 or status in _ACCOUNT_STATUSES else Outcome.REFUSED
    return same_for_all(addresses, outcome, detail)


def _http_status(error: AnymailAPIError) -> int | None:
    if error.status_code is not None:
        return int(error.status_code)
    response = getattr(error, "response", None)
    if isinstance(response, dict):  # botocore's parsed error
        status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        return int(status) if status else None
    return None


def _never_connected(error: BaseException) -> bool:
    """Whether the request failed before anything was written to the provider."""
    pending: list[Any] = [error]
    for _ in range(20):  # causes may refer to each other
        if not pending:
            break
        seen = pending.pop()
        if not isinstance(seen, BaseException):
            continue
        if any(kind.__name__ in _NOTHING_WRITTEN for kind in type(seen).__mro__):
            return True
        pending += [*seen.args, getattr(seen, "reason", None), seen.__cause__]
    return False


def _describe(error: AnymailAPIError, status: int | None) -> str:
    if status is None:
        cause = error.__cause__ or error
        return f"The provider could not be reached ({type(cause).__name__})."
    response = getattr(error, "response", None)
    text = getattr(response, "text", "") or " ".join(str(argument) for argument in error.args)
    return clean_detail(f"{status} {text}")
