"""The suppression list of an organization. Not part of the original contract: an addition for its administrators."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.response import Response

from common.api.inputs import CleanText, HeaderText, InputSerializer
from common.api.outputs import OutputSerializer
from common.api.pagination import DEFAULT_LIMIT, MAX_LIMIT
from common.api.viewsets import ApiRequest, ApiViewSet
from common.principal import Scope
from mail import limits
from mail.addresses import normalize_address
from mail.enums import SuppressionReason, SuppressionSource
from mail.selectors import list_suppressions
from mail.services.suppressions import NewSuppression, add_suppression, get_suppression, remove_suppression


@dataclass(frozen=True, slots=True)
class SuppressionQuery:
    """Filters of the list."""

    limit: int
    cursor: str | None = None
    address: str | None = None


class SuppressionQueryIn(InputSerializer[SuppressionQuery]):
    """Query of the list."""

    into = SuppressionQuery
    limit = serializers.IntegerField(min_value=1, max_value=MAX_LIMIT, default=DEFAULT_LIMIT)
    cursor = serializers.CharField(required=False, allow_blank=True)
    address = HeaderText(required=False, max_length=limits.ADDRESS_MAX_CHARS)


class NewSuppressionIn(InputSerializer[NewSuppression]):
    """An address to send nothing to, from now until `expires_at` or for good."""

    into = NewSuppression
    address = HeaderText(max_length=limits.ADDRESS_MAX_CHARS)
    detail = CleanText(required=False, max_length=limits.SUPPRESSION_DETAIL_MAX_CHARS)
    expires_at = serializers.DateTimeField(required=False, allow_null=True)


class SuppressionOut(OutputSerializer):
    """One address on the list."""

    id = serializers.UUIDField()
    address = serializers.CharField()
    reason = serializers.ChoiceField(choices=[r.value for r in SuppressionReason])
    source = serializers.ChoiceField(choices=[s.value for s in SuppressionSource])  # type: ignore[assignment]
    detail = serializers.CharField(help_text="What the other server said, or a note.")
    message_id = serializers.UUIDField(allow_null=True, help_text="The message that failed.")
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)


class SuppressionPageOut(serializers.Serializer[SuppressionOut]):
    """A page of the list, newest first."""

    items = SuppressionOut(many=True)
    has_more = serializers.BooleanField()
    next_cursor = serializers.CharField(allow_null=True)


class SuppressionViewSet(ApiViewSet):
    """Addresses that the organization sends nothing to: after a hard bounce or a complaint, or by hand."""

    allowed: ClassVar = {Scope.ADMIN, Scope.SESSION}

    @extend_schema(operation_id="suppressions_list", parameters=[SuppressionQueryIn], responses=SuppressionPageOut)
    def list(self, request: ApiRequest) -> Response:
        """A page of entries that count now, newest first."""
        query = SuppressionQueryIn.parse_query(request)
        address = normalize_address(query.address) if query.address is not None else None
        page = list_suppressions(request.principal, limit=query.limit, cursor=query.cursor, address=address)
        return Response(page.body)

    @extend_schema(operation_id="suppressions_create", request=NewSuppressionIn, responses={201: SuppressionOut})
    def create(self, request: ApiRequest) -> Response:
        """Add an address; when it is there already, its note and expiry are replaced."""
        row = add_suppression(request.principal, NewSuppressionIn.parse(request))
        return Response(SuppressionOut.render(row), status=status.HTTP_201_CREATED)

    @extend_schema(operation_id="suppressions_retrieve", responses=SuppressionOut)
    def retrieve(self, request: ApiRequest, suppression_id: str) -> Response:
        """One entry."""
        return Response(SuppressionOut.render(get_suppression(request.principal, suppression_id)))

    @extend_schema(operation_id="suppressions_delete", responses={204: None})
    def destroy(self, request: ApiRequest, suppression_id: str) -> Response:
        """Remove an entry: the organization may write to the address again."""
        remove_suppression(request.principal, suppression_id)
        return Response(status=status.HTTP_204_NO_CONTENT)
