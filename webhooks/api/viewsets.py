"""Subscriptions, catalog, delivery log and replay (contract webhooks.md section 1)."""

from __future__ import annotations

from typing import ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.response import Response

from common.api.context import Notice, add_notice
from common.api.viewsets import ApiRequest, ApiViewSet
from common.principal import Scope
from webhooks import limits, selectors, signing
from webhooks.api import serializers as shapes
from webhooks.catalog import EVENTS
from webhooks.services.circuits import describe_impairment
from webhooks.services.replays import redeliver_range, replay_delivery, send_test
from webhooks.services.subscriptions import create_subscription, delete_subscription, update_subscription

CLAIMED = frozenset({Scope.ADMIN, Scope.AGENT, Scope.SESSION})


class SubscriptionViewSet(ApiViewSet):
    """Where events are sent."""

    allowed: ClassVar = CLAIMED

    @extend_schema(
        operation_id="webhook_subscriptions_list",
        parameters=[shapes.SubscriptionQueryIn],
        responses=shapes.SubscriptionListOut,
    )
    def list(self, request: ApiRequest) -> Response:
        """Active subscriptions, newest first. With an owner filter, mixed rows are shown with `scope=identity` only."""
        query = shapes.SubscriptionQueryIn.parse_query(request)
        rows = selectors.list_subscriptions(request.principal, query)
        add_endpoint_notices(request)
        return Response({"subscriptions": shapes.SubscriptionOut.render_many(rows)})

    @extend_schema(
        operation_id="webhook_subscriptions_create",
        request=shapes.NewSubscriptionIn,
        responses={201: shapes.CreatedSubscriptionOut},
    )
    def create(self, request: ApiRequest) -> Response:
        """Subscribe a URL to events of one owner. The first subscription of an identity mints its signing key."""
        new = shapes.NewSubscriptionIn.parse(request)
        row, signing_key = create_subscription(request.principal, new)
        return Response(shapes.render_created(row, signing_key), status=status.HTTP_201_CREATED)

    @extend_schema(operation_id="webhook_subscriptions_retrieve", responses=shapes.SubscriptionOut)
    def retrieve(self, request: ApiRequest, subscription_id: str) -> Response:
        """One active subscription."""
        row = selectors.get_subscription(request.principal, subscription_id)
        add_endpoint_notices(request)
        return Response(shapes.SubscriptionOut.render(row))

    @extend_schema(
        operation_id="webhook_subscriptions_update",
        request=shapes.SubscriptionChangesIn,
        parameters=[shapes.ScopeQueryIn],
        responses=shapes.SubscriptionOut,
    )
    def partial_update(self, request: ApiRequest, subscription_id: str) -> Response:
        """Change the supplied fields; `event_types` replaces the list, null clears the optional ones."""
        changes = shapes.SubscriptionChangesIn.parse(request)
        scope = shapes.ScopeQueryIn.parse_query(request).scope
        row = selectors.get_managed_subscription(request.principal, subscription_id)
        row = update_subscription(row, changes, identity_scope=scope is not None)
        return Response(shapes.SubscriptionOut.render(row))

    @extend_schema(operation_id="webhook_subscriptions_delete", parameters=[shapes.ScopeQueryIn], responses={204: None})
    def destroy(self, request: ApiRequest, subscription_id: str) -> Response:
        """Stop deliveries at once, queued ones too."""
        scope = shapes.ScopeQueryIn.parse_query(request).scope
        row = selectors.get_managed_subscription(request.principal, subscription_id)
        delete_subscription(row, identity_scope=scope is not None)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(operation_id="webhook_subscriptions_test", request=None, responses={201: shapes.DeliveryOut})
    def test(self, request: ApiRequest, subscription_id: str) -> Response:
        """Send a signed `webhook.test` to the endpoint, now, and answer with the attempt."""
        row = selectors.get_managed_subscription(request.principal, subscription_id)
        return Response(shapes.DeliveryOut.render(send_test(row)), status=status.HTTP_201_CREATED)

    @extend_schema(
        operation_id="webhook_subscriptions_redeliver", request=shapes.EventRangeIn, responses=shapes.RedeliveryOut
    )
    def redeliver(self, request: ApiRequest, subscription_id: str) -> Response:
        """Queue a range of events again, for an endpoint that missed them."""
        wanted = shapes.EventRangeIn.parse(request)
        row = selectors.get_managed_subscription(request.principal, subscription_id)
        return Response(shapes.RedeliveryOut.render(redeliver_range(row, wanted)))


def add_endpoint_notices(request: ApiRequest) -> None:
    """Tell the caller about endpoints of its own that are not being sent to."""
    for row in selectors.impaired_endpoints(request.principal, limits.ENDPOINT_NOTICES):
        add_notice(request, Notice(f"webhook_circuit_{row.state}", "warning", describe_impairment(row)))


class CatalogViewSet(ApiViewSet):
    """What can be subscribed to."""

    @extend_schema(operation_id="webhook_catalog", responses=shapes.CatalogOut)
    def retrieve(self, request: ApiRequest) -> Response:
        """Event names, and the headers of a signed example request."""
        example = signing.request_headers(
            request_id=signing.EXAMPLE_REQUEST_ID,
            timestamp=signing.EXAMPLE_TIMESTAMP,
            body=signing.EXAMPLE_BODY,
            keys=signing.Keys(signing.EXAMPLE_SECRET),
        )
        names = (signing.REQUEST_ID, signing.TIMESTAMP, signing.SIGNATURE)
        return Response(
            {
                "supports_identity_subscriptions": True,
                "events": EVENTS,
                "example_signature_headers": {name: example[name] for name in names},
            }
        )


class DeliveryViewSet(ApiViewSet):
    """The log of attempts."""

    allowed: ClassVar = CLAIMED

    @extend_schema(
        operation_id="webhook_deliveries_list", parameters=[shapes.DeliveryQueryIn], responses=shapes.DeliveryListOut
    )
    def list(self, request: ApiRequest) -> Response:
        """Attempts, newest first."""
        query = shapes.DeliveryQueryIn.parse_query(request)
        add_endpoint_notices(request)
        return Response(shapes.render_deliveries(selectors.list_deliveries(request.principal, query)))

    @extend_schema(operation_id="webhook_deliveries_replay", request=None, responses={201: shapes.DeliveryOut})
    def replay(self, request: ApiRequest, delivery_id: str) -> Response:
        """Send a logged delivery again, now, and answer with the new attempt."""
        row = selectors.get_managed_delivery(request.principal, delivery_id)
        return Response(shapes.DeliveryOut.render(replay_delivery(row)), status=status.HTTP_201_CREATED)
