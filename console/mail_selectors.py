"""Reads of the mail pages. Every one starts from the principal, through the selectors of the mail app."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db.models import Exists, F, OuterRef, QuerySet, Subquery
from django.db.models.functions import Left

from common.api.pagination import Cursor
from common.principal import Principal
from console import limits
from identities.models import AgentIdentity
from identities.selectors import get_identity
from mail.enums import Direction, Folder
from mail.errors import MailboxNotFound, MessageNotFound
from mail.html_quote import MAX_CHARS as MAX_HTML_CHARS
from mail.html_text import html_to_text
from mail.html_view import has_remote_images
from mail.models import Draft, Mailbox, Message, OutboundRecipient, SandboxMail, SentDraft, Thread
from mail.search.query import SearchQuery
from mail.selectors import list_threads, search_messages

FOLDERS = (Folder.INBOX, Folder.ARCHIVE, Folder.SPAM, Folder.BLOCKED)
_LIST_COLUMNS = (
    "pk",
    "thread_id",
    "direction",
    "from_address",
    "from_display_name",
    "to_addresses",
    "subject",
    "snippet",
    "status",
    "approval_state",
    "is_read",
    "is_starred",
    "has_attachments",
    "created_at",
)


@dataclass(frozen=True, slots=True)
class AgentMail:
    """An agent with its mailbox; None when it has none."""

    identity: AgentIdentity
    mailbox: Mailbox | None

    @property
    def box(self) -> Mailbox:
        """The mailbox, where there must be one. Raises MailboxNotFound."""
        if self.mailbox is None:
            raise MailboxNotFound
        return self.mailbox


@dataclass(frozen=True, slots=True)
class ThreadRow:
    """One thread, or one found message, in a list. `latest` is what the row shows of it."""

    thread_id: UUID
    subject: str | None
    latest: Message | None
    message_count: int = 1
    is_unread: bool = False
    has_attachments: bool = False
    is_paused: bool = False

    @property
    def correspondent(self) -> str:
        """Whom the newest message is from, or to when the agent wrote it."""
        if self.latest is None:
            return ""
        if self.latest.direction == Direction.OUTBOUND:
            return f"To {', '.join(self.latest.to_addresses[:3])}"
        return self.latest.from_display_name or self.latest.from_address


@dataclass(frozen=True, slots=True)
class Rows:
    """One page of a list."""

    items: Sequence[Any]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True)
class ReaderMessage:
    """One message of the reader, its bodies cut to what a page shows."""

    row: Message
    text: str
    is_text_cut: bool
    has_html: bool
    html_size: str
    has_remote_images: bool
    recipients: Sequence[OutboundRecipient] = field(default=())
    is_open: bool = False

    @property
    def addressed(self) -> list[tuple[str, str]]:
        """Who it goes to, by header, as one line each."""
        row = self.row
        reply_to = row.reply_to if row.direction == Direction.INBOUND else None
        lines = [("To", row.to_addresses), ("Cc", row.cc_addresses), ("Bcc", row.bcc_addresses), ("Reply to", reply_to)]
        return [(name, _some(addresses or ())) for name, addresses in lines if addresses or name == "To"]

    @property
    def files(self) -> list[dict[str, Any]]:
        """What can be downloaded: everything but the images that the HTML shows."""
        rows: list[dict[str, Any]] = self.row.attachment_metadata or []
        return [part for part in rows if not (self.has_html and part.get("is_inline"))]


def get_agent_mail(principal: Principal, handle: str) -> AgentMail:
    """Raises IdentityNotFound."""
    identity = get_identity(principal, handle)
    boxes = Mailbox.objects.visible_to(principal).select_related("identity")
    return AgentMail(identity, boxes.filter(identity=identity).first())


def list_folder(principal: Principal, mailbox: Mailbox, folder: Folder, cursor: str | None) -> Rows:
    """Threads, latest activity first, with what is needed to tell them apart. Three queries, whatever their number.

    Raises Invalid for a cursor that this server did not hand out.
    """
    page = list_threads(principal, mailbox, limit=limits.THREADS_PER_PAGE, cursor=cursor, folder=folder.value)
    threads = page.items
    facts = _thread_facts([UUID(thread["id"]) for thread in threads])
    newest = {fact.latest_id for fact in facts.values() if fact.latest_id is not None}
    latest = _by_id(Message.objects.visible_to(principal, mailbox), newest)
    rows = []
    for thread in threads:
        pk = UUID(thread["id"])
        fact = facts.get(pk, _Fact(None, is_unread=False, has_attachments=False))
        rows.append(
            ThreadRow(
                pk,
                thread["subject"],
                latest.get(fact.latest_id) if fact.latest_id else None,
                thread["message_count"],
                fact.is_unread,
                fact.has_attachments,
                thread["paused_until"] is not None,
            )
        )
    return Rows(rows, page.next_cursor)


def search_rows(principal: Principal, mailbox: Mailbox, query: SearchQuery) -> Rows:
    """The best matches, one row a message."""
    found = search_messages(principal, mailbox, query, limits.SEARCH_RESULTS).items
    rows = _by_id(Message.objects.visible_to(principal, mailbox), {UUID(item["id"]) for item in found})
    messages = [rows[pk] for item in found if (pk := UUID(item["id"])) in rows]
    return Rows(
        [
            ThreadRow(
                message.thread_id,
                message.subject,
                message,
                is_unread=_is_unread(message),
                has_attachments=message.has_attachments,
            )
            for message in messages
        ]
    )


def read_thread(principal: Principal, thread: Thread, cursor: str | None, opened: Collection[str] = ()) -> Rows:
    """The newest messages of a thread (or those before a cursor), oldest first. Two queries.

    Open are the unread ones, the newest, and those whose ids are in `opened`. Raises Invalid for a bad cursor.
    """
    messages = Message.objects.visible_to(principal, thread.mailbox).filter(thread_id=thread.pk)
    if cursor:
        start = Cursor.decode(cursor)
        messages = messages.filter(created_at__lte=start.at).exclude(created_at=start.at, pk__gte=start.id)
    rows = list(_with_readable(messages).order_by("-created_at", "-pk")[: limits.MESSAGES_PER_PAGE + 1])
    more, rows = len(rows) > limits.MESSAGES_PER_PAGE, rows[: limits.MESSAGES_PER_PAGE]
    next_cursor = Cursor(rows[-1].created_at, rows[-1].pk).encode() if more else None
    newest = rows[0].pk if rows and not cursor else None
    recipients = _recipients(row.pk for row in rows if row.direction == Direction.OUTBOUND)
    items = [
        _readable(row, recipients.get(row.pk, ()), is_open=row.pk == newest or _is_unread(row) or str(row.pk) in opened)
        for row in reversed(rows)
    ]
    return Rows(items, next_cursor)


def read_message(principal: Principal, mailbox: Mailbox, message_id: UUID) -> ReaderMessage:
    """One message by itself. Two queries. Raises MessageNotFound."""
    row = _with_readable(Message.objects.visible_to(principal, mailbox)).filter(pk=message_id).first()
    if row is None:
        raise MessageNotFound
    return _readable(row, _recipients([row.pk]).get(row.pk, ()), is_open=True)


def sent_as(principal: Principal, mailbox: Mailbox, draft_id: UUID) -> Message | None:
    """The message that a draft became, whichever its generation was."""
    sent = SentDraft.objects.filter(pk=draft_id, mailbox=mailbox).values("message_id")
    return Message.objects.visible_to(principal, mailbox).filter(pk__in=sent).first()


def thread_of_draft(principal: Principal, mailbox: Mailbox, draft: Draft) -> UUID | None:
    """The thread that a draft answers in, or that holds what it forwards."""
    if draft.thread_id is not None:
        return draft.thread_id
    rows = Message.objects.visible_to(principal, mailbox)
    if draft.forward_message_id is not None:
        rows = rows.filter(pk=draft.forward_message_id)
    elif draft.in_reply_to is not None:
        rows = rows.filter(message_id=draft.in_reply_to)
    else:
        return None
    return rows.values_list("thread_id", flat=True).first()


def list_sandboxed(principal: Principal, cursor: str | None) -> Rows:
    """What the sandbox transport kept for the organization, newest first. Raises Invalid for a bad cursor."""
    rows = _sandboxed(principal).defer("raw_inline")
    if cursor:
        start = Cursor.decode(cursor)
        rows = rows.filter(created_at__lte=start.at).exclude(created_at=start.at, pk__gte=start.id)
    found = list(rows.order_by("-created_at", "-pk")[: limits.THREADS_PER_PAGE + 1])
    page = found[: limits.THREADS_PER_PAGE]
    more = len(found) > limits.THREADS_PER_PAGE
    return Rows(page, Cursor(page[-1].created_at, page[-1].pk).encode() if more else None)


def get_sandboxed(principal: Principal, row_id: UUID) -> SandboxMail | None:
    """One message that the sandbox kept, with its bytes; None when it is not the organization's."""
    return _sandboxed(principal).filter(pk=row_id).first()


def alive_threads(principal: Principal, ids: Collection[UUID]) -> set[UUID]:
    """Those of the threads that a page can still show."""
    boxes = Mailbox.objects.visible_to(principal)
    rows = Thread.objects.filter(pk__in=ids, deleted_at__isnull=True, mailbox__in=boxes)
    return set(rows.values_list("pk", flat=True)) if ids else set()


def _sandboxed(principal: Principal) -> QuerySet[SandboxMail]:
    rows = SandboxMail.objects.select_related("message__mailbox__identity")
    rows = rows.defer("message__references", "message__attachment_metadata")
    return rows.filter(organization_id=principal.organization_id) if principal.sees_organization else rows.none()


@dataclass(frozen=True, slots=True)
class _Fact:
    latest_id: UUID | None
    is_unread: bool
    has_attachments: bool


def _thread_facts(ids: Sequence[UUID]) -> dict[UUID, _Fact]:
    """What rows say of their messages; each question is a probe of one index, whatever the size of the mailbox."""
    if not ids:
        return {}
    inside = Message.objects.alive().filter(thread=OuterRef("pk"))
    rows = Thread.objects.filter(pk__in=ids).annotate(
        latest=Subquery(inside.order_by("-created_at", "-pk").values("pk")[:1]),
        is_unread=Exists(inside.filter(is_read=False, direction=Direction.INBOUND.value)),
        has_files=Exists(inside.filter(has_attachments=True)),
    )
    return {row[0]: _Fact(*row[1:]) for row in rows.values_list("pk", "latest", "is_unread", "has_files")}


def _by_id(rows: QuerySet[Message], ids: Collection[UUID]) -> dict[UUID, Message]:
    return {row.pk: row for row in rows.filter(pk__in=ids).only(*_LIST_COLUMNS)} if ids else {}


def _with_readable(rows: QuerySet[Message]) -> QuerySet[Message]:
    """With the beginnings of both bodies only: twenty messages of the largest size would fill the memory."""
    return rows.annotate(
        text=Left("content__body_text", limits.READER_TEXT_CHARS + 1),
        html=Left("content__body_html", MAX_HTML_CHARS),
        authentication=F("content__authentication"),
        spam=F("content__spam"),
    )


def _readable(row: Any, recipients: Sequence[OutboundRecipient], *, is_open: bool) -> ReaderMessage:
    html = row.html or ""
    text = row.text if row.text is not None else html_to_text(html, max_chars=limits.READER_TEXT_CHARS + 1)
    return ReaderMessage(
        row=row,
        text=text[: limits.READER_TEXT_CHARS],
        is_text_cut=len(text) > limits.READER_TEXT_CHARS,
        has_html=bool(html.strip()),
        html_size=frame_size(text, html),
        has_remote_images=has_remote_images(html),
        recipients=recipients,
        is_open=is_open,
    )


def frame_size(text: str, html: str) -> str:
    """How tall the frame is. Nothing runs in it that could tell, so it is a guess from its text and images."""
    lines = sum(1 + len(line) // 90 for line in text.splitlines()) + 6 * html.lower().count("<img")
    return "tiny" if lines <= 3 else "small" if lines <= 6 else "medium" if lines <= 18 else "large"


def _recipients(ids: Iterable[UUID]) -> dict[UUID, list[OutboundRecipient]]:
    found: dict[UUID, list[OutboundRecipient]] = {}
    wanted = list(ids)
    for row in OutboundRecipient.objects.filter(message_id__in=wanted).order_by("pk") if wanted else ():
        found.setdefault(row.message_id, []).append(row)
    return found


def _some(addresses: Sequence[str]) -> str:
    named = ", ".join(addresses[: limits.NAMED_ADDRESSES]) or "nobody"
    more = len(addresses) - limits.NAMED_ADDRESSES
    return f"{named} and {more} more" if more > 0 else named


def _is_unread(row: Message) -> bool:
    return not row.is_read and row.direction == Direction.INBOUND
