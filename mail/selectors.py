"""Reads. Every one starts from the principal."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet

from common.api.pagination import KeysetList, Page
from common.ids import parse_uuid
from common.prepared import Prepared
from common.principal import Principal, Scope
from mail.addresses import normalize_address
from mail.enums import Folder
from mail.errors import MailboxNotFound, MessageNotFound, ThreadNotFound
from mail.models import Mailbox, Message, OutboundJob, Thread


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

    if scope in (Scope.AGENT, Scope.UNCLAIMED):
        return Prepared(agent, str, UUID, kind)
    return Prepared(admin, str, kind)


def get_mailbox(principal: Principal, address: str, *, is_whole: bool = True) -> Mailbox:
    """By address in any case, by id, or by local part on the platform domain. Raises MailboxNotFound.

    Reads of what is in a mailbox need only its keys (`is_whole=False`): then its identity is not loaded.
    """
    if "\x00" in address:
        raise MailboxNotFound  # PostgreSQL cannot even be asked
    caller = (principal.organization_id, *((principal.identity_id,) if principal.is_agent else ()))
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
    return Mailbox.objects.alive().filter(email_address=normalize_address(address)).values_list("pk", flat=True).first()


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
    "created_at",
)
_MESSAGES = KeysetList(
    lambda scope, mailbox_id: Message.objects.visible_to(_viewer(scope), Mailbox(pk=mailbox_id)),
    keys=(UUID,),
    at="created_at",
    columns=_MESSAGE_COLUMNS,
    filters={
        "direction": ("direction", str),
        "since": ("created_at__gte", datetime),
        "until": ("created_at__lte", datetime),
    },
)
_THREADS = KeysetList(
    lambda scope, mailbox_id: Thread.objects.visible_to(_viewer(scope), Mailbox(pk=mailbox_id)),
    keys=(UUID,),
    at="last_message_at",
    columns=("id", "mailbox_id", "subject", "folder", "message_count", "last_message_at", "created_at"),
    filters={"folder": ("folder", str)},
)


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


@lru_cache(maxsize=8)
def _message_query(scope: Scope) -> Prepared[Message]:
    def build(mailbox_id: UUID, pk: UUID) -> QuerySet[Message]:
        rows = Message.objects.visible_to(_viewer(scope), Mailbox(pk=mailbox_id)).filter(pk=pk)
        return rows.select_related("content").defer("content__raw_inline")[:1]

    return Prepared(build, UUID, UUID)


def get_message(principal: Principal, mailbox: Mailbox, row_id: str) -> Message:
    """One message with its bodies (the raw message is read only when it is asked for). Raises MessageNotFound."""
    pk = parse_uuid(row_id)
    message = _message_query(principal.scope).first(mailbox.pk, pk) if pk is not None else None
    if message is None:
        raise MessageNotFound
    message.mailbox = mailbox
    return message


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


def thread_messages(principal: Principal, thread: Thread) -> QuerySet[Message]:
    """Oldest first, deleted ones left out."""
    rows = Message.objects.visible_to(principal, thread.mailbox)
    return rows.filter(thread=thread).order_by("created_at", "pk")


def thread_folders(principal: Principal, mailbox: Mailbox) -> list[str]:
    """Folders that hold at least one thread, sorted. One index probe per folder, whatever the number of threads."""
    rows = Thread.objects.visible_to(principal, mailbox)
    return sorted(folder.value for folder in Folder if rows.filter(folder=folder.value).exists())


def oldest_due_job() -> datetime | None:
    """When the longest waiting outgoing message became due, for the readiness check."""
    rows = OutboundJob.objects.filter(is_open=True, leased_until__isnull=True)
    return rows.order_by("due_at").values_list("due_at", flat=True).first()
