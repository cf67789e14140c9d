"""Every provider that anymail knows: sent through its backend, reported and received through its webhooks.

Requests to the providers are answered here; everything between the queue and the request, and between the posted event
and the row, is the real code, anymail's included.
"""

from __future__ import annotations

import base64
import io
import json
import pkgutil
import sys
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import anymail.backends
import pytest
import requests
from anymail.urls import urlpatterns
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django import Settings

from mail import limits
from mail.mime.build import OutgoingAttachment
from mail.models import Mailbox, Message, OutboundRecipient, Suppression
from mail.providers.esp import KEEPS_METADATA
from mail.services.relaying import relay_message
from mail.services.sending import send_message
from tests.factories.esp_events import (
    PROVIDERS,
    TIME,
    ApiAnswer,
    Posted,
    Sent,
    hmac_signed,
    mailgun_signature,
    mandrill_posted,
    mandrill_signature,
    postal_posted,
    sns,
)
from tests.factories.identities import agent
from tests.factories.mail import mailbox_of, queue
from tests.factories.mail import raw_mail as mime

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.filterwarnings("ignore:django-anymail has dropped official support for SendGrid"),
]

SECRET = "a-secret-of-some-length"
ADA = "ada@customer.example"
# Parts of anymail that are no providers, and Brevo under its former name.
_NOT_PROVIDERS = {"base", "base_requests", "console", "test", "sendinblue"}


@pytest.fixture
def box() -> Mailbox:
    return mailbox_of(agent(handle="billing-bot", display_name="Billing Bot"))


class Api:
    """The providers' side of `requests`."""

    def __init__(self) -> None:
        self.answers: list[ApiAnswer] = []
        self.calls: list[dict[str, Any]] = []

    def request(self, method: str, url: str, **options: Any) -> requests.Response:
        self.calls.append({"method": method.upper(), "url": url, **options})
        answer = self.answers.pop(0)
        response = requests.Response()
        response.status_code = answer.status
        response.headers.update({"Content-Type": "application/json", **answer.headers})
        is_raw = isinstance(answer.body, bytes) or answer.body is None
        content: bytes = (answer.body or b"") if is_raw else json.dumps(answer.body).encode()
        response.raw = io.BytesIO(content)
        return response


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    found = Api()
    monkeypatch.setattr(requests.Session, "request", found.request)
    return found


class Config(dict[str, Any]):
    """Options of Amazon's client."""

    def merge(self, other: Config) -> Config:
        return Config(self | other)


class SesClient:
    """The two calls that are made of Amazon's library."""

    def __init__(self, calls: list[dict[str, Any]]) -> None:
        self.calls = calls

    def send_email(self, **parameters: Any) -> dict[str, str]:
        self.calls.append(parameters)
        return {"MessageId": "0100-ses"}

    def close(self) -> None: ...


@pytest.fixture
def ses(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """A stand-in for boto3, which is installed only where Amazon is used; returns the calls of SendEmail."""
    calls: list[dict[str, Any]] = []
    names = ("boto3", "boto3.session", "botocore", "botocore.client", "botocore.exceptions")
    modules = {name: ModuleType(name) for name in names}
    parts: dict[str, dict[str, Any]] = {
        "boto3": {"session": modules["boto3.session"]},
        "boto3.session": {"Session": lambda **_: SimpleNamespace(client=lambda *_, **__: SesClient(calls))},
        "botocore.client": {"Config": Config},
        "botocore.exceptions": {
            name: type(name, (Exception,), {}) for name in ("BotoCoreError", "ClientError", "ConnectionError")
        },
    }
    for name, module in modules.items():
        vars(module).update(parts.get(name, {}))
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.delitem(sys.modules, "anymail.backends.amazon_ses", raising=False)
    monkeypatch.setattr("anymail.webhooks.amazon_ses._get_anymail_boto3_params", lambda **_: ({}, {}))
    yield calls
    sys.modules.pop("anymail.backends.amazon_ses", None)


@pytest.fixture(params=sorted(PROVIDERS))
def esp(request: pytest.FixtureRequest, settings: Settings) -> str:
    name: str = request.param
    settings.ANYMAIL = PROVIDERS[name].settings
    settings.MAIL_TRANSPORT = f"anymail:{name}"
    settings.MAIL_WEBHOOK_SECRET = SECRET
    if name == "amazon_ses":
        request.getfixturevalue("ses")
    return name


def post(posted: Posted) -> int:
    path = f"/webhooks/mail/{SECRET}/{posted.path}"
    headers = dict(posted.headers)
    if posted.path == "mandrill":
        headers["X-Mandrill-Signature"] = mandrill_signature(f"http://testserver{path}", posted)
    return Client().post(path, posted.body, content_type=posted.content_type, headers=headers).status_code


def sent(box: Mailbox, api: Api, esp: str) -> Sent:
    """A message that went through the provider's backend."""
    api.answers = [PROVIDERS[esp].answer(ADA)]
    attachment = OutgoingAttachment("rechnung-ü.pdf", "application/pdf", b"%PDF-1.7")
    message = queue(box, ADA, subject="Grüße", body_html="<p>Hi there.</p>", attachments=[attachment])
    send_message(message.pk)
    relay_message(message.pk)
    row = OutboundRecipient.objects.get(message=message)
    assert (row.state, row.transport) == ("sent", f"anymail:{esp}"), row.detail
    return Sent(ADA, row.provider_id, str(message.pk))


def state() -> str:
    return OutboundRecipient.objects.get(address=ADA).state


def test_every_backend_of_anymail_is_here() -> None:
    found = {module.name for module in pkgutil.iter_modules(anymail.backends.__path__)}

    assert found - _NOT_PROVIDERS == set(PROVIDERS)


def test_a_message_is_sent_and_its_id_is_kept(box: Mailbox, api: Api, esp: str, request: pytest.FixtureRequest) -> None:
    found = sent(box, api, esp)

    assert found.provider_id
    if esp == "amazon_ses":
        [call] = request.getfixturevalue("ses")
        assert call["Destination"]["ToAddresses"] == [ADA]
        assert b"Subject: =?utf-8?" in call["Content"]["Raw"]["Data"]
        return
    [call] = api.calls
    assert call["method"] == "POST"
    told = json.dumps(call.get("json") or "") + _text(call.get("data")) + _text(call.get("files"))
    assert ADA in told
    if esp in KEEPS_METADATA:
        assert found.row_id in told


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value or "")


@pytest.mark.parametrize(
    ("kind", "expected", "reason"),
    [("delivered", "delivered", None), ("bounced", "bounced", "hard_bounce"), ("complained", "bounced", "complaint")],
)
def test_what_became_of_it_is_recorded(
    box: Mailbox, api: Api, esp: str, kind: str, expected: str, reason: str | None
) -> None:
    provider = PROVIDERS[esp]
    found = sent(box, api, esp)
    posted = provider.tracking(kind, found) if provider.tracking is not None else None
    if posted is None:
        assert (esp, kind) in {
            ("mandrill", "delivered"),
            ("postal", "complained"),
            *(("scaleway", kind) for kind in ("delivered", "bounced", "complained")),
        }
        return

    assert [post(posted), post(posted)] == [200, 200]

    assert state() == expected
    assert list(Suppression.objects.values_list("address", "reason", "source")) == (
        [(ADA, reason, "provider")] if reason else []
    )


@pytest.mark.parametrize("kind", ["delivered", "bounced"])
def test_an_event_about_another_message_changes_nothing(box: Mailbox, api: Api, esp: str, kind: str) -> None:
    provider = PROVIDERS[esp]
    found = sent(box, api, esp)
    other = "9" * len(found.provider_id) if found.provider_id.isdigit() else "other-id"
    posted = provider.tracking(kind, Sent(ADA, other, "")) if provider.tracking is not None else None
    if posted is None:
        return

    assert post(posted) == 200

    assert state() == "sent"


SIGNED = ("mailersend", "mailgun", "mailtrap", "mandrill", "postal", "unisender_go")


@pytest.mark.parametrize("esp", SIGNED, indirect=True)
def test_a_changed_event_is_refused(box: Mailbox, api: Api, esp: str) -> None:
    provider = PROVIDERS[esp]
    assert provider.tracking is not None
    posted = provider.tracking("bounced", sent(box, api, esp))
    assert posted is not None
    if esp == "mailgun":  # signs its fields, not the body
        changed = posted.body.replace(mailgun_signature()["signature"].encode(), b"0" * 64)
    else:
        changed = posted.body.replace(b"customer.example", b"customer.exbmple").replace(b"%40customer", b"%40customes")
    assert changed != posted.body
    headers = posted.headers
    path = f"/webhooks/mail/{SECRET}/{posted.path}"
    if esp == "mandrill":
        headers = {"X-Mandrill-Signature": mandrill_signature(f"http://testserver{path}", posted)}

    status = Client().post(path, changed, content_type=posted.content_type, headers=headers).status_code

    assert (status, state()) == (400, "sent")
    assert not Suppression.objects.exists()


# --- Inbound ------------------------------------------------------------------------------------------------------


def _headers(box: Mailbox) -> dict[str, str]:
    return {
        "From": f"Ada <{ADA}>",
        "To": box.email_address,
        "Subject": "Invoice 4417",
        "Message-ID": "<in-1@customer.example>",
        "Date": "Mon, 4 May 2026 10:01:12 +0000",
    }


def _inbound(  # noqa: C901 (a table)
    esp: str, box: Mailbox, api: Api
) -> Posted | tuple[str, dict[str, Any]]:
    """What the provider posts for one message, and in `api` what it answers when it is asked for the rest.

    A pair of a path and fields is posted as a form with files.
    """
    address = box.email_address
    raw = mime(address, sender=ADA, text="Grüße\n", message_id="<in-1@customer.example>").decode()
    encoded = base64.b64encode(raw.encode()).decode()
    pdf = SimpleUploadedFile("a.pdf", b"%PDF-1.7", "application/pdf")
    event: dict[str, Any]
    body: dict[str, Any]
    fields: dict[str, Any]
    match esp:
        case "amazon_ses":
            receipt = {"recipients": [address], "action": {"type": "SNS", "encoding": "BASE64"}}
            event = {"notificationType": "Received", "mail": {"source": ADA}, "receipt": receipt, "content": encoded}
            return sns("amazon_ses/inbound", event)
        case "brevo":
            api.answers = [ApiAnswer(b"%PDF-1.7", 200, {"Content-Type": "application/pdf"})]
            item = {
                "Uuid": ["51c6f2b3"],
                "Headers": {**_headers(box), "Return-Path": f"<{ADA}>", "Delivered-To": address},
                "RawTextBody": "Grüße\n",
                "RawHtmlBody": None,
                "SpamScore": 0.4,
                "Attachments": [{"Name": "a.pdf", "ContentType": "application/pdf", "DownloadToken": "t/o k"}],
            }
            return Posted("brevo/inbound", json.dumps({"items": [item]}).encode())
        case "mailersend":
            recipients = {"rcptTo": [{"email": address}]}
            data = {"id": "i", "created_at": "2026-05-04T10:01:12.000Z", "raw": raw, "sender": {"email": ADA}}
            body = {"type": "inbound.message", "data": data | {"recipients": recipients}}
            return hmac_signed(Posted("mailersend/inbound", json.dumps(body).encode()), "Signature")
        case "mailgun":
            fields = {**mailgun_signature(), "sender": ADA, "recipient": address, "stripped-text": "Grüße"}
            parsed = {"message-headers": json.dumps(list(_headers(box).items())), "body-plain": "Grüße\n"}
            return "mailgun/inbound", {**fields, **parsed, "attachment-count": "1", "attachment-1": pdf}
        case "mailjet":
            part = {
                "Headers": {"Content-Type": 'application/pdf; name="a.pdf"', "Content-Disposition": "attachment"},
                "ContentRef": "Attachment1",
            }
            body = {
                "Sender": ADA,
                "Recipient": address,
                "Headers": _headers(box),
                "Parts": [{"Headers": {"Content-Type": "text/plain"}, "ContentRef": "Text-part"}, part],
                "Text-part": "Grüße\n",
                "Attachment1": base64.b64encode(b"%PDF-1.7").decode(),
                "SpamAssassinScore": "0.1",
            }
            return Posted("mailjet/inbound", json.dumps(body).encode())
        case "mailtrap":
            api.answers = [ApiAnswer({"id": "m1", "raw_message_url": "https://s3.example/m1"}), ApiAnswer(raw.encode())]
            event = {"event": "inbound.message_received", "inbox_id": 12, "message_id": "m1", "timestamp": TIME * 1000}
            return hmac_signed(
                Posted("mailtrap/inbound", json.dumps({"events": [event]}).encode()), "Mailtrap-Signature"
            )
        case "mandrill":
            return mandrill_posted([{"event": "inbound", "ts": TIME, "msg": {"raw_msg": raw, "email": address}}])
        case "postal":
            body = {"id": 1, "rcpt_to": address, "mail_from": ADA, "message": encoded, "base64": True}
            return postal_posted("postal/inbound", body)
        case "postmark":
            body = {"OriginalRecipient": address, "Headers": [], "RawEmail": raw, "From": ADA}
            return Posted("postmark/inbound", json.dumps(body).encode())
        case "resend":
            fields = {
                "from": f"Ada <{ADA}>",
                "to": [address],
                "subject": "Invoice 4417",
                "text": "Grüße\n",
                "message_id": "<in-1@customer.example>",
                "headers": {},
            }
            api.answers = [ApiAnswer(fields)]
            return Posted("resend/inbound", json.dumps({"type": "email.received", "data": {"email_id": "e1"}}).encode())
        case "sendgrid":
            headers = "".join(f"{name}: {value}\n" for name, value in _headers(box).items())
            fields = {"headers": headers, "envelope": json.dumps({"from": ADA, "to": [address]}), "text": "Grüße\n"}
            charsets = json.dumps({"text": "utf-8", "subject": "utf-8"})
            info = json.dumps({"attachment1": {"filename": "a.pdf", "type": "application/pdf"}})
            return "sendgrid/inbound", {**fields, "charsets": charsets, "attachment-info": info, "attachment1": pdf}
        case "sparkpost":
            content = {"email_rfc822": encoded, "email_rfc822_is_base64": True}
            relay = {"protocol": "smtp", "msg_from": ADA, "rcpt_to": address, "content": content}
            return Posted("sparkpost/inbound", json.dumps([{"msys": {"relay_message": relay}}]).encode())
    raise AssertionError(esp)


RECEIVING = sorted(set(PROVIDERS) - {"scaleway", "unisender_go"})
WITH_FILE = {"brevo", "mailgun", "mailjet", "sendgrid"}


@pytest.mark.parametrize("esp", RECEIVING, indirect=True)
def test_mail_that_a_provider_received_is_stored_once(box: Mailbox, api: Api, esp: str) -> None:
    statuses = []
    for _ in range(2):
        posted = _inbound(esp, box, api)
        if isinstance(posted, Posted):
            statuses.append(post(posted))
        else:
            path, fields = posted
            statuses.append(Client().post(f"/webhooks/mail/{SECRET}/{path}", fields).status_code)

    assert statuses == [200, 200]
    [message] = Message.objects.filter(direction="inbound")
    assert (message.mailbox_id, message.from_address, message.subject) == (box.pk, ADA, "Invoice 4417")
    assert (message.content.body_text or "").rstrip() == "Grüße"
    assert message.has_attachments is (esp in WITH_FILE)


def test_only_these_providers_receive() -> None:
    """Whatever has an inbound view has a row above."""
    names = {pattern.name for pattern in urlpatterns}
    inbound = {name.removesuffix("_inbound_webhook") for name in names if name and name.endswith("_inbound_webhook")}

    assert inbound - {"sendinblue"} | {"mandrill"} == set(RECEIVING)


@pytest.mark.parametrize("esp", ["mailtrap"], indirect=True)
def test_a_trial_event_is_no_mail(box: Mailbox, api: Api, esp: str) -> None:
    event = {"event": "inbound.message_received", "inbox_id": 1, "message_id": "m1", "timestamp": TIME * 1000}
    posted = hmac_signed(Posted("mailtrap/inbound", json.dumps({"events": [event]}).encode()), "Mailtrap-Signature")

    assert post(posted) == 200

    assert not Message.objects.exists()
    assert api.calls == []


@pytest.mark.parametrize("esp", ["brevo", "resend", "mailtrap"], indirect=True)
def test_a_provider_that_does_not_hand_over_the_rest_is_asked_again(box: Mailbox, api: Api, esp: str) -> None:
    posted = _inbound(esp, box, api)
    assert isinstance(posted, Posted)
    api.answers = [ApiAnswer({"message": "try later"}, 503)]

    assert post(posted) == 503

    assert not Message.objects.exists()


@pytest.mark.parametrize("esp", ["brevo", "resend", "mailtrap"], indirect=True)
def test_what_has_to_be_fetched_is_not_waited_for_without_limit(
    box: Mailbox, api: Api, esp: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    posted = _inbound(esp, box, api)
    assert isinstance(posted, Posted)
    assert post(posted) == 200
    assert [call.get("timeout") for call in api.calls] == [limits.PROVIDER_FETCH_TIMEOUTS] * len(api.calls)

    def never(*_: Any, **__: Any) -> requests.Response:
        raise requests.ReadTimeout

    monkeypatch.setattr(requests.Session, "request", never)
    assert post(posted) == 503
