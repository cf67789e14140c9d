"""Between the 250 to the sender and the receiver's answer: an event that was recorded is delivered."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Iterator

import orjson
import pytest

from tests.clients.live_server import ReceivedRequest, WebhookReceiver
from tests.faults.api import Api, Body
from tests.faults.conftest import StartServer
from tests.faults.crashes import Load, crash, crash_repeatedly, load, rounds, wait_until
from tests.faults.mail_source import Ledger, Mail, MailSource, text_mail
from tests.faults.rows import Rows, check_mail

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]

# How many requests one subscription may have under way (docs: deliveries are started in the order of events).
IN_FLIGHT = 4


def event_id(request: ReceivedRequest) -> str:
    found: str = orjson.loads(request.body)["id"]
    return found


def request_id(request: ReceivedRequest) -> str:
    return request.headers["x-inkbox-request-id"]


def sequence(rows: Rows) -> list[str]:
    """Ids of the received events in the order of their numbers."""
    return [row[0] for row in rows.read("SELECT id FROM webhooks_event ORDER BY stream_id, seq")]


def is_settled(rows: Rows) -> bool:
    return rows.open_work() == 0


def test_a_delivery_under_way_is_repeated_after_a_kill(start_server: StartServer, receiver: WebhookReceiver) -> None:
    server = start_server()
    rows = Rows(server)
    ledger = Ledger()
    with Api(server) as api:
        identity = api.create_identity("hooked")
        api.subscribe(identity, receiver.url(), "message.received")
    receiver.behave(hang=True)
    source = MailSource(server, [identity["mailbox"]["email_address"]], ledger)
    source.send([text_mail("<one@customer.example>", "one")], under_way=lambda: None)
    (first,) = receiver.wait_for(1, 10)

    server.kill()
    receiver.behave()
    crash(server)

    again = receiver.wait_for(2, 30)[1]
    wait_until(lambda: is_settled(rows), "the dispatch is settled")
    assert ledger.acknowledged == {"<one@customer.example>"}
    assert (event_id(again), request_id(again), again.body) == (event_id(first), request_id(first), first.body)
    assert len(receiver.requests()) == 2
    assert rows.read("SELECT event_id, state FROM webhooks_dispatch") == [(event_id(first), "succeeded")]
    with Api(server) as api:
        deliveries = logged_deliveries(api)
    # The attempt that died with its process has no answer to log.
    assert [(row["event_id"], row["response_status"]) for row in deliveries] == [(event_id(first), 200)]
    check_mail(rows)
    print("\nWebhook under way: 1 kill, 1 event, 2 requests with one id, 1 dispatch succeeded")


def test_pending_events_are_delivered_in_order_after_a_kill(
    start_server: StartServer, receiver: WebhookReceiver
) -> None:
    server = start_server()
    rows = Rows(server)
    ledger = Ledger()
    with Api(server) as api:
        identity = api.create_identity("hooked")
        api.subscribe(identity, receiver.url(), "message.received")
    receiver.behave(hang=True)
    mails = [text_mail(f"<{number}@customer.example>", f"number {number}") for number in range(20)]
    MailSource(server, [identity["mailbox"]["email_address"]], ledger).send(mails, under_way=lambda: None)
    before = receiver.wait_for(1, 10)

    server.kill()
    receiver.behave(delay_seconds=0.02)
    crash(server)

    wait_until(lambda: is_settled(rows), "every dispatch is settled")
    order = sequence(rows)
    assert len(order) == len(ledger.acknowledged) == 20
    # Nothing overtook the one that hangs; a receiver that has not answered yet gets one at a time.
    assert [event_id(request) for request in before] == order[:1]
    late = check_deliveries(rows, receiver.requests())
    answered = receiver.requests()[1:]
    assert Counter(event_id(request) for request in answered) == Counter(order)
    assert lateness(order, answered) < IN_FLIGHT
    check_mail(rows)
    print(
        f"\nWebhooks pending: 1 kill, 20 events, {len(receiver.requests())} requests, "
        f"each event delivered, at most {late} places out of order"
    )


def test_every_event_is_delivered_while_the_server_is_killed(
    start_server: StartServer, receiver: WebhookReceiver
) -> None:
    server = start_server()
    rows = Rows(server)
    ledger = Ledger()
    with Api(server) as api:
        identity = api.create_identity("hooked")
        api.subscribe(identity, receiver.url(), "message.received")
    receiver.behave(delay_seconds=0.02)
    source = MailSource(server, [identity["mailbox"]["email_address"]], ledger)

    with load() as running:
        running.add(lambda: source.send(numbered(running), under_way=running.under_way.set))
        crash_repeatedly(server, running, rounds(3), aim_seconds=0.05)

    wait_until(lambda: is_settled(rows), "every dispatch is settled")
    requests = receiver.requests()
    late = check_deliveries(rows, requests)
    assert len({event_id(request) for request in requests}) == len(ledger.acknowledged)
    survey = check_mail(rows)
    print(
        f"\nWebhooks under fire: {rounds(3)} kills, {survey.events} events, {len(requests)} requests "
        f"({len(requests) - survey.events} repeats), at most {late} places out of order"
    )


def numbered(running: Load) -> Iterator[Mail]:
    for number in itertools.count():
        if running.is_over.is_set():
            return
        yield text_mail(f"<{number}@customer.example>", f"number {number}")
        time.sleep(0.01)


def check_deliveries(rows: Rows, requests: list[ReceivedRequest]) -> int:
    """Every event arrived, a repeat is recognizable as one, one dispatch each succeeded; returns the lateness."""
    order = sequence(rows)
    by_event: dict[str, set[tuple[str, bytes]]] = {}
    for request in requests:
        by_event.setdefault(event_id(request), set()).add((request_id(request), request.body))
    assert set(by_event) == set(order)
    assert all(len(seen) == 1 for seen in by_event.values()), "a repeat with another id or body"
    dispatches = rows.read("SELECT event_id, state FROM webhooks_dispatch")
    assert Counter(dispatches) == Counter((event, "succeeded") for event in order)
    late = lateness(order, requests)
    assert late < IN_FLIGHT
    return late


def lateness(order: list[str], requests: list[ReceivedRequest]) -> int:
    """The largest number of earlier events that had not arrived when an event arrived for the first time."""
    arrivals = list(dict.fromkeys(event_id(request) for request in requests))
    place = {event: number for number, event in enumerate(order)}
    missing = [0]
    arrived: set[str] = set()
    for event in arrivals:
        missing.append(sum(1 for earlier in order[: place[event]] if earlier not in arrived))
        arrived.add(event)
    return max(missing)


def logged_deliveries(api: Api) -> list[Body]:
    answer = api.get("/api/v1/webhooks/deliveries", limit=200)
    rows: list[Body] = answer["deliveries"]
    return rows
