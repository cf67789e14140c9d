"""Write drafts. Every change locks the mailbox, then the draft, and names the generation that it changes.

The size of a draft counts towards the mailbox's storage, like that of the message it becomes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db import transaction

from common.clock import now
from common.ids import uuid7
from common.principal import Principal
from mail import limits
from mail.draft_errors import DraftGenerationConflict, DraftNotFound
from mail.draft_selectors import draft_files, file_at, get_draft
from mail.draft_states import DraftAction, SendState, refusal
from mail.mime.build import OutgoingAttachment, new_message_id
from mail.models import Draft, DraftAttachment, Mailbox, SentDraft
from mail.services.draft_content import DraftChange, NewDraft, derive, draft_columns, forward_columns, new_files
from mail.services.storage import charge_storage


@dataclass(frozen=True, slots=True)
class PreparedDraft:
    """Rows that are ready to be inserted, bytes of files stored."""

    draft: Draft
    files: list[DraftAttachment]


def prepare_draft(principal: Principal, mailbox: Mailbox, new: NewDraft) -> PreparedDraft:
    """Check the form of a new draft. Raises Invalid naming the field, ThreadNotFound, MessageNotFound."""
    columns = forward_columns(principal, mailbox, new)
    columns |= draft_columns(principal, mailbox, new.given(), is_forward=bool(columns))
    draft = Draft(id=uuid7(), mailbox=mailbox, message_id=new_message_id(mailbox.sending_domain), **columns)
    files = new_files(draft, new.attachments or (), [])
    derive(draft, files)
    return PreparedDraft(draft, files)


def create_draft(prepared: PreparedDraft) -> Draft:
    """Insert it, inside the caller's transaction. Raises StorageLimitExceeded."""
    draft = prepared.draft
    charge_storage(draft.mailbox_id, draft.size_bytes)
    draft.created_at = draft.updated_at = now()
    draft.save(force_insert=True)
    DraftAttachment.objects.bulk_create(prepared.files)
    return draft


def update_draft(principal: Principal, mailbox: Mailbox, row_id: str, change: DraftChange) -> None:
    """Change the given fields. Raises Invalid naming the field, the refusals of `lock_draft`, StorageLimitExceeded."""
    draft = get_draft(principal, mailbox, row_id)
    columns = draft_columns(principal, mailbox, change.given(), is_forward=draft.is_forward)
    with transaction.atomic():
        draft = lock_draft(mailbox, draft.pk, change.generation, DraftAction.EDIT)
        for name, value in columns.items():
            setattr(draft, name, value)
        _advance(draft)


def add_files(
    principal: Principal, mailbox: Mailbox, row_id: str, generation: int, attachments: Sequence[OutgoingAttachment]
) -> None:
    """Raises Invalid naming the file, the refusals of `lock_draft`, StorageLimitExceeded."""
    draft = get_draft(principal, mailbox, row_id)
    check_draft(draft, generation, DraftAction.EDIT)
    files = new_files(draft, attachments, draft_files(draft).defer("raw_inline"))
    with transaction.atomic():
        draft = lock_draft(mailbox, draft.pk, generation, DraftAction.EDIT)
        DraftAttachment.objects.bulk_create(files)
        _advance(draft)


def remove_file(principal: Principal, mailbox: Mailbox, row_id: str, generation: int, part_index: str) -> None:
    """Raises AttachmentNotFound, the refusals of `lock_draft`."""
    pk = get_draft(principal, mailbox, row_id).pk
    with transaction.atomic():
        draft = lock_draft(mailbox, pk, generation, DraftAction.EDIT)
        file_at(draft, part_index).delete()
        _advance(draft)


def duplicate_draft(principal: Principal, mailbox: Mailbox, row_id: str, generation: int) -> Draft:
    """A copy with its own id and Message-ID. Raises the refusals of `lock_draft`, StorageLimitExceeded."""
    pk = get_draft(principal, mailbox, row_id).pk
    with transaction.atomic():
        source = lock_draft(mailbox, pk, generation, DraftAction.DUPLICATE)
        charge_storage(mailbox.pk, source.size_bytes)
        files = list(draft_files(source))
        copy = source
        copy.pk, copy.message_id = uuid7(), new_message_id(mailbox.sending_domain)
        copy.generation, copy.send_state, copy.claim, copy.claimed_until = 1, SendState.DRAFT.value, None, None
        copy.created_at = copy.updated_at = now()
        copy.save(force_insert=True)
        for file in files:
            file.pk, file.draft = uuid7(), copy
        DraftAttachment.objects.bulk_create(files)
    return copy


def delete_draft(principal: Principal, mailbox: Mailbox, row_id: str, generation: int) -> None:
    """Its storage is free at once. Raises the refusals of `lock_draft`."""
    pk = get_draft(principal, mailbox, row_id).pk
    with transaction.atomic():
        draft = lock_draft(mailbox, pk, generation, DraftAction.DELETE)
        charge_storage(mailbox.pk, -draft.size_bytes)
        draft.delete()


def lock_draft(mailbox: Mailbox, pk: UUID, generation: int, action: DraftAction) -> Draft:
    """The draft, locked after its mailbox, inside the caller's transaction.

    Raises DraftNotFound, DraftSendInProgress or DraftDeliveryUncertain by its state, DraftGenerationConflict.
    """
    charge_storage(mailbox.pk, 0)
    draft = Draft.objects.select_for_update(of=("self",)).filter(pk=pk, mailbox=mailbox).first()
    if draft is None:
        raise DraftNotFound
    check_draft(draft, generation, action)
    return draft


def check_draft(draft: Draft, generation: int, action: DraftAction) -> None:
    """Raises the refusals of `lock_draft`."""
    if (error := refusal(draft.state, action)) is not None:
        raise error
    if draft.generation != generation:
        raise DraftGenerationConflict


def purge_sent_drafts() -> int:
    """Forget which messages drafts became, past the time in which a send may be repeated. Returns how many."""
    return SentDraft.objects.filter(created_at__lt=now() - limits.SENT_DRAFT_RETENTION).delete()[0]


def _advance(draft: Draft) -> None:
    """Save a changed (locked) draft as its next generation and count what it grew. Raises StorageLimitExceeded."""
    before = draft.size_bytes
    derive(draft, draft_files(draft).defer("raw_inline"))
    charge_storage(draft.mailbox_id, draft.size_bytes - before)
    draft.generation += 1
    draft.send_state, draft.claim, draft.claimed_until = SendState.DRAFT.value, None, None
    # Two changes in one tick of the clock still differ.
    draft.updated_at = max(now(), draft.updated_at + timedelta(microseconds=1))
    draft.save()
