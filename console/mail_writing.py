"""What the composer and the draft editor ask of the services, safe to repeat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from common.principal import Principal
from common.unset import UNSET
from console import limits
from identities.services.idempotency import read_key, run_once
from mail.draft_selectors import draft_files, get_created_draft
from mail.enums import Direction, ForwardMode
from mail.mime.build import OutgoingAttachment
from mail.models import Draft, DraftAttachment, Mailbox, Message
from mail.quotes import new_text
from mail.replies import reply_all_recipients
from mail.selectors import get_message
from mail.services.composing import PreparedMessage, Recipients, SendMessage, prepare_message
from mail.services.draft_content import DraftChange, NewDraft
from mail.services.drafts import PreparedDraft, add_files, create_draft, prepare_draft, update_draft
from mail.services.forwarding import ForwardMessage, prepare_forward
from mail.services.queueing import queue_message
from mail.threading import forward_subject, reply_subject


@dataclass(frozen=True, slots=True)
class Source:
    """The message that is answered or forwarded. `kind` is reply, reply_all or forward."""

    kind: str
    message: Message


@dataclass(frozen=True, slots=True)
class Written:
    """What a person wrote."""

    recipients: Recipients
    subject: str
    body: str
    files: tuple[OutgoingAttachment, ...]
    mode: ForwardMode = ForwardMode.INLINE
    with_original_files: bool = True


@dataclass(frozen=True, slots=True)
class Token:
    """Says that two requests are the same one. `fingerprint` is what was written, to notice when it is not."""

    value: str
    fingerprint: Any


KINDS = ("reply", "reply_all", "forward")


def find_source(principal: Principal, mailbox: Mailbox, kind: str, row_id: str) -> Source:
    """Raises MessageNotFound."""
    return Source(kind, get_message(principal, mailbox, row_id))


def first_values(source: Source | None, own_address: str) -> dict[str, Any]:
    """What the form holds when it opens."""
    if source is None:
        return {}
    message = source.message
    if source.kind == "forward":
        return {"subject": forward_subject(message.subject)}
    found = reply_all_recipients(message, own_address)
    if source.kind == "reply" and message.direction == Direction.INBOUND:
        found = {"to": list(message.reply_to or [message.from_address]), "cc": []}
    if source.kind == "reply" and message.direction == Direction.OUTBOUND:
        found = {"to": list(message.to_addresses), "cc": []}
    return {
        "to": ", ".join(found["to"]),
        "cc": ", ".join(found["cc"]),
        "subject": reply_subject(message.subject),
        "body": _quoted(message),
    }


def send_written(principal: Principal, mailbox: Mailbox, source: Source | None, written: Written, token: Token) -> UUID:
    """Queue a message for sending, once per token; returns its id.

    Raises what the API's sends raise, and IdempotencyKeyReused when the token was used for another message.
    """

    def work(prepared: PreparedMessage) -> tuple[Message, int, bytes]:
        message = queue_message(principal, mailbox, prepared)
        return message, 201, orjson.dumps(str(message.pk))

    answer = run_once(
        _key(mailbox, "console.send", source, token),
        prepare=lambda: _prepare(principal, mailbox, source, written),
        work=work,
    )
    return UUID(orjson.loads(answer.body))


def save_written(
    principal: Principal, mailbox: Mailbox, source: Source | None, written: Written, token: Token
) -> Draft:
    """Keep what was written as a draft, once per token. Raises what the API's draft creation raises."""

    def work(prepared: PreparedDraft) -> tuple[Draft, int, bytes]:
        draft = create_draft(prepared)
        return draft, 201, orjson.dumps(str(draft.pk))

    answer = run_once(
        _key(mailbox, "console.draft", source, token),
        prepare=lambda: prepare_draft(principal, mailbox, _new_draft(source, written)),
        work=work,
    )
    return get_created_draft(principal, mailbox, orjson.loads(answer.body))


def save_draft(
    principal: Principal, mailbox: Mailbox, draft: Draft, change: DraftChange, files: Sequence[OutgoingAttachment]
) -> int:
    """Write what differs, files first (they are the dearest to lose); returns the generation after that.

    Nothing different writes nothing, so that sending an unchanged draft twice names the same generation twice. Raises
    what the API's draft routes raise.
    """
    generation = change.generation
    if files:
        add_files(principal, mailbox, str(draft.pk), generation, files)
        generation += 1
    given = {name: value for name, value in change.given().items() if _differs(draft, name, value)}
    if given:
        update_draft(principal, mailbox, str(draft.pk), DraftChange(generation=generation, **given))
        generation += 1
    return generation


def files_of(draft: Draft) -> list[DraftAttachment]:
    """Without their bytes."""
    return list(draft_files(draft).defer("raw_inline")) if draft.attachment_count else []


def _prepare(principal: Principal, mailbox: Mailbox, source: Source | None, written: Written) -> PreparedMessage:
    if source is not None and source.kind == "forward":
        forward = ForwardMessage(
            written.recipients,
            mode=written.mode,
            include_original_attachments=written.with_original_files,
            subject=written.subject,
            body_text=written.body or None,
            additional_attachments=written.files,
        )
        return prepare_forward(principal, mailbox, str(source.message.pk), forward)
    send = SendMessage(
        written.recipients,
        subject=written.subject,
        body_text=written.body,
        in_reply_to_message_id=str(source.message.pk) if source is not None else None,
        attachments=written.files,
    )
    return prepare_message(principal, mailbox, send)


def _new_draft(source: Source | None, written: Written) -> NewDraft:
    if source is not None and source.kind == "forward":
        return NewDraft(
            recipients=written.recipients,
            subject=written.subject,
            forward_note_text=written.body or None,
            attachments=written.files,
            forward_message_id=source.message.pk,
            forward_mode=written.mode.value,
            include_original_attachments=written.with_original_files,
        )
    return NewDraft(
        recipients=written.recipients,
        subject=written.subject,
        body_text=written.body,
        in_reply_to_message_id=str(source.message.pk) if source is not None else UNSET,
        attachments=written.files,
    )


def _key(mailbox: Mailbox, operation: str, source: Source | None, token: Token) -> Any:
    origin = [source.kind, str(source.message.pk)] if source is not None else []
    return read_key(
        token.value,
        "idempotency-replay",
        organization_id=mailbox.organization_id,
        sender_id=mailbox.pk,
        operation=operation,
        body=[origin, token.fingerprint],
    )


def _differs(draft: Draft, name: str, value: Any) -> bool:
    if isinstance(value, Recipients):
        return (draft.to_addresses, draft.cc_addresses, draft.bcc_addresses) != (
            list(value.to or ()),
            list(value.cc or ()),
            list(value.bcc or ()),
        )
    return bool(getattr(draft, name) != value)


def _quoted(message: Message) -> str:
    """The new text of a message as mail programs quote it, below an empty place to write in."""
    text = (new_text(message.content.body_text, message.content.body_html) or "")[: limits.QUOTED_CHARS]
    lines = "\n".join(f"> {line}".rstrip() for line in text.splitlines())
    name = message.from_display_name or message.from_address
    return f"\n\nOn {message.created_at:%a, %d %b %Y at %H:%M} UTC, {name} wrote:\n{lines}\n" if lines else ""
