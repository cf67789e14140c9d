"""The event log over HTTP. Reads that wait are taken over by the ASGI side (webhooks/live); both parse and refuse here.

Additions to the contract; described in docs/api/events.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar
from uuid import UUID

import orjson
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from common.api.inputs import InputSerializer, QueryInvalid
from common.api.viewsets import ApiRequest, ApiViewSet
from common.errors import NotReady
from common.principal import Scope
from webhooks import limits
from webhooks.catalog import EVENTS, LOG_EVENTS, family
from webhooks.reading import EventPage, EventScope, event_scope, latest_position, read_events

_LATEST = "latest"
_MAX_POSITION = 2**53 - 1  # what a JSON number means everywhere
_READABLE = (*EVENTS, *LOG_EVENTS)
_MAX_TYPES_CHARS = 4000


@dataclass(frozen=True, slots=True)
class EventQuery:
    """What a reader asks for. `after` None: where this kind of reader begins."""

    after: int | str | None = None
    wait: int = 0
    limit: int = limits.EVENTS_DEFAULT_LIMIT
    types: tuple[str, ...] = ()
    agent_identity_id: UUID | None = None


class AfterField(serializers.Field[Any, Any, Any, Any]):
    """The number of the last event that the reader has, 0 for the beginning of the log, or `latest`."""

    def to_internal_value(self, data: Any) -> int | str:
        text = str(data)
        if text == _LATEST:
            return text
        if not (text.isascii() and text.isdigit()) or len(text) > 16 or int(text) > _MAX_POSITION:
            raise serializers.ValidationError("Send the number of an event, 0, or latest.")
        return int(text)


class TypesField(serializers.CharField):
    """Event types separated by commas; `message.*` is a whole family."""

    def to_internal_value(self, data: Any) -> Any:
        names: dict[str, None] = {}
        for name in (part.strip() for part in super().to_internal_value(data).split(",")):
            wanted = [each for each in _READABLE if each == name or (name.endswith(".*") and family(each) == name[:-2])]
            if not wanted:
                raise serializers.ValidationError(
                    f"Unknown event type {name[:64]!r}. GET /api/v1/webhooks/catalog lists the known ones."
                )
            names.update(dict.fromkeys(wanted))
        return tuple(names)


class EventQueryIn(InputSerializer[EventQuery]):
    """Query of every reader of the log."""

    into = EventQuery
    after = AfterField(required=False)
    wait = serializers.IntegerField(required=False, min_value=0, max_value=limits.EVENTS_MAX_WAIT_SECONDS)
    limit = serializers.IntegerField(required=False, min_value=1, max_value=limits.EVENTS_MAX_LIMIT)
    types = TypesField(required=False, max_length=_MAX_TYPES_CHARS)
    agent_identity_id = serializers.UUIDField(required=False)

    @classmethod
    def parse_query(cls, request: Request) -> EventQuery:
        """As the base class; `types` may also be repeated."""
        values: dict[str, Any] = request.query_params.dict()
        if "types" in values:
            values["types"] = ",".join(request.query_params.getlist("types"))
        return _build(values)


def _build(values: dict[str, Any]) -> EventQuery:
    try:
        return EventQueryIn._build(values)
    except serializers.ValidationError as error:
        raise QueryInvalid(error.detail) from None


class EventOut(serializers.Serializer[Any]):
    """An event: what webhooks get as their body, with its number and its identity."""

    seq = serializers.IntegerField()
    agent_identity_id = serializers.UUIDField(allow_null=True)
    id = serializers.CharField()
    event_type = serializers.CharField()
    timestamp = serializers.DateTimeField()
    data = serializers.JSONField()  # type: ignore[assignment]  # a declared field, not the property of that name


class EventListOut(serializers.Serializer[Any]):
    """A page of the log, and the number to go on after."""

    events = EventOut(many=True)
    next_after = serializers.IntegerField()
    has_more = serializers.BooleanField()


@dataclass(frozen=True, slots=True)
class Opened:
    """A reader that may read: what, from where, how much at a time, how long it waits, and whose it is."""

    scope: EventScope
    after: int
    limit: int
    wait: int
    caller: str


def render_page(page: EventPage) -> dict[str, Any]:
    """The answer of the list and of the long-poll."""
    events = [orjson.Fragment(event.body) for event in page.events]
    return {"events": events, "next_after": page.next_after, "has_more": page.has_more}


class EventViewSet(ApiViewSet):
    """The log of everything that happened, in one order."""

    allowed: ClassVar = frozenset({Scope.ADMIN, Scope.AGENT, Scope.SESSION})

    @extend_schema(operation_id="events_list", parameters=[EventQueryIn], responses=EventListOut)
    def list(self, request: ApiRequest) -> Response:
        """Events after `after`, oldest first; with `wait`, not before there is one or the seconds are over."""
        opened = _open(request, EventQueryIn.parse_query(request), default_after=0)
        return Response(render_page(read_events(opened.scope, opened.after, opened.limit)))

    def open_poll(self, request: ApiRequest) -> Response:
        """Not a route: the first half of a list, for a reader that waits elsewhere. Answers an Opened."""
        return Response(_open(request, EventQueryIn.parse_query(request), default_after=0))

    def open_stream(self, request: ApiRequest) -> Response:
        """Not a route: the same for streams, which begin with what is new and go on after `Last-Event-ID`."""
        query = EventQueryIn.parse_query(request)
        if last := request.META.get("HTTP_LAST_EVENT_ID"):
            query = replace(query, after=_build({"after": last}).after)
        return Response(_open(request, query, default_after=_LATEST))


class EventStreamViewSet(ApiViewSet):
    """The description of the stream; its requests are answered by the ASGI side."""

    allowed: ClassVar = EventViewSet.allowed

    @extend_schema(operation_id="events_stream", parameters=[EventQueryIn], responses={(200, "text/event-stream"): str})
    def list(self, request: ApiRequest) -> Response:
        """The log as server-sent events: `id` is the event's number, `event` its type, `data` the event."""
        raise NotReady("Streams need the server's own web process (manage.py serve).")


def _open(request: ApiRequest, query: EventQuery, *, default_after: int | str) -> Opened:
    scope = event_scope(request.principal, query.agent_identity_id, query.types)
    after = default_after if query.after is None else query.after
    caller = request.principal.key_id or request.principal.user_id or ""
    position = after if isinstance(after, int) else latest_position(scope)
    return Opened(scope, position, query.limit, query.wait, caller)
