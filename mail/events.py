"""Frozen payloads of mail events (contract webhooks.md section 7.1)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from mail import limits
from mail.addresses import domain_of, normalize_address
from mail.domains import is_hosted_domain
from mail.enums import Direction, MailEvent, MessageStatus
from mail.models import Mailbox, Message
from webhooks.outbox import NewEvent

_STATUS = {
    MailEvent.RECEIVED: MessageStatus.RECEIVED,
    MailEvent.SENT: MessageStatus.SENT,
    MailEvent.FORWARDED: MessageStatus.SENT,
    MailEvent.DELIVERED: MessageStatus.DELIVERED,
    MailEvent.BOUNCED: MessageStatus.BOUNCED,
    MailEvent.FAILED: MessageStatus.FAILED,
}
_MAX_RESOLVED_ADDRESSES = 50


class EventMailbox(Protocol):
    """The part of a mailbox that events speak of."""

    @property
    def pk(self) -> UUID: ...
    @property
    def organization_id(self) -> str: ...
    @property
    def identity_id(self) -> UUID | None: ...
    @property
    def email_address(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Occurrence:
    """Something that happened to a message."""

    event: MailEvent
    message: Message
    mailbox: EventMailbox
    # Text body, for message.received only.
    body_text: str | None = None


def build_events(occurrences: Sequence[Occurrence]) -> list[NewEvent]:
    """Events ready for the outbox, enriched with the agents of the organization that take part. One query."""
    wanted = [_buckets(o) for o in occurrences]
    peers = _agents_by_address(occurrences, wanted)
    return [
        NewEvent(
            organization_id=o.mailbox.organization_id,
            identity_id=o.mailbox.identity_id,
            mailbox_id=o.mailbox.pk,
            event_type=o.event.value,
            data={
                "message": _message(o),
                "contacts": [],
                "agent_identities": [
                    {**agent, "bucket": bucket, "address": address}
                    for bucket, address in buckets
                    if (agent := peers.get((o.mailbox.organization_id, normalize_address(address)))) is not None
                ],
            },
        )
        for o, buckets in zip(occurrences, wanted, strict=True)
    ]


def _buckets(occurrence: Occurrence) -> list[tuple[str, str]]:
    """(bucket, address) of the counterparties: sender and Cc inbound, To, Cc and Bcc outbound."""
    message = occurrence.message
    if message.direction == Direction.INBOUND:
        rows = [("from", message.from_address)]
    else:
        rows = [("to", address) for address in message.to_addresses]
    rows += [("cc", address) for address in message.cc_addresses or ()]
    if message.direction == Direction.OUTBOUND:
        rows += [("bcc", address) for address in message.bcc_addresses or ()]
    # Resolving a mass mailing would cost more than it tells (contract webhooks.md section 8).
    return rows if len({normalize_address(address) for _, address in rows}) <= _MAX_RESOLVED_ADDRESSES else []


def _agents_by_address(
    occurrences: Iterable[Occurrence], wanted: Iterable[list[tuple[str, str]]]
) -> dict[tuple[str, str], dict[str, Any]]:
    addresses = {normalize_address(address) for rows in wanted for _, address in rows}
    # Most mail comes from elsewhere: then there is nobody to look up.
    addresses = {address for address in addresses if is_hosted_domain(domain_of(address))}
    if not addresses:
        return {}
    organizations = {o.mailbox.organization_id for o in occurrences}
    rows = (
        Mailbox.objects.alive()
        .filter(email_address__in=addresses, organization_id__in=organizations, identity__deleted_at__isnull=True)
        .values_list(
            "organization_id", "email_address", "identity_id", "identity__agent_handle", "identity__display_name"
        )
    )
    return {
        (organization, address): {"id": identity, "agent_handle": handle, "display_name": name}
        for organization, address, identity, handle, name in rows
        if identity is not None
    }


def _message(occurrence: Occurrence) -> dict[str, Any]:
    message = occurrence.message
    return {
        "id": message.pk,
        "mailbox_id": message.mailbox_id,
        "thread_id": message.thread_id,
        "message_id": message.message_id,
        "from_address": message.from_address,
        "to_addresses": message.to_addresses,
        "cc_addresses": message.cc_addresses,
        "bcc_addresses": message.bcc_addresses if message.direction == Direction.OUTBOUND else None,
        "subject": message.subject,
        "snippet": message.snippet,
        "email_address": occurrence.mailbox.email_address,
        **_body(occurrence),
        "direction": message.direction,
        "status": _STATUS[occurrence.event].value,
        "has_attachments": message.has_attachments,
        "created_at": message.created_at,
    }


def _body(occurrence: Occurrence) -> dict[str, Any]:
    """The five body fields: filled on message.received, null elsewhere."""
    keys = ("body", "body_state", "body_truncated", "body_total_chars", "body_included_chars")
    if occurrence.event is not MailEvent.RECEIVED:
        return dict.fromkeys(keys)
    text = occurrence.body_text
    if text is None:
        return dict(zip(keys, (None, "unavailable", None, None, None), strict=True))
    part = text[: limits.WEBHOOK_BODY_CHARS]
    is_cut = len(part) < len(text)
    return dict(zip(keys, (part, "truncated" if is_cut else "complete", is_cut, len(text), len(part)), strict=True))
