"""What callers write into drafts: checked for form, not for completeness (contract mail.md 7.2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any
from uuid import UUID

from common.errors import Invalid
from common.ids import uuid7
from common.principal import Principal
from common.unset import UNSET, Unset
from mail import limits
from mail.enums import ForwardMode, RecipientKind
from mail.mime.bodies import make_snippet
from mail.mime.build import OutgoingAttachment
from mail.mime.message_ids import MAX_REFERENCES, is_message_id
from mail.models import Draft, DraftAttachment, Mailbox
from mail.raw import store_raw
from mail.selectors import get_message, get_thread
from mail.services.attachments import check_attachments
from mail.services.composing import Recipients, find_reply_target, parse_recipients, parse_reply_to

_NOTES = frozenset({"forward_note_text", "forward_note_html"})
_NOT_IN_FORWARDS = frozenset({"body_text", "body_html", "thread_id", "in_reply_to_message_id", "references"})
_BODY_COLUMNS = ("subject", "body_text", "body_html", "forward_note_text", "forward_note_html")
_PLAIN_COLUMNS = (*_BODY_COLUMNS, "auto_submitted")
_TEXT_COLUMNS = (*_BODY_COLUMNS, "reply_to", "in_reply_to")


@dataclass(frozen=True, slots=True)
class DraftFields:
    """What may be written at creation and changed later. UNSET stays as it is, None clears."""

    recipients: Recipients | Unset | None = UNSET
    subject: str | Unset | None = UNSET
    body_text: str | Unset | None = UNSET
    body_html: str | Unset | None = UNSET
    reply_to: str | Unset | None = UNSET
    thread_id: UUID | Unset | None = UNSET
    in_reply_to_message_id: str | Unset | None = UNSET
    references: Sequence[str] | Unset | None = UNSET
    track_opens: bool | Unset | None = UNSET
    auto_submitted: str | Unset | None = UNSET
    forward_note_text: str | Unset | None = UNSET
    forward_note_html: str | Unset | None = UNSET

    def given(self) -> dict[str, Any]:
        """The fields that were sent, by name."""
        return {f.name: value for f in fields(DraftFields) if (value := getattr(self, f.name)) is not UNSET}


@dataclass(frozen=True, slots=True)
class NewDraft(DraftFields):
    """The body of a creation."""

    attachments: Sequence[OutgoingAttachment] | None = ()
    forward_message_id: UUID | None = None
    forward_mode: str | None = None
    include_original_attachments: bool | None = None


@dataclass(frozen=True, slots=True)
class DraftChange(DraftFields):
    """The body of an update."""

    generation: int = 0


def forward_columns(principal: Principal, mailbox: Mailbox, new: NewDraft) -> dict[str, Any]:
    """The columns that make a forward draft, fixed at creation. Raises Invalid, MessageNotFound."""
    if new.forward_message_id is None:
        for name in ("forward_mode", "include_original_attachments"):
            if getattr(new, name) is not None:
                raise Invalid("Only a forward draft has this. Send forward_message_id too.", loc=("body", name))
        return {}
    source = get_message(principal, mailbox, str(new.forward_message_id))
    return {
        "forward_message_id": source.pk,
        "forward_mode": new.forward_mode or ForwardMode.INLINE.value,
        "include_original_attachments": new.include_original_attachments is not False,
    }


def draft_columns(
    principal: Principal, mailbox: Mailbox, given: Mapping[str, Any], *, is_forward: bool
) -> dict[str, Any]:
    """Given fields as column values. Raises Invalid naming the field, ThreadNotFound, MessageNotFound."""
    _check_kind(given, is_forward=is_forward)
    columns: dict[str, Any] = {name: given[name] for name in _PLAIN_COLUMNS if name in given}
    if "recipients" in given:
        columns |= _recipient_columns(given["recipients"])
    if "reply_to" in given:
        columns["reply_to"] = parse_reply_to(given["reply_to"])
    if "thread_id" in given:
        thread_id = given["thread_id"]
        columns["thread_id"] = get_thread(principal, mailbox, str(thread_id)).pk if thread_id is not None else None
    if "in_reply_to_message_id" in given:
        columns["in_reply_to"] = find_reply_target(principal, mailbox, given["in_reply_to_message_id"])[1]
    if "references" in given:
        columns["references"] = _references(given["references"])
    if "track_opens" in given:
        columns["track_opens"] = bool(given["track_opens"])
    return columns


def new_files(
    draft: Draft, attachments: Sequence[OutgoingAttachment], existing: Sequence[DraftAttachment]
) -> list[DraftAttachment]:
    """Unsaved rows of more files, their bytes stored (blocking disk I/O when large). Raises Invalid naming the file.

    Whether HTML shows the inline images is looked at when the draft is sent.
    """
    for index, attachment in enumerate(attachments):
        if draft.is_forward and attachment.content_id is not None:
            raise Invalid(
                "A forward takes no inline images. Leave content_id out.",
                loc=("body", "attachments", index, "content_id"),
            )
    check_attachments(attachments, None, is_complete=False, taken={row.content_id for row in existing})
    if len(existing) + len(attachments) > limits.ATTACHMENTS_MAX:
        raise Invalid(f"A draft has at most {limits.ATTACHMENTS_MAX} attachments.", loc=("body", "attachments"))
    total = sum(row.size for row in existing) + sum(len(a.content) for a in attachments)
    if total > limits.ATTACHMENTS_TOTAL_BYTES:
        raise Invalid("Attachments are larger than 25 MB together. Send fewer.", loc=("body", "attachments"))
    rows = []
    for attachment in attachments:
        stored = store_raw(attachment.content)
        rows.append(
            DraftAttachment(
                id=uuid7(),
                draft=draft,
                filename=attachment.filename,
                content_type=attachment.content_type,
                content_id=attachment.content_id,
                size=len(attachment.content),
                raw_inline=stored.raw_inline,
                raw_key=stored.raw_key,
            )
        )
    return rows


def derive(draft: Draft, files: Iterable[DraftAttachment]) -> None:
    """Set the columns that follow from the others."""
    files = list(files)
    if draft.is_forward:
        draft.snippet = make_snippet(draft.forward_note_text, draft.forward_note_html)
    else:
        draft.snippet = make_snippet(draft.body_text, draft.body_html)
    draft.attachment_count = len(files)
    text = sum(len((getattr(draft, name) or "").encode()) for name in _TEXT_COLUMNS)
    draft.size_bytes = text + sum(row.size for row in files)


def _check_kind(given: Mapping[str, Any], *, is_forward: bool) -> None:
    """Forward drafts have notes instead of bodies and answer nothing; other drafts have no notes."""
    for name, value in given.items():
        if value is None:
            continue
        if is_forward and name in _NOT_IN_FORWARDS:
            raise Invalid(
                "A forward draft does not take this field. Write the note into forward_note_text or forward_note_html.",
                loc=("body", name),
            )
        if not is_forward and name in _NOTES:
            raise Invalid("Only a forward draft has a note. Use body_text or body_html.", loc=("body", name))


def _recipient_columns(wanted: Recipients | None) -> dict[str, list[str]]:
    rows = parse_recipients(wanted or Recipients(), needs_any=False)
    return {f"{kind.value}_addresses": [address for k, address in rows if k is kind] for kind in RecipientKind}


def _references(wanted: Sequence[str] | None) -> list[str] | None:
    for index, identifier in enumerate(wanted or ()):
        if not is_message_id(identifier):
            raise Invalid("Send Message-IDs in angle brackets.", loc=("body", "references", index))
    if len(wanted or ()) > MAX_REFERENCES:
        raise Invalid(f"Send at most {MAX_REFERENCES} Message-IDs.", loc=("body", "references"))
    return list(wanted) if wanted else None
