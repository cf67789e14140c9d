"""Reads. Every one starts from the principal."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet

from common.api.pagination import Page, newest_first
from common.ids import parse_uuid
from common.principal import Principal
from mail.addresses import normalize_address
from mail.enums import Folder
from mail.errors import MailboxNotFound, MessageNotFound, ThreadNotFound
from mail.models import Mailbox, Message, OutboundJob, Thread


def list_mailboxes(principal: Principal) -> list[Mailbox]:
    """Newest first."""
    rows = Mailbox.objects.visible_to(principal).select_related("identity")
    return list(rows.order_by("-created_at", "-pk"))


def get_mailbox(principal: Principal, address: str) -> Mailbox:
    """By address in any case, by id, or by local part on the platform domain. Raises MailboxNotFound."""
    rows = Mailbox.objects.visible_to(principal).select_related("identity")
    if "@" in address:
        rows = rows.filter(email_address=normalize_address(address))
    elif (row_id := parse_uuid(address)) is not None:
        rows = rows.filter(pk=row_id)
    else:
        rows = rows.filter(email_address=f"{address.lower()}@{settings.MAIL_DOMAIN}")
    mailbox = rows.first()
    if mailbox is None:
        raise MailboxNotFound
    return mailbox


def receiving_mailbox_id(address: str) -> UUID | None:
    """The live mailbox that receives mail for `address`; for the SMTP door, which has no principal."""
    return Mailbox.objects.alive().filter(email_address=normalize_address(address)).values_list("pk", flat=True).first()


def list_messages(
    principal: Principal,
    mailbox: Mailbox,
    *,
    limit: int,
    cursor: str | None = None,
    direction: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Page[Message]:
    """Newest first. `since` and `until` are inclusive and compare created_at."""
    rows = Message.objects.visible_to(principal, mailbox)
    if direction is not None:
        rows = rows.filter(direction=direction)
    if since is not None:
        rows = rows.filter(created_at__gte=since)
    if until is not None:
        rows = rows.filter(created_at__lte=until)
    return newest_first(rows, at="created_at", limit=limit, cursor=cursor)


def get_message(principal: Principal, mailbox: Mailbox, row_id: str, *, with_raw: bool = False) -> Message:
    """One message with its bodies, without the raw message unless asked for. Raises MessageNotFound."""
    pk = parse_uuid(row_id)
    rows = Message.objects.visible_to(principal, mailbox).select_related("content")
    if not with_raw:
        rows = rows.defer("content__raw_inline")
    message = rows.filter(pk=pk).first() if pk is not None else None
    if message is None:
        raise MessageNotFound
    message.mailbox = mailbox
    return message


def list_threads(
    principal: Principal, mailbox: Mailbox, *, limit: int, cursor: str | None = None, folder: str | None = None
) -> Page[Thread]:
    """Latest activity first."""
    rows = Thread.objects.visible_to(principal, mailbox)
    if folder is not None:
        rows = rows.filter(folder=folder)
    return newest_first(rows, at="last_message_at", limit=limit, cursor=cursor)


def get_thread(principal: Principal, mailbox: Mailbox, row_id: str) -> Thread:
    """Raises ThreadNotFound."""
    pk = parse_uuid(row_id)
    thread = Thread.objects.visible_to(principal, mailbox).filter(pk=pk).first() if pk is not None else None
    if thread is None:
        raise ThreadNotFound
    return thread


def thread_messages(thread: Thread) -> QuerySet[Message]:
    """Oldest first, deleted ones left out."""
    return Message.objects.alive().filter(thread=thread).order_by("created_at", "pk")


def thread_folders(principal: Principal, mailbox: Mailbox) -> list[str]:
    """Folders that hold at least one thread, sorted. One index probe per folder, whatever the number of threads."""
    rows = Thread.objects.visible_to(principal, mailbox)
    return sorted(folder.value for folder in Folder if rows.filter(folder=folder.value).exists())


def oldest_due_job() -> datetime | None:
    """When the longest waiting outgoing message became due, for the readiness check."""
    rows = OutboundJob.objects.filter(is_open=True, leased_until__isnull=True)
    return rows.order_by("due_at").values_list("due_at", flat=True).first()
