"""The delivery log and replay."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from identities.services.signing_keys import rotate_signing_key
from tests.factories.identities import admin_client, agent, agent_client
from tests.factories.webhooks import Receiver, happen, some_id, subscription
from webhooks.dispatcher import deliver_due
from webhooks.models import DeliveryAttempt, Dispatch, Event, Subscription
from webhooks.models.subscription import seal_token
from webhooks.signing import sign

pytestmark = pytest.mark.django_db

PATH = "/webhooks/deliveries"


def _attempt(row: Subscription, event: Event | None = None, **fields: Any) -> DeliveryAttempt:
    fields.setdefault("response_status", 200)
    return DeliveryAttempt.objects.create(
        organization_id=row.organization_id,
        identity_id=row.identity_id,
        subscription=row,
        event=event,
        event_type=fields.pop("event_type", "message.received"),
        url=row.url,
        request_id="req_x",
        **fields,
    )


def _ids(answer: Any) -> list[str]:
    assert answer.status_code == 200
    return [item["id"] for item in answer.json()["deliveries"]]


def test_a_delivery_on_the_wire(hook: Receiver) -> None:
    identity = agent()
    row = subscription(identity, url=hook.url)
    event = happen(identity)
    deliver_due()

    answer = agent_client(identity).get(PATH)

    (item,) = answer.json()["deliveries"]
    attempt = DeliveryAttempt.objects.get()
    assert datetime.fromisoformat(item.pop("created_at")) == attempt.created_at
    assert item.pop("duration_ms") == attempt.duration_ms
    assert item == {
        "id": str(attempt.pk),
        "organization_id": identity.organization_id,
        "webhook_subscription_id": str(row.pk),
        "phone_number_id": None,
        "event_id": event.pk,
        "event_type": "message.received",
        "url": hook.url,
        "request_payload": event.body,
        "response_status": 200,
        "response_body": "ok",
        "error_detail": None,
        "is_replay": False,
        "replayable": True,
        "replay_unavailable_reason": None,
    }


def test_filters_and_order() -> None:
    identity = agent()
    first, second = subscription(identity), subscription(identity, url="https://b.example.com/")
    start = datetime(2026, 1, 1, tzinfo=UTC)
    rows = {
        "ok": _attempt(first, created_at=start),
        "error": _attempt(first, response_status=500, created_at=start + timedelta(1)),
        "silent": _attempt(second, response_status=None, created_at=start + timedelta(2)),
        "moved": _attempt(second, response_status=302, event_type="message.sent", created_at=start + timedelta(3)),
    }
    client = agent_client(identity)

    def names(query: str) -> list[str]:
        by_id = {str(row.pk): name for name, row in rows.items()}
        return [by_id[item] for item in _ids(client.get(f"{PATH}?{query}"))]

    assert names("") == ["moved", "silent", "error", "ok"]
    assert names("success=true") == ["ok"]
    assert names("success=false") == ["moved", "silent", "error"]
    assert names(f"subscription_id={first.pk}") == ["error", "ok"]
    assert names("event_type=message.sent") == ["moved"]
    assert names(f"subscription_id={second.pk}&success=false&event_type=message.received") == ["silent"]
    assert names(f"phone_number_id={some_id()}") == []
    assert names("limit=2") == ["moved", "silent"]
    assert names("limit=2&offset=1") == ["silent", "error"]
    assert names("limit=0") == ["moved"]
    assert names("limit=-7") == ["moved"]
    assert names("limit=100000000000000000000&offset=3") == ["ok"]


def test_the_page_has_fifty_rows_and_at_most_two_hundred(django_assert_max_num_queries: Any) -> None:
    identity = agent()
    row = subscription(identity)
    DeliveryAttempt.objects.bulk_create(
        DeliveryAttempt(
            organization_id=row.organization_id,
            identity_id=identity.pk,
            subscription=row,
            event_type="message.sent",
            url=row.url,
            request_id="r",
        )
        for _ in range(210)
    )
    client = agent_client(identity)

    assert len(_ids(client.get(PATH))) == 50
    with django_assert_max_num_queries(3):
        assert len(_ids(client.get(f"{PATH}?limit=5000"))) == 200


@pytest.mark.parametrize("query", ["success=maybe", "limit=ten", "offset=-1", "subscription_id=x"])
def test_bad_filters_are_refused(query: str) -> None:
    assert admin_client().get(f"{PATH}?{query}").status_code == 422


def test_the_log_survives_the_subscription() -> None:
    identity = agent()
    row = subscription(identity)
    attempt = _attempt(row, happen(identity))
    client = agent_client(identity)

    client.delete(f"/webhooks/subscriptions/{row.pk}")

    (item,) = client.get(f"{PATH}?subscription_id={row.pk}").json()["deliveries"]
    assert item["id"] == str(attempt.pk)
    assert (item["replayable"], item["replay_unavailable_reason"]) == (False, "subscription_inactive")


def test_a_callback_without_event_has_an_event_id_of_its_own() -> None:
    identity = agent()
    number = some_id()
    attempt = DeliveryAttempt.objects.create(
        organization_id=identity.organization_id,
        identity=identity,
        phone_number_id=number,
        event_type="phone.incoming_call",
        url="https://calls.example.com/",
        body='{"id":"x"}',
        request_id="r",
        response_status=200,
    )
    client = agent_client(identity)

    (item,) = client.get(f"{PATH}?phone_number_id={number}").json()["deliveries"]
    replay = client.post(f"{PATH}/{attempt.pk}/replay")

    assert item["event_id"] == f"evt_{attempt.pk}"
    assert item["request_payload"] == '{"id":"x"}'
    assert item["webhook_subscription_id"] is None
    assert (item["replayable"], item["replay_unavailable_reason"]) == (False, "event_type_not_replayable")
    assert replay.status_code == 422
    assert replay.json() == {"detail": "Deliveries of this event type cannot be replayed."}


@pytest.mark.django_db(transaction=True)
def test_a_replay_posts_the_logged_body_to_the_current_url(hook: Receiver, second_hook: Receiver) -> None:
    identity = agent()
    secret, _ = rotate_signing_key(organization_id=identity.organization_id, identity=identity)
    config = {"email": {"mode": "count", "count": 1}, "texts": None, "calls": None}
    row = subscription(identity, url=hook.url, token="old", context_config=config)
    event = happen(identity)
    deliver_due()
    first = DeliveryAttempt.objects.get()
    Subscription.objects.update(url=second_hook.url, sealed_auth_token=seal_token("new"), context_config=None)
    second_hook.will_answer((503, {}, b"busy"))

    answer = agent_client(identity).post(f"{PATH}/{first.pk}/replay")

    assert answer.status_code == 201
    body = answer.json()
    original, again = hook.requests[0], second_hook.requests[0]
    assert again.body == original.body
    assert again.headers["X-Inkbox-Request-ID"] != original.headers["X-Inkbox-Request-ID"]
    assert again.headers["Authorization"] == "Bearer new"
    assert again.headers["X-Inkbox-Signature"] == sign(
        secret, again.headers["X-Inkbox-Request-ID"], int(again.headers["X-Inkbox-Timestamp"]), again.body
    )
    assert (body["is_replay"], body["event_id"], body["url"]) == (True, event.pk, second_hook.url)
    assert (body["response_status"], body["response_body"], body["webhook_subscription_id"]) == (
        503,
        "busy",
        str(row.pk),
    )
    assert body["request_payload"].encode() == original.body
    assert body["id"] != str(first.pk)
    assert DeliveryAttempt.objects.count() == 2
    assert Dispatch.objects.get().state == "succeeded"
    replay_of_replay = agent_client(identity).post(f"{PATH}/{body['id']}/replay")
    assert replay_of_replay.status_code == 201
    assert second_hook.requests[1].body == original.body


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"status": "deleted"}, "The webhook subscription of this delivery is not active any more."),
        ({"event_types": ["message.sent"]}, "The webhook subscription no longer selects this event type."),
    ],
)
def test_a_replay_needs_a_subscription_that_selects_the_event(
    hook: Receiver, change: dict[str, Any], message: str
) -> None:
    identity = agent()
    row = subscription(identity, url=hook.url)
    attempt = _attempt(row, happen(identity))
    Subscription.objects.update(**change)

    answer = agent_client(identity).post(f"{PATH}/{attempt.pk}/replay")

    assert (answer.status_code, answer.json()) == (409, {"detail": message})
    assert hook.requests == []
    assert DeliveryAttempt.objects.count() == 1


@pytest.mark.parametrize("delivery_id", ["nonsense", "0192f0c1-0000-7000-8000-000000000001"])
def test_an_unknown_delivery_is_not_found(delivery_id: str) -> None:
    answer = admin_client().post(f"{PATH}/{delivery_id}/replay")

    assert (answer.status_code, answer.json()) == (404, {"detail": "Webhook delivery not found"})
