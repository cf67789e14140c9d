"""Shapes of the mail API (contract mail.md sections 2-4, 6)."""

from __future__ import annotations

import base64
from typing import Any, TypeVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from common.api.inputs import CleanText, HeaderText, InputSerializer, NestedInput, StrictBoolean
from common.api.outputs import OutputSerializer
from common.api.pagination import DEFAULT_LIMIT, MAX_LIMIT
from identities.enums import FilterMode
from mail import limits
from mail.api.queries import Flags, MessageQuery, ThreadChanges, ThreadQuery
from mail.approvals import ApprovalState
from mail.enums import AutoSubmitted, Direction, Folder, TextStatus
from mail.mime.build import OutgoingAttachment
from mail.models import Message
from mail.quotes import new_text
from mail.replies import reply_all_recipients
from mail.services.composing import Recipients, SendMessage

D = TypeVar("D")

# Other parameters are refused: a `name` would be a second file name that nobody checked.
_CONTENT_TYPE = r"^[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+(?:; ?charset=[A-Za-z0-9_.-]+)?$"
# The JSON encoder that compares bodies of repeated sends stops at 254.
_MAX_NESTING = 100


class _AddressList(serializers.ListField):
    def __init__(self) -> None:
        address = HeaderText(max_length=limits.ADDRESS_MAX_CHARS)
        super().__init__(child=address, max_length=limits.RECIPIENTS_MAX, required=False, allow_null=True)


class RecipientsIn(NestedInput[Recipients]):
    """Up to 50 bare addresses in all."""

    into = Recipients
    to = _AddressList()
    cc = _AddressList()
    bcc = _AddressList()


@extend_schema_field(OpenApiTypes.BYTE)
class Base64Field(serializers.Field[bytes, Any, str, Any]):
    """Bytes as standard base64 with padding (RFC 4648 section 4). No CharField: that looks at every character."""

    default_error_messages = {"invalid": "This is not base64."}

    def to_internal_value(self, data: Any) -> bytes:
        if not isinstance(data, str):
            self.fail("invalid")
        try:
            return base64.b64decode(data, validate=True)
        except ValueError:
            self.fail("invalid")


class AttachmentIn(serializers.Serializer[Any]):
    """A file as base64."""

    filename = HeaderText(max_length=limits.FILENAME_MAX_CHARS, allow_blank=False)
    content_type = serializers.RegexField(_CONTENT_TYPE, max_length=255)
    content_base64 = Base64Field()
    content_id = HeaderText(max_length=257, allow_blank=False, allow_null=True, required=False)

    def to_internal_value(self, data: Any) -> OutgoingAttachment:
        value = super().to_internal_value(data)
        content_id = value.get("content_id")
        return OutgoingAttachment(
            filename=value["filename"],
            content_type=value["content_type"],
            content=value["content_base64"],
            content_id=content_id.removeprefix("<").removesuffix(">") if content_id else None,
        )


class AttachmentsField(serializers.ListField):
    """Up to 100 files."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(child=AttachmentIn(), max_length=limits.ATTACHMENTS_MAX, **kwargs)


class BodyText(CleanText):
    """One body, or null."""

    def __init__(self) -> None:
        super().__init__(max_length=limits.BODY_MAX_CHARS, allow_null=True, required=False)


class ReplyToText(HeaderText):
    """An address for Reply-To, or null."""

    def __init__(self) -> None:
        super().__init__(max_length=limits.ADDRESS_MAX_CHARS, allow_null=True, required=False)


class ComposeInput(InputSerializer[D]):
    """A body that is compared when it is sent again."""

    def to_internal_value(self, data: Any) -> Any:
        if _is_nested_deeper(data, _MAX_NESTING):
            raise serializers.ValidationError("This is nested too deeply.")
        return super().to_internal_value(data)


class AutoSubmittedField(serializers.ChoiceField):
    """Marks a message that a program sends by itself, so that others do not answer it by themselves."""

    def __init__(self) -> None:
        super().__init__(choices=[a.value for a in AutoSubmitted], allow_null=True, required=False)


class SendMessageIn(ComposeInput[SendMessage]):
    """A new message. Each address of to, cc and bcc counts as one recipient."""

    into = SendMessage
    recipients = RecipientsIn()
    subject = HeaderText(max_length=limits.SUBJECT_MAX_CHARS)
    body_text = BodyText()
    body_html = BodyText()
    in_reply_to_message_id = HeaderText(max_length=limits.SUBJECT_MAX_CHARS, allow_null=True, required=False)
    reply_to = ReplyToText()
    attachments = AttachmentsField(allow_null=True, required=False)
    track_opens = StrictBoolean(allow_null=True, required=False)
    auto_submitted = AutoSubmittedField()


def _is_nested_deeper(value: Any, levels: int) -> bool:
    """Whether containers lie inside each other more than `levels` deep. Level by level: depth costs no stack."""
    layer = [value]
    for _ in range(levels):
        containers = [item for item in layer if isinstance(item, dict | list)]
        if not containers:
            return False
        layer = [inner for c in containers for inner in (c.values() if isinstance(c, dict) else c)]
    return any(isinstance(item, dict | list) for item in layer)


class FlagsIn(InputSerializer[Flags]):
    """Flags to change."""

    into = Flags
    is_read = StrictBoolean(required=False)
    is_starred = StrictBoolean(required=False)


class _LimitField(serializers.IntegerField):
    def __init__(self) -> None:
        super().__init__(min_value=1, max_value=MAX_LIMIT, default=DEFAULT_LIMIT)


class ThreadChangesIn(InputSerializer[ThreadChanges]):
    """A folder to move to. Only the server moves into `blocked`."""

    into = ThreadChanges
    folder = serializers.ChoiceField(
        choices=[f.value for f in Folder if f is not Folder.BLOCKED],
        required=False,
        error_messages={"invalid_choice": "Use one of: inbox, spam, archive."},
    )


class MessageQueryIn(InputSerializer[MessageQuery]):
    """Query of a message list."""

    into = MessageQuery
    limit = _LimitField()
    cursor = serializers.CharField(required=False, allow_blank=True)
    direction = serializers.ChoiceField(choices=[d.value for d in Direction], required=False)
    start_datetime = serializers.CharField(required=False, allow_blank=True)
    end_datetime = serializers.CharField(required=False, allow_blank=True)
    tz = serializers.CharField(required=False, allow_blank=True)


class ThreadQueryIn(InputSerializer[ThreadQuery]):
    """Query of a thread list."""

    into = ThreadQuery
    limit = _LimitField()
    cursor = serializers.CharField(required=False, allow_blank=True)
    folder = serializers.ChoiceField(choices=[f.value for f in Folder], required=False)


class AttachmentQueryIn(InputSerializer[Any]):
    """Query of an attachment link."""

    into = dict
    redirect = serializers.BooleanField(default=False)


class MessageOut(OutputSerializer):
    """A message in lists, threads, sends and updates."""

    id = serializers.UUIDField()
    mailbox_id = serializers.UUIDField()
    thread_id = serializers.UUIDField(allow_null=True)
    message_id = serializers.CharField()
    from_address = serializers.CharField()
    from_display_name = serializers.CharField(allow_null=True)
    to_addresses = serializers.ListField(child=serializers.CharField())
    cc_addresses = serializers.ListField(child=serializers.CharField(), allow_null=True)
    subject = serializers.CharField(allow_null=True)
    snippet = serializers.CharField(allow_null=True)
    direction = serializers.ChoiceField(choices=[d.value for d in Direction])
    status = serializers.CharField()
    is_read = serializers.BooleanField()
    is_starred = serializers.BooleanField()
    has_attachments = serializers.BooleanField(help_text="Inline images do not count.")
    first_opened_at = serializers.DateTimeField(allow_null=True)
    open_count = serializers.IntegerField()
    import_job_id = serializers.UUIDField(allow_null=True)
    # An addition of this server.
    is_automatic = serializers.BooleanField(help_text="From a program or a list: do not answer it by a program.")
    approval_state = serializers.ChoiceField(
        choices=[state.value for state in ApprovalState],
        allow_null=True,
        help_text="`pending`: accepted, and held until a person approves it. Null: nobody had to.",
    )
    approval_reason = serializers.CharField(allow_null=True, help_text="Why it was not approved.")
    created_at = serializers.DateTimeField()


class AttachmentOut(serializers.Serializer[Any]):
    """One attachment of a stored message."""

    filename = serializers.CharField()
    content_type = serializers.CharField()
    size = serializers.IntegerField(help_text="Decoded bytes.")
    content_id = serializers.CharField(allow_null=True)
    is_inline = serializers.BooleanField()
    part_index = serializers.IntegerField()
    # Addition of this server.
    text_status = serializers.ChoiceField(choices=[s.value for s in TextStatus])


class ReplyAllRecipientsOut(serializers.Serializer[Any]):
    """Whom a reply to all would go to."""

    to = serializers.ListField(child=serializers.CharField())
    cc = serializers.ListField(child=serializers.CharField())


class SignatureOut(serializers.Serializer[Any]):
    """One DKIM signature."""

    result = serializers.CharField(help_text="pass, fail, policy, temperror or permerror.")
    domain = serializers.CharField(allow_null=True)
    selector = serializers.CharField(allow_null=True)
    reason = serializers.CharField(allow_null=True)


class AuthenticationOut(serializers.Serializer[Any]):
    """Whether a received message is of the domain it claims (results as in RFC 8601)."""

    spf = serializers.CharField()
    dkim = serializers.CharField(help_text="The best of the signatures.")
    dmarc = serializers.CharField()
    arc = serializers.CharField()
    from_domain = serializers.CharField(allow_null=True)
    aligned_from = serializers.CharField(allow_null=True, help_text="The From domain when it is proven, else null.")
    aligned_by = serializers.CharField(allow_null=True, help_text="dkim, spf or arc.")
    policy = serializers.CharField(allow_null=True, help_text="The DMARC policy of the From domain.")
    spf_domain = serializers.CharField(allow_null=True)
    signatures = SignatureOut(many=True)
    sealers = serializers.ListField(child=serializers.CharField(), help_text="Of the ARC chain, newest first.")


class SpamOut(serializers.Serializer[Any]):
    """The spam score of a received message."""

    scorer = serializers.CharField()
    score = serializers.FloatField()
    threshold = serializers.FloatField()
    is_spam = serializers.BooleanField()
    reasons = serializers.ListField(child=serializers.CharField())


class MessageDetailOut(MessageOut):
    """A message with its bodies."""

    bcc_addresses = serializers.ListField(child=serializers.CharField(), allow_null=True)
    updated_at = serializers.DateTimeField()
    body_text = serializers.CharField(allow_null=True, source="content.body_text")
    body_html = serializers.CharField(allow_null=True, source="content.body_html")
    in_reply_to = serializers.CharField(allow_null=True)
    references = serializers.ListField(child=serializers.CharField(), allow_null=True)
    attachment_metadata = AttachmentOut(many=True, allow_null=True)
    ses_message_id = serializers.CharField(allow_null=True, source="provider_message_id")
    reply_all_recipients = ReplyAllRecipientsOut(allow_null=True)
    # Additions of this server.
    authentication = AuthenticationOut(allow_null=True, help_text="Null for mail that was not evaluated.")
    spam = SpamOut(allow_null=True, help_text="Null for mail that was not scored.")
    extracted_text = serializers.CharField(allow_null=True, help_text="The body without quotes and signature.")

    @staticmethod
    def get_extracted_text(row: Message) -> str | None:
        return new_text(row.content.body_text, row.content.body_html)

    @staticmethod
    def get_authentication(row: Message) -> dict[str, Any] | None:
        return row.content.authentication

    @staticmethod
    def get_spam(row: Message) -> dict[str, Any] | None:
        return row.content.spam

    @staticmethod
    def get_body_text(row: Message) -> str | None:
        return row.content.body_text

    @staticmethod
    def get_body_html(row: Message) -> str | None:
        return row.content.body_html

    @staticmethod
    def get_reply_all_recipients(row: Message) -> dict[str, list[str]]:
        return reply_all_recipients(row, row.mailbox.email_address)


class MessagePageOut(serializers.Serializer[Any]):
    """A page of messages, newest first."""

    items = MessageOut(many=True)
    has_more = serializers.BooleanField()
    next_cursor = serializers.CharField(allow_null=True)


class ThreadOut(OutputSerializer):
    """A thread in lists."""

    id = serializers.UUIDField()
    mailbox_id = serializers.UUIDField()
    subject = serializers.CharField(allow_null=True)
    folder = serializers.ChoiceField(choices=[f.value for f in Folder])
    message_count = serializers.IntegerField()
    last_message_at = serializers.DateTimeField()
    # Additions of this server: mail between agents that ran away waits here.
    paused_reason = serializers.CharField(allow_null=True)
    paused_until = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()


class ThreadDetailOut(ThreadOut):
    """A thread with its newest messages, oldest first, without bodies."""

    messages = MessageOut(many=True)
    # Additions of this server.
    has_more = serializers.BooleanField(help_text="There are messages before these.")
    next_cursor = serializers.CharField(allow_null=True, help_text="Leads to the messages before these.")


class ThreadPageOut(serializers.Serializer[Any]):
    """A page of threads, latest activity first."""

    items = ThreadOut(many=True)
    has_more = serializers.BooleanField()
    next_cursor = serializers.CharField(allow_null=True)


class MailboxOut(serializers.Serializer[Any]):
    """A mailbox (rendered by mail/rendering.py)."""

    id = serializers.UUIDField()
    email_address = serializers.EmailField()
    sending_domain = serializers.CharField()
    display_name = serializers.CharField(allow_null=True)
    status = serializers.CharField(help_text="Always `active`; read by the oldest clients.")
    webhook_url = serializers.CharField(allow_null=True)
    agent_identity_id = serializers.UUIDField(allow_null=True)
    filter_mode = serializers.ChoiceField(choices=[m.value for m in FilterMode])
    inbound_filter_mode = serializers.ChoiceField(choices=[m.value for m in FilterMode])
    outbound_filter_mode = serializers.ChoiceField(choices=[m.value for m in FilterMode])
    filter_mode_change_notice = serializers.JSONField(allow_null=True)
    storage_used_bytes = serializers.IntegerField()
    storage_limit_bytes = serializers.IntegerField(allow_null=True)
    signature_html = serializers.CharField(allow_null=True)
    signature_text = serializers.CharField(allow_null=True)
    signature_enabled = serializers.BooleanField()
    # Additions of this server.
    approval_required = serializers.BooleanField(help_text="What the agent sends waits for the approval of a person.")
    sending_paused_at = serializers.DateTimeField(allow_null=True, help_text="Too much bounced: sends are refused.")
    sending_paused_reason = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class AttachmentLinkOut(serializers.Serializer[Any]):
    """A time-limited download link. Both spellings of the lifetime are sent: one client reads the second."""

    url = serializers.CharField()
    filename = serializers.CharField()
    expires_in = serializers.IntegerField(help_text="Seconds.")
    expiresIn = serializers.IntegerField(help_text="Seconds.")  # noqa: N815  (read by the TypeScript client)
