"""One attempt after another, without threads: requests, outcomes, retries, leases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import transaction

from identities.services.signing_keys import rotate_signing_key, signing_secret
from tests.factories.identities import organization
from tests.factories.webhooks import (
    Receiver,
    bare_agent,
    happen,
    happen_often,
    new_event,
    some_id,
    subscription,
)
from webhooks import limits
from webhooks.dispatcher import deliver_due
from webhooks.models import DeliveryAttempt, Dispatch, Event, Subscription
from webhooks.outbox import record
from webhooks.retry import JITTER
from webhooks.services.dispatches import claim_due, has_due, record_outcomes, release_jobs, release_leases
from webhooks.services.jobs import Outcome
from webhooks.signing import sign

pytestmark = pytest.mark.django_db

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def test_a_delivery_is_one_signed_post_of_the_recorded_body(hook: Receiver) -> None:
    identity = bare_agent()
    secret, _ = rotate_signing_key(organization_id=identity.organization_id, identity=identity)
    row = subscription(identity, "message.received", url=hook.url + "?a=b%20c", token="s3cret")
    before = int(datetime.now(UTC).timestamp())
    event = happen(identity, data={"message": {"subject": "Grüße"}})

    assert deliver_due() == 1

    (request,) = hook.requests
    dispatch = Dispatch.objects.get()
    headers = request.headers
    timestamp = int(headers["X-Inkbox-Timestamp"])
    assert request.path == "/hook?a=b%20c"
    assert request.body == event.body.encode()
    assert before <= timestamp <= before + 60
    assert headers["X-Inkbox-Request-ID"] == dispatch.request_id
    assert headers["X-Inkbox-Signature"] == sign(secret, dispatch.request_id, timestamp, request.body)
    assert headers["Authorization"] == "Bearer s3cret"
    assert headers["Content-Type"] == "application/json"
    assert headers["Host"] == f"127.0.0.1:{hook.port}"
    assert (dispatch.state, dispatch.attempts, dispatch.next_attempt_at, dispatch.leased_until) == (
        "succeeded",
        1,
        None,
        None,
    )
    attempt = DeliveryAttempt.objects.get()
    assert (attempt.subscription_id, attempt.event_id, attempt.identity_id) == (row.pk, event.pk, identity.pk)
    assert (attempt.response_status, attempt.response_body, attempt.error_detail) == (200, "ok", None)
    assert (attempt.is_replay, attempt.request_id, attempt.url) == (False, dispatch.request_id, row.url)
    assert attempt.request_payload == event.body
    assert attempt.duration_ms is not None
    assert deliver_due() == 0


def test_without_any_key_the_request_is_unsigned(hook: Receiver) -> None:
    identity = bare_agent()
    subscription(identity, url=hook.url)
    happen(identity)

    deliver_due()

    assert "X-Inkbox-Signature" not in hook.requests[0].headers
    assert "Authorization" not in hook.requests[0].headers
    assert hook.requests[0].headers["X-Inkbox-Request-ID"].startswith("req_")


def test_the_organization_key_signs_for_an_identity_without_one(hook: Receiver) -> None:
    acme = organization()
    secret, _ = rotate_signing_key(organization_id=acme.pk, identity=None)
    identity = bare_agent(acme)
    subscription(identity, url=hook.url)
    happen(identity)

    deliver_due()

    request = hook.requests[0]
    assert request.headers["X-Inkbox-Signature"] == sign(
        secret,
        request.headers["X-Inkbox-Request-ID"],
        int(request.headers["X-Inkbox-Timestamp"]),
        request.body,
    )
    assert signing_secret(acme.pk, None) == secret


def test_every_subscription_gets_its_own_request(hook: Receiver, second_hook: Receiver) -> None:
    identity = bare_agent()
    config = {"email": {"mode": "count", "count": 1}, "texts": None, "calls": None}
    subscription(identity, url=hook.url)
    subscription(identity, url=second_hook.url, context_config=config)
    happen(identity)

    assert deliver_due() == 2

    first, second = hook.requests[0], second_hook.requests[0]
    assert first.json["id"] == second.json["id"]
    assert first.headers["X-Inkbox-Request-ID"] != second.headers["X-Inkbox-Request-ID"]
    assert "context" not in first.json["data"]
    assert list(second.json["data"]["context"]) == ["email"]
    logged = DeliveryAttempt.objects.select_related("event").get(url=second_hook.url)
    assert logged.request_payload.encode() == second.body


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_retries_follow_the_schedule_with_the_same_id_and_body(hook: Receiver, status: int) -> None:
    identity = bare_agent()
    secret, _ = rotate_signing_key(organization_id=identity.organization_id, identity=identity)
    subscription(identity, url=hook.url)
    hook.will_answer(status)
    waits = (10, 60, 300, 1800, 7200)

    with time_machine.travel(START) as clock:
        happen(identity)
        assert deliver_due() == 1
        for wait in waits:
            due = Dispatch.objects.get().next_attempt_at
            assert due is not None
            assert claim_due(1, {}).jobs == []
            passed = (due - datetime.now(UTC)).total_seconds()
            assert wait - 2 <= passed <= wait * (1 + JITTER)
            clock.move_to(due - timedelta(seconds=1))
            assert deliver_due() == 0
            clock.shift(2)
            assert deliver_due() == 1

    row = Dispatch.objects.get()
    assert (row.state, row.attempts, row.next_attempt_at) == ("failed", 6, None)
    assert not has_due()
    assert len(hook.requests) == DeliveryAttempt.objects.count() == 6
    assert len({request.body for request in hook.requests}) == 1
    assert {request.headers["X-Inkbox-Request-ID"] for request in hook.requests} == {row.request_id}
    times = [int(request.headers["X-Inkbox-Timestamp"]) for request in hook.requests]
    assert times == sorted(set(times))
    for request, timestamp in zip(hook.requests, times, strict=True):
        assert request.headers["X-Inkbox-Signature"] == sign(secret, row.request_id, timestamp, request.body)


def test_a_retry_that_succeeds_ends_it(hook: Receiver) -> None:
    identity = bare_agent()
    subscription(identity, url=hook.url)
    hook.will_answer(500, 204)

    with time_machine.travel(START) as clock:
        happen(identity)
        deliver_due()
        clock.shift(12)
        assert deliver_due() == 1

    assert (Dispatch.objects.get().state, Dispatch.objects.get().attempts) == ("succeeded", 2)
    assert list(DeliveryAttempt.objects.order_by("created_at").values_list("response_status", flat=True)) == [500, 204]


def test_retry_after_is_honoured(hook: Receiver) -> None:
    identity = bare_agent()
    subscription(identity, url=hook.url)
    hook.will_answer((429, {"Retry-After": "600"}, b"slow down"))

    with time_machine.travel(START, tick=False):
        happen(identity)
        deliver_due()
        due = Dispatch.objects.get().next_attempt_at

    assert due is not None
    assert 600 <= (due - START).total_seconds() < 602


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 401, 403, 404, 410])
def test_a_final_answer_is_not_retried_and_a_redirect_not_followed(hook: Receiver, status: int) -> None:
    identity = bare_agent()
    subscription(identity, url=hook.url)
    hook.will_answer((status, {"Location": hook.url + "/elsewhere"}, b"no"))
    happen(identity)

    assert deliver_due() == 1

    assert [request.path for request in hook.requests] == ["/hook"]
    assert (Dispatch.objects.get().state, Dispatch.objects.get().attempts) == ("failed", 1)
    assert DeliveryAttempt.objects.get().response_status == status


def test_a_refused_connection_is_logged_without_status_and_retried(hook: Receiver) -> None:
    identity = bare_agent()
    subscription(identity, url="http://127.0.0.1:9/")
    happen(identity)

    deliver_due()

    attempt = DeliveryAttempt.objects.get()
    assert (attempt.response_status, attempt.response_body) == (None, None)
    assert attempt.error_detail == "The connection failed: Connection refused."
    assert (Dispatch.objects.get().state, Dispatch.objects.get().attempts) == ("pending", 1)


def test_a_private_target_is_not_called(hook: Receiver, settings: Any) -> None:
    settings.WEBHOOK_ALLOW_PRIVATE = False
    identity = bare_agent()
    subscription(identity, url=hook.url)
    happen(identity)

    deliver_due()

    assert hook.requests == []
    assert DeliveryAttempt.objects.get().error_detail == "The host resolves to a private or reserved address."


def test_a_receiver_that_does_not_answer_times_out(hook: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    assert limits.ATTEMPT_TIMEOUT_SECONDS == 10.0
    monkeypatch.setattr(limits, "ATTEMPT_TIMEOUT_SECONDS", 0.2)
    identity = bare_agent()
    subscription(identity, url=hook.url)
    hook.gate.clear()
    happen(identity)

    deliver_due()

    attempt = DeliveryAttempt.objects.get()
    assert attempt.error_detail == "The receiver did not answer within 0.2 seconds."
    assert attempt.duration_ms is not None
    assert 200 <= attempt.duration_ms < 2000
    assert Dispatch.objects.get().state == "pending"


def test_the_logged_answer_is_cut_and_cleaned(hook: Receiver) -> None:
    identity = bare_agent()
    subscription(identity, url=hook.url)
    hook.will_answer((200, {}, b"\0\xff" + b"a" * 10_000))
    happen(identity)

    deliver_due()

    assert DeliveryAttempt.objects.get().response_body == "\N{REPLACEMENT CHARACTER}" * 2 + "a" * 4094
    assert Dispatch.objects.get().state == "succeeded"


def test_a_lease_keeps_others_away_until_it_runs_out(hook: Receiver) -> None:
    identity = bare_agent()
    subscription(identity, url=hook.url)

    with time_machine.travel(START) as clock:
        event = happen(identity)
        (lost,) = claim_due(10, {}).jobs  # and the process is killed here
        assert claim_due(10, {}).jobs == []
        assert not has_due()
        clock.shift(55)
        assert not has_due()
        clock.shift(7)
        assert has_due()
        assert deliver_due() == 1

    row = Dispatch.objects.get()
    assert hook.requests[0].headers["X-Inkbox-Request-ID"] == lost.request_id == row.request_id
    assert hook.requests[0].body.decode() == lost.body == event.body
    assert (row.state, row.attempts) == ("succeeded", 1)


def test_what_was_not_sent_is_given_back_at_once() -> None:
    identity = bare_agent()
    subscription(identity)
    happen(identity)
    jobs = claim_due(10, {}).jobs

    release_jobs(jobs)

    assert [job.request_id for job in claim_due(10, {}).jobs] == [job.request_id for job in jobs]


def test_a_process_that_starts_alone_frees_the_leases_of_the_one_before() -> None:
    identity = bare_agent()
    subscription(identity)
    happen(identity)
    claim_due(10, {})

    assert release_leases() == 1

    assert has_due()
    assert release_leases() == 0


def test_rows_of_one_subscription_are_claimed_in_event_order() -> None:
    identity = bare_agent()
    subscription(identity)
    events = [event.pk for event in happen_often(identity, 10)]

    first = claim_due(100, {}).jobs
    second = claim_due(100, dict.fromkeys(Subscription.objects.values_list("pk", flat=True), 3)).jobs

    assert [job.event_id for job in first] == events[:1]
    assert [job.event_id for job in second] == events[1:4]


def test_the_backlog_of_one_subscription_does_not_hide_another() -> None:
    busy, quiet = bare_agent(), bare_agent()
    crowded, other = subscription(busy), subscription(quiet)
    happen_often(busy, 20)
    happen(quiet)

    claim = claim_due(8, {})
    again = claim_due(8, {crowded.pk: 0})

    assert [job.subscription_id for job in claim.jobs] == [crowded.pk, other.pk]
    assert again.jobs == []
    assert again.next_due_at is None


def test_a_subscription_deleted_while_an_event_was_recorded_gets_nothing(hook: Receiver) -> None:
    identity = bare_agent()
    row = subscription(identity, url=hook.url)
    happen(identity)
    Subscription.objects.filter(pk=row.pk).update(status="deleted")

    assert deliver_due() == 0

    assert hook.requests == []
    assert Dispatch.objects.get().state == "cancelled"


def test_a_row_cancelled_during_its_request_stays_cancelled() -> None:
    identity = bare_agent()
    subscription(identity)
    happen(identity)
    (job,) = claim_due(10, {}).jobs
    Dispatch.objects.update(state="cancelled", next_attempt_at=None)

    record_outcomes([Outcome(job, START, 5, status=500)])

    assert Dispatch.objects.get().state == "cancelled"
    assert DeliveryAttempt.objects.get().response_status == 500


def test_a_moved_subscription_is_called_at_its_new_url(hook: Receiver, second_hook: Receiver) -> None:
    identity = bare_agent()
    row = subscription(identity, url=hook.url)
    hook.will_answer(500)

    with time_machine.travel(START) as clock:
        happen(identity)
        deliver_due()
        Subscription.objects.filter(pk=row.pk).update(url=second_hook.url)
        clock.shift(12)
        deliver_due()

    assert (len(hook.requests), len(second_hook.requests)) == (1, 1)
    assert second_hook.requests[0].body == hook.requests[0].body


def test_an_event_of_a_mailbox_without_identity_is_delivered(hook: Receiver) -> None:
    acme = organization()
    mailbox = some_id()
    subscription(None, "message.received", of=acme, mailbox_id=mailbox, url=hook.url)
    event = new_event(bare_agent(acme), mailbox_id=mailbox)
    with transaction.atomic():
        record(type(event)(acme.pk, None, event.event_type, event.data, mailbox_id=mailbox))

    assert deliver_due() == 1
    attempt = DeliveryAttempt.objects.get()
    assert (attempt.identity_id, attempt.response_status) == (None, 200)
    assert Event.objects.get().stream_id == mailbox
