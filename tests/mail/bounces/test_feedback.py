"""What reports do to sent mail, over real SMTP: the right message, the right recipients, once."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from pytest_django import Settings

from common import ratelimit
from mail.bounces.return_path import make_return_path
from mail.enums import RecipientState
from mail.ingress.server import SmtpServer
from mail.models import Mailbox, Message, OutboundRecipient, Suppression
from mail.providers.registry import build_transport, parse_transport
from mail.services import relaying
from tests.factories.domains import sending_domain
from tests.factories.identities import agent
from tests.factories.mail import mailbox_of, queue, raw_mail, send
from tests.factories.reports import complaint, delivery_report, failed, plain_bounce
from tests.mail.test_providers_smtp import Inbox, smtp_server
from webhooks.models import Event

pytestmark = pytest.mark.django_db(transaction=True)

HOME = "mail.localhost"
ADA, BOB, EVE = "ada@customer.example", "bob@customer.example", "eve@other.example"


@pytest.fixture
def smtp() -> Iterator[SmtpServer]:
    server = SmtpServer("127.0.0.1", 0)
    server.start()
    yield server
    server.stop(5)


@pytest.fixture
def box() -> Mailbox:
    return mailbox_of(agent(handle="billing-bot"))


def sent(box: Mailbox, *addresses: str) -> Message:
    """A message that a relay has taken for all of its recipients."""
    message = queue(box, addresses[0], cc=list(addresses[1:]))
    OutboundRecipient.objects.filter(message=message).update(state=RecipientState.SENT, transport="smtp")
    Message.objects.filter(pk=message.pk).update(status="sent")
    return message


def bounce(server: SmtpServer, to: str, raw: bytes, sender: str = "") -> None:
    with smtplib.SMTP(*server.address, timeout=20) as client:
        client.sendmail(sender, [to], raw)


def states(message: Message) -> dict[str, str]:
    return dict(OutboundRecipient.objects.filter(message=message).values_list("address", "state"))


def path_of(message: Message, *addresses: str) -> str:
    return make_return_path(message.pk, HOME, addresses)


def event_types() -> list[str]:
    return list(Event.objects.order_by("seq").values_list("event_type", flat=True))


def test_mail_leaves_with_a_return_path_and_a_bounce_finds_its_way_back(
    smtp: SmtpServer, box: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    relay = Inbox()
    with smtp_server(relay) as port:
        transport = build_transport(parse_transport(f"smtp://127.0.0.1:{port}"))
        monkeypatch.setattr(relaying, "transport", lambda: transport)
        message = queue(box, ADA)
        send(message)
    (envelope, _, _) = relay.taken[0]
    assert envelope.mail_from == path_of(message, ADA)
    assert f"From: {box.email_address}".encode() not in envelope.mail_from.encode()

    bounce(smtp, envelope.mail_from, delivery_report(failed(ADA)))

    message.refresh_from_db()
    assert message.status == "bounced"
    row = OutboundRecipient.objects.get()
    assert (row.state, row.transport, row.detail) == ("bounced", "smtp", "550 5.1.1 User unknown")
    listed = Suppression.objects.get()
    assert (listed.address, listed.reason, listed.source, listed.message_id) == (
        ADA,
        "hard_bounce",
        "bounce",
        message.pk,
    )
    assert event_types() == ["message.sent", "message.bounced"]
    # Nobody reads it as mail.
    assert not Message.objects.filter(direction="inbound").exists()


def test_the_mailbox_can_be_the_return_path(
    smtp: SmtpServer, box: Mailbox, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.MAIL_RETURN_PATH = "sender"
    relay = Inbox()
    with smtp_server(relay) as port:
        transport = build_transport(parse_transport(f"smtp://127.0.0.1:{port}"))
        monkeypatch.setattr(relaying, "transport", lambda: transport)
        message = queue(box, ADA)
        send(message)
    assert relay.taken[0][0].mail_from == box.email_address
    original = f"Message-ID: {message.message_id}\r\n"

    bounce(smtp, box.email_address, delivery_report(failed(ADA), original=original))

    assert states(message) == {ADA: "bounced"}
    assert Suppression.objects.get().address == ADA
    # It came to a mailbox, so it is mail as well.
    assert Message.objects.get(direction="inbound").subject == "Undelivered"


def test_a_report_to_a_mailbox_settles_nothing_when_return_paths_are_signed(smtp: SmtpServer, box: Mailbox) -> None:
    message = sent(box, ADA)
    original = f"Message-ID: {message.message_id}\r\n"

    bounce(smtp, box.email_address, delivery_report(failed(ADA), original=original))

    assert states(message) == {ADA: "sent"}
    assert Message.objects.get(direction="inbound").subject == "Undelivered"


def test_a_report_by_message_id_lists_nobody_who_had_company(
    smtp: SmtpServer, box: Mailbox, settings: Settings
) -> None:
    settings.MAIL_RETURN_PATH = "sender"
    message = sent(box, ADA, EVE)
    original = f"Message-ID: {message.message_id}\r\n"

    bounce(smtp, box.email_address, delivery_report(failed(EVE), original=original), sender="someone@x.example")
    assert states(message) == {ADA: "sent", EVE: "sent"}  # a report has the null sender
    bounce(smtp, box.email_address, delivery_report(failed(EVE), original=original))

    assert states(message) == {ADA: "sent", EVE: "bounced"}
    assert not Suppression.objects.exists()


@pytest.mark.parametrize("change", ["message", "seal"])
def test_a_forged_return_path_is_refused(smtp: SmtpServer, box: Mailbox, change: str) -> None:
    message = sent(box, ADA)
    real = path_of(message, ADA)
    forged = {
        "message": make_return_path(UUID(int=7), HOME, [ADA]).replace(
            make_return_path(UUID(int=7), HOME, [ADA])[7:33], real[7:33]
        ),
        "seal": real.replace("@", "x@"),
    }[change]

    with pytest.raises(smtplib.SMTPRecipientsRefused):
        bounce(smtp, forged, delivery_report(failed(ADA)))

    assert states(message) == {ADA: "sent"}


def test_a_recipient_cannot_report_another_one(smtp: SmtpServer, box: Mailbox) -> None:
    message = sent(box, ADA, EVE)

    # Eve reads her own return path in the mail that she got.
    bounce(smtp, path_of(message, EVE), delivery_report(failed(ADA)))

    # A report about the sole recipient of the transaction is about her, whatever address it names.
    assert states(message) == {ADA: "sent", EVE: "bounced"}


def test_a_report_for_a_message_that_is_gone_is_dropped(smtp: SmtpServer, box: Mailbox) -> None:
    message = sent(box, ADA)
    bounce(smtp, make_return_path(UUID(int=7), HOME, [ADA]), delivery_report(failed(ADA)))
    bounce(smtp, make_return_path(message.pk, HOME, ["nobody@x.example"]), delivery_report(failed(ADA)))

    assert states(message) == {ADA: "sent"}
    assert not Message.objects.filter(direction="inbound").exists()


def test_a_delay_does_nothing(smtp: SmtpServer, box: Mailbox) -> None:
    message = sent(box, ADA)

    bounce(smtp, path_of(message, ADA), delivery_report(failed(ADA, action="delayed", status="4.4.1", said="wait")))

    assert states(message) == {ADA: "sent"}
    assert event_types() == []


def test_reports_come_twice_late_and_out_of_order(smtp: SmtpServer, box: Mailbox) -> None:
    message = sent(box, ADA, BOB)
    path = path_of(message, ADA, BOB)
    good = failed(BOB, action="delivered", status="2.0.0", said="250 ok")

    for groups in ((failed(ADA),), (good,), (failed(ADA), good), (failed(ADA, action="delivered", status="2.0.0"),)):
        bounce(smtp, path, delivery_report(*groups))

    assert states(message) == {ADA: "bounced", BOB: "delivered"}
    assert event_types() == ["message.bounced"]
    assert Suppression.objects.count() == 1


def test_a_relay_that_gave_up_waiting_makes_the_message_failed(smtp: SmtpServer, box: Mailbox) -> None:
    message = sent(box, ADA)

    bounce(smtp, path_of(message, ADA), delivery_report(failed(ADA, status="4.4.7", said="expired")))

    message.refresh_from_db()
    assert message.status == "failed"
    assert event_types() == ["message.failed"]
    assert not Suppression.objects.exists()


def test_a_complaint_bounces_and_lists(smtp: SmtpServer, box: Mailbox) -> None:
    message = sent(box, ADA)

    bounce(smtp, path_of(message, ADA), complaint())

    assert states(message) == {ADA: "bounced"}
    assert Suppression.objects.get().reason == "complaint"


def test_a_bounce_in_prose_is_understood(smtp: SmtpServer, box: Mailbox) -> None:
    message = sent(box, ADA, BOB)
    text = f"Sorry.\n\n<{ADA}>:\nno mailbox here by that name. (#5.1.1)\n\n<{BOB}>:\n452 over quota\n"

    raw = plain_bounce(text, sender="MAILER-DAEMON@customer.example", subject="failure notice")
    bounce(smtp, path_of(message, ADA, BOB), raw)

    assert states(message) == {ADA: "bounced", BOB: "sent"}


def test_a_holiday_notice_to_the_return_path_is_mail_for_the_mailbox(smtp: SmtpServer, box: Mailbox) -> None:
    message = sent(box, ADA)
    path = path_of(message, ADA)

    bounce(smtp, path, raw_mail(path, subject="Out of office", in_reply_to=message.message_id))

    arrived = Message.objects.get(direction="inbound")
    assert (arrived.mailbox_id, arrived.subject, arrived.thread_id) == (box.pk, "Out of office", message.thread_id)
    assert states(message) == {ADA: "sent"}


def test_a_flood_of_reports_about_one_message_is_put_off(
    smtp: SmtpServer, box: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mail.limits.REPORTS_PER_MESSAGE_PER_MINUTE", 2)
    ratelimit.forget_all()
    message = sent(box, ADA)
    path = path_of(message, ADA)
    for _ in range(2):
        bounce(smtp, path, delivery_report(failed(ADA)))

    with pytest.raises(smtplib.SMTPDataError) as refusal:
        bounce(smtp, path, delivery_report(failed(ADA)))

    assert refusal.value.smtp_code == 451
    ratelimit.forget_all()


def test_trouble_with_the_database_makes_the_reporter_try_again(
    smtp: SmtpServer, box: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = sent(box, ADA)

    def fail(*_: Any) -> None:
        raise RuntimeError("away")

    monkeypatch.setattr("mail.ingress.handler.take_report", fail)

    with pytest.raises(smtplib.SMTPDataError) as refusal:
        bounce(smtp, path_of(message, ADA), delivery_report(failed(ADA)))

    assert refusal.value.smtp_code == 451
    assert states(message) == {ADA: "sent"}


def test_the_return_path_is_of_the_domain_that_published_one(
    smtp: SmtpServer, box: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = sending_domain(box.organization, has_return_path=True, is_default=True)
    own = mailbox_of(agent(box.organization, "desk"))
    assert own.email_address == f"desk@{row.domain}"
    relay = Inbox()
    with smtp_server(relay) as port:
        transport = build_transport(parse_transport(f"smtp://127.0.0.1:{port}"))
        monkeypatch.setattr(relaying, "transport", lambda: transport)
        message = queue(own, ADA)
        send(message)
    path = relay.taken[0][0].mail_from
    assert path == make_return_path(message.pk, f"bounces.{row.domain}", [ADA])

    bounce(smtp, path, delivery_report(failed(ADA)))

    assert states(message) == {ADA: "bounced"}
