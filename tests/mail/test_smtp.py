"""The SMTP door over real sockets."""

from __future__ import annotations

import smtplib
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from common import ratelimit
from mail.ingress.server import SmtpServer
from mail.models import Mailbox, Message
from mail.services.receiving import accept_batch
from tests.factories.identities import agent
from tests.factories.mail import mailbox_of, raw_mail

pytestmark = pytest.mark.django_db(transaction=True)

SENDER = "ada@customer.example"


@pytest.fixture
def smtp() -> Iterator[SmtpServer]:
    server = SmtpServer("127.0.0.1", 0)
    server.start()
    yield server
    server.stop(5)


@pytest.fixture
def box() -> Mailbox:
    return mailbox_of(agent(handle="billing-bot"))


def connect(server: SmtpServer) -> smtplib.SMTP:
    return smtplib.SMTP(*server.address, timeout=20)


def raw_session(server: SmtpServer, data: bytes) -> list[bytes]:
    """Send bytes as they are, close our side, return every reply line."""
    with socket.create_connection(server.address, timeout=20) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while piece := connection.recv(65536):
            received += piece
    return received.splitlines()


def test_ehlo_announces_the_extensions(smtp: SmtpServer) -> None:
    with connect(smtp) as client:
        client.ehlo("client.example")

        features = client.esmtp_features
    assert features["size"] == str(25 * 1024 * 1024)
    assert {"pipelining", "8bitmime", "smtputf8", "enhancedstatuscodes"} <= set(features)
    assert "auth" not in features
    assert "starttls" not in features


def test_a_message_is_stored_before_250(smtp: SmtpServer, box: Mailbox) -> None:
    with connect(smtp) as client:
        client.sendmail(SENDER, ["Billing-Bot@Mail.Localhost"], raw_mail(box.email_address, text="Dots:\n.\n..\n.x\n"))

        message = Message.objects.get(mailbox=box)
    assert message.content.body_text == "Dots:\n.\n..\n.x\n"
    assert bytes(message.content.raw_inline or b"").startswith(b"Received: from ")


def test_an_unknown_recipient_is_refused_at_rcpt(smtp: SmtpServer, box: Mailbox) -> None:
    with connect(smtp) as client:
        client.ehlo()
        client.mail(SENDER)

        assert client.rcpt("nobody@mail.localhost") == (550, b"5.1.1 No mailbox with this address.")
        assert client.rcpt("ada@elsewhere.example") == (550, b"5.1.1 No mailbox with this address.")
        assert client.rcpt(box.email_address)[0] == 250


def test_several_recipients_and_several_messages_in_one_session(smtp: SmtpServer, box: Mailbox) -> None:
    other = mailbox_of(agent())
    with connect(smtp) as client:
        client.sendmail(SENDER, [box.email_address, other.email_address], raw_mail("x@mail.localhost"))
        client.sendmail(SENDER, [other.email_address], raw_mail("x@mail.localhost"))

    assert Message.objects.filter(mailbox=box).count() == 1
    assert Message.objects.filter(mailbox=other).count() == 2


def test_pipelined_commands_are_answered_in_order(smtp: SmtpServer, box: Mailbox) -> None:
    head = b"EHLO x\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<billing-bot@mail.localhost>\r\nDATA\r\n"
    body = raw_mail(box.email_address) + b".\r\n"

    with socket.create_connection(smtp.address, timeout=20) as connection:
        connection.sendall(head + body + b"QUIT\r\n")
        received = b""
        while piece := connection.recv(65536):
            received += piece

    codes = [line[:3] for line in received.splitlines() if line[3:4] == b" "]
    assert codes == [b"220", b"250", b"250", b"250", b"354", b"250", b"221"]
    assert Message.objects.count() == 1


def test_an_empty_message_is_accepted(smtp: SmtpServer, box: Mailbox) -> None:
    with connect(smtp) as client:
        client.ehlo()
        client.mail(SENDER)
        client.rcpt(box.email_address)
        client.docmd("DATA")
        client.send(b".\r\n")

        assert client.getreply()[0] == 250
    assert Message.objects.get().subject is None


@pytest.mark.parametrize("ending", [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r"])
def test_only_crlf_dot_crlf_ends_a_message(smtp: SmtpServer, box: Mailbox, ending: bytes) -> None:
    smuggled = b"MAIL FROM:<evil@x.example>\r\nRCPT TO:<billing-bot@mail.localhost>\r\nDATA\r\nSubject: 2\r\n\r\nx"
    with connect(smtp) as client:
        client.ehlo()
        client.mail(SENDER)
        client.rcpt(box.email_address)
        client.docmd("DATA")
        client.send(b"Subject: 1\r\n\r\nhello" + ending + smuggled + b"\r\n.\r\n")

        assert client.getreply()[0] == 250
        assert client.noop()[0] == 250
    assert Message.objects.get().subject == "1"


def test_an_oversized_message_is_refused(smtp: SmtpServer, box: Mailbox, settings: Any) -> None:
    settings.SMTP_MAX_MESSAGE_BYTES = 100_000
    with connect(smtp) as client:
        client.ehlo()
        client.mail(SENDER)
        client.rcpt(box.email_address)

        assert client.data(b"Subject: big\r\n\r\n" + b"z" * 150_000)[0] == 552
        assert client.noop()[0] == 250
    assert not Message.objects.exists()


def test_a_declared_size_over_the_limit_is_refused_at_mail(smtp: SmtpServer) -> None:
    with connect(smtp) as client:
        client.ehlo()

        assert client.mail(SENDER, ["SIZE=99999999"])[0] == 552


def test_a_large_message_arrives_whole(smtp: SmtpServer, box: Mailbox) -> None:
    content = bytes(range(256)) * 12_000
    raw = raw_mail(box.email_address, attachments=(("big.bin", "application/octet-stream", content),))
    with connect(smtp) as client:
        client.sendmail(SENDER, [box.email_address], raw)

    message = Message.objects.get()
    assert message.attachment_metadata is not None
    assert message.attachment_metadata[0]["size"] == len(content)


def test_a_giant_header_is_refused(smtp: SmtpServer, box: Mailbox) -> None:
    raw = b"Subject: x\r\nX-Big: " + b"a" * 10_000_000 + b"\r\n\r\nhi\r\n"
    with connect(smtp) as client:
        with pytest.raises(smtplib.SMTPDataError) as refusal:
            client.sendmail(SENDER, [box.email_address], raw)

        assert client.noop()[0] == 250
    assert refusal.value.smtp_code == 552
    assert not Message.objects.exists()


def test_a_mail_loop_is_refused(smtp: SmtpServer, box: Mailbox) -> None:
    raw = b"Received: from a by b; now\r\n" * 60 + raw_mail(box.email_address)
    with connect(smtp) as client, pytest.raises(smtplib.SMTPDataError) as refusal:
        client.sendmail(SENDER, [box.email_address], raw)

    assert refusal.value.smtp_code == 554


def test_a_failure_of_ours_is_451_and_stores_nothing(
    smtp: SmtpServer, box: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("disk full")

    monkeypatch.setattr(smtp._committer, "_accept", broken)
    with connect(smtp) as client, pytest.raises(smtplib.SMTPDataError) as refusal:
        client.sendmail(SENDER, [box.email_address], raw_mail(box.email_address))

    assert refusal.value.smtp_code == 451
    assert not Message.objects.exists()


def test_one_bad_message_of_a_batch_does_not_fail_the_others(
    smtp: SmtpServer, box: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    accept = accept_batch
    gate = threading.Event()

    def picky(mails: Any) -> Any:
        gate.wait(10)
        if any(mail.parsed.subject == "poison" for mail in mails):
            raise RuntimeError("cannot store this one")
        return accept(mails)

    monkeypatch.setattr(smtp._committer, "_accept", picky)
    replies: dict[str, int] = {}

    def send(subject: str) -> None:
        with connect(smtp) as client:
            try:
                client.sendmail(SENDER, [box.email_address], raw_mail(box.email_address, subject=subject))
                replies[subject] = 250
            except smtplib.SMTPDataError as error:
                replies[subject] = error.smtp_code

    threads = [threading.Thread(target=send, args=(s,)) for s in ("one", "poison", "two", "three")]
    for thread in threads:
        thread.start()
    gate.set()
    for thread in threads:
        thread.join(20)

    assert replies == {"one": 250, "poison": 451, "two": 250, "three": 250}
    assert sorted(str(subject) for subject in Message.objects.values_list("subject", flat=True)) == [
        "one",
        "three",
        "two",
    ]


def test_a_peer_that_hangs_up_during_data_leaves_nothing(smtp: SmtpServer, box: Mailbox) -> None:
    lines = raw_session(
        smtp,
        b"EHLO x\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<billing-bot@mail.localhost>\r\n"
        b"DATA\r\nSubject: half\r\n\r\nhel",
    )

    assert not any(line.startswith(b"250 2.0.0") for line in lines)
    assert not Message.objects.exists()


def test_sessions_per_peer_are_limited(settings: Any) -> None:
    settings.SMTP_MAX_SESSIONS_PER_IP = 2
    server = SmtpServer("127.0.0.1", 0)
    server.start()
    try:
        with connect(server), connect(server):
            with pytest.raises(smtplib.SMTPConnectError) as refusal:
                connect(server)
            assert refusal.value.smtp_code == 421
        with connect(server) as client:
            assert client.noop()[0] == 250
    finally:
        server.stop(5)


def test_messages_per_peer_are_limited(smtp: SmtpServer, box: Mailbox, settings: Any) -> None:
    ratelimit.forget_all()
    settings.SMTP_MAX_MESSAGES_PER_IP_PER_MINUTE = 2
    with connect(smtp) as client:
        client.sendmail(SENDER, [box.email_address], raw_mail(box.email_address))
        client.sendmail(SENDER, [box.email_address], raw_mail(box.email_address))
        with pytest.raises(smtplib.SMTPDataError) as refusal:
            client.sendmail(SENDER, [box.email_address], raw_mail(box.email_address))

    assert refusal.value.smtp_code == 451
    assert Message.objects.count() == 2
    ratelimit.forget_all()


def test_smtputf8_addresses_and_subjects_arrive(smtp: SmtpServer, box: Mailbox) -> None:
    raw = "From: Jürgen <jürgen@kunde.example>\r\nTo: billing-bot@mail.localhost\r\nSubject: Grüße ✓\r\n\r\nHallo\r\n"
    with connect(smtp) as client:
        client.ehlo()
        client.sendmail(
            "jürgen@kunde.example", [box.email_address], raw.encode(), mail_options=["SMTPUTF8", "BODY=8BITMIME"]
        )

    message = Message.objects.get()
    assert message.subject == "Grüße ✓"
    assert message.from_address == "jürgen@kunde.example"


def test_a_stop_lets_a_message_in_hand_be_stored(box: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    server = SmtpServer("127.0.0.1", 0)
    server.start()
    accept = accept_batch
    entered, release = threading.Event(), threading.Event()

    def slow(mails: Any) -> Any:
        entered.set()
        release.wait(10)
        return accept(mails)

    monkeypatch.setattr(server._committer, "_accept", slow)
    replies: list[int] = []
    idle = connect(server)

    def send() -> None:
        client = connect(server)
        client.ehlo()
        client.mail(SENDER)
        client.rcpt(box.email_address)
        client.docmd("DATA")
        client.send(raw_mail(box.email_address) + b".\r\n")
        # The message in hand gets its reply; then the session ends as an idle one does.
        replies.extend((client.getreply()[0], client.getreply()[0]))
        client.close()

    sender = threading.Thread(target=send)
    sender.start()
    assert entered.wait(10)
    stopper = threading.Thread(target=server.stop, args=(8,))
    stopper.start()
    assert idle.getreply()[0] == 421
    assert replies == []
    release.set()
    stopper.join(10)
    sender.join(10)
    idle.close()

    assert replies == [250, 421]
    assert Message.objects.count() == 1
