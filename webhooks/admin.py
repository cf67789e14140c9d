"""Django admin: logs to look at. What was posted and answered is people's mail, so no body or token is shown."""

from __future__ import annotations

from typing import ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from identities.admin_base import ReadOnlyAdmin
from webhooks.models import DeliveryAttempt, Dispatch, Event, EventStream, Subscription


@admin.register(EventStream)
class EventStreamAdmin(ReadOnlyAdmin):
    """How far each stream is numbered."""

    list_display: ClassVar[list[str]] = ["stream_id", "last_seq"]
    search_fields: ClassVar[list[str]] = ["=stream_id"]
    fields: ClassVar[list[str]] = ["stream_id", "last_seq"]


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    """What happened, without its payload."""

    list_display: ClassVar[list[str]] = ["id", "event_type", "organization", "identity", "seq", "created_at"]
    list_filter: ClassVar[list[str]] = ["event_type", "created_at"]
    list_select_related: ClassVar[list[str]] = ["organization", "identity"]
    search_fields: ClassVar[list[str]] = ["=id", "=organization__id", "=identity__agent_handle"]
    ordering: ClassVar[list[str]] = ["-created_at"]
    fields: ClassVar[list[str]] = ["id", "event_type", "organization", "identity", "stream_id", "seq", "created_at"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Event]:
        rows: QuerySet[Event] = super().get_queryset(request).defer("body")
        return rows


@admin.register(Subscription)
class SubscriptionAdmin(ReadOnlyAdmin):
    """Who wants which events where."""

    list_display: ClassVar[list[str]] = ["id", "url", "organization", "identity", "status", "is_legacy", "created_at"]
    list_filter: ClassVar[list[str]] = ["status", "is_legacy", "created_at"]
    list_select_related: ClassVar[list[str]] = ["organization", "identity"]
    search_fields: ClassVar[list[str]] = ["=id", "url", "=organization__id", "=identity__agent_handle"]
    ordering: ClassVar[list[str]] = ["-created_at"]
    fields: ClassVar[list[str]] = [
        "id",
        "organization",
        "identity",
        "mailbox_id",
        "phone_number_id",
        "url",
        "event_types",
        "status",
        "context_config",
        "has_token",
        "is_legacy",
        "created_at",
        "updated_at",
    ]

    @admin.display(boolean=True, description="Bearer token")
    def has_token(self, row: Subscription) -> bool:
        """Whether requests carry one; never which."""
        return row.has_auth_token


@admin.register(Dispatch)
class DispatchAdmin(ReadOnlyAdmin):
    """The queue."""

    list_display: ClassVar[list[str]] = [
        "id",
        "event_id",
        "subscription_id",
        "state",
        "attempts",
        "next_attempt_at",
        "leased_until",
    ]
    list_filter: ClassVar[list[str]] = ["state"]
    search_fields: ClassVar[list[str]] = ["=event__id", "=subscription__id", "=request_id"]
    ordering: ClassVar[list[str]] = ["-id"]
    fields: ClassVar[list[str]] = [
        "event",
        "subscription",
        "state",
        "attempts",
        "next_attempt_at",
        "leased_until",
        "request_id",
    ]


@admin.register(DeliveryAttempt)
class DeliveryAttemptAdmin(ReadOnlyAdmin):
    """Every request that was made."""

    list_display: ClassVar[list[str]] = [
        "id",
        "event_type",
        "url",
        "response_status",
        "error_detail",
        "duration_ms",
        "is_replay",
        "created_at",
    ]
    list_filter: ClassVar[list[str]] = ["event_type", "response_status", "is_replay", "created_at"]
    search_fields: ClassVar[list[str]] = ["=id", "=event__id", "=subscription__id", "=organization__id", "=request_id"]
    ordering: ClassVar[list[str]] = ["-created_at"]
    fields: ClassVar[list[str]] = [
        "id",
        "organization",
        "identity",
        "subscription",
        "event",
        "phone_number_id",
        "event_type",
        "url",
        "request_id",
        "response_status",
        "error_detail",
        "duration_ms",
        "is_replay",
        "created_at",
    ]
