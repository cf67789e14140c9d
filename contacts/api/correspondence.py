"""Correspondence with a contact (contract contacts-notes.md section 3.4)."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from common.api.inputs import InputSerializer, QueryBoolean
from common.api.viewsets import ApiRequest, ApiViewSet
from contacts import limits
from contacts.api.fields import one_of, parse_repeated
from contacts.api.viewsets import CALLERS
from contacts.contact_selectors import get_contact
from contacts.correspondence import CorrespondenceQuery, read_correspondence
from contacts.enums import ChannelStatus, ContentMode, CorrespondenceChannel, CorrespondenceOrder, TranscriptMode

_CHANNEL_LIMITS = ("email", "sms", "imessage", "calls")


def _limit() -> serializers.IntegerField:
    return serializers.IntegerField(min_value=1, max_value=limits.CORRESPONDENCE_MAX, required=False)


class CorrespondenceIn(InputSerializer[CorrespondenceQuery]):
    """Query of a timeline; read by `parse_repeated`. Without channels: all but Slack."""

    into = CorrespondenceQuery
    channels = serializers.ListField(child=one_of(CorrespondenceChannel), required=False, allow_empty=False)
    identity_id = serializers.UUIDField(required=False)
    after = serializers.DateTimeField(required=False)
    before = serializers.DateTimeField(required=False)
    limit_per_channel = _limit()
    email_limit = _limit()
    sms_limit = _limit()
    imessage_limit = _limit()
    calls_limit = _limit()
    cursor = serializers.CharField(max_length=limits.CURSOR_MAX_CHARS, required=False)
    order = one_of(CorrespondenceOrder, required=False)
    content = one_of(ContentMode, required=False)
    transcripts = one_of(TranscriptMode, required=False)
    include_failed = QueryBoolean(required=False)

    def validate(self, attrs: Any) -> Any:
        own = {name: attrs.pop(f"{name}_limit") for name in _CHANNEL_LIMITS if f"{name}_limit" in attrs}
        if "channels" in attrs:
            attrs["channels"] = tuple(attrs["channels"])
        return {**attrs, "limits": own}


class CorrespondenceItemOut(serializers.Serializer[Any]):
    """What every item has; each channel adds fields of its own."""

    channel = serializers.ChoiceField(choices=[c.value for c in CorrespondenceChannel])
    source_id = serializers.UUIDField()
    direction = serializers.ChoiceField(choices=["inbound", "outbound"])
    occurred_at = serializers.DateTimeField()
    identity_id = serializers.UUIDField()
    status = serializers.CharField(allow_null=True)
    detail_url = serializers.CharField(allow_null=True)


class ChannelResultOut(serializers.Serializer[Any]):
    """What one channel had."""

    channel = serializers.ChoiceField(choices=[c.value for c in CorrespondenceChannel])
    status = serializers.ChoiceField(choices=[s.value for s in ChannelStatus])
    returned = serializers.IntegerField()


class CorrespondenceOut(serializers.Serializer[Any]):
    """One page of a timeline."""

    contact_id = serializers.UUIDField()
    identity_id = serializers.UUIDField()
    items = CorrespondenceItemOut(many=True)
    channels = ChannelResultOut(many=True)
    next_cursor = serializers.CharField(allow_null=True)


class CorrespondenceViewSet(ApiViewSet):
    """What passed between an identity and a contact."""

    allowed: ClassVar[Any] = CALLERS

    @extend_schema(operation_id="contacts_correspondence", parameters=[CorrespondenceIn], responses=CorrespondenceOut)
    def list(self, request: ApiRequest, contact_id: str) -> Response:
        """Newest first, or oldest first. Agents read their own; everybody else names the identity."""
        query = parse_repeated(CorrespondenceIn, request, "channels")
        contact = get_contact(request.principal, contact_id)
        return Response(read_correspondence(request.principal, contact, query))
