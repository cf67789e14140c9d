"""Reads. Every one starts from the principal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Count, Min, Q

from common.clock import now
from common.errors import Invalid
from common.ids import parse_uuid
from common.principal import Principal
from identities.errors import RoleTooLow
from webhooks import limits
from webhooks.catalog import IDENTITY_FAMILIES, families
from webhooks.enums import DispatchState, Selector
from webhooks.errors import DeliveryNotFound, SubscriptionNotFound
from webhooks.models import DeliveryAttempt, Dispatch, EndpointHealth, Event, Subscription
from webhooks.owners import resolve_owner


@dataclass(frozen=True, slots=True)
class SubscriptionQuery:
    """Filters of the subscription list, combined by AND."""

    mailbox_id: UUID | None = None
    phone_number_id: UUID | None = None
    agent_identity_id: UUID | None = None
    url: str | None = None
    event_type: str | None = None
    scope: str | None = None


@dataclass(frozen=True, slots=True)
class DeliveryQuery:
    """Filters of the delivery log, combined by AND."""

    subscription_id: UUID | None = None
    phone_number_id: UUID | None = None
    event_type: str | None = None
    success: bool | None = None
    limit: int = limits.DELIVERIES_DEFAULT_LIMIT
    offset: int = 0


def list_subscriptions(principal: Principal, query: SubscriptionQuery) -> list[Subscription]:
    """Active rows, newest first.

    With an owner filter and without `scope=identity`, the view of clients that know one family per row: mixed rows are
    left out, and each kind of owner shows its own family. Raises Invalid for more than one owner filter.
    """
    ids = {
        Selector.MAILBOX: query.mailbox_id,
        Selector.PHONE_NUMBER: query.phone_number_id,
        Selector.IDENTITY: query.agent_identity_id,
    }
    given = [(selector, row_id) for selector, row_id in ids.items() if row_id is not None]
    if len(given) > 1:
        raise Invalid("Filter by one of mailbox_id, phone_number_id and agent_identity_id.")
    rows = Subscription.objects.visible_to(principal).active().select_related("health").order_by("-created_at", "-pk")
    if query.url is not None:
        rows = rows.filter(url=query.url)
    selector = None
    if given:
        selector, row_id = given[0]
        rows = rows.filter(_of_owner(principal, selector, row_id))
    is_scoped = query.scope is not None
    return [
        row
        for row in rows
        if (query.event_type is None or query.event_type in row.event_types)
        and (selector is None or is_scoped or _is_in_view(row, selector))
    ]


def _of_owner(principal: Principal, selector: Selector, row_id: UUID) -> Q:
    """Rows of an identity; of a mailbox or number: its own rows and those of the identity that holds it."""
    if selector is Selector.IDENTITY:
        return Q(identity_id=row_id)
    own = Q(**{f"{selector.value}_id": row_id})
    owner = resolve_owner(principal, selector, row_id)
    return own if owner is None or owner.identity_id is None else own | Q(identity_id=owner.identity_id)


def _is_in_view(row: Subscription, selector: Selector) -> bool:
    found = families(row.event_types)
    if len(found) > 1:
        return False
    if selector is Selector.MAILBOX:
        return found == {"message"}
    if selector is Selector.PHONE_NUMBER:
        return found == {"text"}
    return row.selector is Selector.IDENTITY or found <= IDENTITY_FAMILIES


def get_subscription(principal: Principal, subscription_id: str) -> Subscription:
    """An active row. Raises SubscriptionNotFound."""
    row_id = parse_uuid(subscription_id)
    rows = Subscription.objects.visible_to(principal).active().select_related("health", "identity")
    row = rows.filter(pk=row_id).first() if row_id else None
    if row is None:
        raise SubscriptionNotFound
    return row


def get_managed_subscription(principal: Principal, subscription_id: str) -> Subscription:
    """As `get_subscription`, for a caller about to change it: people need the admin role. Raises RoleTooLow."""
    row = get_subscription(principal, subscription_id)
    require_manager(principal)
    return row


def require_manager(principal: Principal) -> None:
    """Agents manage what is theirs, people need the admin role. Raises RoleTooLow."""
    if not (principal.manages_organization or principal.is_agent):
        raise RoleTooLow


def list_deliveries(principal: Principal, query: DeliveryQuery, *, has_bodies: bool = True) -> list[DeliveryAttempt]:
    """Attempts, newest first. The limit is clamped, not refused. Lists for people do without the request bodies."""
    rows = DeliveryAttempt.objects.visible_to(principal).select_related("event", "subscription")
    if not has_bodies:
        rows = rows.defer("body", "event__body")
    if query.subscription_id is not None:
        rows = rows.filter(subscription_id=query.subscription_id)
    if query.phone_number_id is not None:
        rows = rows.filter(phone_number_id=query.phone_number_id)
    if query.event_type is not None:
        rows = rows.filter(event_type=query.event_type)
    if query.success is True:
        rows = rows.filter(response_status__range=(200, 299))
    elif query.success is False:
        rows = rows.exclude(response_status__isnull=False, response_status__range=(200, 299))
    limit = min(max(query.limit, 1), limits.DELIVERIES_MAX_LIMIT)
    return list(rows.order_by("-created_at", "-pk")[query.offset : query.offset + limit])


def impaired_endpoints(principal: Principal, limit: int) -> list[EndpointHealth]:
    """Endpoints of visible subscriptions that are not being sent to, the longest first."""
    visible = Subscription.objects.visible_to(principal).active()
    rows = EndpointHealth.objects.impaired().filter(subscription__in=visible.values("pk"))
    return list(rows.select_related("subscription").order_by("opened_at", "pk")[:limit])


@dataclass(frozen=True, slots=True)
class EndpointOverview:
    """How an endpoint does: its circuit, what waits for it, and what became of the attempts of the last day."""

    subscription: Subscription
    circuit: EndpointHealth
    waiting: int
    oldest_waiting_at: datetime | None
    succeeded: int
    failed: int


def endpoint_overviews(
    principal: Principal, *, identity_id: UUID | None = None, offset: int = 0, limit: int | None = None
) -> list[EndpointOverview]:
    """Of active visible subscriptions, of all or one identity, newest first. Three queries."""
    rows = Subscription.objects.visible_to(principal).active().select_related("health", "identity")
    if identity_id is not None:
        rows = rows.filter(identity_id=identity_id)
    end = None if limit is None else offset + limit
    return describe_endpoints(list(rows.order_by("-created_at", "-pk")[offset:end]))


def describe_endpoints(subscriptions: list[Subscription]) -> list[EndpointOverview]:
    """How the endpoints of these subscriptions do. Two queries, however many."""
    ids = [row.pk for row in subscriptions]
    pending = Dispatch.objects.filter(subscription_id__in=ids, state=DispatchState.PENDING.value)
    waiting = {
        row[0]: row[1:]
        for row in pending.values_list("subscription_id").annotate(Count("pk"), Min("event__created_at"))
    }
    recent = DeliveryAttempt.objects.filter(subscription_id__in=ids, created_at__gte=now() - timedelta(days=1))
    is_good = Q(response_status__range=(200, 299))
    attempts = {
        row[0]: row[1:]
        for row in recent.values_list("subscription_id").annotate(
            succeeded=Count("pk", filter=is_good), failed=Count("pk") - Count("pk", filter=is_good)
        )
    }
    return [
        EndpointOverview(row, row.circuit, *waiting.get(row.pk, (0, None)), *attempts.get(row.pk, (0, 0)))
        for row in subscriptions
    ]


def list_newest_events(principal: Principal, limit: int) -> list[Event]:
    """The end of the log as a person looks at it: newest first, without bodies."""
    rows = Event.objects.visible_to(principal).select_related("identity").defer("body")
    return list(rows.order_by("-position", "-pk")[:limit])


def get_delivery(principal: Principal, delivery_id: str) -> DeliveryAttempt:
    """One attempt with its event and subscription. Raises DeliveryNotFound."""
    row_id = parse_uuid(delivery_id)
    rows = DeliveryAttempt.objects.visible_to(principal).select_related("event", "subscription")
    row = rows.filter(pk=row_id).first() if row_id else None
    if row is None:
        raise DeliveryNotFound
    return row


def get_managed_delivery(principal: Principal, delivery_id: str) -> DeliveryAttempt:
    """As `get_delivery`, for a caller about to replay it. Raises RoleTooLow."""
    row = get_delivery(principal, delivery_id)
    require_manager(principal)
    return row
