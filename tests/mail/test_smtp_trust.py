"""Mail from strangers over real sockets: judged before it is stored, never lost."""

from __future__ import annotations

import smtplib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import authres
import pytest
from prometheus_client import REGISTRY

from mail.ingress.assessing import Assessor
from mail.ingress.server import SmtpServer
from mail.mime.parse import MAX_HEADER_BYTES
from mail.models import Mailbox, Message
from mail.raw import load_raw
from mail.trust.config import load_config
from mail.trust.lookups import Answer, LookupFailed
from tests.factories.identities import admin_client, agent, agent_client
from tests.factories.mail import mailbox_of, raw_mail
from tests.mail.trust.test_rspamd import Scanner
from tests.mail.trust.zone import BANK, Zone, bank_zone, signed
from webhooks.models import Event

pytestmark = pytest.mark.django_db(transaction=True)

Start = Callable[..., SmtpServer]


@pytest.fixture
def start(settings: Any) -> Iterator[Start]:
    """Starts a server for which this machine is a stranger."""
    settings.TRUSTED_RELAYS = ""
    servers: list[SmtpServer] = []

    def start_server(zone: Any) -> SmtpServer:
        server = SmtpServer("127.0.0.1", 0, Assessor(load_config(), zone))
        server.start()
        servers.append(server)
        return server

    yield start_server
    for server in servers:
        server.stop(5)


@pytest.fixture
def box() -> Mailbox:
    return mailbox_of(agent(handle="billing-bot"))


def send(server: SmtpServer, box: Mailbox, raw: bytes, sender: str = "ann@bank.example") -> None:
    with smtplib.SMTP(*server.address, timeout=20) as client:
        client.sendmail(sender, [box.email_address], raw)


def from_bank(**fields: Any) -> bytes:
    return raw_mail("billing-bot@mail.localhost", sender="Ann <ann@bank.example>", **fields)


def test_a_judged_message_carries_its_verdict(start: Start, box: Mailbox) -> None:
    forged = b"Authentication-Results: mail.localhost; dmarc=pass header.from=forged.example\r\n"

    send(start(bank_zone()), box, forged + signed(from_bank()))

    message = Message.objects.get(mailbox=box)
    raw = load_raw(message.content)
    first, _, rest = raw.partition(b"\r\nReceived: from ")
    parsed = authres.AuthenticationResultsHeader.parse(first.decode())
    assert parsed.authserv_id == "mail.localhost"
    assert [(row.method, row.result) for row in parsed.results] == [
        ("spf", "fail"),
        ("dkim", "pass"),
        ("dmarc", "pass"),
        ("arc", "none"),
    ]
    assert b"forged.example" not in rest
    assert message.size_bytes == len(raw)
    box.refresh_from_db()
    assert box.storage_used_bytes == len(raw)
    assert message.thread.folder == "inbox"
    assert box.identity is not None
    for client in (agent_client(box.identity), admin_client(box.organization)):
        body = client.get(f"/mail/mailboxes/{box.email_address}/messages/{message.pk}").json()
        assert body["authentication"]["aligned_from"] == BANK
        assert body["authentication"]["signatures"] == [
            {"result": "pass", "domain": BANK, "selector": "s1", "reason": None}
        ]
        assert (body["spam"]["scorer"], body["spam"]["is_spam"]) == ("heuristic", False)


@pytest.mark.parametrize(
    ("enforce", "policy", "folder"),
    [
        ("spam", "reject", "spam"),
        ("spam", "quarantine", "spam"),
        ("spam", "none", "inbox"),
        ("reject", "reject", None),
        ("reject", "quarantine", "spam"),
        ("off", "reject", "inbox"),
    ],
)
def test_a_forgery_goes_where_the_operator_wants(
    start: Start, box: Mailbox, settings: Any, enforce: str, policy: str, folder: str | None
) -> None:
    settings.DMARC_ENFORCE = enforce
    settings.SPAM_SCORER = "off"
    server = start(bank_zone(f"v=DMARC1; p={policy}"))

    if folder is None:
        with pytest.raises(smtplib.SMTPDataError) as refusal:
            send(server, box, from_bank())
        assert (refusal.value.smtp_code, refusal.value.smtp_error[:6]) == (550, b"5.7.1 ")
        assert not Message.objects.exists()
        assert not Event.objects.exists()
        return
    send(server, box, from_bank())
    message = Message.objects.get(mailbox=box)
    assert message.thread.folder == folder
    assert message.content.authentication is not None
    assert message.content.authentication["dmarc"] == "fail"
    assert message.content.spam is None
    assert Event.objects.count() == (folder == "inbox")


def test_a_refused_large_message_leaves_no_blob(start: Start, box: Mailbox, settings: Any) -> None:
    from common import blobs

    settings.DMARC_ENFORCE = "reject"
    raw = from_bank(attachments=(("a.bin", "application/octet-stream", bytes(300_000)),))
    before = sum(1 for path in blobs.store().root.rglob("*") if path.is_file())

    with pytest.raises(smtplib.SMTPDataError):
        send(start(bank_zone()), box, raw)

    assert sum(1 for path in blobs.store().root.rglob("*") if path.is_file()) == before


def test_a_large_message_is_judged_and_stored_whole(start: Start, box: Mailbox) -> None:
    raw = signed(from_bank(attachments=(("a.bin", "application/octet-stream", bytes(range(256)) * 4000),)))

    send(start(bank_zone()), box, raw)

    message = Message.objects.get(mailbox=box)
    assert load_raw(message.content).endswith(raw)
    assert message.content.raw_inline is None
    assert message.content.authentication is not None
    assert message.content.authentication["dmarc"] == "pass"


class Silent:
    """A name server that never answers: every question takes as long as it may."""

    def query(self, name: str, kind: str, seconds: float) -> Answer:
        time.sleep(seconds)
        raise LookupFailed("silence")


def test_a_dns_outage_loses_nothing_and_delays_no_longer_than_the_budget(
    start: Start, box: Mailbox, settings: Any
) -> None:
    settings.TRUST_SECONDS = 1
    settings.DMARC_ENFORCE = "reject"
    server = start(Silent())
    started = time.monotonic()
    senders = [threading.Thread(target=send, args=(server, box, signed(from_bank()))) for _ in range(40)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join(30)

    assert time.monotonic() - started < 6
    rows = Message.objects.filter(mailbox=box).select_related("content", "thread")
    assert len(rows) == 40
    assert {(row.content.authentication or {})["dmarc"] for row in rows} == {"temperror"}
    assert {row.thread.folder for row in rows} == {"inbox"}


def test_other_sessions_go_on_while_one_waits_for_dns(start: Start, box: Mailbox, settings: Any) -> None:
    settings.TRUST_SECONDS = 20
    asked, release = threading.Event(), threading.Event()

    class Slow(Zone):
        def query(self, name: str, kind: str, seconds: float) -> Answer:
            if name == "_dmarc.slow.example":
                asked.set()
                release.wait(15)
            return super().query(name, kind, seconds)

    server = start(Slow(bank_zone().records))
    slow = raw_mail(box.email_address, sender="x@slow.example", subject="slow")
    waiting = threading.Thread(target=send, args=(server, box, slow, "x@slow.example"))
    waiting.start()
    assert asked.wait(10)

    send(server, box, signed(from_bank(subject="quick")))

    assert list(Message.objects.values_list("subject", flat=True)) == ["quick"]
    release.set()
    waiting.join(10)
    assert Message.objects.count() == 2


def test_a_mistake_in_the_evaluation_stores_the_message_unjudged(
    start: Start, box: Mailbox, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("a mistake")

    settings.DMARC_ENFORCE = "reject"
    monkeypatch.setattr("mail.ingress.assessing.evaluate", broken)
    monkeypatch.setattr("mail.trust.heuristic.score", broken)

    send(start(bank_zone()), box, from_bank())

    message = Message.objects.get(mailbox=box)
    assert message.content.authentication is not None
    assert message.content.authentication["dmarc"] == "temperror"
    assert message.content.spam is None
    assert message.thread.folder == "inbox"


def test_a_trusted_relay_is_not_judged_but_cannot_speak_for_us(box: Mailbox, start: Start, settings: Any) -> None:
    settings.TRUSTED_RELAYS = "127.0.0.0/8"
    zone = bank_zone()

    send(start(zone), box, b"Authentication-Results: mail.localhost; dmarc=pass\r\n" + from_bank())

    message = Message.objects.get(mailbox=box)
    assert zone.asked == []
    assert (message.content.authentication, message.content.spam) == (None, None)
    assert b"Authentication-Results" not in load_raw(message.content)


def test_a_giant_header_of_a_stranger_is_refused(start: Start, box: Mailbox) -> None:
    raw = b"X: " + b"a" * 900 + b"\r\n"

    with pytest.raises(smtplib.SMTPDataError) as refusal:
        send(start(bank_zone()), box, raw * (MAX_HEADER_BYTES // len(raw) + 1) + from_bank())

    assert refusal.value.smtp_code == 552
    assert not Message.objects.exists()


def test_spam_goes_to_its_own_thread_in_the_spam_folder(start: Start, box: Mailbox) -> None:
    server = start(bank_zone())
    send(server, box, signed(from_bank(message_id="<wanted@bank.example>")))
    bait = raw_mail(
        box.email_address,
        sender="x@evil.example",
        in_reply_to="<wanted@bank.example>",
        attachments=(("invoice.pdf.exe", "application/octet-stream", b"MZ"),),
    )

    send(server, box, bait, "x@evil.example")

    spam = Message.objects.get(mailbox=box, from_address="x@evil.example")
    assert spam.thread.folder == "spam"
    assert (spam.content.spam or {})["is_spam"] is True
    assert "5: An attachment is a program." in (spam.content.spam or {})["reasons"]
    assert Message.objects.get(message_id="<wanted@bank.example>").thread.message_count == 1
    assert Event.objects.count() == 1


def test_rspamd_scores_what_is_stored_and_its_absence_loses_nothing(start: Start, box: Mailbox, settings: Any) -> None:
    scanner = Scanner()
    settings.SPAM_SCORER = f"rspamd+{scanner.url}"
    server = start(bank_zone())

    send(server, box, signed(from_bank()))
    scanner.reply = lambda: (500, b"")
    send(server, box, signed(from_bank()))
    scanner.server.shutdown()
    scanner.server.server_close()

    first, second = Message.objects.filter(mailbox=box).order_by("pk")
    assert (first.content.spam or {})["scorer"] == "rspamd"
    assert (first.thread.folder, second.thread.folder) == ("spam", "inbox")
    assert second.content.spam is None
    assert [body for _, _, body in scanner.asked] == [load_raw(first.content), load_raw(second.content)]


def test_outcomes_are_counted(start: Start, box: Mailbox) -> None:
    def counted(name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(name, labels) or 0

    before = counted("inkbox_mail_authentication_total", method="dmarc", result="pass")
    accepted = counted("inkbox_mail_judged_total", outcome="accepted")

    send(start(bank_zone()), box, signed(from_bank()))

    assert counted("inkbox_mail_authentication_total", method="dmarc", result="pass") == before + 1
    assert counted("inkbox_mail_judged_total", outcome="accepted") == accepted + 1
