"""Reads. Every one starts from the principal."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

import orjson
from django.conf import settings
from django.db.models import Q, QuerySet

from common.api.pagination import KeysetList, Page
from common.clock import now
from common.ids import parse_uuid
from common.prepared import Many, Prepared
from common.principal import Principal, Scope
from mail.addresses import normalize_address
from mail.domains import receiving_mailboxes
from mail.enums import Folder
from mail.errors import MailboxNotFound, MessageNotFound, ThreadNotFound
from mail.models import Mailbox, Message, OutboundJob, SendAttempt, Suppression, Thread
from mail.search.find import matching_ids
from mail.search.query import SearchQuery


def list_mailboxes(principal: Principal) -> list[Mailbox]:
    """Newest first."""
    rows = Mailbox.objects.visible_to(principal).select_related("identity")
    return list(rows.order_by("-created_at", "-pk"))


_MAILBOX_KEYS = ("organization_id", "identity_id", "email_address")


@lru_cache(maxsize=32)
def _mailbox_query(scope: Scope, column: str, *, is_whole: bool) -> Prepared[Mailbox]:
    kind = UUID if column == "pk" else str

    def rows(viewer: Principal, value: object) -> QuerySet[Mailbox]:
        found = Mailbox.objects.visible_to(viewer).filter(**{column: value})
        whole = found.select_related("identity") if is_whole else found.only(*_MAILBOX_KEYS)
        return whole[:1]

    def admin(organization_id: str, value: object) -> QuerySet[Mailbox]:
        return rows(Principal(scope=scope, organization_id=organization_id), value)

    def agent(organization_id: str, identity_id: UUID, value: object) -> QuerySet[Mailbox]:
        return rows(Principal(scope=scope, organization_id=organization_id, identity_id=identity_id), value)

    kinds = _caller_kinds(scope)
    return Prepared(agent if UUID in kinds else admin, *kinds, kind)


def get_mailbox(principal: Principal, address: str, *, is_whole: bool = True) -> Mailbox:
    """By address in any case, by id, or by local part on the platform domain. Raises MailboxNotFound.

    Reads of what is in a mailbox need only its keys (`is_whole=False`): then its identity is not loaded.
    """
    if "\x00" in address:
        raise MailboxNotFound  # PostgreSQL cannot even be asked
    caller = _caller(principal)
    mailbox = None
    if (row_id := parse_uuid(address)) is not None:
        mailbox = _mailbox_query(principal.scope, "pk", is_whole=is_whole).first(*caller, row_id)
    if mailbox is None:
        # A local part may well read like an id.
        full = address if "@" in address else f"{address}@{settings.MAIL_DOMAIN}"
        mailbox = _mailbox_query(principal.scope, "email_address", is_whole=is_whole).first(
            *caller, normalize_address(full)
        )
    if mailbox is None:
        raise MailboxNotFound
    return mailbox


def receiving_mailbox_id(address: str) -> UUID | None:
    """The live mailbox that receives mail for `address`; for the SMTP door, which has no principal."""
    return receiving_mailboxes([address]).get(address)


_MESSAGE_COLUMNS = (
    "id",
    "mailbox_id",
    "thread_id",
    "message_id",
    "from_address",
    "from_display_name",
    "to_addresses",
    "cc_addresses",
    "subject",
    "snippet",
    "direction",
    "status",
    "is_read",
    "is_starred",
    "has_attachments",
    "first_opened_at",
    "open_count",
    "import_job_id",
    "is_automatic",
    "approval_state",
    "approval_reason",
    "created_at",
)
_MESSAGE_FILTERS: Mapping[str, tuple[str, type]] = {
    "direction": ("direction", str),
    "since": ("created_at__gte", datetime),
    "until": ("created_at__lte", datetime),
}
_MESSAGES = KeysetList(
    lambda scope, mailbox_id: Message.objects.visible_to(_viewer(scope), Mailbox(pk=mailbox_id)),
    keys=(UUID,),
    at="created_at",
    columns=_MESSAGE_COLUMNS,
    filters=_MESSAGE_FILTERS,
)
_THREADS = KeysetList(
    lambda scope, mailbox_id: Thread.objects.visible_to(_viewer(scope), Mailbox(pk=mailbox_id)),
    keys=(UUID,),
    at="last_message_at",
    columns=(
        "id",
        "mailbox_id",
        "subject",
        "folder",
        "message_count",
        "last_message_at",
        "paused_reason",
        "paused_until",
        "created_at",
    ),
    filters={"folder": ("folder", str)},
)


def _mailbox_at(scope: Scope, *keys: Any) -> QuerySet[Mailbox, Any]:
    """The visible mailbox with an address, as a subquery; `keys` are those of the caller and the address."""
    organization_id, *identity, address = keys
    viewer = Principal(scope=scope, organization_id=organization_id, identity_id=identity[0] if identity else None)
    return Mailbox.objects.visible_to(viewer).filter(email_address=address).values("pk")[:1]


def _caller_kinds(scope: Scope) -> tuple[type, ...]:
    return (str, UUID) if scope in (Scope.AGENT, Scope.UNCLAIMED) else (str,)


def _caller(principal: Principal) -> tuple[Any, ...]:
    """What of a principal its queries depend on, in the order of `_caller_kinds`."""
    own = (principal.identity_id,) if principal.is_agent else ()
    return (principal.organization_id, *own)


def _is_plain_address(text: str) -> bool:
    """An address, and nothing that PostgreSQL cannot even be asked for."""
    return "@" in text and "\x00" not in text


def _messages_by_address(*keys: type) -> KeysetList[Message]:
    return KeysetList(
        lambda scope, *values: Message.objects.visible_to(_viewer(scope), _mailbox_at(scope, *values)),
        keys=keys,
        at="created_at",
        columns=_MESSAGE_COLUMNS,
        filters=_MESSAGE_FILTERS,
    )


_MESSAGES_OF_ORGANIZATION = _messages_by_address(*_caller_kinds(Scope.ADMIN), str)
_MESSAGES_OF_AGENT = _messages_by_address(*_caller_kinds(Scope.AGENT), str)


def _viewer(scope: Scope) -> Principal:
    """A caller of this scope, where only the scope matters: the mailbox was found to be visible already."""
    return Principal(scope=scope, organization_id="")


def list_messages(
    principal: Principal,
    mailbox: Mailbox,
    *,
    limit: int,
    cursor: str | None = None,
    direction: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Page:
    """Newest first. `since` and `until` are inclusive and compare created_at."""
    return _MESSAGES.page(
        mailbox.pk, limit=limit, cursor=cursor, shape=principal.scope, direction=direction, since=since, until=until
    )


def list_messages_at(principal: Principal, address: str, *, limit: int, **query: Any) -> Page:
    """`list_messages` of the mailbox with this address, in one query. Raises MailboxNotFound.

    The query finds the mailbox by itself; only when it lists nothing, the mailbox is looked up to tell an empty one
    from none.
    """
    if _is_plain_address(address):
        listing = _MESSAGES_OF_AGENT if principal.is_agent else _MESSAGES_OF_ORGANIZATION
        page = listing.page(
            *_caller(principal), normalize_address(address), limit=limit, shape=principal.scope, **query
        )
        if not page.texts:
            get_mailbox(principal, address, is_whole=False)
        return page
    return list_messages(principal, get_mailbox(principal, address, is_whole=False), limit=limit, **query)


@lru_cache(maxsize=8)
def _message_query(scope: Scope) -> Prepared[Message]:
    def build(mailbox_id: UUID, pk: UUID) -> QuerySet[Message]:
        return _with_bodies(Message.objects.visible_to(_viewer(scope), Mailbox(pk=mailbox_id)).filter(pk=pk))

    return Prepared(build, UUID, UUID)


@lru_cache(maxsize=8)
def _message_at_query(scope: Scope) -> Prepared[Message]:
    def build(*keys: Any) -> QuerySet[Message]:
        *caller, pk = keys
        rows = Message.objects.visible_to(_viewer(scope), _mailbox_at(scope, *caller)).filter(pk=pk)
        return _with_bodies(rows)

    return Prepared(build, *_caller_kinds(scope), str, UUID)


def _with_bodies(rows: QuerySet[Message]) -> QuerySet[Message]:
    return rows.select_related("content").defer("content__raw_inline")[:1]


def get_message_at(principal: Principal, address: str, row_id: str) -> Message:
    """`get_message` in the mailbox with this address, in one query. Raises MailboxNotFound, MessageNotFound."""
    pk = parse_uuid(row_id)
    if pk is not None and _is_plain_address(address):
        own_address = normalize_address(address)
        message = _message_at_query(principal.scope).first(*_caller(principal), own_address, pk)
        if message is not None:
            message.mailbox = Mailbox(pk=message.mailbox_id, email_address=own_address)
            return message
    return get_message(principal, get_mailbox(principal, address, is_whole=False), row_id)


def get_message(principal: Principal, mailbox: Mailbox, row_id: str) -> Message:
    """One message with its bodies (the raw message is read only when it is asked for). Raises MessageNotFound."""
    pk = parse_uuid(row_id)
    message = _message_query(principal.scope).first(mailbox.pk, pk) if pk is not None else None
    if message is None:
        raise MessageNotFound
    message.mailbox = mailbox
    return message


# By id alone: with the mailbox in it too, SQLite reads the whole mailbox to find fifty of its rows.
_FOUND = Prepared(lambda ids: Message.objects.alive().filter(pk__in=ids).values(*_MESSAGE_COLUMNS), Many(UUID))


def search_messages(principal: Principal, mailbox: Mailbox, query: SearchQuery, limit: int) -> Page:
    """The best `limit` matches, in one page (contract mail.md 4.9; ranks: mail/search/rendering.py)."""
    ids = matching_ids(principal, mailbox, query, limit)
    texts = {orjson.loads(text)["id"]: text for text in _FOUND.json_texts(ids)} if ids else {}
    return Page([texts[str(pk)] for pk in ids if str(pk) in texts], None)


def list_threads(
    principal: Principal, mailbox: Mailbox, *, limit: int, cursor: str | None = None, folder: str | None = None
) -> Page:
    """Latest activity first."""
    return _THREADS.page(mailbox.pk, limit=limit, cursor=cursor, shape=principal.scope, folder=folder)


def get_thread(principal: Principal, mailbox: Mailbox, row_id: str) -> Thread:
    """Raises ThreadNotFound."""
    pk = parse_uuid(row_id)
    thread = Thread.objects.visible_to(principal, mailbox).filter(pk=pk).first() if pk is not None else None
    if thread is None:
        raise ThreadNotFound
    thread.mailbox = mailbox
    return thread


def _in_thread(scope: Scope, thread_id: UUID) -> QuerySet[Message]:
    """Messages of a thread that is visible. Not by mailbox as well: SQLite would choose that index, and read it all."""
    rows = Message.objects.alive().filter(thread_id=thread_id)
    return rows.filter(is_blocked=False) if _viewer(scope).is_agent else rows


_THREAD_MESSAGES = KeysetList(_in_thread, keys=(UUID,), at="created_at", columns=_MESSAGE_COLUMNS, filters={})


def thread_messages(principal: Principal, thread: Thread, *, limit: int, cursor: str | None = None) -> Page:
    """The newest `limit` messages, oldest first, deleted ones left out; the next page has those before them."""
    page = _THREAD_MESSAGES.page(thread.pk, limit=limit, cursor=cursor, shape=principal.scope)
    return Page(page.texts[::-1], page.next_cursor)


def thread_contents(principal: Principal, thread: Thread) -> QuerySet[Message]:
    """Messages with bodies, newest first."""
    rows = _in_thread(principal.scope, thread.pk).select_related("content")
    return rows.defer("content__raw_inline").order_by("-created_at", "-pk")


def thread_folders(principal: Principal, mailbox: Mailbox) -> list[str]:
    """Folders that hold at least one thread, sorted. One index probe per folder, whatever the number of threads."""
    rows = Thread.objects.visible_to(principal, mailbox)
    return sorted(folder.value for folder in Folder if rows.filter(folder=folder.value).exists())


def oldest_stuck_job() -> datetime | None:
    """Since when the longest waiting outgoing message could have been worked on and was not.

    Mail that only waits for a free thread is not stuck: while relays are being called, their queue moves. It counts
    from the moment of the last call on.
    """
    rows = OutboundJob.objects.filter(is_open=True).order_by("due_at").values_list("due_at", flat=True)
    waiting = rows.filter(Q(leased_until__isnull=True) | Q(leased_until__lt=now()))
    oldest_local = waiting.filter(is_relaying=False).first()
    oldest_relay = waiting.filter(is_relaying=True).first()
    if oldest_relay is not None:
        if rows.filter(is_relaying=True, leased_until__gte=now()).exists():
            oldest_relay = None
        else:
            # The ids of attempts rise with time, so the newest one needs no index of its own.
            last_call_at = SendAttempt.objects.order_by("-pk").values_list("started_at", flat=True).first()
            oldest_relay = max(oldest_relay, last_call_at) if last_call_at is not None else oldest_relay
    return min((at for at in (oldest_local, oldest_relay) if at is not None), default=None)


_SUPPRESSIONS = KeysetList(
    lambda _, organization_id, moment: Suppression.objects.filter(organization_id=organization_id).filter(
        Q(expires_at__isnull=True) | Q(expires_at__gt=moment)
    ),
    keys=(str, datetime),
    at="created_at",
    columns=("id", "address", "reason", "source", "detail", "message_id", "created_at", "expires_at"),
    filters={"address": ("address", str)},
)


def list_suppressions(
    principal: Principal, *, limit: int, cursor: str | None = None, address: str | None = None
) -> Page:
    """What the organization's list holds now, newest first. Only for callers that see the organization."""
    return _SUPPRESSIONS.page(principal.organization_id, now(), limit=limit, cursor=cursor, address=address)
