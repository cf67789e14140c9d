"""Shapes of drafts (contract mail.md section 7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rest_framework import serializers

from common.api.inputs import HeaderText, InputSerializer, StrictBoolean
from common.api.outputs import OutputSerializer
from common.api.pagination import DEFAULT_LIMIT, MAX_LIMIT
from mail import limits
from mail.api.serializers import AttachmentsField, AutoSubmittedField, BodyText, ComposeInput, RecipientsIn, ReplyToText
from mail.draft_selectors import WholeDraft
from mail.draft_states import SendState
from mail.enums import AutoSubmitted, ForwardMode
from mail.mime.build import OutgoingAttachment
from mail.mime.message_ids import MAX_REFERENCES
from mail.services.draft_content import DraftChange, NewDraft

_IMMUTABLE = {
    "attachments": "Add and remove files with the attachments routes of the draft.",
    "forward_message_id": "What is forwarded cannot be changed. Create another draft.",
    "forward_mode": "How it is forwarded cannot be changed. Create another draft.",
    "include_original_attachments": "How it is forwarded cannot be changed. Create another draft.",
}


@dataclass(frozen=True, slots=True)
class DraftQuery:
    """Query of a draft list."""

    limit: int
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Generation:
    """The state of a draft that the caller knows."""

    generation: int


@dataclass(frozen=True, slots=True)
class MoreFiles:
    """Files to add."""

    generation: int
    attachments: Sequence[OutgoingAttachment]


class GenerationField(serializers.IntegerField):
    """1 at creation, one more with every change."""

    def __init__(self) -> None:
        super().__init__(min_value=1, max_value=2**31 - 1)


class _Fields(ComposeInput[Any]):
    recipients = RecipientsIn(allow_null=True, required=False)
    subject = HeaderText(max_length=limits.SUBJECT_MAX_CHARS, allow_null=True, required=False)
    body_text = BodyText()
    body_html = BodyText()
    reply_to = ReplyToText()
    thread_id = serializers.UUIDField(allow_null=True, required=False)
    in_reply_to_message_id = HeaderText(max_length=limits.SUBJECT_MAX_CHARS, allow_null=True, required=False)
    references = serializers.ListField(
        child=HeaderText(max_length=limits.SUBJECT_MAX_CHARS),
        max_length=MAX_REFERENCES,
        allow_null=True,
        required=False,
    )
    track_opens = StrictBoolean(allow_null=True, required=False)
    auto_submitted = AutoSubmittedField()  # an addition of this server
    forward_note_text = BodyText()
    forward_note_html = BodyText()


class NewDraftIn(_Fields):
    """A new draft, as incomplete as it may be. With `forward_message_id` it forwards that message."""

    into = NewDraft
    attachments = AttachmentsField(allow_null=True, required=False)
    forward_message_id = serializers.UUIDField(allow_null=True, required=False)
    forward_mode = serializers.ChoiceField(choices=[m.value for m in ForwardMode], allow_null=True, required=False)
    include_original_attachments = StrictBoolean(allow_null=True, required=False)


class DraftChangeIn(_Fields):
    """Fields to change; null clears. `recipients` replaces all three groups."""

    into = DraftChange
    generation = GenerationField()

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict) and (fixed := {name: _IMMUTABLE[name] for name in data if name in _IMMUTABLE}):
            raise serializers.ValidationError(fixed)
        return super().to_internal_value(data)


class MoreFilesIn(ComposeInput[MoreFiles]):
    """Files to add."""

    into = MoreFiles
    generation = GenerationField()
    attachments = AttachmentsField(allow_empty=False)


class GenerationIn(InputSerializer[Generation]):
    """The generation that the caller knows."""

    into = Generation
    generation = GenerationField()


class DraftQueryIn(InputSerializer[DraftQuery]):
    """Query of a draft list."""

    into = DraftQuery
    limit = serializers.IntegerField(min_value=1, max_value=MAX_LIMIT, default=DEFAULT_LIMIT)
    cursor = serializers.CharField(required=False, allow_blank=True)


class DraftSummaryOut(serializers.Serializer[Any]):
    """A draft in lists (made by draft_selectors.list_drafts)."""

    id = serializers.UUIDField()
    mailbox_id = serializers.UUIDField()
    from_address = serializers.CharField()
    to_addresses = serializers.ListField(child=serializers.CharField())
    cc_addresses = serializers.ListField(child=serializers.CharField())
    bcc_addresses = serializers.ListField(child=serializers.CharField())
    subject = serializers.CharField(allow_null=True)
    snippet = serializers.CharField(allow_null=True)
    has_attachments = serializers.BooleanField()
    attachment_count = serializers.IntegerField()
    generation = serializers.IntegerField()
    send_state = serializers.ChoiceField(choices=[s.value for s in SendState])
    track_opens = serializers.BooleanField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class DraftPageOut(serializers.Serializer[Any]):
    """A page of drafts, newest first."""

    items = DraftSummaryOut(many=True)
    has_more = serializers.BooleanField()
    next_cursor = serializers.CharField(allow_null=True)


class DraftAttachmentOut(OutputSerializer):
    """One file of a draft. Its index belongs to the draft's generation."""

    part_index = serializers.IntegerField()
    filename = serializers.CharField()
    content_type = serializers.CharField()
    size = serializers.IntegerField(help_text="Bytes.")
    content_id = serializers.CharField(allow_null=True)
    is_inline = serializers.BooleanField()


class DraftDetailOut(DraftSummaryOut):
    """A draft with bodies, links and files."""

    body_text = serializers.CharField(allow_null=True)
    body_html = serializers.CharField(allow_null=True)
    reply_to = serializers.CharField(allow_null=True)
    thread_id = serializers.UUIDField(allow_null=True)
    message_id = serializers.CharField()
    in_reply_to = serializers.CharField(allow_null=True)
    references = serializers.ListField(child=serializers.CharField())
    forward_source_message_id = serializers.UUIDField(allow_null=True)
    forward_note_text = serializers.CharField(allow_null=True)
    forward_note_html = serializers.CharField(allow_null=True)
    auto_submitted = serializers.ChoiceField(choices=[a.value for a in AutoSubmitted], allow_null=True)
    attachment_metadata = DraftAttachmentOut(many=True)


_SAME = (
    "id",
    "mailbox_id",
    "to_addresses",
    "cc_addresses",
    "bcc_addresses",
    "subject",
    "snippet",
    "attachment_count",
    "generation",
    "track_opens",
    "created_at",
    "updated_at",
    "body_text",
    "body_html",
    "reply_to",
    "message_id",
    "in_reply_to",
    "forward_note_text",
    "forward_note_html",
    "auto_submitted",
)


def draft_body(whole: WholeDraft) -> dict[str, Any]:
    """DraftDetailOut of a draft."""
    draft, thread = whole.draft, whole.link.thread
    files = [
        {
            "part_index": index,
            "filename": row.filename,
            "content_type": row.content_type,
            "size": row.size,
            "content_id": row.content_id,
            "is_inline": row.content_id is not None,
        }
        for index, row in enumerate(whole.files)
    ]
    return {
        **{name: getattr(draft, name) for name in _SAME},
        "from_address": draft.mailbox.email_address,
        "has_attachments": draft.attachment_count > 0,
        "send_state": draft.state.value,
        "thread_id": thread.pk if thread is not None else None,
        "references": list(whole.link.references) if draft.in_reply_to else draft.references or [],
        "forward_source_message_id": draft.forward_message_id,
        "attachment_metadata": files,
    }
