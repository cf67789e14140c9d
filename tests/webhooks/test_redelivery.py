"""Tests of an endpoint, and sending a range of events again."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

import pytest

from identities.services.signing_keys import rotate_signing_key
from tests.factories.identities import admin_client
from tests.factories.webhooks import HOOK, Receiver, bare_agent, happen, happen_often, subscription
from tests.identities.rows import all_rows
from webhooks import limits
from webhooks.dispatcher import deliver_due
from webhooks.models import DeliveryAttempt, Dispatch, EndpointHealth, Event
from webhooks.signing import sign

pytestmark = pytest.mark.django_db(transaction=True)


def _path(row: Any, action: str) -> str:
    return f"/webhooks/subscriptions/{row.pk}/{action}"


def test_a_test_is_signed_logged_and_no_event(hook: Receiver) -> None:
    identity = bare_agent()
    row = subscription(identity, url=hook.url, token="t0ken")
    secret, _ = rotate_signing_key(organization_id=identity.organization_id, identity=identity)

    answer = admin_client(identity.organization).post(_path(row, "test"))

    assert answer.status_code == 201
    body = answer.json()
    (request,) = hook.requests
    assert request.json["event_type"] == body["event_type"] == "webhook.test"
    assert request.json["id"] == body["event_id"] == f"evt_{body['id']}"
    assert request.json["data"]["subscription_id"] == str(row.pk)
    assert request.headers["Authorization"] == "Bearer t0ken"
    assert request.headers["X-Inkbox-Signature"] == sign(
        secret, request.headers["X-Inkbox-Request-ID"], int(request.headers["X-Inkbox-Timestamp"]), request.body
    )
    assert body["request_payload"].encode() == request.body
    assert (body["response_status"], body["replayable"]) == (200, False)
    assert body["replay_unavailable_reason"] == "event_type_not_replayable"
    assert not Event.objects.exists()
    listed = admin_client(identity.organization).get("/webhooks/deliveries").json()["deliveries"]
    assert listed == [body]


def test_a_failed_test_is_an_answer_too(hook: Receiver) -> None:
    identity = bare_agent()
    row = subscription(identity, url=hook.url)
    hook.will_answer((500, {}, b"broken"))

    body = admin_client(identity.organization).post(_path(row, "test")).json()

    assert (body["response_status"], body["response_body"]) == (500, "broken")
    assert EndpointHealth.objects.get().failures == 1


def test_a_successful_test_closes_the_circuit(hook: Receiver) -> None:
    identity = bare_agent()
    row = subscription(identity, url=hook.url)
    hook.will_answer(410)
    happen_often(identity, 2)
    deliver_due()
    hook.will_answer(200)
    assert deliver_due() == 0

    admin_client(identity.organization).post(_path(row, "test"))

    assert deliver_due() == 1
    assert EndpointHealth.objects.get().state == "closed"


def test_standard_webhooks_headers_are_sent_when_asked_for(hook: Receiver) -> None:
    identity = bare_agent()
    client = admin_client(identity.organization)
    made = client.post(
        "/webhooks/subscriptions",
        {
            "url": hook.url,
            "event_types": ["message.received"],
            "agent_identity_id": str(identity.pk),
            "standard_webhooks": True,
        },
    ).json()
    assert made["standard_webhooks"] is True
    event = happen(identity)

    deliver_due()

    (request,) = hook.requests
    headers = {name.lower(): value for name, value in request.headers.items()}
    assert headers["webhook-id"] == event.pk
    assert headers["webhook-timestamp"] == headers["x-inkbox-timestamp"]
    key = base64.b64decode(made["signing_key"].removeprefix("whsec_"))
    signed = f"{event.pk}.{headers['webhook-timestamp']}.".encode() + request.body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"

    assert (
        client.patch(f"/webhooks/subscriptions/{made['id']}", {"standard_webhooks": False}).json()["standard_webhooks"]
        is False
    )
    happen(identity)
    deliver_due()
    assert "webhook-id" not in {name.lower() for name in hook.requests[1].headers}


@pytest.mark.parametrize("value", [1, "true", None])
def test_standard_webhooks_is_true_or_false(value: Any) -> None:
    identity = bare_agent()
    row = subscription(identity)

    answer = admin_client(identity.organization).patch(
        f"/webhooks/subscriptions/{row.pk}", {"standard_webhooks": value}
    )

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", "standard_webhooks"]


def test_a_range_is_sent_again_in_order_with_fresh_request_ids(hook: Receiver) -> None:
    identity = bare_agent()
    row = subscription(identity, url=hook.url)
    events = happen_often(identity, 5)
    deliver_due()
    before = [(request.headers["X-Inkbox-Request-ID"], request.body) for request in hook.requests]
    hook.requests.clear()

    answer = admin_client(identity.organization).post(
        _path(row, "redeliver"), {"after": events[0].position, "through": events[3].position}
    )

    assert answer.status_code == 200
    assert answer.json() == {"queued": 3, "next_after": events[3].position, "has_more": False}
    assert deliver_due() == 3
    again = [(request.headers["X-Inkbox-Request-ID"], request.body) for request in hook.requests]
    assert [body for _, body in again] == [body for _, body in before[1:4]]
    assert {name for name, _ in again}.isdisjoint({name for name, _ in before})
    replays = DeliveryAttempt.objects.filter(is_replay=True)
    assert set(replays.values_list("event_id", flat=True)) == {event.pk for event in events[1:4]}
    assert Dispatch.objects.count() == 5


def test_a_range_reaches_back_before_the_subscription(hook: Receiver) -> None:
    identity = bare_agent()
    happen_often(identity, 2)
    happen(identity, "call.ended")
    happen(bare_agent(identity.organization))
    row = subscription(identity, url=hook.url)

    answer = admin_client(identity.organization).post(_path(row, "redeliver"), {})

    assert answer.json()["queued"] == 2
    assert deliver_due() == 2
    assert [request.json["data"]["n"] for request in hook.requests] == [0, 1]


def test_only_what_failed(hook: Receiver) -> None:
    identity = bare_agent()
    row = subscription(identity, url=hook.url)
    hook.will_answer(200, 400, 200)
    happen_often(identity, 3)
    deliver_due()
    hook.will_answer(200)
    hook.requests.clear()

    answer = admin_client(identity.organization).post(_path(row, "redeliver"), {"only_failed": True})

    assert answer.json()["queued"] == 1
    assert deliver_due() == 1
    assert hook.requests[0].json["data"]["n"] == 1


def test_by_time_and_in_portions(monkeypatch: pytest.MonkeyPatch, hook: Receiver) -> None:
    monkeypatch.setattr(limits, "REDELIVERY_MAX_EVENTS", 2)
    identity = bare_agent()
    row = subscription(identity, url=hook.url)
    events = happen_often(identity, 4)
    deliver_due()
    client = admin_client(identity.organization)
    since = events[1].created_at

    first = client.post(_path(row, "redeliver"), {"since": since.isoformat()}).json()
    assert (first["queued"], first["has_more"]) == (2, True)
    second = client.post(_path(row, "redeliver"), {"after": first["next_after"]}).json()
    assert second["has_more"] is False
    assert client.post(_path(row, "redeliver"), {"until": "2020-01-01T00:00:00Z"}).json()["queued"] == 0


def test_what_is_queued_already_is_not_queued_twice() -> None:
    identity = bare_agent()
    row = subscription(identity)
    happen_often(identity, 3)
    before = list(Dispatch.objects.order_by("pk").values())

    answer = admin_client(identity.organization).post(_path(row, "redeliver"), {})

    assert answer.json()["queued"] == 0
    assert list(Dispatch.objects.order_by("pk").values()) == before


@pytest.mark.parametrize(
    "body", [{"after": -1}, {"after": "x"}, {"since": "yesterday"}, {"only_failed": "yes"}, {"event": 1}]
)
def test_a_bad_range_is_refused(body: dict[str, Any]) -> None:
    identity = bare_agent()
    row = subscription(identity, url=HOOK)
    happen(identity)
    client = admin_client(identity.organization)
    before = all_rows()

    answer = client.post(_path(row, "redeliver"), body)

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", next(iter(body))]
    assert all_rows() == before
