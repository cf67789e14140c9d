"""The SMTP dialogue and the smarthost, against real servers on loopback: aiosmtpd, and scripted sockets for faults."""

from __future__ import annotations

import datetime
import ipaddress
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.db import transaction

from mail.providers.base import Envelope, Outcome
from mail.providers.outcomes import PartlyUnknown
from mail.providers.smarthost import SmarthostTransport
from mail.providers.smtp_client import Submission, deliver, smtp_address, smtp_content
from mail.providers.smtp_session import HostUnavailable, Server, Timeouts, Tls

CONTENT = b"From: bot@mail.test\r\nTo: ann@example.org\r\nSubject: Hello\r\n\r\nFirst line\r\n.dot\r\n"
FAST = Timeouts(connect=2, dialogue=3, content=3, goodbye=0.5)
ANN, BOB = "ann@example.org", "bob@example.org"


class Inbox:
    """An aiosmtpd handler that answers RCPT and DATA as told and keeps what it took."""

    def __init__(self, rcpt: dict[str, str] | None = None, data: str = "250 2.0.0 queued") -> None:
        self.rcpt = rcpt or {}
        self.data = data
        self.taken: list[Any] = []
        self.data_calls = 0

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:  # noqa: N802
        if address in self.rcpt:
            return self.rcpt[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.data_calls += 1
        self.taken.append((envelope, session.ssl is not None, session))
        return self.data


@contextmanager
def smtp_server(handler: Any, **options: Any) -> Iterator[int]:
    """A running aiosmtpd on a free loopback port."""
    controller = Controller(handler, hostname="127.0.0.1", port=free_port(), **options)
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextmanager
def scripted_server(script: Callable[[Talk], None], connections: int = 1) -> Iterator[int]:
    """A socket that runs `script` for each of some connections."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(10)

    def serve() -> None:
        for _ in range(connections):
            try:
                peer, _address = listener.accept()
            except OSError:
                return
            with peer:
                peer.settimeout(10)
                with suppress(OSError):
                    script(Talk(peer))

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()
        thread.join(10)


class Talk:
    """The server's side of a scripted dialogue."""

    def __init__(self, peer: socket.socket) -> None:
        self.peer = peer
        self.lines = peer.makefile("rb")

    def say(self, *lines: str) -> None:
        self.peer.sendall("".join(f"{line}\r\n" for line in lines).encode())

    def hear(self) -> str:
        return self.lines.readline().decode().strip()

    def until_data(self, *extensions: str) -> None:
        """Accept everything up to and including the 354."""
        self.say("220 test")
        self.hear()
        self.say(*[f"250-{extension}" for extension in extensions], "250 HELP")
        while (line := self.hear()) != "DATA":
            assert line
            self.say("250 OK")
        self.say("354 go on")

    def read_content(self) -> None:
        while self.lines.readline() not in {b".\r\n", b""}:
            pass

    def reset(self) -> None:
        """Close with RST instead of FIN."""
        self.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        self.lines.close()


class HandOff:
    """Counts calls and remembers when, relative to what the server saw."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> None:
        self.calls += 1


def envelope(*recipients: str, content: bytes = CONTENT, sender: str = "bot@mail.test") -> Envelope:
    return Envelope(UUID(int=1), "org_1", sender, recipients or (ANN,), content)


def plain(port: int, **options: Any) -> Server:
    return Server("127.0.0.1", port, options.pop("tls", Tls.AUTO), **options)


def outcomes(results: Any) -> dict[str, Outcome]:
    return {result.address: result.outcome for result in results}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    """A self-signed certificate for localhost and 127.0.0.1, and a server context that uses it."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    moment = datetime.datetime.now(datetime.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(moment - datetime.timedelta(days=1))
        .not_valid_after(moment + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / "cert.pem", folder / "key.pem"
    cert_file.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert_file, key_file)
    return cert_file, context


# --- Results ------------------------------------------------------------------------------------------------------


def test_accepted_mail_arrives_with_envelope_and_unchanged_bytes() -> None:
    inbox, hand_off = Inbox(), HandOff()

    with smtp_server(inbox, decode_data=False) as port:
        results = SmarthostTransport(plain(port), FAST).send(envelope(ANN, BOB), hand_off)

    assert outcomes(results) == {ANN: Outcome.ACCEPTED, BOB: Outcome.ACCEPTED}
    assert results[0].detail == "250 2.0.0 queued"
    [(taken, _is_tls, _session)] = inbox.taken
    assert (taken.mail_from, taken.rcpt_tos, taken.content) == ("bot@mail.test", [ANN, BOB], CONTENT)
    assert hand_off.calls == 1


def test_ehlo_names_the_configured_host(settings: Any) -> None:
    settings.SMTP_HOSTNAME = "mx.example.net"
    inbox = Inbox()

    with smtp_server(inbox) as port:
        deliver(plain(port), Submission("", (ANN,), CONTENT), HandOff(), FAST)

    assert inbox.taken[0][2].host_name == "mx.example.net"
    assert inbox.taken[0][0].mail_from == "<>"


def test_each_recipient_has_its_own_answer() -> None:
    cid = "cid@example.org"
    inbox = Inbox(rcpt={BOB: "550 5.1.1 No such user", cid: "450 4.2.1 Try again"})

    with smtp_server(inbox) as port:
        results = SmarthostTransport(plain(port), FAST).send(envelope(ANN, BOB, cid), HandOff())

    assert outcomes(results) == {ANN: Outcome.ACCEPTED, BOB: Outcome.REFUSED, cid: Outcome.DEFERRED}
    assert results[1].detail == "550 5.1.1 No such user"


def test_all_recipients_refused_means_no_data_and_no_hand_off() -> None:
    inbox, hand_off = Inbox(rcpt={ANN: "550 no", BOB: "451 later"}), HandOff()

    with smtp_server(inbox) as port:
        results = SmarthostTransport(plain(port), FAST).send(envelope(ANN, BOB), hand_off)

    assert outcomes(results) == {ANN: Outcome.REFUSED, BOB: Outcome.DEFERRED}
    assert (inbox.data_calls, hand_off.calls) == (0, 0)


def test_552_for_a_recipient_is_too_many_recipients_and_temporary() -> None:
    with smtp_server(Inbox(rcpt={BOB: "552 too many"})) as port:
        results = SmarthostTransport(plain(port), FAST).send(envelope(ANN, BOB), HandOff())

    assert outcomes(results) == {ANN: Outcome.ACCEPTED, BOB: Outcome.DEFERRED}


@pytest.mark.parametrize(
    ("reply", "expected"), [("451 4.3.0 greylisted", Outcome.DEFERRED), ("554 5.7.1 spam", Outcome.REFUSED)]
)
def test_the_answer_to_the_content_counts_for_all_open_recipients(reply: str, expected: Outcome) -> None:
    hand_off = HandOff()

    with smtp_server(Inbox(rcpt={BOB: "550 no"}, data=reply)) as port:
        results = SmarthostTransport(plain(port), FAST).send(envelope(ANN, BOB), hand_off)

    assert outcomes(results) == {ANN: expected, BOB: Outcome.REFUSED}
    assert results[0].detail == reply
    assert hand_off.calls == 1


@pytest.mark.parametrize(("reply", "expected"), [("451 no", Outcome.DEFERRED), ("550 no", Outcome.REFUSED)])
def test_a_refused_sender_is_an_answer_for_everyone(reply: str, expected: Outcome) -> None:
    def script(talk: Talk) -> None:
        talk.say("220 test")
        talk.hear()
        talk.say("250 test")
        assert talk.hear() == "MAIL FROM:<bot@mail.test>"
        talk.say(reply)
        talk.hear()

    hand_off = HandOff()
    with scripted_server(script) as port:
        results = SmarthostTransport(plain(port), FAST).send(envelope(ANN, BOB), hand_off)

    assert outcomes(results) == {ANN: expected, BOB: expected}
    assert hand_off.calls == 0


def test_421_for_a_recipient_defers_the_rest() -> None:
    with smtp_server(Inbox(rcpt={ANN: "550 no", BOB: "421 going down"})) as port:
        results = SmarthostTransport(plain(port), FAST).send(envelope(ANN, BOB, "cid@example.org"), HandOff())

    assert outcomes(results) == {ANN: Outcome.REFUSED, BOB: Outcome.DEFERRED, "cid@example.org": Outcome.DEFERRED}


# --- Broken connections -------------------------------------------------------------------------------------------


def test_nothing_listening_defers() -> None:
    hand_off = HandOff()

    results = SmarthostTransport(plain(free_port()), FAST).send(envelope(ANN), hand_off)

    assert outcomes(results) == {ANN: Outcome.DEFERRED}
    assert "refused" in results[0].detail.lower()
    assert hand_off.calls == 0


def test_a_drop_before_the_content_defers_but_keeps_earlier_refusals() -> None:
    def script(talk: Talk) -> None:
        talk.say("220 test")
        for reply in ("250 test", "250 sender", "550 unknown"):
            talk.hear()
            talk.say(reply)
        talk.hear()

    hand_off = HandOff()
    with scripted_server(script) as port:
        results = SmarthostTransport(plain(port), FAST).send(envelope(ANN, BOB), hand_off)

    assert outcomes(results) == {ANN: Outcome.REFUSED, BOB: Outcome.DEFERRED}
    assert hand_off.calls == 0


def test_a_drop_after_the_content_is_unknown_and_carries_what_is_known() -> None:
    def script(talk: Talk) -> None:
        talk.say("220 test")
        for reply in ("250 test", "250 sender", "250 ok", "550 unknown", "354 go"):
            talk.hear()
            talk.say(reply)
        talk.read_content()

    hand_off = HandOff()
    with scripted_server(script) as port, pytest.raises(PartlyUnknown) as caught:
        SmarthostTransport(plain(port), FAST).send(envelope(ANN, BOB), hand_off)

    assert caught.value.recipients == (ANN,)
    assert outcomes(caught.value.results) == {BOB: Outcome.REFUSED}
    assert hand_off.calls == 1


def test_silence_after_the_content_is_unknown() -> None:
    done = threading.Event()

    def script(talk: Talk) -> None:
        talk.until_data()
        talk.read_content()
        done.wait(10)

    with scripted_server(script) as port:
        with pytest.raises(PartlyUnknown) as caught:
            deliver(plain(port), Submission("", (ANN,), CONTENT), HandOff(), Timeouts(2, 3, 0.3, 0.1))
        done.set()

    assert caught.value.recipients == (ANN,)


def test_an_answer_that_is_no_smtp_reply_is_unknown() -> None:
    def script(talk: Talk) -> None:
        talk.until_data()
        talk.read_content()
        talk.say("well received")

    with scripted_server(script) as port, pytest.raises(PartlyUnknown):
        deliver(plain(port), Submission("", (ANN,), CONTENT), HandOff(), FAST)


def test_a_drop_inside_the_content_defers_because_its_end_was_never_sent() -> None:
    def script(talk: Talk) -> None:
        talk.until_data()
        talk.lines.readline()
        talk.reset()

    hand_off = HandOff()
    large = CONTENT + b"x" * 70 + b"\r\n" + (b"y" * 76 + b"\r\n") * 300_000
    with scripted_server(script) as port:
        results = deliver(plain(port), Submission("", (ANN,), large), hand_off, FAST)

    assert outcomes(results) == {ANN: Outcome.DEFERRED}
    assert hand_off.calls == 1


def test_hand_off_comes_after_354_and_before_any_content() -> None:
    seen: list[bytes] = []
    handed_off = threading.Event()

    def hand_off() -> None:
        assert handed_off.wait(5)

    def script(talk: Talk) -> None:
        talk.until_data()
        talk.peer.settimeout(0.3)
        try:
            seen.append(talk.peer.recv(1))
        except TimeoutError:
            seen.append(b"nothing yet")
        handed_off.set()
        talk.peer.settimeout(5)
        talk.lines = talk.peer.makefile("rb")
        talk.read_content()
        talk.say("250 ok")
        talk.hear()

    with scripted_server(script) as port:
        deliver(plain(port), Submission("", (ANN,), CONTENT), hand_off, FAST)

    assert seen == [b"nothing yet"]


def test_a_failing_hand_off_sends_no_content() -> None:
    received: list[bytes] = []

    def script(talk: Talk) -> None:
        talk.until_data()
        received.append(talk.lines.read())

    def broken() -> None:
        raise RuntimeError("database is gone")

    with scripted_server(script) as port, pytest.raises(RuntimeError):
        deliver(plain(port), Submission("", (ANN,), CONTENT), broken, FAST)

    assert received == [b""]


@pytest.mark.parametrize("greeting", ["421 busy", "554 no mail here", "hello there"])
def test_a_bad_greeting_makes_the_host_unavailable(greeting: str) -> None:
    def script(talk: Talk) -> None:
        talk.say(greeting)
        talk.hear()

    with scripted_server(script) as port, pytest.raises(HostUnavailable) as caught:
        deliver(plain(port), Submission("", (ANN,), CONTENT), HandOff(), FAST)

    assert caught.value.is_permanent is greeting.startswith("554")


@pytest.mark.parametrize("noise", [b"220-x\r\n" * 2000, b"2" * 100_000])
def test_an_endless_reply_ends_the_session(noise: bytes) -> None:
    def script(talk: Talk) -> None:
        talk.peer.sendall(noise)
        talk.hear()

    with scripted_server(script) as port, pytest.raises(HostUnavailable):
        deliver(plain(port), Submission("", (ANN,), CONTENT), HandOff(), FAST)


def test_a_trickling_server_cannot_outlast_the_deadline() -> None:
    def script(talk: Talk) -> None:
        for _ in range(40):
            talk.peer.sendall(b"2")
            time.sleep(0.1)

    started = time.monotonic()
    with scripted_server(script) as port, pytest.raises(HostUnavailable) as caught:
        deliver(plain(port), Submission("", (ANN,), CONTENT), HandOff(), Timeouts(1, 0.5, 1, 0.1))

    assert "too long" in caught.value.detail
    assert time.monotonic() - started < 5


def test_a_server_without_esmtp_is_greeted_with_helo() -> None:
    heard: list[str] = []

    def script(talk: Talk) -> None:
        talk.say("220 test")
        heard.append(talk.hear())
        talk.say("502 what")
        heard.append(talk.hear())
        for reply in ("250 test", "250 sender", "250 rcpt", "354 go"):
            talk.say(reply)
            heard.append(talk.hear())
        talk.read_content()
        talk.say("250 ok")
        talk.hear()

    with scripted_server(script) as port:
        results = deliver(plain(port), Submission("", (ANN,), CONTENT), HandOff(), FAST)

    assert [line.split()[0].upper() for line in heard[:4]] == ["EHLO", "HELO", "MAIL", "RCPT"]
    assert outcomes(results) == {ANN: Outcome.ACCEPTED}


def test_sending_inside_a_transaction_is_refused(db: None) -> None:
    with transaction.atomic(), pytest.raises(RuntimeError, match="inside a database transaction"):
        SmarthostTransport(plain(1), FAST).send(envelope(ANN), HandOff())


# --- TLS and AUTH -------------------------------------------------------------------------------------------------


def test_auto_uses_starttls_without_verifying(certificate: tuple[Path, ssl.SSLContext]) -> None:
    inbox = Inbox()

    with smtp_server(inbox, tls_context=certificate[1]) as port:
        results = SmarthostTransport(plain(port), FAST).send(envelope(ANN), HandOff())

    assert outcomes(results) == {ANN: Outcome.ACCEPTED}
    assert inbox.taken[0][1] is True


def test_off_stays_in_the_clear(certificate: tuple[Path, ssl.SSLContext]) -> None:
    inbox = Inbox()

    with smtp_server(inbox, tls_context=certificate[1]) as port:
        SmarthostTransport(plain(port, tls=Tls.OFF), FAST).send(envelope(ANN), HandOff())

    assert inbox.taken[0][1] is False


def test_require_refuses_an_untrusted_certificate(certificate: tuple[Path, ssl.SSLContext]) -> None:
    inbox = Inbox()

    with smtp_server(inbox, tls_context=certificate[1]) as port:
        results = SmarthostTransport(plain(port, tls=Tls.REQUIRE), FAST).send(envelope(ANN), HandOff())

    assert outcomes(results) == {ANN: Outcome.DEFERRED}
    assert "certificate is not trusted" in results[0].detail
    assert inbox.taken == []


def test_require_accepts_a_trusted_certificate(certificate: tuple[Path, ssl.SSLContext]) -> None:
    inbox = Inbox()

    with smtp_server(inbox, tls_context=certificate[1]) as port:
        server = plain(port, tls=Tls.REQUIRE, ca_file=str(certificate[0]))
        results = SmarthostTransport(server, FAST).send(envelope(ANN), HandOff())

    assert outcomes(results) == {ANN: Outcome.ACCEPTED}
    assert inbox.taken[0][1] is True


def test_require_sends_nothing_to_a_server_without_starttls() -> None:
    inbox = Inbox()

    with smtp_server(inbox) as port:
        results = SmarthostTransport(plain(port, tls=Tls.REQUIRE), FAST).send(envelope(ANN), HandOff())

    assert outcomes(results) == {ANN: Outcome.DEFERRED}
    assert "no STARTTLS" in results[0].detail


def test_implicit_tls_is_verified(certificate: tuple[Path, ssl.SSLContext]) -> None:
    inbox = Inbox()
    with smtp_server(inbox, ssl_context=certificate[1]) as port:
        trusted = plain(port, tls=Tls.IMPLICIT, ca_file=str(certificate[0]))
        accepted = SmarthostTransport(trusted, FAST).send(envelope(ANN), HandOff())
        deferred = SmarthostTransport(plain(port, tls=Tls.IMPLICIT), FAST).send(envelope(BOB), HandOff())

    assert outcomes(accepted) == {ANN: Outcome.ACCEPTED}
    assert outcomes(deferred) == {BOB: Outcome.DEFERRED}
    assert len(inbox.taken) == 1


def test_a_broken_handshake_falls_back_to_the_clear_when_encryption_is_opportunistic() -> None:
    heard: list[str] = []

    def script(talk: Talk) -> None:
        talk.say("220 test")
        talk.hear()
        talk.say("250-test", "250 STARTTLS")
        heard.append(talk.hear())
        if heard[-1] == "STARTTLS":
            talk.say("220 go")
            talk.peer.recv(100)
            talk.say("this is not TLS")
            return
        for reply in ("250 sender", "250 rcpt", "354 go"):
            talk.say(reply)
            if reply != "354 go":
                heard.append(talk.hear())
        talk.read_content()
        talk.say("250 ok")
        talk.hear()

    with scripted_server(script, connections=2) as port:
        results = deliver(plain(port), Submission("", (ANN,), CONTENT), HandOff(), FAST)

    assert outcomes(results) == {ANN: Outcome.ACCEPTED}
    assert heard[:2] == ["STARTTLS", "MAIL FROM:<>"]


def test_bytes_before_the_handshake_are_an_injection(certificate: tuple[Path, ssl.SSLContext]) -> None:
    def script(talk: Talk) -> None:
        talk.say("220 test")
        talk.hear()
        talk.say("250-test", "250 STARTTLS")
        talk.hear()
        talk.say("220 go", "250 injected")
        talk.hear()

    with scripted_server(script) as port, pytest.raises(HostUnavailable) as caught:
        deliver(plain(port, tls=Tls.REQUIRE), Submission("", (ANN,), CONTENT), HandOff(), FAST)

    assert "before the TLS handshake" in caught.value.detail


def _authenticator(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    return AuthResult(success=(data.login, data.password) == (b"bot", b"s3cret"), handled=False)


def test_credentials_are_used_over_verified_tls(certificate: tuple[Path, ssl.SSLContext]) -> None:
    inbox = Inbox()
    options = {"tls_context": certificate[1], "authenticator": _authenticator, "auth_required": True}

    with smtp_server(inbox, **options) as port:
        server = plain(port, ca_file=str(certificate[0]), username="bot", password="s3cret")
        results = SmarthostTransport(server, FAST).send(envelope(ANN), HandOff())

    assert outcomes(results) == {ANN: Outcome.ACCEPTED}
    assert inbox.taken[0][2].authenticated is True


def test_credentials_never_reach_an_unverified_server(certificate: tuple[Path, ssl.SSLContext]) -> None:
    tried: list[str] = []

    def authenticator(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        tried.append(mechanism)
        return AuthResult(success=True)

    with smtp_server(Inbox(), tls_context=certificate[1], authenticator=authenticator) as port:
        server = plain(port, username="bot", password="s3cret")
        results = SmarthostTransport(server, FAST).send(envelope(ANN), HandOff())

    assert outcomes(results) == {ANN: Outcome.DEFERRED}
    assert tried == []


def test_wrong_credentials_defer_and_are_not_shown(
    certificate: tuple[Path, ssl.SSLContext], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with smtp_server(Inbox(), tls_context=certificate[1], authenticator=_authenticator) as port:
        server = plain(port, ca_file=str(certificate[0]), username="bot", password="wr0ng")
        results = SmarthostTransport(server, FAST).send(envelope(ANN), HandOff())

    assert outcomes(results) == {ANN: Outcome.DEFERRED}
    assert "refused the credentials (535)" in results[0].detail
    assert "wr0ng" not in results[0].detail + caplog.text + repr(server)
    assert ANN not in caplog.text


def test_a_server_without_auth_defers() -> None:
    with smtp_server(Inbox()) as port:
        server = plain(port, tls=Tls.OFF, username="bot", password="s3cret")
        results = SmarthostTransport(server, FAST).send(envelope(ANN), HandOff())

    assert outcomes(results) == {ANN: Outcome.DEFERRED}
    assert "authentication" in results[0].detail


# --- Extensions ---------------------------------------------------------------------------------------------------

INTERNATIONAL = "jürgen@example.org"


def test_an_internationalized_address_uses_smtputf8_when_offered() -> None:
    inbox = Inbox()

    with smtp_server(inbox, enable_SMTPUTF8=True) as port:
        results = SmarthostTransport(plain(port), FAST).send(envelope(INTERNATIONAL), HandOff())

    assert outcomes(results) == {INTERNATIONAL: Outcome.ACCEPTED}
    taken = inbox.taken[0][0]
    assert (taken.rcpt_tos, taken.smtp_utf8) == ([INTERNATIONAL], True)


def test_an_internationalized_address_is_refused_when_not_offered_and_the_others_go() -> None:
    inbox = Inbox()

    with smtp_server(inbox, enable_SMTPUTF8=False) as port:
        results = SmarthostTransport(plain(port), FAST).send(envelope(INTERNATIONAL, ANN), HandOff())

    assert outcomes(results) == {INTERNATIONAL: Outcome.REFUSED, ANN: Outcome.ACCEPTED}
    assert "internationalized" in results[0].detail
    assert inbox.taken[0][0].rcpt_tos == [ANN]


def test_an_internationalized_header_needs_smtputf8_for_everyone() -> None:
    content = f"From: bot@mail.test\r\nTo: {INTERNATIONAL}\r\n\r\nhi\r\n".encode()
    hand_off = HandOff()

    with smtp_server(Inbox(), enable_SMTPUTF8=False) as port:
        results = SmarthostTransport(plain(port), FAST).send(envelope(ANN, content=content), hand_off)

    assert outcomes(results) == {ANN: Outcome.REFUSED}
    assert "internationalized" in results[0].detail
    assert hand_off.calls == 0


def test_an_internationalized_domain_needs_no_extension() -> None:
    inbox = Inbox()

    with smtp_server(inbox, enable_SMTPUTF8=False) as port:
        results = SmarthostTransport(plain(port), FAST).send(envelope("ann@bücher.example"), HandOff())

    assert outcomes(results) == {"ann@bücher.example": Outcome.ACCEPTED}
    assert inbox.taken[0][0].rcpt_tos == ["ann@xn--bcher-kva.example"]


def test_8bit_content_is_refused_without_8bitmime() -> None:
    def script(talk: Talk) -> None:
        talk.say("220 test")
        talk.hear()
        talk.say("250 test")
        talk.hear()

    content = b"From: bot@mail.test\r\n\r\ncaf\xc3\xa9\r\n"
    with scripted_server(script) as port:
        results = deliver(plain(port), Submission("", (ANN,), content), HandOff(), FAST)

    assert outcomes(results) == {ANN: Outcome.REFUSED}
    assert "8BITMIME" in results[0].detail


def test_a_message_over_the_announced_size_is_refused_before_it_is_offered() -> None:
    inbox = Inbox()

    with smtp_server(inbox, data_size_limit=50) as port:
        results = SmarthostTransport(plain(port), FAST).send(envelope(ANN), HandOff())

    assert outcomes(results) == {ANN: Outcome.REFUSED}
    assert results[0].detail == "552 5.3.4 The server accepts at most 50 bytes."
    assert inbox.data_calls == 0


@pytest.mark.parametrize("address", ["ann@example.org\r\nRCPT TO:<x@y>", "a b@example.org", "ann", "<ann@example.org>"])
def test_an_address_that_could_break_out_of_its_command_is_refused(address: str) -> None:
    inbox = Inbox()

    with smtp_server(inbox) as port:
        results = SmarthostTransport(plain(port), FAST).send(envelope(address, ANN), HandOff())

    assert outcomes(results) == {address: Outcome.REFUSED, ANN: Outcome.ACCEPTED}
    assert inbox.taken[0][0].rcpt_tos == [ANN]


def test_bare_line_ends_cannot_end_the_message_early() -> None:
    inbox = Inbox()
    content = CONTENT + b"a\n.\nMAIL FROM:<evil@example.org>\r.\rb\n.\r\nc"

    with smtp_server(inbox, decode_data=False) as port:
        deliver(plain(port), Submission("", (ANN,), content), HandOff(), FAST)

    [(taken, _, _)] = inbox.taken
    assert taken.content == CONTENT + b"a\r\n.\r\nMAIL FROM:<evil@example.org>\r\n.\r\nb\r\n.\r\nc\r\n"


def test_smtp_forms() -> None:
    assert smtp_address("") == ""
    assert smtp_address("ann@[192.0.2.1]") == "ann@[192.0.2.1]"
    assert smtp_content(b"\n.x\r..") == b"\r\n..x\r\n...\r\n"
