"""SIGTERM in the middle of everything: the server ends in time and keeps what it acknowledged."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.clients.live_server import STOP_SECONDS, LiveServer, WebhookReceiver
from tests.clients.services import is_distributed
from tests.faults.api import Api, Body, mail_to, send_path
from tests.faults.conftest import StartServer
from tests.faults.crashes import Load, load, wait_until
from tests.faults.mail_source import Ledger, Mail, MailSource, text_mail
from tests.faults.rows import Rows, check_mail
from tests.faults.smtp_sink import Behavior, SmtpSink

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]

CUSTOMER = "ada@customer.example"
BUSY_SECONDS = 1.5


@pytest.mark.parametrize("peers", ["answer", "hang"])
def test_a_stop_under_load_is_quick_and_loses_nothing(
    start_server: StartServer, receiver: WebhookReceiver, sink: SmtpSink, peers: str
) -> None:
    """With peers that hang, every worker is inside a call that would take minutes."""
    server = start_server(INKBOX_MAIL_TRANSPORT=sink.url)
    rows = Rows(server)
    ledger = Ledger()
    accepted: list[str] = []
    with Api(server) as api:
        identity = api.create_identity("busy")
        api.subscribe(identity, receiver.url(), "message.received", "message.sent")
    box = identity["mailbox"]["email_address"]
    if peers == "hang":
        receiver.behave(hang=True)
        sink.behavior = Behavior.SILENT

    with load() as running:
        for session in range(3):
            source = MailSource(server, [box], ledger)
            running.add(
                lambda source=source, session=session: source.send(  # type: ignore[misc]
                    numbered(running, session), under_way=running.under_way.set
                )
            )
        running.add(lambda: send_on(server, running, box, accepted))
        time.sleep(BUSY_SECONDS)
        started = time.monotonic()
        server.stop()
        seconds = time.monotonic() - started
        acknowledged = ledger.acknowledged
        receiver.behave()
        sink.behavior = Behavior.ANSWER
        if is_distributed():
            rows.let_leases_run_out()
        server.start()

    # LiveServer.stop has checked the exit status.
    assert seconds < STOP_SECONDS
    wait_until(lambda: rows.open_work() == 0, "every job is closed")
    survey = check_mail(rows)
    with Api(server) as api:
        inbound = Counter(row["message_id"] for row in api.messages(box, direction="inbound"))
        outbound: list[Body] = api.messages(box, direction="outbound")
    assert acknowledged
    assert inbound == Counter(ledger.acknowledged)
    assert Counter(row["message_id"] for row in outbound) == Counter(accepted)
    states = Counter(row[0] for row in rows.read("SELECT state FROM mail_outboundrecipient"))
    assert set(states) <= {"sent", "uncertain"}
    assert len(sink.contents) <= len(accepted)
    assert len(sink.contents) >= states["sent"]
    delivered = Counter(row[0] for row in rows.read("SELECT state FROM webhooks_dispatch"))
    assert delivered == {"succeeded": survey.events}
    print(
        f"\nSIGTERM while peers {peers}: ended in {seconds:.1f} s with status 0, {len(acknowledged)} acknowledged "
        f"before, {len(ledger.repeated)} repeated, {inbound.total()} received, {len(accepted)} sends {dict(states)}, "
        f"{survey.events} events delivered with {len(receiver.requests())} requests"
    )


def numbered(running: Load, session: int) -> Iterator[Mail]:
    for number in itertools.count():
        if running.is_over.is_set():
            return
        yield text_mail(f"<{session}.{number}@customer.example>", f"number {session}.{number}")
        time.sleep(0.01)


def send_on(server: LiveServer, running: Load, box: str, accepted: list[str]) -> None:
    with Api(server) as api:
        for number in itertools.count():
            if running.is_over.is_set():
                return
            body = mail_to(CUSTOMER, subject=f"number {number}")
            sent = api.post_until_answered(send_path(box), body, key=f"send-{number}", before=lambda: None)
            accepted.append(sent["message_id"])
            time.sleep(0.02)
