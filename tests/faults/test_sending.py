"""Between the 201 of a send and its outcome: nothing is lost, and nothing is sent twice on a guess."""

from __future__ import annotations

import itertools
import random
import re
import time
from collections import Counter

import httpx
import orjson
import pytest

from tests.clients.live_server import LiveServer, WebhookReceiver
from tests.faults.api import Api, mail_to, send_path
from tests.faults.conftest import StartServer
from tests.faults.crashes import crash, crash_repeatedly, load, rounds, wait_until
from tests.faults.mail_source import Ledger, MailSource, text_mail
from tests.faults.rows import Rows, check_mail
from tests.faults.smtp_sink import Behavior, SmtpSink

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]

CUSTOMER = "ada@customer.example"
# INKBOX_WORKER_THREADS, its default.
WORKER_THREADS = 4
_MESSAGE_ID = re.compile(rb"^Message-ID:\s*(<[^>]+>)", re.IGNORECASE | re.MULTILINE)


def message_ids(sink: SmtpSink) -> Counter[str]:
    """What the sink has in full, by Message-ID."""
    found = [_MESSAGE_ID.search(content) for content in sink.contents]
    return Counter(match.group(1).decode() for match in found if match is not None)


def recipient_states(rows: Rows) -> dict[str, str]:
    """State of the recipient of each message by Message-ID; the tests of this module that use it send to one."""
    return dict(
        rows.read(
            "SELECT m.message_id, r.state FROM mail_outboundrecipient r JOIN mail_message m ON m.id = r.message_id"
        )
    )


def test_a_send_that_met_a_silent_relay_is_sent_after_a_kill(start_server: StartServer, sink: SmtpSink) -> None:
    sink.behavior = Behavior.SILENT
    server = start_server(INKBOX_MAIL_TRANSPORT=sink.url)
    rows = Rows(server)
    with Api(server) as api:
        box = api.create_identity("sender")["mailbox"]["email_address"]
        accepted = api.try_post(send_path(box), mail_to(CUSTOMER, subject="one"))
    assert accepted is not None
    assert (accepted.status_code, accepted.json()["status"]) == (201, "queued")
    sink.wait_for_sessions(1, 10)

    server.kill()
    sink.behavior = Behavior.ANSWER
    crash(server)

    wait_until(lambda: rows.open_work() == 0, "the job is closed")
    message = accepted.json()
    assert message_ids(sink) == {message["message_id"]: 1}
    assert recipient_states(rows) == {message["message_id"]: "sent"}
    outcomes = rows.read("SELECT outcome FROM mail_sendattempt ORDER BY started_at")
    assert outcomes == [("abandoned",), ("finished",)]
    with Api(server) as api:
        assert api.get(f"{send_path(box)}/{message['id']}")["status"] == "sent"
    check_mail(rows)
    print(f"\nSilent relay: 1 kill, 1 message, {sink.sessions} sessions, {sink.data_commands} DATA, status sent")


def test_a_silent_relay_holds_up_neither_local_mail_nor_webhooks(
    start_server: StartServer, receiver: WebhookReceiver, sink: SmtpSink
) -> None:
    sink.behavior = Behavior.SILENT
    server = start_server(INKBOX_MAIL_TRANSPORT=sink.url)
    with Api(server) as api:
        identity = api.create_identity("sender")
        box = identity["mailbox"]["email_address"]
        other = api.create_identity("neighbour")["mailbox"]["email_address"]
        api.subscribe(identity, receiver.url(), "message.received")
        for number in range(WORKER_THREADS + 2):
            accepted = api.try_post(send_path(box), mail_to(CUSTOMER, subject=f"number {number}"))
            assert accepted is not None
            assert accepted.status_code == 201
    # Every thread that relays mail is inside a call now, and stays there for a minute.
    sink.wait_for_sessions(WORKER_THREADS, 10)

    started = time.monotonic()
    mail = text_mail("<one@customer.example>", "one")
    MailSource(server, [box], Ledger()).send([mail], under_way=lambda: None)
    receiver.wait_for(1, 4)

    seconds = time.monotonic() - started
    with Api(server) as api:
        started = time.monotonic()
        assert api.try_post(send_path(other), mail_to(box, subject="between agents")) is not None
        receiver.wait_for(2, 4)
        local_seconds = time.monotonic() - started
    ready = httpx.get(f"{server.base_url}/readyz", timeout=10)
    assert ready.json()["checks"]["queue_mail"] == {"status": "ok", "oldest_due_seconds": 0}
    print(
        f"\nSilent relay: {WORKER_THREADS} sends hang, a webhook came {seconds:.2f} s after its mail, "
        f"mail between agents and its webhook took {local_seconds:.2f} s"
    )


def test_a_send_without_an_answer_to_its_content_is_never_repeated(start_server: StartServer, sink: SmtpSink) -> None:
    sink.behavior = Behavior.SWALLOW
    server = start_server(INKBOX_MAIL_TRANSPORT=sink.url)
    rows = Rows(server)
    with Api(server) as api:
        box = api.create_identity("sender")["mailbox"]["email_address"]
        accepted = api.try_post(send_path(box), mail_to(CUSTOMER, subject="one"))
    assert accepted is not None
    assert accepted.status_code == 201
    sink.wait_for_contents(1, 10)

    server.kill()
    sink.behavior = Behavior.ANSWER
    crash(server)
    wait_until(lambda: rows.open_work() == 0, "the job is closed")
    # Once more, so that everything a start does has been done to a row that is uncertain.
    crash(server)
    wait_until(lambda: rows.open_work() == 0, "the job is still closed")

    message = accepted.json()
    assert (sink.data_commands, message_ids(sink)) == (1, {message["message_id"]: 1})
    assert recipient_states(rows) == {message["message_id"]: "uncertain"}
    assert rows.read("SELECT outcome FROM mail_sendattempt") == [("uncertain",)]
    with Api(server) as api:
        assert api.get(f"{send_path(box)}/{message['id']}")["status"] == "queued"
    check_mail(rows)
    print(f"\nSwallowed content: 2 kills, 1 message, {sink.sessions} sessions, {sink.data_commands} DATA, uncertain")


def test_bursts_of_sends_reach_the_relay_at_most_once(start_server: StartServer, sink: SmtpSink) -> None:
    server = start_server(INKBOX_MAIL_TRANSPORT=sink.url)
    rows = Rows(server)
    with Api(server) as api:
        box = api.create_identity("sender")["mailbox"]["email_address"]
    accepted: list[str] = []

    for number in range(rounds(3)):
        with load() as running:
            for sender in range(3):
                burst = [f"burst {number}.{sender}.{one}" for one in range(10)]
                running.add(lambda burst=burst: send_all(server, box, burst, accepted))  # type: ignore[misc]
            # Every burst of thirty takes a good second; the kill falls anywhere in it or right behind it.
            time.sleep(random.SystemRandom().uniform(0.05, 1.2))
            crash(server)

    wait_until(lambda: rows.open_work() == 0, "every job is closed")
    arrived = message_ids(sink)
    states = recipient_states(rows)
    assert len(accepted) == len(set(accepted)) == 30 * rounds(3)
    assert set(states) == set(accepted), "a repeated request made a second message, or an accepted one is gone"
    assert set(arrived) <= set(accepted)
    assert set(arrived.values()) == {1}
    assert set(states.values()) <= {"sent", "uncertain"}
    lost = {message_id for message_id in accepted if states[message_id] == "sent" and message_id not in arrived}
    assert lost == set()
    uncertain = Counter(state for state in states.values())["uncertain"]
    check_mail(rows)
    print(
        f"\nBursts: {rounds(3)} kills, {len(accepted)} accepted, {len(arrived)} arrived once, "
        f"{uncertain} uncertain ({len(accepted) - len(arrived)} of them never arrived), {sink.data_commands} DATA"
    )


def send_all(server: LiveServer, box: str, subjects: list[str], accepted: list[str]) -> None:
    """Send one message for each subject, as a client that repeats what was not answered; notes the Message-IDs."""
    with Api(server) as api:
        for subject in subjects:
            body = mail_to(CUSTOMER, subject=subject)
            sent = api.post_until_answered(send_path(box), body, key=subject, before=lambda: None)
            accepted.append(sent["message_id"])


def test_local_mail_arrives_exactly_once(start_server: StartServer) -> None:
    server = start_server()
    rows = Rows(server)
    with Api(server) as api:
        alpha, bravo, charlie = (
            api.create_identity(handle)["mailbox"]["email_address"] for handle in ("alpha", "bravo", "charlie")
        )
    accepted: dict[str, int] = {}

    with load() as running:
        for sender in range(3):

            def run(sender: int = sender) -> None:
                with Api(server) as api:
                    for number in itertools.count():
                        if running.is_over.is_set():
                            return
                        boxes = (bravo, charlie) if number % 3 == 0 else (bravo,)
                        body = mail_to(*boxes, subject=f"local {sender}.{number}")
                        key = f"local-{sender}-{number}"
                        sent = api.post_until_answered(send_path(alpha), body, key=key, before=running.under_way.set)
                        accepted[sent["message_id"]] = len(boxes)
                        time.sleep(0.02)

            running.add(run)
        crash_repeatedly(server, running, rounds(3), aim_seconds=0.06)

    wait_until(lambda: rows.open_work() == 0, "every job is closed")
    with Api(server) as api:
        at_bravo = Counter(row["message_id"] for row in api.messages(bravo))
        at_charlie = Counter(row["message_id"] for row in api.messages(charlie))
        statuses = {row["message_id"]: row["status"] for row in api.messages(alpha, direction="outbound")}
    assert at_bravo == Counter(accepted.keys())
    assert at_charlie == Counter(message_id for message_id, count in accepted.items() if count == 2)
    assert statuses == dict.fromkeys(accepted, "delivered")
    events = sent_events(rows)
    assert events == Counter((event, m) for m in accepted for event in ("message.sent", "message.delivered"))
    survey = check_mail(rows)
    print(
        f"\nLocal mail: {rounds(3)} kills, {len(accepted)} accepted, {at_bravo.total()} and {at_charlie.total()} "
        f"received, all delivered, {survey.events} events"
    )


def sent_events(rows: Rows) -> Counter[tuple[str, str]]:
    """Events about outgoing messages, by type and Message-ID."""
    found = rows.read("SELECT event_type, body FROM webhooks_event WHERE event_type <> 'message.received'")
    return Counter((event_type, orjson.loads(body)["data"]["message"]["message_id"]) for event_type, body in found)
