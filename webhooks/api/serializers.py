"""Shapes of this app's resources and bodies (contract webhooks.md sections 1, 2 and 4.4)."""

from __future__ import annotations

import re
from typing import Any

from cryptography.exceptions import InvalidTag
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from common.api.inputs import InputSerializer, QueryBoolean, StrictBoolean
from common.api.outputs import OutputSerializer
from common.http import MAX_URL_CHARS
from webhooks import limits
from webhooks.catalog import EVENT_NAMES, INCOMING_CALL
from webhooks.context import CLASSES
from webhooks.enums import CircuitState, SubscriptionStatus
from webhooks.models import DeliveryAttempt, Subscription
from webhooks.selectors import DeliveryQuery, SubscriptionQuery
from webhooks.services.circuits import circuit_body
from webhooks.services.replays import EventRange
from webhooks.services.subscriptions import NewSubscription, SubscriptionChanges

# What can stand after "Bearer " in one header line.
_TOKEN = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
_MODES = {"count": ("count", limits.CONTEXT_MAX_COUNT), "window": ("hours", limits.CONTEXT_MAX_HOURS)}
_MAX_OFFSET = 10_000_000
_MAX_POSITION = 2**53 - 1


class UrlField(serializers.CharField):
    """The service checks what may be called."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=MAX_URL_CHARS, trim_whitespace=False, **kwargs)


class EventTypesField(serializers.ListField):
    """A non-empty list of distinct names of the catalog."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(child=serializers.CharField(), allow_empty=False, **kwargs)

    def to_internal_value(self, data: Any) -> list[str]:
        names: list[str] = super().to_internal_value(data)
        if INCOMING_CALL in names:
            raise serializers.ValidationError(
                f"{INCOMING_CALL} is not a subscription event. Set incoming_call_action and incoming_call_webhook_url."
            )
        for name in names:
            if name not in EVENT_NAMES:
                raise serializers.ValidationError(
                    f"Unknown event type {name[:64]!r}. GET /api/v1/webhooks/catalog lists the known ones."
                )
        if len(set(names)) < len(names):
            raise serializers.ValidationError("Send each event type once.")
        return names


class ContextConfigOut(serializers.Serializer[Any]):
    """Which history is sent along with incoming messages."""

    email = serializers.JSONField(allow_null=True)
    texts = serializers.JSONField(allow_null=True)
    calls = serializers.JSONField(allow_null=True)


@extend_schema_field(ContextConfigOut)
class ContextConfigField(serializers.Field[Any, Any, Any, Any]):
    """`{email, texts, calls}`, each null or `{mode: "count", count}` or `{mode: "window", hours}`."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            raise serializers.ValidationError("Send an object with email, texts and calls, or null.")
        if extra := sorted(set(data) - set(CLASSES)):
            raise serializers.ValidationError(f"Unknown context class {extra[0][:64]!r}. Use email, texts and calls.")
        return {name: _context_class(name, data.get(name)) for name in CLASSES}

    def to_representation(self, value: Any) -> Any:
        return value


def _context_class(name: str, data: Any) -> dict[str, Any] | None:
    if data is None:
        return None
    mode = data.get("mode") if isinstance(data, dict) else None
    if not isinstance(mode, str) or mode not in _MODES:
        raise serializers.ValidationError({name: ["Send null, or an object whose mode is count or window."]})
    key, largest = _MODES[mode]
    number = data.get(key)
    # type(), because True is an int too
    if set(data) != {"mode", key} or type(number) is not int or not 1 <= number <= largest:
        raise serializers.ValidationError({name: [f"With mode {mode} send {key}, a whole number from 1 to {largest}."]})
    return {"mode": mode, key: number}


class AuthTokenField(serializers.CharField):
    """A bearer token: printable ASCII, so that it fits into a header."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=limits.AUTH_TOKEN_MAX_CHARS, trim_whitespace=False, allow_null=True, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str) or _TOKEN.fullmatch(data) is None:
            raise serializers.ValidationError("Use printable ASCII without spaces at the ends.")
        return super().to_internal_value(data)


class NewSubscriptionIn(InputSerializer[NewSubscription]):
    """Body of subscription create; exactly one of the three ids."""

    into = NewSubscription
    url = UrlField()
    event_types = EventTypesField()
    mailbox_id = serializers.UUIDField(required=False, allow_null=True)
    phone_number_id = serializers.UUIDField(required=False, allow_null=True)
    agent_identity_id = serializers.UUIDField(required=False, allow_null=True)
    context_config = ContextConfigField(required=False, allow_null=True)
    auth_token = AuthTokenField(required=False)
    standard_webhooks = StrictBoolean(required=False)


class SubscriptionChangesIn(InputSerializer[SubscriptionChanges]):
    """Body of subscription update; absent fields stay, null clears where it is allowed."""

    into = SubscriptionChanges
    url = UrlField(required=False)
    event_types = EventTypesField(required=False)
    context_config = ContextConfigField(required=False, allow_null=True)
    auth_token = AuthTokenField(required=False)
    standard_webhooks = StrictBoolean(required=False)

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict):
            for name in ("mailbox_id", "phone_number_id", "agent_identity_id"):
                if name in data:
                    raise serializers.ValidationError(
                        {name: "The owner cannot be changed. Delete the subscription and create another."}
                    )
        return super().to_internal_value(data)


class SubscriptionQueryIn(InputSerializer[SubscriptionQuery]):
    """Query of the subscription list."""

    into = SubscriptionQuery
    mailbox_id = serializers.UUIDField(required=False)
    phone_number_id = serializers.UUIDField(required=False)
    agent_identity_id = serializers.UUIDField(required=False)
    url = serializers.CharField(required=False, trim_whitespace=False)
    event_type = serializers.CharField(required=False)
    scope = serializers.ChoiceField(choices=["identity"], required=False)


class ScopeQueryIn(InputSerializer[SubscriptionQuery]):
    """`scope=identity` permits changing a row that mixes families."""

    into = SubscriptionQuery
    scope = serializers.ChoiceField(choices=["identity"], required=False)


class DeliveryQueryIn(InputSerializer[DeliveryQuery]):
    """Query of the delivery log; a limit out of range is clamped."""

    into = DeliveryQuery
    subscription_id = serializers.UUIDField(required=False)
    phone_number_id = serializers.UUIDField(required=False)
    event_type = serializers.CharField(required=False)
    success = QueryBoolean(required=False, allow_null=True)
    limit = serializers.IntegerField(required=False)
    offset = serializers.IntegerField(required=False, min_value=0, max_value=_MAX_OFFSET)


class CircuitOut(serializers.Serializer[Any]):
    """Whether the endpoint is being sent to, and since when and why not."""

    state = serializers.ChoiceField(choices=[s.value for s in CircuitState])
    consecutive_failures = serializers.IntegerField()
    opened_at = serializers.DateTimeField(allow_null=True)
    next_attempt_at = serializers.DateTimeField(allow_null=True)
    last_failure_at = serializers.DateTimeField(allow_null=True)
    last_status = serializers.IntegerField(allow_null=True)
    last_error = serializers.CharField(allow_null=True)


class SubscriptionOut(OutputSerializer):
    """A subscription. The legacy ids are always present, as older clients require."""

    id = serializers.UUIDField()
    organization_id = serializers.CharField()
    mailbox_id = serializers.UUIDField(allow_null=True)
    phone_number_id = serializers.UUIDField(allow_null=True)
    agent_identity_id = serializers.UUIDField(allow_null=True)
    owner_identity_id = serializers.UUIDField(allow_null=True, source="identity_id")
    url = serializers.CharField()
    event_types = serializers.ListField(child=serializers.CharField())
    status = serializers.ChoiceField(choices=[s.value for s in SubscriptionStatus])
    context_config = ContextConfigOut(allow_null=True)
    has_auth_token = serializers.BooleanField()
    auth_token = serializers.CharField(allow_null=True)
    standard_webhooks = serializers.BooleanField()
    circuit = CircuitOut()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()

    @staticmethod
    def get_circuit(row: Subscription) -> dict[str, Any]:
        return circuit_body(row.circuit)

    @staticmethod
    def get_auth_token(row: Subscription) -> str | None:
        try:
            return row.auth_token
        except InvalidTag:
            return None  # sealed under an earlier server key: unreadable, and still there to be replaced


class CreatedSubscriptionOut(SubscriptionOut):
    """With the signing key, when this minted the first one of the identity. Shown only here."""

    signing_key = serializers.CharField(allow_null=True)


class SubscriptionListOut(serializers.Serializer[Any]):
    """All matching rows."""

    subscriptions = SubscriptionOut(many=True)


class DeliveryOut(OutputSerializer):
    """One attempt."""

    id = serializers.UUIDField()
    organization_id = serializers.CharField()
    webhook_subscription_id = serializers.UUIDField(allow_null=True, source="subscription_id")
    phone_number_id = serializers.UUIDField(allow_null=True)
    event_id = serializers.CharField(source="wire_event_id")
    event_type = serializers.CharField()
    url = serializers.CharField()
    request_payload = serializers.CharField()
    response_status = serializers.IntegerField(allow_null=True)
    response_body = serializers.CharField(allow_null=True)
    error_detail = serializers.CharField(allow_null=True)
    duration_ms = serializers.IntegerField(allow_null=True)
    is_replay = serializers.BooleanField()
    created_at = serializers.DateTimeField()
    replayable = serializers.BooleanField()
    replay_unavailable_reason = serializers.CharField(allow_null=True)


class DeliveryListOut(serializers.Serializer[Any]):
    """A page of the log."""

    deliveries = DeliveryOut(many=True)


class EventRangeIn(InputSerializer[EventRange]):
    """Which events to send again."""

    into = EventRange
    strict = True
    after = serializers.IntegerField(required=False, min_value=0, max_value=_MAX_POSITION)
    through = serializers.IntegerField(required=False, min_value=0, max_value=_MAX_POSITION)
    since = serializers.DateTimeField(required=False)
    until = serializers.DateTimeField(required=False)
    only_failed = StrictBoolean(required=False)


class RedeliveryOut(OutputSerializer):
    """How many deliveries were queued, and where to go on."""

    queued = serializers.IntegerField()
    next_after = serializers.IntegerField()
    has_more = serializers.BooleanField()


class CatalogOut(serializers.Serializer[Any]):
    """What can be subscribed to, and how requests are signed."""

    supports_identity_subscriptions = serializers.BooleanField()
    events = serializers.ListField(child=serializers.CharField())
    example_signature_headers = serializers.DictField(child=serializers.CharField())


def render_created(row: Subscription, signing_key: str | None) -> dict[str, Any]:
    """The answer of subscription create."""
    return {**SubscriptionOut.render(row), "signing_key": signing_key}


def render_deliveries(rows: list[DeliveryAttempt]) -> dict[str, Any]:
    """The answer of the delivery list."""
    return {"deliveries": DeliveryOut.render_many(rows)}
