"""Bodies of reply-all and forward (contract mail.md 4.5 and 4.6)."""

from __future__ import annotations

from rest_framework import serializers

from common.api.inputs import HeaderText, StrictBoolean
from mail import limits
from mail.api.serializers import AttachmentsField, AutoSubmittedField, BodyText, ComposeInput, RecipientsIn, ReplyToText
from mail.enums import ForwardMode
from mail.services.forwarding import ForwardMessage
from mail.services.replying import ReplyAll


class ReplyAllIn(ComposeInput[ReplyAll]):
    """An answer to everybody in `reply_all_recipients`. The default subject is the message's with one `Re:`."""

    into = ReplyAll
    subject = HeaderText(max_length=limits.SUBJECT_MAX_CHARS, allow_null=True, required=False)
    body_text = BodyText()
    body_html = BodyText()
    attachments = AttachmentsField(allow_null=True, required=False)
    reply_to = ReplyToText()
    track_opens = StrictBoolean(allow_null=True, required=False)
    auto_submitted = AutoSubmittedField()


class ForwardIn(ComposeInput[ForwardMessage]):
    """A forward: `inline` quotes the message below the note, `wrapped` attaches it as it is."""

    into = ForwardMessage
    recipients = RecipientsIn()
    mode = serializers.ChoiceField(choices=[m.value for m in ForwardMode], required=False)
    include_original_attachments = StrictBoolean(required=False, help_text="Of an inline forward.")
    subject = HeaderText(max_length=limits.SUBJECT_MAX_CHARS, allow_null=True, required=False)
    body_text = BodyText()
    body_html = BodyText()
    additional_attachments = AttachmentsField(allow_null=True, required=False)
    reply_to = ReplyToText()
    track_opens = StrictBoolean(allow_null=True, required=False)
    auto_submitted = AutoSubmittedField()
