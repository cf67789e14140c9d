"""Frozen payloads of mail events (contract webhooks.md section 7.1)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from identities.enums import IdentityStatus
from mail import limits
from mail.addresses import domain_of, normalize_address
from mail.domains import domains_with_mailboxes
from mail.enums import Direction, MailEvent, MessageStatus
from mail.models import Mailbox, Message
from webhooks.enrichment import Peer, PeerKind, resolve_contacts
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
    """Events ready for the outbox, enriched with the contacts and agents that take part.

    One query for agents, and what the resolver of contacts needs.
    """
    wanted = [_buckets(o) for o in occurrences]
    agents = _agents_by_address(occurrences, wanted)
    contacts = resolve_contacts(
        {_peer(o, address) for o, rows in zip(occurrences, wanted, strict=True) for _, address in rows}
    )
    return [
        NewEvent(
            organization_id=o.mailbox.organization_id,
            identity_id=o.mailbox.identity_id,
            mailbox_id=o.mailbox.pk,
            event_type=o.event.value,
            data={
                "message": _message(o),
                "contacts": [
                    {**contact.body, "bucket": bucket, "address": address}
                    for bucket, address in buckets
                    if (contact := contacts.get(_peer(o, address))) is not None
                ],
                "agent_identities": [
                    {**agent, "bucket": bucket, "address": address}
                    for bucket, address in buckets
                    if (agent := agents.get((o.mailbox.organization_id, normalize_address(address)))) is not None
                ],
            },
            contact=contacts.get(_peer(o, o.message.from_address)) if o.event is MailEvent.RECEIVED else None,
        )
        for o, buckets in zip(occurrences, wanted, strict=True)
    ]


def _peer(occurrence: Occurrence, address: str) -> Peer:
    box = occurrence.mailbox
    return Peer(box.organization_id, box.identity_id, PeerKind.EMAIL, normalize_address(address))


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
    ours = domains_with_mailboxes({domain_of(address) for address in addresses})
    addresses = {address for address in addresses if domain_of(address) in ours}
    if not addresses:
        return {}
    organizations = {o.mailbox.organization_id for o in occurrences}
    rows = (
        Mailbox.objects.alive()
        .filter(
            email_address__in=addresses,
            organization_id__in=organizations,
            identity__deleted_at__isnull=True,
            identity__status=IdentityStatus.ACTIVE.value,
        )
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
