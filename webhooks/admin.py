"""Django admin: logs to look at. What was posted and answered is people's mail, so no body or token is shown."""

from __future__ import annotations

from typing import ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from identities.admin_base import ReadOnlyAdmin
from webhooks.models import DeliveryAttempt, Dispatch, EndpointHealth, Event, EventLog, EventStream, Subscription
from webhooks.services.replays import deliver_again


@admin.register(EventStream)
class EventStreamAdmin(ReadOnlyAdmin):
    """How far each stream is numbered."""

    list_display: ClassVar[list[str]] = ["stream_id", "organization", "last_seq"]
    list_select_related: ClassVar[list[str]] = ["organization"]
    search_fields: ClassVar[list[str]] = ["=stream_id", "=organization__id"]
    fields: ClassVar[list[str]] = ["stream_id", "organization", "last_seq", "purged_position"]


@admin.register(EventLog)
class EventLogAdmin(ReadOnlyAdmin):
    """How far the log of each organization has come."""

    list_display: ClassVar[list[str]] = ["organization", "last_position", "purged_position"]
    list_select_related: ClassVar[list[str]] = ["organization"]
    search_fields: ClassVar[list[str]] = ["=organization__id"]
    fields: ClassVar[list[str]] = ["organization", "last_position", "purged_position"]


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
        "standard_webhooks",
        "is_legacy",
        "created_at",
        "updated_at",
    ]

    @admin.display(boolean=True, description="Bearer token")
    def has_token(self, row: Subscription) -> bool:
        """Whether requests carry one; never which."""
        return row.has_auth_token


@admin.register(EndpointHealth)
class EndpointHealthAdmin(ReadOnlyAdmin):
    """Endpoints that failed, and which of them are left alone."""

    list_display: ClassVar[list[str]] = ["subscription_id", "state", "failures", "opens", "opened_at", "retry_at"]
    list_filter: ClassVar[list[str]] = ["state"]
    search_fields: ClassVar[list[str]] = ["=subscription__id", "subscription__url"]
    ordering: ClassVar[list[str]] = ["-opened_at"]
    fields: ClassVar[list[str]] = [
        "subscription",
        "state",
        "failures",
        "opens",
        "opened_at",
        "retry_at",
        "last_failure_at",
        "last_status",
        "last_error",
        "reported_at",
    ]


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
    search_fields: ClassVar[list[str]] = [
        "=event__id",
        "=subscription__id",
        "=request_id",
        "=event__organization__id",
        "=event__identity__agent_handle",
    ]
    ordering: ClassVar[list[str]] = ["-id"]
    actions: ClassVar[list[str]] = ["deliver_again"]
    fields: ClassVar[list[str]] = [
        "event",
        "subscription",
        "state",
        "attempts",
        "next_attempt_at",
        "leased_until",
        "request_id",
    ]

    @admin.action(description="Deliver again what was given up", permissions=["retry"])
    def deliver_again(self, request: HttpRequest, queryset: QuerySet[Dispatch]) -> None:
        """Only failed ones are queued; their events are the same, so receivers can tell."""
        count = deliver_again(queryset.values_list("pk", flat=True))
        messages.success(request, f"Queued again: {count}. Deliveries that did not fail are left alone.")

    def has_retry_permission(self, request: HttpRequest) -> bool:
        """Whoever could change a delivery may repeat it."""
        return request.user.has_perm("webhooks.change_dispatch")


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
