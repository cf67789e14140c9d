"""The timeline of one identity with one contact, over all channels (contract contacts-notes.md section 3.4).

Channels belong to apps above this one. `settings.CONTACT_CORRESPONDENCE` maps a channel to the dotted path of a
function with the shape of `ChannelReader`; a channel without one is a channel that this server has not.

Pages are cut by time, not by channel: what one channel still has to tell comes before what others tell of earlier days.
So a cursor is one place in time, and reading page after page never shows an item twice, or out of order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, Protocol, cast
from uuid import UUID

import structlog
from django.conf import settings
from django.db import transaction
from django.utils.module_loading import import_string

from common.api.pagination import Cursor
from common.errors import Invalid
from common.principal import Principal
from contacts import limits
from contacts.describing import ContactDescriber
from contacts.enums import (
    ChannelStatus,
    ContentMode,
    CorrespondenceChannel,
    CorrespondenceOrder,
    TranscriptMode,
)
from contacts.identifiers import email_key
from contacts.models import Contact
from identities.errors import IdentityNotFound
from identities.models import AgentIdentity

log = structlog.get_logger(__name__)

DEFAULT_CHANNELS = tuple(
    channel.value for channel in CorrespondenceChannel if channel is not CorrespondenceChannel.SLACK
)


@dataclass(frozen=True, slots=True)
class CorrespondenceQuery:
    """What a caller asks for. `after` is inclusive, `before` exclusive. `limits` holds those of single channels."""

    channels: tuple[str, ...] = DEFAULT_CHANNELS
    identity_id: UUID | None = None
    after: datetime | None = None
    before: datetime | None = None
    cursor: str | None = None
    order: str = CorrespondenceOrder.DESC.value
    content: str = ContentMode.PREVIEW.value
    transcripts: str = TranscriptMode.NONE.value
    include_failed: bool = False
    limit_per_channel: int = limits.CORRESPONDENCE_DEFAULT
    limits: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChannelRequest:
    """What one channel is asked for: at most `limit` items beyond `start`, in the order asked for.

    `addresses` are those of the contact that the caller may see, as they are compared.
    """

    principal: Principal
    identity_id: UUID
    addresses: tuple[str, ...]
    query: CorrespondenceQuery
    start: Cursor | None
    limit: int

    @property
    def is_ascending(self) -> bool:
        return self.query.order == CorrespondenceOrder.ASC


@dataclass(frozen=True, slots=True)
class Item:
    """One message, text or call. `body` is what its channel adds to the common fields."""

    source_id: UUID
    direction: str
    occurred_at: datetime
    status: str | None
    detail_url: str | None
    body: Mapping[str, Any]

    @property
    def place(self) -> tuple[datetime, UUID]:
        """Where it stands in time."""
        return self.occurred_at, self.source_id


@dataclass(frozen=True, slots=True)
class ChannelPage:
    """Items in the order asked for, and whether there are more."""

    items: Sequence[Item]
    has_more: bool


class ChannelReader(Protocol):
    """Reads one channel with a fixed number of queries."""

    def __call__(self, request: ChannelRequest, /) -> ChannelPage | None:
        """None when the identity lacks the channel."""
        ...


@lru_cache(maxsize=16)
def _reader(path: str) -> ChannelReader:
    return cast("ChannelReader", import_string(path))


def read_correspondence(principal: Principal, contact: Contact, query: CorrespondenceQuery) -> dict[str, Any]:
    """The timeline of an identity with a contact that the caller sees, as the API shows it.

    An agent reads its own; everybody else names the identity. Raises Invalid 422, IdentityNotFound 404.
    """
    identity_id = _identity(principal, query.identity_id)
    start = Cursor.decode(query.cursor) if query.cursor else None
    addresses = _addresses(principal, contact)
    statuses: dict[str, ChannelStatus] = {}
    pages: dict[str, ChannelPage] = {}
    for channel in dict.fromkeys(query.channels):
        request = ChannelRequest(
            principal=principal,
            identity_id=identity_id,
            addresses=addresses[channel],
            query=query,
            start=start,
            limit=query.limits.get(channel, query.limit_per_channel),
        )
        statuses[channel], pages[channel] = _read(channel, request)
    items, end = _merge(pages, is_ascending=query.order == CorrespondenceOrder.ASC)
    return {
        "contact_id": contact.pk,
        "identity_id": identity_id,
        "items": [_body(channel, identity_id, item) for channel, item in items],
        "channels": [
            {"channel": channel, "status": status.value, "returned": sum(name == channel for name, _ in items)}
            for channel, status in statuses.items()
        ],
        "next_cursor": Cursor(*end).encode() if end is not None else None,
    }


def _identity(principal: Principal, wanted: UUID | None) -> UUID:
    if principal.is_agent:
        assert principal.identity_id is not None
        if wanted not in (None, principal.identity_id):
            raise IdentityNotFound
        return principal.identity_id
    if wanted is None:
        raise Invalid("Say whose correspondence to read: send identity_id.", loc=("query", "identity_id"))
    if not AgentIdentity.objects.visible_to(principal).filter(pk=wanted).exists():
        raise IdentityNotFound
    return wanted


def _addresses(principal: Principal, contact: Contact) -> dict[str, tuple[str, ...]]:
    """What the contact is reached at on each channel, as far as the caller may see it."""
    viewer_id = principal.identity_id if principal.is_agent else None
    sight = ContactDescriber([contact], viewer_id).sight(contact)
    emails = tuple(email_key(item["value"]) for item in contact.emails) if sight.email else ()
    phones = tuple(item["value_e164"] for item in contact.phones) if sight.phone else ()
    return {
        channel.value: {CorrespondenceChannel.EMAIL: emails, CorrespondenceChannel.SLACK: ()}.get(channel, phones)
        for channel in CorrespondenceChannel
    }


_NOTHING = ChannelPage((), has_more=False)


def _read(channel: str, request: ChannelRequest) -> tuple[ChannelStatus, ChannelPage]:
    path = settings.CONTACT_CORRESPONDENCE.get(channel)
    if path is None:
        return ChannelStatus.NO_RESOURCE, _NOTHING
    if not request.addresses:
        return ChannelStatus.NO_IDENTIFIER, _NOTHING
    try:
        # A savepoint: on PostgreSQL a failed query would otherwise end the transaction for the other channels.
        with transaction.atomic():
            page = _reader(path)(request)
    except Exception:
        log.exception("contacts.correspondence_unavailable", channel=channel)
        return ChannelStatus.UNAVAILABLE, _NOTHING
    return (ChannelStatus.AVAILABLE, page) if page is not None else (ChannelStatus.NO_RESOURCE, _NOTHING)


def _merge(
    pages: Mapping[str, ChannelPage], *, is_ascending: bool
) -> tuple[list[tuple[str, Item]], tuple[datetime, UUID] | None]:
    """All items in order up to where the first channel with more of them ends, and that place."""
    ends = [page.items[-1].place for page in pages.values() if page.has_more and page.items]
    end = None
    if ends:
        end = min(ends) if is_ascending else max(ends)
    items = [
        (channel, item)
        for channel, page in pages.items()
        for item in page.items
        if end is None or (item.place <= end if is_ascending else item.place >= end)
    ]
    items.sort(key=lambda row: row[1].place, reverse=not is_ascending)
    return items, end


def _body(channel: str, identity_id: UUID, item: Item) -> dict[str, Any]:
    return {
        "channel": channel,
        "source_id": item.source_id,
        "direction": item.direction,
        "occurred_at": item.occurred_at,
        "identity_id": identity_id,
        "status": item.status,
        "detail_url": item.detail_url,
        **item.body,
    }
