"""Full text search (contract mail.md sections 2.1 and 4.9; syntax: docs/api/search.md)."""

from __future__ import annotations

from dataclasses import dataclass

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from common.api.inputs import InputSerializer
from common.api.pagination import DEFAULT_LIMIT, MAX_LIMIT
from common.api.viewsets import ApiRequest
from mail import limits, selectors
from mail.api.serializers import MessagePageOut
from mail.api.viewsets import MailViewSet
from mail.search.query import parse_query
from mail.services.indexing import index_mailbox


@dataclass(frozen=True, slots=True)
class Search:
    """Query of a search."""

    q: str
    limit: int


class SearchIn(InputSerializer[Search]):
    """Words, "phrases", word*, -word and filters such as from:ada, has:attachment or after:2026-05-04."""

    into = Search
    q = serializers.CharField(trim_whitespace=False)
    limit = serializers.IntegerField(min_value=1, max_value=MAX_LIMIT, default=DEFAULT_LIMIT)


class SearchViewSet(MailViewSet):
    """Search in one mailbox."""

    @extend_schema(operation_id="mailboxes_search", parameters=[SearchIn], responses=MessagePageOut)
    def list(self, request: ApiRequest, address: str) -> Response:
        """Messages that match, best first. One page: `has_more` is always false."""
        search = SearchIn.parse_query(request)
        query = parse_query(search.q)
        mailbox = selectors.get_mailbox(request.principal, address, is_whole=False)
        index_mailbox(mailbox, limits.SEARCH_CATCH_UP_MESSAGES)
        return Response(selectors.search_messages(request.principal, mailbox, query, search.limit).body)
