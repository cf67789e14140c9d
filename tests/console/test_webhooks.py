"""Webhook subscriptions and their deliveries in the console."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from common.clock import now
from identities.enums import Role
from identities.models import Organization, SigningKey
from identities.services.signing_keys import signing_secret
from tests.console.pages import signed_in, text
from tests.factories.identities import agent, organization
from tests.factories.webhooks import Receiver, happen, happen_often, receiver, subscription
from webhooks.models import DeliveryAttempt, Dispatch, EndpointHealth, Subscription

pytestmark = pytest.mark.django_db

HOSTILE = "</code><script>alert(1)</script>"
SIGNING_KEY = re.compile(r"whsec_[0-9a-f]{64}")
FORM = {"url": "https://hooks.example.com/in", "event_types": ["message.received", "message.sent"]}


@pytest.fixture
def acme() -> Organization:
    return organization("Acme")


@pytest.fixture
def hook(settings: Any) -> Iterator[Receiver]:
    """A receiver that answers 200."""
    settings.WEBHOOK_ALLOW_PRIVATE = True
    with receiver() as state:
        yield state


def _attempt(row: Subscription, event_type: str = "message.received", **fields: Any) -> DeliveryAttempt:
    values = {"response_status": 200, "response_body": "ok", "duration_ms": 12, "body": "{}", **fields}
    return DeliveryAttempt.objects.create(
        organization=row.organization,
        identity=row.identity,
        subscription=row,
        event_type=event_type,
        url=row.url,
        request_id="req_1",
        **values,
    )


# --- Subscriptions ------------------------------------------------------------------------------------------------


def test_a_webhook_is_made_and_its_signing_key_shown_once(acme: Organization) -> None:
    identity = agent(acme, "alpha")
    client = signed_in(acme)

    page = text(client.post(reverse("console:new_webhook", args=["alpha"]), FORM, follow=True))

    row = Subscription.objects.get()
    assert (row.identity, row.url, row.event_types) == (identity, FORM["url"], FORM["event_types"])
    shown = set(SIGNING_KEY.findall(page))
    assert shown == {signing_secret(acme.pk, identity.pk)}
    for path in (reverse("console:webhook", args=[row.pk]), reverse("console:agent_webhooks", args=["alpha"])):
        assert not SIGNING_KEY.search(text(client.get(path)))


def test_a_signing_key_is_rotated_and_shown_once(acme: Organization) -> None:
    identity = agent(acme, "alpha")
    client = signed_in(acme)
    path = reverse("console:rotate_signing_key", args=["alpha"])
    keys = [SIGNING_KEY.findall(text(client.post(path, follow=True)))[0] for _ in range(2)]

    assert keys[0] != keys[1] == signing_secret(acme.pk, identity.pk)
    assert not SIGNING_KEY.search(text(client.get(reverse("console:agent_webhooks", args=["alpha"]))))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"url": "http://example.com/"}, "The URL must start with https://"),
        ({"url": ""}, "This field is required."),
        ({"event_types": []}, "Choose at least one event."),
        ({"event_types": ["message.exploded"]}, "not one of the available choices"),
        ({"auth_token": "line\nbreak"}, "printable ASCII"),
        ({"context_email_mode": "count", "context_email_amount": "51"}, "from 1 to 50"),
        ({"context_email_mode": "window"}, "from 1 to 168"),
    ],
)
def test_a_bad_webhook_is_refused_and_nothing_is_made(
    acme: Organization, settings: Any, change: dict[str, Any], said: str
) -> None:
    settings.WEBHOOK_ALLOW_PRIVATE = False
    agent(acme, "alpha")

    response = signed_in(acme).post(reverse("console:new_webhook", args=["alpha"]), {**FORM, **change})

    assert response.status_code == 422
    assert said in text(response)
    assert not Subscription.objects.exists()
    assert not SigningKey.objects.exists()


def test_a_webhook_is_changed_and_what_is_left_alone_stays(acme: Organization) -> None:
    config = {"email": {"mode": "count", "count": 5}, "texts": None, "calls": {"mode": "window", "hours": 24}}
    row = subscription(agent(acme, "alpha"), "message.received", token="secret-1", context_config=config)
    EndpointHealth.objects.create(subscription=row, failures=2)
    client = signed_in(acme)
    path = reverse("console:edit_webhook", args=[row.pk])
    page = text(client.get(path))
    detail = text(client.get(reverse("console:webhook", args=[row.pk])))
    context = {
        "context_email_mode": "count",
        "context_email_amount": "5",
        "context_calls_mode": "window",
        "context_calls_amount": "24",
    }

    client.post(path, {"url": row.url, "event_types": ["message.sent"], **context})
    row.refresh_from_db()
    first = (row.event_types, row.auth_token, row.context_config, EndpointHealth.objects.count())
    client.post(path, {"url": "https://new.example/", "event_types": ["message.sent"], "forget_token": "on"})
    row.refresh_from_db()
    second = (row.url, row.auth_token, row.context_config, EndpointHealth.objects.count())

    shown = text(client.get(reverse("console:webhook", args=[row.pk])))
    assert "secret-1" not in page
    assert "email: last 5 items. calls: last 24 hours." in detail
    assert "not sent along" in shown
    assert first == (["message.sent"], "secret-1", config, 1)
    assert second == ("https://new.example/", None, None, 0)


def test_a_webhook_of_a_mailbox_offers_its_own_events_only(acme: Organization) -> None:
    identity = agent(acme, "alpha")
    row = subscription(identity, "message.received", mailbox_id=identity.pk)
    client = signed_in(acme)
    path = reverse("console:edit_webhook", args=[row.pk])

    page = text(client.get(path))
    response = client.post(path, {"url": row.url, "event_types": ["call.ended"]})

    assert "message.bounced" in page
    assert "call.ended" not in page
    assert response.status_code == 422
    row.refresh_from_db()
    assert row.event_types == ["message.received"]


def test_a_webhook_is_deleted(acme: Organization) -> None:
    row = subscription(agent(acme, "alpha"))

    response = signed_in(acme).post(reverse("console:delete_webhook", args=[row.pk]))

    assert response.headers["Location"] == reverse("console:agent_webhooks", args=["alpha"])
    assert not Subscription.objects.active().exists()


def test_members_and_strangers_change_no_webhook(acme: Organization) -> None:
    row = subscription(agent(acme, "alpha"), token="secret-1")
    attempt = _attempt(row)
    forms: list[tuple[str, Any, dict[str, Any]]] = [
        ("new_webhook", "alpha", FORM),
        ("rotate_signing_key", "alpha", {}),
        ("edit_webhook", row.pk, {"url": "https://evil.example/", "event_types": ["message.sent"]}),
        ("delete_webhook", row.pk, {}),
        ("test_webhook", row.pk, {}),
        ("redeliver", row.pk, {}),
        ("replay_delivery", attempt.pk, {}),
    ]
    before = Subscription.objects.values().get()

    for client, expected in ((signed_in(acme, Role.MEMBER), 403), (signed_in(organization()), 404)):
        for name, key, form in forms:
            assert client.post(reverse(f"console:{name}", args=[key]), form).status_code == expected, name

    assert Subscription.objects.values().get() == before
    assert (DeliveryAttempt.objects.count(), Dispatch.objects.count()) == (1, 0)
    assert not SigningKey.objects.exists()


def test_lists_show_only_the_own_organization(acme: Organization) -> None:
    subscription(agent(acme, "alpha"), url="https://mine.example/")
    _attempt(subscription(agent(organization(), "foreign"), url="https://foreign.example/"))
    client = signed_in(acme, Role.MEMBER)

    page = text(client.get(reverse("console:webhooks")))

    assert "https://mine.example/" in page
    assert "foreign" not in page + text(client.get(reverse("console:deliveries")))


def test_endpoints_that_fail_come_first(acme: Organization) -> None:
    row = subscription(agent(acme, "alpha"), url="https://broken.example/")
    EndpointHealth.objects.create(
        subscription=row, state="open", failures=5, opened_at=now(), retry_at=now(), last_error="It did not answer."
    )
    client = signed_in(acme)

    assert "has not answered for" in text(client.get(reverse("console:webhooks")))
    page = text(client.get(reverse("console:webhook", args=[row.pk])))
    assert "failed 5 times in a row. It did not answer." in page
    assert "failing" in page


# --- Deliveries ---------------------------------------------------------------------------------------------------


def test_a_test_tells_what_the_endpoint_answered(acme: Organization, hook: Receiver) -> None:
    row = subscription(agent(acme, "alpha"), url=hook.url)
    hook.will_answer(204, 500)
    client = signed_in(acme)
    path = reverse("console:test_webhook", args=[row.pk])

    pages = [text(client.post(path, follow=True)) for _ in range(2)]

    assert "The endpoint answered 204" in pages[0]
    assert "The endpoint answered 500" in pages[1]
    assert [request.json["event_type"] for request in hook.requests] == ["webhook.test"] * 2


def test_a_delivery_is_shown_and_replayed(acme: Organization, hook: Receiver) -> None:
    identity = agent(acme, "alpha")
    row = subscription(identity, url=hook.url)
    event = happen(identity, data={"note": HOSTILE})
    first = _attempt(row, event=event, body=None, response_status=500, response_body=HOSTILE)
    client = signed_in(acme)

    page = text(client.get(reverse("console:delivery", args=[first.pk])))
    response = client.post(reverse("console:replay_delivery", args=[first.pk]))

    second = DeliveryAttempt.objects.exclude(pk=first.pk).get()
    assert event.pk in page
    assert "<script>alert" not in page
    assert response.headers["Location"] == reverse("console:delivery", args=[second.pk])
    assert (second.is_replay, second.response_status, second.event_id) == (True, 200, event.pk)
    assert hook.requests[0].json["id"] == event.pk


def test_what_cannot_be_replayed_says_why(acme: Organization) -> None:
    row = subscription(agent(acme, "alpha"))
    test = _attempt(row, "webhook.test")
    client = signed_in(acme)

    page = text(client.get(reverse("console:delivery", args=[test.pk])))
    answer = text(client.post(reverse("console:replay_delivery", args=[test.pk]), follow=True))

    assert "Deliveries of this kind cannot be replayed." in page
    assert "cannot be replayed" in answer
    assert DeliveryAttempt.objects.count() == 1


def test_deliveries_are_narrowed(acme: Organization) -> None:
    row, other = subscription(agent(acme, "alpha")), subscription(agent(acme, "bravo"))
    attempts = [
        _attempt(row, "message.received"),
        _attempt(row, "message.sent", response_status=503),
        _attempt(other, "message.sent", response_status=None, error_detail="It did not answer."),
    ]
    client = signed_in(acme, Role.MEMBER)

    def found(path: str, **query: str) -> list[bool]:
        page = text(client.get(path, query))
        return [reverse("console:delivery", args=[attempt.pk]) in page for attempt in attempts]

    everything = reverse("console:deliveries")
    assert found(everything) == [True, True, True]
    assert found(everything, event_type="message.sent") == [False, True, True]
    assert found(everything, outcome="delivered") == [True, False, False]
    assert found(everything, outcome="failed") == [False, True, True]
    assert found(everything, outcome="nonsense", event_type="x") == [True, True, True]
    assert found(reverse("console:webhook", args=[row.pk])) == [True, True, False]


def test_a_range_is_queued_again(acme: Organization) -> None:
    identity = agent(acme, "alpha")
    happen_often(identity, 3)
    row = subscription(identity)
    client = signed_in(acme)
    path = reverse("console:redeliver", args=[row.pk])
    tomorrow = f"{now() + timedelta(days=1):%Y-%m-%dT%H:%M}"

    nothing = text(client.post(path, {"since": tomorrow}, follow=True))
    assert not Dispatch.objects.exists()
    page = text(client.post(path, {"until": tomorrow, "only_failed": "on"}, follow=True))

    assert "Nothing of this range" in nothing
    assert "3 deliveries are queued." in page
    assert Dispatch.objects.filter(subscription=row, is_replay=True).count() == 3


def test_a_range_that_is_too_long_goes_on(acme: Organization, monkeypatch: Any) -> None:
    monkeypatch.setattr("webhooks.limits.REDELIVERY_MAX_EVENTS", 2)
    identity = agent(acme, "alpha")
    events = happen_often(identity, 3)
    row = subscription(identity)
    client = signed_in(acme)
    path = reverse("console:redeliver", args=[row.pk])

    response = client.post(path, {"only_failed": "on"})
    page = text(client.get(response.headers["Location"]))
    client.post(path, {"only_failed": "on", "after": events[1].position})

    assert "Queue the next" in page
    assert f'value="{events[1].position}"' in page
    assert Dispatch.objects.count() == 3


def test_a_range_that_ends_before_it_begins_is_refused(acme: Organization) -> None:
    identity = agent(acme, "alpha")
    happen(identity)
    row = subscription(identity)

    response = signed_in(acme).post(
        reverse("console:redeliver", args=[row.pk]), {"since": "2026-05-02T10:00", "until": "2026-05-01T10:00"}
    )

    assert response.status_code == 422
    assert "before the start" in text(response)
    assert not Dispatch.objects.exists()


@pytest.mark.parametrize("page", ["webhooks", "deliveries", "webhook", "agent_webhooks"])
def test_many_rows_cost_what_one_costs(acme: Organization, page: str) -> None:
    identity = agent(acme, "alpha")
    row = subscription(identity)
    client = signed_in(acme)
    arguments: dict[str, list[Any]] = {"webhook": [row.pk], "agent_webhooks": ["alpha"]}
    path = reverse(f"console:{page}", args=arguments.get(page, []))
    counts = []
    for number in range(2):
        for each in range(4):
            _attempt(row, event=happen(identity))
            subscription(identity, url=f"https://hook{number}{each}.example/")
            subscription(agent(acme), url=f"https://hook{number}{each}.example/")
        client.get(path)
        with CaptureQueriesContext(connection) as queries:
            client.get(path)
        counts.append(len(queries))

    assert counts[0] == counts[1] <= 13
