"""Reads of drafts. Every one starts from a mailbox that was found for the principal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from common.api.pagination import KeysetList
from common.clock import now
from common.ids import parse_uuid
from common.principal import Principal
from mail.draft_errors import DraftCreationGone, DraftGenerationConflict, DraftNotFound
from mail.draft_states import effective_state
from mail.errors import AttachmentNotFound
from mail.models import Draft, DraftAttachment, Mailbox, Message, SentDraft
from mail.services.composing import ReplyLink, reply_link

_COLUMNS = (
    "id",
    "mailbox_id",
    "to_addresses",
    "cc_addresses",
    "bcc_addresses",
    "subject",
    "snippet",
    "attachment_count",
    "generation",
    "send_state",
    "claimed_until",
    "track_opens",
    "created_at",
    "updated_at",
)
_DRAFTS = KeysetList(
    lambda scope, mailbox_id: Draft.objects.visible_to(
        Principal(scope=scope, organization_id=""), Mailbox(pk=mailbox_id)
    ),
    keys=(UUID,),
    at="created_at",
    columns=_COLUMNS,
    filters={},
)


@dataclass(frozen=True, slots=True)
class WholeDraft:
    """A draft with its files and what it answers."""

    draft: Draft
    files: list[DraftAttachment]
    link: ReplyLink


def list_drafts(principal: Principal, mailbox: Mailbox, *, limit: int, cursor: str | None = None) -> dict[str, Any]:
    """The body of a page of summaries, newest first."""
    page = _DRAFTS.page(mailbox.pk, limit=limit, cursor=cursor, shape=principal.scope)
    moment, rows = now(), page.items
    for row in rows:
        until = row.pop("claimed_until")
        row["send_state"] = effective_state(
            row["send_state"], datetime.fromisoformat(until) if until else None, moment
        ).value
        row["has_attachments"] = row["attachment_count"] > 0
        row["from_address"] = mailbox.email_address
    return {**page.body, "items": rows}


def get_draft(principal: Principal, mailbox: Mailbox, row_id: str) -> Draft:
    """Raises DraftNotFound."""
    pk = parse_uuid(row_id)
    rows = Draft.objects.visible_to(principal, mailbox).select_related("thread")
    draft = rows.filter(pk=pk).first() if pk is not None else None
    if draft is None:
        raise DraftNotFound
    draft.mailbox = mailbox
    return draft


def get_created_draft(principal: Principal, mailbox: Mailbox, row_id: str) -> Draft:
    """What an Idempotency-Key made. Raises DraftCreationGone."""
    try:
        return get_draft(principal, mailbox, row_id)
    except DraftNotFound:
        raise DraftCreationGone from None


def whole_draft(principal: Principal, draft: Draft) -> WholeDraft:
    """With files (not their bytes) and links. At most two queries more."""
    files = list(draft_files(draft).defer("raw_inline")) if draft.attachment_count else []
    return WholeDraft(draft, files, draft_link(draft, answered_message(principal, draft)))


def draft_files(draft: Draft) -> Any:
    """In the order of `part_index`."""
    return DraftAttachment.objects.filter(draft=draft).order_by("pk")


def get_draft_file(draft: Draft, generation: int, part_index: str) -> DraftAttachment:
    """One file as of a generation. Raises DraftGenerationConflict, AttachmentNotFound."""
    if draft.generation != generation:
        raise DraftGenerationConflict
    return file_at(draft, part_index)


def file_at(draft: Draft, part_index: str) -> DraftAttachment:
    """The file with this index. Raises AttachmentNotFound."""
    is_number = part_index.isascii() and part_index.isdecimal() and len(part_index) <= 6
    number = int(part_index) if is_number else draft.attachment_count
    found: DraftAttachment | None = draft_files(draft)[number : number + 1].first()
    if found is None:
        raise AttachmentNotFound
    return found


def draft_link(draft: Draft, parent: Message | None) -> ReplyLink:
    """What the draft answers: what it says itself, and for the rest what follows from the answered message."""
    found = reply_link(parent, draft.in_reply_to)
    references = tuple(draft.references) if draft.references else found.references
    return ReplyLink(draft.thread or found.thread, found.in_reply_to, references)


def answered_message(principal: Principal, draft: Draft) -> Message | None:
    """The message that the draft names; one that only names a thread answers the newest message in it."""
    rows = Message.objects.visible_to(principal, draft.mailbox).select_related("thread")
    if draft.in_reply_to is not None:
        return rows.filter(message_id=draft.in_reply_to).order_by("created_at").first()
    if draft.thread_id is not None:
        return rows.filter(thread_id=draft.thread_id).order_by("-created_at", "-pk").first()
    return None


def sent_message(principal: Principal, mailbox: Mailbox, row_id: str, generation: int) -> Message:
    """The message that a draft was sent as. Raises DraftNotFound."""
    pk = parse_uuid(row_id)
    if pk is None:
        raise DraftNotFound
    sent = SentDraft.objects.filter(pk=pk, mailbox=mailbox, generation=generation).values("message_id")
    message = Message.objects.visible_to(principal, mailbox).filter(pk__in=sent).first()
    if message is None:
        raise DraftNotFound
    return message
