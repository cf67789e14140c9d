"""Provider APIs: anymail's own test backend for the message, a local HTTP server for what can go wrong on the way."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from anymail.exceptions import AnymailAPIError
from anymail.message import AnymailRecipientStatus
from django.core import mail
from django.db import transaction

from mail.providers import esp
from mail.providers.base import Outcome
from mail.providers.esp import AnymailTransport, OutgoingMail, Split, split_recipients, to_django_message
from mail.providers.outcomes import PartlyUnknown
from tests.mail.test_providers_smtp import HandOff, envelope, free_port, outcomes

ANN, BOB, CID = "ann@example.org", "bob@example.org", "cid@example.org"
PNG = b"\x89PNG\r\n\x1a\nrest"


def built(**changes: str) -> EmailMessage:
    """Text, HTML with an inline image, an attached PDF, an attached text and an attached message."""
    message = EmailMessage()
    headers = {
        "From": "Böt <bot@mail.test>",
        "To": f"Ann <{ANN}>",
        "Cc": BOB.upper(),
        "Reply-To": "desk@mail.test",
        "Subject": "Grüße",
        "Date": "Thu, 01 Jan 2026 10:00:00 +0000",
        "Message-ID": "<m1@mail.test>",
        "In-Reply-To": "<m0@mail.test>",
        "References": "<a@mail.test> <m0@mail.test>",
        "Auto-Submitted": "auto-generated",
        "DKIM-Signature": "v=1",
    } | changes
    for name, value in headers.items():
        message[name] = value
    message.set_content("Plain text\n")
    message.add_alternative("<p>Rich <img src=cid:logo></p>\n", subtype="html")
    html = message.get_payload()[1]  # type: ignore[index]
    html.add_related(PNG, "image", "png", cid="<logo>", filename="logo.png", disposition="inline")  # type: ignore[union-attr]
    message.add_attachment(b"%PDF", "application", "pdf", filename="rechnung-ü.pdf")
    message.add_attachment("caf\xe9", filename="note.txt", charset="iso-8859-1")
    inner = EmailMessage()
    inner["Subject"] = "inner"
    inner.set_content("inner body\n")
    message.add_attachment(inner)
    return message


@pytest.fixture(autouse=True)
def _outbox() -> None:
    mail.outbox = []


def sent_params() -> dict[str, Any]:
    """What anymail would have told the provider about the only message."""
    sent: list[Any] = mail.outbox
    assert len(sent) == 1
    params: dict[str, Any] = sent[0].anymail_test_params
    return params


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let anymail's test backend answer as told."""

    def set_answer(response: Any) -> None:
        monkeypatch.setattr(OutgoingMail, "anymail_test_response", response, raising=False)

    return set_answer


def test_the_message_is_taken_apart_completely() -> None:
    hand_off = HandOff()

    results = AnymailTransport("test").send(envelope(ANN, BOB, CID, content=built().as_bytes()), hand_off)

    assert outcomes(results) == {ANN: Outcome.ACCEPTED, BOB: Outcome.ACCEPTED, CID: Outcome.ACCEPTED}
    assert (results[0].detail, results[0].provider_id) == ("sent", "0")
    assert hand_off.calls == 1
    params = sent_params()
    assert (params["from"].addr_spec, params["from"].display_name) == ("bot@mail.test", "Böt")
    assert [[a.addr_spec for a in params[kind]] for kind in ("to", "cc", "bcc")] == [[ANN], [BOB], [CID]]
    assert (params["subject"], params["text_body"]) == ("Grüße", "Plain text\n")
    assert params["html_body"] == "<p>Rich <img src=cid:logo></p>\n"
    assert [a.addr_spec for a in params["reply_to"]] == ["desk@mail.test"]
    assert dict(params["extra_headers"]) == {
        "Message-ID": "<m1@mail.test>",
        "In-Reply-To": "<m0@mail.test>",
        "References": "<a@mail.test> <m0@mail.test>",
        "Auto-Submitted": "auto-generated",
    }


def test_attachments_keep_name_type_content_and_place() -> None:
    AnymailTransport("test").send(envelope(ANN, content=built().as_bytes()), HandOff())

    image, pdf, note, inner = sent_params()["attachments"]
    assert (image.name, image.mimetype, image.content, image.inline, image.cid) == (
        "logo.png",
        "image/png",
        PNG,
        True,
        "logo",
    )
    assert (pdf.name, pdf.mimetype, pdf.content, pdf.inline) == ("rechnung-ü.pdf", "application/pdf", b"%PDF", False)
    assert (note.name, note.mimetype, note.content.strip()) == ("note.txt", "text/plain", "café")
    assert inner.mimetype == "message/rfc822"
    assert b"inner body" in inner.content


@pytest.mark.parametrize("charset", ["utf-8", "no-such-charset"])
def test_text_that_its_charset_cannot_decode_travels_as_bytes(charset: str) -> None:
    content = (
        b"From: bot@mail.test\r\nTo: ann@example.org\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: multipart/mixed; boundary=b\r\n"
        b"\r\n--b\r\n\r\nbody\r\n--b\r\nContent-Type: text/csv; charset=" + charset.encode() + b"\r\n"
        b"Content-Disposition: attachment; filename=x.csv\r\nContent-Transfer-Encoding: base64\r\n\r\n/w==\r\n--b--\r\n"
    )

    AnymailTransport("test").send(envelope(ANN, content=content), HandOff())

    [attached] = sent_params()["attachments"]
    assert (attached.name, attached.mimetype, attached.content) == ("x.csv", "application/octet-stream", b"\xff")


def test_recipients_are_split_by_the_headers() -> None:
    message = built()

    assert split_recipients(message, (CID, ANN, BOB)) == [Split((ANN,), (BOB,), (CID,))]
    assert split_recipients(message, (BOB, CID)) == [Split((BOB,), (), (CID,))]
    assert split_recipients(message, (CID, "dan@example.org")) == [Split((CID,)), Split(("dan@example.org",))]


def test_blind_recipients_alone_do_not_see_each_other() -> None:
    hand_off = HandOff()
    content = built(To="undisclosed-recipients:;", Cc="x@example.org").as_bytes()

    results = AnymailTransport("test").send(envelope(ANN, BOB, content=content), hand_off)

    assert outcomes(results) == {ANN: Outcome.ACCEPTED, BOB: Outcome.ACCEPTED}
    assert [message.to + message.cc + message.bcc for message in mail.outbox] == [[ANN], [BOB]]
    assert hand_off.calls == 1


def test_raw_backends_get_the_very_bytes() -> None:
    raw = b"DKIM-Signature: v=1; x\r\nFrom:  bot@mail.test \r\nTo: ann@example.org\r\n\r\nbody  \r\n"
    mime = _parsed(raw)

    message = to_django_message("amazon_ses", raw, mime, Split((ANN,)))

    assert message.message().as_bytes() == raw
    assert message.recipients() == [ANN]


def _parsed(raw: bytes) -> EmailMessage:
    import email.policy

    parsed = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(parsed, EmailMessage)
    return parsed


def test_amazon_ses_never_repeats_a_request_and_keeps_the_operators_settings(settings: Any) -> None:
    settings.ANYMAIL = {"AMAZON_SES_CLIENT_PARAMS": {"region_name": "eu-west-1", "config": {"read_timeout": 9}}}

    assert esp._connection_options("amazon_ses") == {
        "client_params": {
            "region_name": "eu-west-1",
            "config": {"retries": {"total_max_attempts": 1}, "read_timeout": 9},
        }
    }
    assert esp._connection_options("postmark") == {}


def test_each_status_of_the_provider_counts(answer: Any) -> None:
    answer(
        {
            "recipient_status": {
                ANN: AnymailRecipientStatus("id-1", "queued"),
                BOB.upper(): AnymailRecipientStatus(None, "rejected"),
                CID: AnymailRecipientStatus("id-3", "failed"),
            }
        }
    )

    results = AnymailTransport("test").send(envelope(ANN, BOB, CID, content=built().as_bytes()), HandOff())

    assert outcomes(results) == {ANN: Outcome.ACCEPTED, BOB: Outcome.REFUSED, CID: Outcome.DEFERRED}
    assert [result.provider_id for result in results] == ["id-1", "", "id-3"]


def test_all_refused_is_an_answer_not_an_error(answer: Any) -> None:
    answer({"recipient_status": {ANN: AnymailRecipientStatus(None, "invalid")}})

    results = AnymailTransport("test").send(envelope(ANN, content=built().as_bytes()), HandOff())

    assert outcomes(results) == {ANN: Outcome.REFUSED}


def test_a_recipient_without_a_status_is_unknown(answer: Any) -> None:
    answer({"recipient_status": {ANN: AnymailRecipientStatus("id", "sent")}})

    with pytest.raises(PartlyUnknown) as caught:
        AnymailTransport("test").send(envelope(ANN, BOB, content=built().as_bytes()), HandOff())

    assert caught.value.recipients == (BOB,)
    assert outcomes(caught.value.results) == {ANN: Outcome.ACCEPTED}


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, Outcome.REFUSED),
        (422, Outcome.REFUSED),
        (401, Outcome.DEFERRED),
        (403, Outcome.DEFERRED),
        (429, Outcome.DEFERRED),
        (500, Outcome.DEFERRED),
        (503, Outcome.DEFERRED),
    ],
)
def test_refusing_status_codes(answer: Any, status: int, expected: Outcome) -> None:
    answer(AnymailAPIError("no", status_code=status, response=_Response()))

    results = AnymailTransport("test").send(envelope(ANN, content=built().as_bytes()), HandOff())

    assert outcomes(results) == {ANN: expected}
    assert results[0].detail == f"{status} nope"


class _Response:
    reason = "Nope"
    text = "nope"

    def json(self) -> Any:
        raise ValueError


@pytest.mark.parametrize("status", [None, 200, 502, 504])
def test_status_codes_that_do_not_tell(answer: Any, status: int | None) -> None:
    answer(AnymailAPIError("no", status_code=status, response=_Response()))

    with pytest.raises(PartlyUnknown) as caught:
        AnymailTransport("test").send(envelope(ANN, content=built().as_bytes()), HandOff())

    assert caught.value.recipients == (ANN,)


def test_a_botocore_error_has_its_status_in_the_response(answer: Any) -> None:
    answer(AnymailAPIError("Throttling", response={"ResponseMetadata": {"HTTPStatusCode": 429}}))

    results = AnymailTransport("test").send(envelope(ANN, content=built().as_bytes()), HandOff())

    assert outcomes(results) == {ANN: Outcome.DEFERRED}


def test_missing_credentials_defer_without_a_hand_off() -> None:
    hand_off = HandOff()

    results = AnymailTransport("postmark").send(envelope(ANN, content=built().as_bytes()), hand_off)

    assert outcomes(results) == {ANN: Outcome.DEFERRED}
    assert "POSTMARK_SERVER_TOKEN" in results[0].detail
    assert hand_off.calls == 0


def test_what_a_provider_cannot_express_is_refused_without_a_hand_off(settings: Any) -> None:
    settings.ANYMAIL = {"BREVO_API_KEY": "k"}
    hand_off = HandOff()

    results = AnymailTransport("brevo").send(envelope(ANN, content=built().as_bytes()), hand_off)

    assert outcomes(results) == {ANN: Outcome.REFUSED}
    assert "inline" in results[0].detail
    assert hand_off.calls == 0


def test_it_refuses_to_run_inside_a_transaction(db: None) -> None:
    with transaction.atomic(), pytest.raises(RuntimeError, match="inside a database transaction"):
        AnymailTransport("test").send(envelope(ANN), HandOff())


# --- Over HTTP, with a real backend -------------------------------------------------------------------------------


@contextmanager
def postmark(settings: Any, status: int, body: Any) -> Iterator[list[dict[str, Any]]]:
    """A local stand-in for Postmark's API; status 0 closes the connection without an answer."""
    requests: list[dict[str, Any]] = []

    class Api(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            requests.append(json.loads(self.rfile.read(length)))
            if status == 0:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.close_connection = True
                return
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: Any) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Api)
    settings.ANYMAIL = {
        "POSTMARK_SERVER_TOKEN": "t",
        "POSTMARK_API_URL": f"http://127.0.0.1:{server.server_port}/",
        "REQUESTS_TIMEOUT": 5,
    }
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield requests
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_postmark_is_called_with_everything(settings: Any) -> None:
    body = {"ErrorCode": 0, "Message": "OK", "MessageID": "pm-1", "To": ANN, "SubmittedAt": "2026"}

    with postmark(settings, 200, body) as requests:
        results = AnymailTransport("postmark").send(envelope(ANN, BOB, content=built().as_bytes()), HandOff())

    assert outcomes(results) == {ANN: Outcome.ACCEPTED, BOB: Outcome.ACCEPTED}
    assert results[0].provider_id == "pm-1"
    [request] = requests
    assert (request["TextBody"], request["To"]) == ("Plain text\n", ANN)
    headers = {item["Name"]: item["Value"] for item in request["Headers"]}
    assert headers["Message-ID"] == "<m1@mail.test>"
    assert headers["X-PM-KeepID"] == "true"
    assert [item["Name"] for item in request["Attachments"]][:3] == ["logo.png", "rechnung-ü.pdf", "note.txt"]


def test_an_http_refusal_is_final_and_an_outage_is_not(settings: Any) -> None:
    content = built().as_bytes()

    with postmark(settings, 422, {"ErrorCode": 300, "Message": "Invalid 'From' address"}):
        refused = AnymailTransport("postmark").send(envelope(ANN, content=content), HandOff())
    with postmark(settings, 503, {}):
        deferred = AnymailTransport("postmark").send(envelope(ANN, content=content), HandOff())

    assert outcomes(refused) == {ANN: Outcome.REFUSED}
    assert outcomes(deferred) == {ANN: Outcome.DEFERRED}


def test_a_connection_lost_after_the_request_is_unknown(settings: Any) -> None:
    hand_off = HandOff()

    with postmark(settings, 0, {}) as requests, pytest.raises(PartlyUnknown) as caught:
        AnymailTransport("postmark").send(envelope(ANN, content=built().as_bytes()), hand_off)

    assert caught.value.recipients == (ANN,)
    assert (len(requests), hand_off.calls) == (1, 1)


def test_a_provider_that_cannot_be_reached_defers(settings: Any) -> None:
    settings.ANYMAIL = {"POSTMARK_SERVER_TOKEN": "t", "POSTMARK_API_URL": f"http://127.0.0.1:{free_port()}/"}

    results = AnymailTransport("postmark").send(envelope(ANN, content=built().as_bytes()), HandOff())

    assert outcomes(results) == {ANN: Outcome.DEFERRED}
    assert "could not be reached" in results[0].detail
