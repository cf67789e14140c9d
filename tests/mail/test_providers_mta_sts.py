"""MTA-STS: records, policies, their memory, and mail that is rather not sent than sent unprotected."""

from __future__ import annotations

import datetime
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from mail.providers.base import Outcome
from mail.providers.mta_sts import Mode, Policy, PolicyStore, fetch_policy, parse_policy, parse_record
from mail.providers.mx import MxTransport
from tests.mail.test_providers_mx import FakeDns
from tests.mail.test_providers_smtp import ANN, FAST, HandOff, Inbox, envelope, outcomes, smtp_server

POLICY = "version: STSv1\r\nmode: enforce\r\nmx: mx1.example.org\r\nmax_age: 86400\r\n"


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["v=STSv1; id=20260504T100000;"], "20260504T100000"),
        (["other", "v=STSv1;id=a"], "a"),
        (["v=STSv1; id=a", "v=STSv1; id=b"], None),
        (["v=STSv2; id=a"], None),
        (["v=STSv1"], None),
        (["v=STSv1; id=with-hyphen"], None),
        (["v=STSv1; id=" + "a" * 33], None),
        ([], None),
    ],
)
def test_the_record_names_the_policy(texts: list[str], expected: str | None) -> None:
    assert parse_record(texts) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (POLICY, Policy(Mode.ENFORCE, ("mx1.example.org",), 86400)),
        ("version: STSv1\nmode: none\nmax_age: 1", Policy(Mode.NONE, (), 1)),
        (
            "mode: testing\nversion: STSv1\nmx: *.Example.org.\nmx: b.example\nfuture: x\nmax_age: 9999999999",
            Policy(Mode.TESTING, ("*.example.org", "b.example"), 31_557_600),
        ),
        ("version: STSv1\nmode: enforce\nmax_age: 1", None),
        ("version: STSv1\nmode: strict\nmx: a\nmax_age: 1", None),
        ("version: STSv2\nmode: enforce\nmx: a\nmax_age: 1", None),
        ("version: STSv1\nmode: enforce\nmx: a\nmax_age: -1", None),
        ("version: STSv1\nmode: enforce\n" + "mx: a\n" * 101 + "max_age: 1", None),
        ("<html>", None),
    ],
)
def test_policy_files(text: str, expected: Policy | None) -> None:
    assert parse_policy(text) == expected


@given(st.text(max_size=500))
def test_any_text_is_read(text: str) -> None:
    parse_record([text, "v=STSv1;" + text])
    policy = parse_policy("version: STSv1\nmode: enforce\nmx: a\nmax_age: 1\n" + text)
    assert policy is None or policy.mode is Mode.ENFORCE


@pytest.mark.parametrize(
    ("host", "is_allowed"),
    [
        ("mx1.example.org", True),
        ("MX1.EXAMPLE.ORG.", True),
        ("a.in.example.org", True),
        ("a.b.in.example.org", False),
        ("in.example.org", False),
        ("evil.example", False),
        ("", False),
    ],
)
def test_hosts_match_exactly_or_by_one_label(host: str, is_allowed: bool) -> None:
    assert Policy(Mode.ENFORCE, ("mx1.example.org", "*.in.example.org"), 1).allows(host) is is_allowed


class World:
    """DNS, a policy server and a clock."""

    def __init__(self) -> None:
        self.texts: list[str] | Exception = ["v=STSv1; id=1"]
        self.file: str | None = POLICY
        self.fetches = self.lookups = 0
        self.moment = 1000.0
        self.store = PolicyStore(self._look_up, self._fetch, lambda: self.moment)

    def _look_up(self, name: str) -> list[str]:
        assert name == "_mta-sts.example.org"
        self.lookups += 1
        if isinstance(self.texts, Exception):
            raise self.texts
        return self.texts

    def _fetch(self, domain: str) -> str | None:
        self.fetches += 1
        return self.file

    def mode(self) -> str | None:
        policy = self.store.policy_for("example.org")
        return policy.mode if policy is not None else None


def test_a_policy_is_fetched_once_and_looked_up_seldom() -> None:
    world = World()

    assert [world.mode() for _ in range(3)] == ["enforce"] * 3
    assert (world.lookups, world.fetches) == (1, 1)
    world.moment += 301
    assert world.mode() == "enforce"
    assert (world.lookups, world.fetches) == (2, 1)


@pytest.mark.parametrize("texts", [[], OSError("no answer"), ["v=STSv1; id=2"]])
def test_a_policy_outlives_its_record_and_its_server(texts: list[str] | Exception) -> None:
    world = World()
    world.mode()

    world.texts, world.file = texts, None
    world.moment += 3600

    assert world.mode() == "enforce"
    world.moment += 86400
    assert world.mode() is None


def test_a_new_id_brings_a_new_policy() -> None:
    world = World()
    world.mode()
    world.texts, world.file = ["v=STSv1; id=2"], POLICY.replace("enforce", "none")

    world.moment += 301

    assert world.mode() == "none"


@pytest.mark.parametrize(("texts", "file"), [([], POLICY), (["v=STSv1; id=1"], None), (["v=STSv1; id=1"], "broken")])
def test_without_record_or_file_there_is_no_policy(texts: list[str], file: str | None) -> None:
    world = World()
    world.texts, world.file = texts, file

    assert [world.mode(), world.mode()] == [None, None]
    assert world.lookups == 1


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    """A certificate for the policy server and a mail host of example.org."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "example.org")])
    moment = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName("mta-sts.example.org"), x509.DNSName("mx1.example.org")]
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(moment - datetime.timedelta(days=1))
        .not_valid_after(moment + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("sts") / "cert.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(built.public_bytes(serialization.Encoding.PEM) + private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return path, context


@contextmanager
def policy_server(context: ssl.SSLContext, answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def serve(body: bytes, *, status: int = 200, kind: str = "text/plain; charset=utf-8") -> Callable[..., None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        assert handler.path == "/.well-known/mta-sts.txt"
        assert handler.headers["Host"].startswith("mta-sts.example.org")
        handler.send_response(status)
        handler.send_header("Content-Type", kind)
        handler.send_header("Location", "https://elsewhere.example/")
        handler.end_headers()
        handler.wfile.write(body)

    return answer


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (serve(POLICY.encode()), POLICY),
        (serve(POLICY.encode(), status=302), None),
        (serve(POLICY.encode(), status=404), None),
        (serve(POLICY.encode(), kind="text/html"), None),
        (serve(b"x" * 70_000), None),
    ],
)
def test_the_file_comes_over_verified_https(
    authority: tuple[Path, ssl.SSLContext], answer: Callable[..., None], expected: str | None
) -> None:
    with policy_server(authority[1], answer) as port:
        assert fetch_policy("example.org", ["127.0.0.1"], port, str(authority[0])) == expected
        # Not with the system's authorities, and not for another name.
        assert fetch_policy("example.org", ["127.0.0.1"], port) is None
        assert fetch_policy("other.example", ["127.0.0.1"], port, str(authority[0])) is None


def transport(authority: Path, port: int, policy_port: int, **table: list[str]) -> MxTransport:
    records = {
        "example.org MX": ["10 mx1.example.org."],
        "mx1.example.org A": ["127.0.0.1"],
        "_mta-sts.example.org TXT": ['"v=STSv1; " "id=1"'],
        "mta-sts.example.org A": ["127.0.0.1"],
    }
    return MxTransport(
        resolver=FakeDns(records | {key.replace("__", " "): value for key, value in table.items()}),
        port=port,
        allow_private=True,
        timeouts=FAST,
        has_sts=True,
        policy_port=policy_port,
        ca_file=str(authority),
    )


def test_a_promised_host_with_its_certificate_gets_the_mail(authority: tuple[Path, ssl.SSLContext]) -> None:
    inbox = Inbox()
    with (
        policy_server(authority[1], serve(POLICY.encode())) as policies,
        smtp_server(inbox, tls_context=authority[1]) as port,
    ):
        results = transport(authority[0], port, policies).send(envelope(ANN), HandOff())

    assert outcomes(results) == {ANN: Outcome.ACCEPTED}
    assert inbox.taken[0][1] is True


@pytest.mark.parametrize("mode", ["enforce", "testing", "none"])
def test_a_host_without_tls_gets_nothing_when_the_domain_enforces(
    authority: tuple[Path, ssl.SSLContext], mode: str
) -> None:
    inbox, hand_off = Inbox(), HandOff()
    policy = POLICY.replace("enforce", mode).encode()
    with policy_server(authority[1], serve(policy)) as policies, smtp_server(inbox) as port:
        results = transport(authority[0], port, policies).send(envelope(ANN), hand_off)

    is_held = mode == "enforce"
    assert outcomes(results) == {ANN: Outcome.DEFERRED if is_held else Outcome.ACCEPTED}
    assert (len(inbox.taken), hand_off.calls) == ((0, 0) if is_held else (1, 1))


def test_a_host_that_the_policy_does_not_name_gets_nothing(authority: tuple[Path, ssl.SSLContext]) -> None:
    inbox = Inbox()
    policy = POLICY.replace("mx1.example.org", "mx2.example.org").encode()
    with policy_server(authority[1], serve(policy)) as policies, smtp_server(inbox, tls_context=authority[1]) as port:
        results = transport(authority[0], port, policies).send(envelope(ANN), HandOff())

    assert outcomes(results) == {ANN: Outcome.DEFERRED}
    assert "MTA-STS" in results[0].detail
    assert inbox.taken == []
