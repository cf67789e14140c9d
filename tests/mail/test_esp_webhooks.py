"""Webhooks of email service providers: tracking events and inbound mail, as each provider posts them."""

from __future__ import annotations

import base64
import importlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from anymail.inbound import AnymailInboundMessage
from anymail.signals import AnymailInboundEvent, AnymailTrackingEvent, EventType, RejectReason
from django.db import OperationalError
from django.test import Client
from pytest_django import Settings

from mail.api.esp_events import provider_event, raw_mail, recipients
from mail.bounces.return_path import make_return_path
from mail.enums import RecipientState
from mail.models import Mailbox, Message, OutboundRecipient, SendAttempt, Suppression
from mail.providers.esp import KEEPS_METADATA
from tests.factories.identities import agent
from tests.factories.mail import mailbox_of, queue
from tests.factories.mail import raw_mail as mime
from tests.factories.reports import delivery_report, failed
from tests.identities.rows import all_rows
from webhooks.models import Event

pytestmark = pytest.mark.django_db

SECRET = "a-secret-of-some-length"
HOME = "mail.localhost"
ADA, BOB = "ada@customer.example", "bob@customer.example"


@pytest.fixture(autouse=True)
def _configured(settings: Settings) -> None:
    settings.MAIL_WEBHOOK_SECRET = SECRET
    settings.ANYMAIL = {"MAILGUN_WEBHOOK_SIGNING_KEY": "k"}


@pytest.fixture
def box() -> Mailbox:
    return mailbox_of(agent(handle="billing-bot"))


def sent(box: Mailbox, esp: str = "postmark", provider_id: str = "p-1", *addresses: str) -> Message:
    """A message that a provider has taken."""
    to = addresses or (ADA,)
    message = queue(box, to[0], cc=list(to[1:]))
    rows = OutboundRecipient.objects.filter(message=message)
    rows.update(state=RecipientState.SENT, transport=f"anymail:{esp}", provider_id=provider_id)
    SendAttempt.objects.create(message=message, transport=f"anymail:{esp}", addresses=list(to))
    Message.objects.filter(pk=message.pk).update(status="sent")
    return message


def post(path: str, body: Any, *, secret: str = SECRET) -> int:
    response = Client().post(f"/webhooks/mail/{secret}/{path}", json.dumps(body), content_type="application/json")
    return response.status_code


def postmark(kind: str, **fields: Any) -> dict[str, Any]:
    common = {"RecordType": kind, "MessageID": "p-1", "Metadata": {}, "Tag": ""}
    who = {"Email": ADA} if kind in ("Bounce", "SpamComplaint") else {"Recipient": ADA}
    return common | who | fields


def state(address: str = ADA) -> str:
    return OutboundRecipient.objects.get(address=address).state


def test_a_delivery_is_recorded_once(box: Mailbox) -> None:
    message = sent(box)

    assert post("postmark/tracking", postmark("Delivery", Details="250 ok")) == 200
    assert post("postmark/tracking/", postmark("Delivery", Details="250 ok")) == 200

    message.refresh_from_db()
    row = OutboundRecipient.objects.get()
    assert (message.status, row.state, row.detail, row.provider_id) == ("delivered", "delivered", "250 ok", "p-1")
    assert row.transport == "anymail:postmark"
    assert list(Event.objects.values_list("event_type", flat=True)) == ["message.delivered"]


def test_a_hard_bounce_bounces_and_lists(box: Mailbox) -> None:
    sent(box)

    status = post("postmark/tracking", postmark("Bounce", Type="HardBounce", TypeCode=1, Details="550 5.1.1 unknown"))

    assert status == 200
    row = Suppression.objects.get()
    assert (state(), row.address, row.reason, row.source) == ("bounced", ADA, "hard_bounce", "provider")


def test_a_complaint_undoes_a_delivery(box: Mailbox) -> None:
    sent(box)
    post("postmark/tracking", postmark("Delivery"))

    post("postmark/tracking", postmark("SpamComplaint", Type="SpamComplaint", TypeCode=512))
    post("postmark/tracking", postmark("Delivery"))

    assert state() == "bounced"
    assert Suppression.objects.get().reason == "complaint"


def test_only_the_named_recipient_is_settled(box: Mailbox) -> None:
    sent(box, "postmark", "p-1", ADA, BOB)

    post("postmark/tracking", postmark("Delivery", Recipient=BOB.upper()))

    assert (state(ADA), state(BOB)) == ("sent", "delivered")


@pytest.mark.parametrize(("others", "expected"), [([], "bounced"), ([BOB], "sent")])
def test_a_provider_that_does_not_say_who_is_not_guessed_after(box: Mailbox, others: list[str], expected: str) -> None:
    """Resend's events of a message all carry the same addresses."""
    sent(box, "resend", "r-1", ADA, *others)
    bounce = {"message": "The server sent a hard bounce message.", "type": "Permanent", "subType": "General"}
    data = {"email_id": "r-1", "to": [ADA, *others], "tags": {}, "bounce": bounce, "created_at": "2026-11-22T10:00:00Z"}

    assert post("resend/tracking", {"type": "email.bounced", "created_at": "2026-11-22T10:00:01Z", "data": data}) == 200

    assert state() == expected
    assert Suppression.objects.exists() is (not others)


@pytest.mark.parametrize(
    "changes",
    [{"MessageID": "p-2"}, {"Recipient": "eve@customer.example"}, {"MessageID": ""}, {"MessageID": None}],
)
def test_events_about_mail_of_others_are_ignored(box: Mailbox, changes: dict[str, Any]) -> None:
    sent(box)
    before = all_rows()

    assert post("postmark/tracking", postmark("Delivery") | changes) == 200

    assert all_rows() == before


def test_an_id_counts_for_its_own_provider_only(box: Mailbox) -> None:
    sent(box, "mailjet")

    assert post("postmark/tracking", postmark("Delivery")) == 200

    assert state() == "sent"


def test_an_uncertain_message_is_settled_by_the_row_id_that_the_provider_sends_back(box: Mailbox) -> None:
    message = sent(box, provider_id="")
    OutboundRecipient.objects.update(state=RecipientState.UNCERTAIN, transport="anymail:postmark")

    post("postmark/tracking", postmark("Delivery", MessageID="new", Metadata={"inkbox_message": str(message.pk)}))

    assert state() == "delivered"


def test_a_row_id_of_a_message_that_never_went_through_the_provider_is_ignored(box: Mailbox) -> None:
    message = sent(box, "mailjet", provider_id="")

    post("postmark/tracking", postmark("Delivery", MessageID="", Metadata={"inkbox_message": str(message.pk)}))
    post("postmark/tracking", postmark("Delivery", MessageID="", Metadata={"inkbox_message": "no-id"}))

    assert state() == "sent"


def test_a_wrong_secret_or_an_unknown_path_does_not_exist(box: Mailbox, settings: Settings) -> None:
    sent(box)
    before = all_rows()

    assert post("postmark/tracking", postmark("Delivery"), secret="wrong") == 404
    assert post("pigeon/tracking", {}) == 404
    assert post("postmark", {}) == 404
    settings.MAIL_WEBHOOK_SECRET = ""
    assert post("postmark/tracking", postmark("Delivery")) == 404
    assert all_rows() == before


def test_a_provider_may_look_whether_the_address_is_there() -> None:
    assert Client().head(f"/webhooks/mail/{SECRET}/postmark/tracking").status_code == 200
    assert Client().get(f"/webhooks/mail/{SECRET}/postmark/tracking").status_code == 405


def test_signatures_are_checked_on_top_of_the_secret(box: Mailbox) -> None:
    sent(box, "mailgun", "<m@mg>")
    event = {
        "signature": {"token": "t", "timestamp": "1529006854", "signature": "wrong"},
        "event-data": {"event": "delivered", "recipient": ADA, "message": {"headers": {"message-id": "m@mg"}}},
    }

    assert post("mailgun/tracking", event) == 400

    assert state() == "sent"


@pytest.mark.parametrize("body", ["[]", "{}", "nonsense", '{"RecordType": "Delivery"}', "\x00"])
def test_what_cannot_be_read_changes_nothing(box: Mailbox, body: str) -> None:
    sent(box)
    before = all_rows()

    response = Client().post(f"/webhooks/mail/{SECRET}/postmark/tracking", body, content_type="application/json")

    assert response.status_code in (200, 400)
    assert all_rows() == before


def test_trouble_here_makes_the_provider_repeat_and_keeps_the_secret_out_of_the_logs(
    box: Mailbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sent(box)

    def fail(_: Any) -> None:
        raise OperationalError("away")

    monkeypatch.setattr("mail.receivers.record_provider_event", fail)

    assert post("postmark/tracking", postmark("Delivery")) == 503

    assert SECRET not in caplog.text
    assert state() == "sent"


def tracking(kind: str, **fields: Any) -> AnymailTrackingEvent:
    values = {"recipient": ADA, "message_id": "p-1", **fields}
    return AnymailTrackingEvent(event_type=kind, timestamp=datetime(2026, 5, 4, tzinfo=UTC), **values)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (tracking(EventType.QUEUED), ("sent", None)),
        (tracking(EventType.SENT), ("sent", None)),
        (tracking(EventType.DELIVERED), ("delivered", None)),
        (tracking(EventType.FAILED), ("failed", None)),
        (tracking(EventType.COMPLAINED), ("bounced", "complaint")),
        (tracking(EventType.BOUNCED, reject_reason=RejectReason.BOUNCED), ("bounced", "hard_bounce")),
        (
            tracking(EventType.BOUNCED, reject_reason=RejectReason.BOUNCED, mta_response="550 5.7.1 policy"),
            ("bounced", None),
        ),
        (
            tracking(EventType.BOUNCED, reject_reason=RejectReason.BOUNCED, mta_response="552 5.2.2 full"),
            ("bounced", "mailbox_full"),
        ),
        (
            tracking(EventType.BOUNCED, reject_reason=RejectReason.BOUNCED, mta_response="421 4.2.1 slow down"),
            ("bounced", None),
        ),
        (tracking(EventType.BOUNCED, reject_reason=RejectReason.BLOCKED), ("bounced", None)),
        (tracking(EventType.REJECTED, reject_reason=RejectReason.INVALID), ("bounced", "hard_bounce")),
        (tracking(EventType.REJECTED, reject_reason=RejectReason.SPAM), ("bounced", "complaint")),
        (tracking(EventType.REJECTED, reject_reason=RejectReason.UNSUBSCRIBED), ("bounced", None)),
        (tracking(EventType.DEFERRED), None),
        (tracking(EventType.OPENED), None),
        (tracking(EventType.CLICKED), None),
        (tracking(EventType.AUTORESPONDED), None),
        (tracking(EventType.UNSUBSCRIBED), None),
        (tracking(EventType.UNKNOWN), None),
        (tracking(EventType.DELIVERED, recipient=None), None),
    ],
)
def test_what_each_event_means(event: AnymailTrackingEvent, expected: tuple[str, str | None] | None) -> None:
    found = provider_event("postmark", event)

    assert (found and (found.settlement.state, found.settlement.suppress)) == expected


def test_inbound_mail_of_a_provider_is_stored_as_it_was_received_and_once(box: Mailbox) -> None:
    raw = mime(box.email_address, text="Grüße\n")
    body = {
        "OriginalRecipient": box.email_address.upper(),
        "Headers": [{"Name": "Return-Path", "Value": "<ada@customer.example>"}],
        "RawEmail": raw.decode(),
        "From": ADA,
    }

    assert post("postmark/inbound", body) == 200
    assert post("postmark/inbound", body) == 200

    arrived = Message.objects.get()
    assert (arrived.mailbox_id, arrived.subject, arrived.content.body_text) == (box.pk, "Invoice 4417", "Grüße\n")
    assert bytes(arrived.content.raw_inline or b"") == raw
    assert list(Event.objects.values_list("event_type", flat=True)) == ["message.received"]


def test_inbound_fields_without_the_raw_message_are_put_together(box: Mailbox) -> None:
    body = {
        "OriginalRecipient": box.email_address,
        "Headers": [{"Name": "Message-ID", "Value": "<x@customer.example>"}],
        "FromFull": {"Email": ADA, "Name": "Ada", "MailboxHash": ""},
        "ToFull": [{"Email": box.email_address, "Name": "", "MailboxHash": ""}],
        "Subject": "Grüße",
        "TextBody": "Hällo",
        "Date": "Mon, 4 May 2026 10:01:12 +0000",
    }

    assert post("postmark/inbound", body) == 200

    arrived = Message.objects.get()
    assert (arrived.subject, arrived.from_address, arrived.message_id) == ("Grüße", ADA, "<x@customer.example>")
    assert arrived.content.body_text == "Hällo"


def test_inbound_mail_for_nobody_here_is_dropped(box: Mailbox) -> None:
    body = {"OriginalRecipient": "nobody@mail.localhost", "RawEmail": mime("nobody@mail.localhost").decode()}

    assert post("postmark/inbound", body) == 200

    assert not Message.objects.exists()


def test_a_bounce_may_come_in_through_the_provider_too(box: Mailbox) -> None:
    message = sent(box)
    path = make_return_path(message.pk, HOME, [ADA])
    body = {"OriginalRecipient": path, "RawEmail": delivery_report(failed(ADA)).decode()}

    assert post("postmark/inbound", body) == 200

    assert state() == "bounced"
    assert not Message.objects.filter(direction="inbound").exists()


def inbound(esp_event: Any, **envelope: Any) -> AnymailInboundEvent:
    message = AnymailInboundMessage.parse_raw_mime("To: a@x.example\r\nCc: b@x.example\r\nSubject: s\r\n\r\nHi\r\n")
    for name, value in envelope.items():
        setattr(message, name, value)
    return AnymailInboundEvent(event_type=EventType.INBOUND, esp_event=esp_event, message=message)


BOTH = ("x@h.example", "y@h.example")


class Posted:
    """The part of a request that two providers' events are."""

    def __init__(self, **fields: str) -> None:
        self.POST = fields


RAW = "Subject: original\n\nGrüße\n"
STORED = "Subject: original\r\n\r\nGrüße\r\n".encode()
ENCODED = base64.b64encode(RAW.encode()).decode()


@pytest.mark.parametrize(
    ("esp", "esp_event"),
    [
        ("amazon_ses", {"content": RAW, "receipt": {"action": {"type": "SNS"}}}),
        ("amazon_ses", {"content": ENCODED, "receipt": {"action": {"type": "SNS", "encoding": "BASE64"}}}),
        ("mailersend", {"data": {"raw": RAW}}),
        ("mailgun", Posted(**{"body-mime": RAW})),
        ("mandrill", {"msg": {"raw_msg": RAW}}),
        ("postal", {"message": RAW}),
        ("postal", {"message": ENCODED, "base64": True}),
        ("postmark", {"RawEmail": RAW}),
        ("sendgrid", Posted(email=RAW)),
        (
            "sparkpost",
            {"msys": {"relay_message": {"content": {"email_rfc822": ENCODED, "email_rfc822_is_base64": True}}}},
        ),
    ],
)
def test_the_original_bytes_are_found_where_each_provider_keeps_them(esp: str, esp_event: Any) -> None:
    assert raw_mail(esp, inbound(esp_event)) == STORED


@pytest.mark.parametrize("esp", ["brevo", "mailjet", "postmark", "sendgrid", "mailgun", "amazon_ses"])
def test_without_them_the_message_is_written_again(esp: str) -> None:
    assert raw_mail(esp, inbound({})) == b"To: a@x.example\r\nCc: b@x.example\r\nSubject: s\r\n\r\nHi\r\n"


@pytest.mark.parametrize(
    ("esp", "event", "expected"),
    [
        (
            "sendgrid",
            inbound(Posted(envelope='{"to": ["x@h.example", "y@h.example"]}')),
            ("x@h.example", "y@h.example"),
        ),
        (
            "amazon_ses",
            inbound({"receipt": {"recipients": list(BOTH)}}),
            ("x@h.example", "y@h.example"),
        ),
        ("mailersend", inbound({"data": {"recipients": {"rcptTo": [{"email": "x@h.example"}]}}}), ("x@h.example",)),
        ("postmark", inbound({}, envelope_recipient="x@h.example"), ("x@h.example",)),
        ("sendgrid", inbound(Posted(envelope="broken"), envelope_recipient="x@h.example"), ("x@h.example",)),
        ("mailjet", inbound({}), ("a@x.example", "b@x.example")),
    ],
)
def test_every_envelope_recipient_counts(esp: str, event: AnymailInboundEvent, expected: tuple[str, ...]) -> None:
    assert recipients(esp, event) == expected


def test_metadata_is_given_to_backends_that_have_it() -> None:
    for esp in KEEPS_METADATA:
        module = importlib.import_module(f"anymail.backends.{esp}")
        payloads = [value for name, value in vars(module).items() if name.endswith("Payload")]
        assert any("set_metadata" in vars(payload) for payload in payloads if esp in payload.__module__), esp
