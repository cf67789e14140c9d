"""Text of attachments (docs/api/reading.md)."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from common.api.outputs import OutputSerializer
from common.api.viewsets import ApiRequest
from mail import selectors
from mail.api.viewsets import MailViewSet
from mail.enums import TextStatus
from mail.services.extracting import attachment_text


class AttachmentTextOut(OutputSerializer):
    """What could be read from an attachment."""

    status = serializers.ChoiceField(choices=[s.value for s in TextStatus])
    reason = serializers.CharField(help_text="Why there is no text; empty when there is, or will be.")
    text = serializers.CharField(allow_null=True)
    is_cut = serializers.BooleanField(help_text="The file has more text than is kept.")


class AttachmentTextViewSet(MailViewSet):
    """The text of one attachment."""

    @extend_schema(operation_id="messages_attachment_text", responses=AttachmentTextOut)
    def retrieve(self, request: ApiRequest, address: str, message_id: str, filename: str) -> Response:
        """Extracted in the background, usually within seconds; `pending` until then. Marks nothing read."""
        mailbox = selectors.get_mailbox(request.principal, address, is_whole=False)
        message = selectors.get_message(request.principal, mailbox, message_id)
        return Response({"filename": filename, **AttachmentTextOut.render(attachment_text(message, filename))})
