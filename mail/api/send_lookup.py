"""Which message a send created, by its idempotency key (contract mail.md section 5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from common.api.inputs import InputSerializer
from common.api.viewsets import ApiRequest
from common.errors import Invalid
from identities.services.idempotency import check_key, find_accepted
from mail.api.viewsets import MailViewSet
from mail.errors import SendNotFound
from webhooks.enums import Selector
from webhooks.owners import resolve_owner

# The senders of other channels are found through the registry of subscription owners, which every channel fills.
_SELECTORS = {
    "mailbox": Selector.MAILBOX,
    "phone_number": Selector.PHONE_NUMBER,
    "imessage_identity": Selector.IDENTITY,
}
_OPERATIONS = ["mail.send", "mail.reply_all", "mail.forward", "text.send", "imessage.send"]


@dataclass(frozen=True, slots=True)
class SendLookup:
    """Sender and kind of a send."""

    sender_kind: str
    sender_id: UUID
    operation: str


class SendLookupIn(InputSerializer[SendLookup]):
    """Query of the look-up; the key is in the header."""

    into = SendLookup
    sender_kind = serializers.ChoiceField(choices=list(_SELECTORS))
    sender_id = serializers.UUIDField()
    operation = serializers.ChoiceField(choices=_OPERATIONS)


class SendLookupOut(serializers.Serializer[Any]):
    """The row id of the message."""

    message_id = serializers.UUIDField()


class SendLookupViewSet(MailViewSet):
    """Read-only; a send that is not found may still have been accepted long ago, or without a key."""

    @extend_schema(
        operation_id="message_sends_lookup",
        parameters=[
            SendLookupIn,
            OpenApiParameter("Idempotency-Key", OpenApiTypes.STR, OpenApiParameter.HEADER, required=True),
        ],
        responses=SendLookupOut,
    )
    def retrieve(self, request: ApiRequest) -> Response:
        """The message that the first request with this key created."""
        wanted = SendLookupIn.parse_query(request)
        key = request.headers.get("Idempotency-Key")
        if key is None:
            raise Invalid("Send the key of the send to look up.", loc=("header", "Idempotency-Key"))
        check_key(key)
        owner = resolve_owner(request.principal, _SELECTORS[wanted.sender_kind], wanted.sender_id)
        if owner is None:
            raise SendNotFound
        found = find_accepted(
            organization_id=owner.organization_id, sender_id=owner.id, operation=wanted.operation, key=key
        )
        if found is None:
            raise SendNotFound
        return Response({"message_id": found})
