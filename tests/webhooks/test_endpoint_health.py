"""An endpoint that fails is left alone, its owner hears of it, and nothing is lost meanwhile."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
import time_machine

from common.principal import Principal, Scope
from inkbox_site.queues import oldest_due_dispatch_at
from tests.factories.identities import admin_client, admin_principal, agent_client, organization
from tests.factories.webhooks import Receiver, bare_agent, happen, happen_often, subscription
from webhooks.circuit import FAILURES_TO_OPEN
from webhooks.dispatcher import deliver_due
from webhooks.models import DeliveryAttempt, Dispatch, EndpointHealth, Event
from webhooks.selectors import endpoint_overviews, impaired_endpoints, list_newest_events
from webhooks.services.dispatches import claim_due, has_due

pytestmark = pytest.mark.django_db(transaction=True)

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def _reports() -> list[tuple[str, Any]]:
    rows = Event.objects.filter(event_type__startswith="webhook.").order_by("position")
    return [(row.event_type, orjson.loads(row.body)["data"]) for row in rows]


def _fail_until_open(hook: Receiver, identity: Any) -> None:
    hook.will_answer(503)
    happen_often(identity, FAILURES_TO_OPEN + 3)
    assert deliver_due() == FAILURES_TO_OPEN


def test_after_five_failures_the_rest_is_held_and_uses_up_no_tries(hook: Receiver) -> None:
    identity = bare_agent()
    row = subscription(identity, url=hook.url)
    with time_machine.travel(START):
        _fail_until_open(hook, identity)

        assert deliver_due() == 0
        assert not has_due()
        assert oldest_due_dispatch_at() is None

    health = EndpointHealth.objects.get(pk=row.pk)
    assert (health.state, health.failures, health.opens, health.last_status) == ("open", 5, 1, 503)
    assert list(Dispatch.objects.order_by("pk").values_list("attempts", flat=True)) == [1] * 5 + [0] * 3
    assert len(hook.requests) == 5


def test_one_probe_decides_and_then_everything_goes_out_in_order(hook: Receiver) -> None:
    identity = bare_agent()
    subscription(identity, url=hook.url)
    with time_machine.travel(START) as clock:
        _fail_until_open(hook, identity)
        hook.requests.clear()

        clock.shift(timedelta(seconds=15))
        assert has_due()
        assert len(claim_due(100, {}).jobs) == 1
        assert claim_due(100, {}).jobs == [], "a second process has no probe to make"

        clock.shift(timedelta(seconds=75))
        assert deliver_due() == 1
        assert deliver_due() == 0
        assert EndpointHealth.objects.get().opens == 2

        hook.will_answer(200)
        clock.shift(timedelta(minutes=5))
        assert deliver_due() == FAILURES_TO_OPEN + 3

    assert set(Dispatch.objects.values_list("state", flat=True)) == {"succeeded"}
    assert EndpointHealth.objects.get().state == "closed"
    arrived = list(dict.fromkeys(request.json["data"]["n"] for request in hook.requests))
    assert sorted(arrived) == list(range(FAILURES_TO_OPEN + 3))
    assert [n for n in arrived if n >= FAILURES_TO_OPEN] == [5, 6, 7]


def test_another_subscription_is_not_held(hook: Receiver, second_hook: Receiver) -> None:
    identity = bare_agent()
    subscription(identity, url=hook.url)
    _fail_until_open(hook, identity)
    other = bare_agent(identity.organization)
    subscription(other, url=second_hook.url)

    happen(other)

    assert deliver_due() == 1
    assert len(second_hook.requests) == 1


def test_410_holds_everything_until_the_owner_changes_the_endpoint(hook: Receiver, second_hook: Receiver) -> None:
    identity = bare_agent()
    row = subscription(identity, url=hook.url)
    client = admin_client(identity.organization)
    hook.will_answer(410)
    with time_machine.travel(START) as clock:
        happen_often(identity, 3)
        assert deliver_due() == 1
        clock.shift(timedelta(hours=5))
        assert deliver_due() == 0
        answer = client.get(f"/webhooks/subscriptions/{row.pk}")
        assert answer.json()["circuit"]["state"] == "gone"
        assert "answered 410" in json.loads(answer.headers["Inkbox-Notices"])[0]["message"]

        client.patch(f"/webhooks/subscriptions/{row.pk}", {"url": second_hook.url})
        assert deliver_due() == 2

    assert [request.json["data"]["n"] for request in second_hook.requests] == [1, 2]
    assert list(Dispatch.objects.order_by("pk").values_list("state", flat=True)) == ["failed", "succeeded", "succeeded"]
    assert not EndpointHealth.objects.exists()


def test_the_owner_is_told_in_the_log_and_in_notices(hook: Receiver) -> None:
    identity = bare_agent()
    row = subscription(identity, url=hook.url)
    with time_machine.travel(START) as clock:
        _fail_until_open(hook, identity)
        ((kind, data),) = _reports()
        assert kind == "webhook.circuit_opened"
        assert data["subscription"] == {"id": str(row.pk), "url": hook.url, "event_types": ["message.received"]}
        assert (data["circuit"]["state"], data["circuit"]["last_status"]) == ("open", 503)

        for client in (admin_client(identity.organization), agent_client(identity)):
            for path in ("/webhooks/subscriptions", f"/webhooks/subscriptions/{row.pk}", "/webhooks/deliveries"):
                (notice,) = json.loads(client.get(path).headers["Inkbox-Notices"])
                assert (notice["code"], notice["level"]) == ("webhook_circuit_open", "warning")
                assert str(row.pk) in notice["message"]
        stranger = agent_client(bare_agent(identity.organization)).get("/webhooks/subscriptions")
        assert "Inkbox-Notices" not in stranger.headers

        hook.will_answer(200)
        clock.shift(timedelta(minutes=2))
        deliver_due()

    assert [kind for kind, _ in _reports()] == ["webhook.circuit_opened", "webhook.circuit_closed"]
    assert "Inkbox-Notices" not in agent_client(identity).get("/webhooks/subscriptions").headers


def test_reports_are_not_sent_to_endpoints(hook: Receiver) -> None:
    identity = bare_agent()
    row = subscription(identity, "message.received", url=hook.url)
    answer = admin_client(identity.organization).patch(
        f"/webhooks/subscriptions/{row.pk}", {"event_types": ["webhook.circuit_opened"]}
    )

    assert answer.status_code == 422


def test_selectors_show_how_endpoints_do(hook: Receiver, django_assert_num_queries: Any) -> None:
    acme = organization()
    identity = bare_agent(acme)
    broken = subscription(identity, url=hook.url)
    fine = subscription(identity, "call.ended", url=f"{hook.url}/fine")
    _fail_until_open(hook, identity)
    principal = admin_principal(acme)

    with django_assert_num_queries(3):
        overviews = {row.subscription.pk: row for row in endpoint_overviews(principal)}

    assert overviews[broken.pk].circuit.state == "open"
    assert (overviews[broken.pk].waiting, overviews[broken.pk].failed) == (FAILURES_TO_OPEN + 3, FAILURES_TO_OPEN)
    assert overviews[broken.pk].oldest_waiting_at == Event.objects.earliest("position").created_at
    assert (overviews[fine.pk].waiting, overviews[fine.pk].succeeded, overviews[fine.pk].failed) == (0, 0, 0)
    assert [row.pk for row in impaired_endpoints(principal, 10)] == [broken.pk]
    stranger = Principal(scope=Scope.ADMIN, organization_id=organization().pk)
    assert (endpoint_overviews(stranger), impaired_endpoints(stranger, 10)) == ([], [])
    assert list_newest_events(principal, 1)[0].event_type == "webhook.circuit_opened"
    assert list_newest_events(stranger, 1) == []


def test_a_working_endpoint_has_no_row(hook: Receiver) -> None:
    identity = bare_agent()
    subscription(identity, url=hook.url)
    happen_often(identity, 3)

    deliver_due()

    assert not EndpointHealth.objects.exists()
    assert DeliveryAttempt.objects.count() == 3


def test_a_deleted_subscription_is_no_longer_spoken_of(hook: Receiver) -> None:
    identity = bare_agent()
    row = subscription(identity, url=hook.url)
    _fail_until_open(hook, identity)
    client = admin_client(identity.organization)

    client.delete(f"/webhooks/subscriptions/{row.pk}")

    assert "Inkbox-Notices" not in client.get("/webhooks/subscriptions").headers
