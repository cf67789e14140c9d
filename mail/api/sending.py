"""What the routes that send have in common: one accepted message per idempotency key (contract mail.md section 5)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import status

from common.api.renderers import ApiJsonRenderer
from common.api.viewsets import ApiRequest
from identities.services.idempotency import read_key, run_once
from mail.api.serializers import MessageOut
from mail.models import Mailbox, Message
from mail.services.composing import PreparedMessage
from mail.services.queueing import queue_message

IDEMPOTENCY = [
    OpenApiParameter("Idempotency-Key", OpenApiTypes.STR, OpenApiParameter.HEADER),
    OpenApiParameter("Prefer", OpenApiTypes.STR, OpenApiParameter.HEADER, description="`idempotency-replay`"),
]


@dataclass(frozen=True, slots=True)
class Send:
    """One kind of send. `input` is all that tells it from another one under the same key."""

    operation: str
    input: Any
    prepare: Callable[[], PreparedMessage]


def send_once(request: ApiRequest, mailbox: Mailbox, send: Send) -> HttpResponse:
    """201 with the accepted message, or the first answer again. `prepare` runs only when there is something to send."""
    key = read_key(
        request.headers.get("Idempotency-Key"),
        request.headers.get("Prefer"),
        organization_id=mailbox.organization_id,
        sender_id=mailbox.pk,
        operation=send.operation,
        body=send.input,
    )

    def work(prepared: PreparedMessage) -> tuple[Message, int, bytes]:
        message = queue_message(request.principal, mailbox, prepared)
        return message, status.HTTP_201_CREATED, ApiJsonRenderer().render(MessageOut.render(message))

    answer = run_once(key, prepare=send.prepare, work=work)
    return HttpResponse(answer.body, status=answer.status, content_type="application/json")
