"""Reply to all and forward (contract mail.md 4.5 and 4.6)."""

from __future__ import annotations

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema

from common.api.viewsets import ApiRequest
from mail.api.compose_shapes import ForwardIn, ReplyAllIn
from mail.api.sending import IDEMPOTENCY, Send, send_once
from mail.api.serializers import MessageOut
from mail.api.viewsets import MailViewSet
from mail.selectors import get_mailbox
from mail.services.forwarding import prepare_forward
from mail.services.replying import prepare_reply_all


class ComposeViewSet(MailViewSet):
    """Sends that start from a message."""

    @extend_schema(
        operation_id="messages_reply_all", request=ReplyAllIn, responses={201: MessageOut}, parameters=IDEMPOTENCY
    )
    def reply_all(self, request: ApiRequest, address: str, message_id: str) -> HttpResponse:
        """Answer everybody who takes part, in the message's thread."""
        reply = ReplyAllIn.parse(request)
        mailbox = get_mailbox(request.principal, address)
        return send_once(
            request,
            mailbox,
            Send(
                "mail.reply_all",
                [message_id.lower(), request.data],
                lambda: prepare_reply_all(request.principal, mailbox, message_id, reply),
            ),
        )

    @extend_schema(
        operation_id="messages_forward", request=ForwardIn, responses={201: MessageOut}, parameters=IDEMPOTENCY
    )
    def forward(self, request: ApiRequest, address: str, message_id: str) -> HttpResponse:
        """Send a message on, as the start of a new thread."""
        forward = ForwardIn.parse(request)
        mailbox = get_mailbox(request.principal, address)
        return send_once(
            request,
            mailbox,
            Send(
                "mail.forward",
                [message_id.lower(), request.data],
                lambda: prepare_forward(request.principal, mailbox, message_id, forward),
            ),
        )
