"""`manage.py doctor`: every way in which an installation can be broken."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import pytest
import redis
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.core.management import call_command
from django.db import OperationalError, connection
from pytest_django import Settings

from common.dns import DnsOutcome
from inkbox_site import diagnosis, mail_diagnosis
from inkbox_site.findings import FAIL, OK, WARN, Finding
from mail.domain_states import DomainStatus
from mail.enums import DkimAlgorithm
from mail.models import DkimKey, SendingDomain
from mail.services.dkim_keys import create_dkim_key
from mail.services.domain_checks import domain_records
from mail.services.domain_keys import keys_of
from mail.services.sending_domains import NewDomain, register_domain
from tests.factories.dns import FakeDns
from tests.factories.domains import sending_domain
from tests.factories.identities import admin_principal, organization

pytestmark = pytest.mark.django_db


def _only(findings: Iterator[Finding], subject: str) -> Finding:
    (found,) = [f for f in findings if f.subject == subject]
    return found


@pytest.fixture
def free_ports(settings: Settings) -> None:
    for name in ("HTTP_PORT", "SMTP_PORT"):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            setattr(settings, name, probe.getsockname()[1])


@pytest.fixture
def key_pair(tmp_path: Path) -> Any:
    """Writes a certificate with the given lifetime, and a key that may be another one."""

    def write(*, days: int = 365, own_key: bool = True) -> tuple[str, str]:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail.example.com")])
        moment = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(moment - timedelta(days=400))
            .not_valid_after(moment + timedelta(days=days))
            .sign(key, hashes.SHA256())
        )
        kept = key if own_key else ec.generate_private_key(ec.SECP256R1())
        pem = kept.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        (tmp_path / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        (tmp_path / "key.pem").write_bytes(pem)
        return str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")

    return write


@pytest.mark.usefixtures("free_ports")
def test_a_healthy_installation(settings: Settings) -> None:
    out = StringIO()

    call_command("doctor", stdout=out)

    lines = out.getvalue().splitlines()
    assert all(line.startswith(("ok ", " ", "warn")) for line in lines)
    assert any(line.startswith("ok    database") for line in lines)


def test_a_failure_sets_the_exit_code_and_prints_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "inkbox_site.management.commands.doctor.diagnose", lambda: [Finding("disk", FAIL, "full", "Empty it.")]
    )
    out = StringIO()

    with pytest.raises(SystemExit) as ended:
        call_command("doctor", stdout=out)

    assert ended.value.code == 1
    assert out.getvalue().splitlines() == ["fail  disk            full", f"{'':22}Empty it."]


def test_a_warning_does_not_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "inkbox_site.management.commands.doctor.diagnose", lambda: [Finding("dns", WARN, "no MX", "Add it.")]
    )
    out = StringIO()

    call_command("doctor", as_json=True, stdout=out)

    finding = {"subject": "dns", "status": "warn", "message": "no MX", "remedy": "Add it."}
    assert json.loads(out.getvalue()) == {"ok": True, "findings": [finding]}


def test_system_checks_are_part_of_it(settings: Settings) -> None:
    settings.PUBLIC_URL = "nothing"

    finding = next(f for f in diagnosis.examine_settings() if "E004" in f.message)

    assert (finding.subject, finding.status) == ("settings", FAIL)
    assert finding.remedy


def test_a_database_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise OperationalError("password authentication failed for user admin")

    monkeypatch.setattr(connection, "ensure_connection", refuse)

    (finding,) = diagnosis.examine_database()

    assert (finding.status, finding.message) == (FAIL, "cannot connect (OperationalError)")


@pytest.mark.parametrize(("is_sqlite", "status"), [(True, WARN), (False, FAIL)])
def test_pending_migrations(settings: Settings, monkeypatch: pytest.MonkeyPatch, is_sqlite: bool, status: str) -> None:
    settings.IS_SQLITE = is_sqlite
    monkeypatch.setattr(diagnosis, "pending_migrations", lambda: ["mail.0009_x"])
    monkeypatch.setattr(diagnosis, "_examine_sqlite", lambda: iter(()))
    monkeypatch.setattr(diagnosis, "_examine_postgres", lambda: iter(()))

    (finding,) = diagnosis.examine_database()

    assert (finding.subject, finding.status, finding.message) == ("migrations", status, "1 pending")


class _Answer:
    """A cursor that answers one value."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def execute(self, _: str) -> None: ...

    def fetchone(self) -> tuple[Any]:
        return (self.value,)


@pytest.mark.parametrize(("mode", "status"), [("wal", OK), ("delete", FAIL)])
def test_sqlite_journal_mode(monkeypatch: pytest.MonkeyPatch, mode: str, status: str) -> None:
    monkeypatch.setattr(connection, "cursor", lambda: _Answer(mode))

    (finding,) = diagnosis._examine_sqlite()

    assert finding.status == status


@pytest.mark.parametrize(
    ("number", "status", "message"),
    [("160004", OK, "PostgreSQL 16.4"), ("130011", FAIL, "PostgreSQL 13.11 is too old")],
)
def test_postgresql_version(monkeypatch: pytest.MonkeyPatch, number: str, status: str, message: str) -> None:
    monkeypatch.setattr(connection, "cursor", lambda: _Answer(number))

    (finding,) = diagnosis._examine_postgres()

    assert (finding.status, finding.message) == (status, message)


def test_no_broker_is_fine_without_redis(settings: Settings) -> None:
    settings.REDIS_URL = ""

    assert _only(diagnosis.examine_broker(), "broker").status == OK


def test_a_broker_that_does_not_answer(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.REDIS_URL = "redis://:hunter2@127.0.0.1:1/0"

    finding = _only(diagnosis.examine_broker(), "broker")

    assert (finding.status, finding.message) == (FAIL, "Redis does not answer (ConnectionError)")


def test_a_broker_that_answers(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:6379/0"
    monkeypatch.setattr(redis.Redis, "ping", lambda _: True)

    assert _only(diagnosis.examine_broker(), "broker") == Finding("broker", OK, "Redis answers")


def test_a_data_directory_that_cannot_be_written(settings: Settings, tmp_path: Path) -> None:
    # A file where the folder should be fails for every user, root included.
    (tmp_path / "blobs").write_text("")
    settings.BLOB_DIR = tmp_path / "blobs"

    finding = _only(diagnosis.examine_data_directory(), "data directory")

    assert finding.status == FAIL
    assert "INKBOX_DATA_DIR" in finding.remedy


@pytest.mark.parametrize(("free", "status"), [(50 * 2**20, FAIL), (500 * 2**20, WARN), (5 * 2**30, OK)])
def test_free_space(monkeypatch: pytest.MonkeyPatch, free: int, status: str) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))

    assert _only(diagnosis.examine_data_directory(), "data directory").status == status


@pytest.mark.parametrize(("mode", "status"), [(0o600, OK), (0o400, OK), (0o640, FAIL), (0o644, FAIL)])
def test_mode_of_the_secret_key(settings: Settings, tmp_path: Path, mode: int, status: str) -> None:
    settings.DATA_DIR = tmp_path
    path = tmp_path / "secret_key"
    path.write_text("x")
    path.chmod(mode)

    finding = _only(diagnosis.examine_secret_key(), "secret key")

    assert finding.status == status
    assert finding.remedy == ("" if status == OK else f"Run: chmod 600 {path}")


def test_a_key_from_the_environment(settings: Settings, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path

    assert _only(diagnosis.examine_secret_key(), "secret key").status == OK


@pytest.mark.usefixtures("free_ports")
@pytest.mark.parametrize(("subject", "name"), [("web port", "HTTP"), ("SMTP port", "SMTP")])
def test_a_port_that_another_program_has(settings: Settings, subject: str, name: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        other.settimeout(0.1)
        setattr(settings, f"{name}_PORT", other.getsockname()[1])
        diagnosis_seconds, diagnosis._NET_SECONDS = diagnosis._NET_SECONDS, 0.2
        try:
            finding = _only(diagnosis.examine_ports(), subject)
        finally:
            diagnosis._NET_SECONDS = diagnosis_seconds

    assert finding.status == FAIL
    assert f"INKBOX_{name}_PORT" in finding.remedy


@pytest.mark.usefixtures("free_ports")
def test_ports_that_we_serve_ourselves(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnosis, "_is_our_web", lambda *_: True)
    monkeypatch.setattr(diagnosis, "_is_our_smtp", lambda *_: True)
    with socket.socket() as ours:
        ours.bind(("127.0.0.1", 0))
        ours.listen()
        settings.HTTP_PORT = settings.SMTP_PORT = ours.getsockname()[1]

        findings = list(diagnosis.examine_ports())

    assert [f.status for f in findings] == [OK, OK]
    assert all(f.message.endswith("is served by this server") for f in findings)


def test_an_address_of_another_machine(settings: Settings) -> None:
    settings.HTTP_HOST = "192.0.2.1"

    finding = _only(diagnosis.examine_ports(), "web port")

    assert finding.status == FAIL
    assert "INKBOX_HTTP_HOST" in finding.remedy


def test_local_names_need_nothing(settings: Settings) -> None:
    settings.PUBLIC_URL = "http://localhost:8000"
    settings.MAIL_DOMAIN = "mail.localhost"
    settings.SMTP_TLS_CERT = ""

    findings = [*diagnosis.examine_public_url(), *mail_diagnosis.examine_mail_domain(), *diagnosis.examine_smtp_tls()]

    assert [f.status for f in findings] == [OK, OK, OK]


def test_a_public_url_without_tls_that_does_not_resolve(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    settings.PUBLIC_URL = "http://mail.example.com"
    monkeypatch.setattr(socket, "getaddrinfo", unknown)

    findings = list(diagnosis.examine_public_url())

    assert [f.status for f in findings] == [WARN, WARN]
    assert findings[0].message == "http://mail.example.com is not https"
    assert findings[1].remedy == "Publish an address record for mail.example.com."


def _public(settings: Settings, transport: str = "mx") -> None:
    """A public mail domain whose DNS is in memory and whose records are all right."""
    settings.MAIL_DOMAIN, settings.SMTP_HOSTNAME, settings.SMTP_HOST = "example.com", "mx.example.com", "0.0.0.0"
    settings.MAIL_TRANSPORT, settings.DNS_CLIENT = transport, "tests.factories.dns.FakeDns"
    FakeDns.clear()
    FakeDns.publish("example.com", "MX", "10 mx.example.com")
    FakeDns.publish("example.com", "TXT", "v=spf1 a:mx.example.com ~all")
    FakeDns.publish("_dmarc.example.com", "TXT", "v=DMARC1; p=none")
    FakeDns.publish("mx.example.com", "A", "203.0.113.7")
    FakeDns.publish("7.113.0.203.in-addr.arpa", "PTR", "mx.example.com")
    key = create_dkim_key("example.com", "s1", DkimAlgorithm.ED25519)
    FakeDns.publish("s1._domainkey.example.com", "TXT", key.dns_record)


def test_a_mail_domain_with_all_its_records(settings: Settings) -> None:
    _public(settings)

    findings = list(mail_diagnosis.examine_mail_domain())

    assert [(f.subject, f.status, f.message, f.remedy) for f in findings] == [
        ("mail domain", OK, "SPF of example.com is right", ""),
        ("mail domain", OK, "MX of example.com is right", ""),
        ("mail domain", OK, "DMARC of _dmarc.example.com is right", ""),
        ("return path", OK, "RETURN PATH of example.com is right", ""),
        ("mail domain", OK, "DKIM of s1._domainkey.example.com is right", ""),
        ("mail host", OK, "mx.example.com is 203.0.113.7", ""),
        ("reverse DNS", OK, "203.0.113.7 is mx.example.com", ""),
        (
            "MTA-STS",
            OK,
            "example.com publishes no policy",
            "Optional: it makes others insist on TLS. See Mail DNS set-up in docs/operations.md.",
        ),
    ]


def test_a_mail_domain_without_any_record(settings: Settings) -> None:
    _public(settings)
    FakeDns.clear()
    DkimKey.objects.all().delete()

    findings = [f for f in mail_diagnosis.examine_mail_domain() if f.subject != "MTA-STS"]

    assert {f.status for f in findings} == {WARN}
    assert [f.message for f in findings] == [
        "SPF of example.com is missing",
        "MX of example.com is missing",
        "DMARC of _dmarc.example.com is missing",
        "RETURN PATH of example.com is missing",
        "example.com has no DKIM key, so its mail is not signed",
        "mx.example.com has no address in DNS",
    ]
    assert findings[1].remedy.endswith("Record: example.com. IN MX 10 mx.example.com.")
    assert all(f.remedy for f in findings)


@pytest.mark.parametrize("names", [[], ["host-7.provider.example"]])
def test_reverse_dns_matters_where_this_server_connects_itself(settings: Settings, names: list[str]) -> None:
    _public(settings)
    FakeDns.publish("7.113.0.203.in-addr.arpa", "PTR", *names)

    finding = _only(mail_diagnosis.examine_mail_domain(), "reverse DNS")
    settings.MAIL_TRANSPORT = "smtp://relay.example"

    assert finding.status == WARN
    assert "set its reverse DNS (PTR) to mx.example.com" in finding.remedy
    assert "reverse DNS" not in [f.subject for f in mail_diagnosis.examine_mail_domain()]


@pytest.mark.parametrize(
    ("transport", "return_path", "expected"),
    [
        ("mx", "verp", [WARN]),
        ("smtp://relay.example", "verp", [WARN]),
        ("mx", "sender", []),
        ("anymail:postmark", "verp", []),
        ("nonsense://", "verp", []),
    ],
)
def test_the_return_path_matters_where_bounces_come_back_by_mail(
    settings: Settings, transport: str, return_path: str, expected: list[str]
) -> None:
    _public(settings, transport)
    settings.MAIL_RETURN_PATH = return_path
    FakeDns.publish("example.com", "MX", "10 mx.elsewhere.example")

    found = [f for f in mail_diagnosis.examine_mail_domain() if f.subject == "return path"]

    assert [f.status for f in found] == expected
    assert all("Point the MX of example.com to mx.example.com" in f.remedy for f in found)


_STS = "version: STSv1\nmode: {mode}\nmx: {mx}\nmax_age: 86400\n"


@pytest.mark.parametrize(
    ("record", "policy", "certificate", "status", "words"),
    [
        ("v=STSv1; id=1;", _STS.format(mode="enforce", mx="mx.example.com"), "/c.pem", OK, "is right (enforce)"),
        ("v=STSv1; id=1;", _STS.format(mode="testing", mx="*.example.com"), "", OK, "is right (testing)"),
        ("v=STSv1; id=1;", _STS.format(mode="enforce", mx="mx.example.com"), "", FAIL, "has no certificate"),
        ("v=STSv1; id=1;", _STS.format(mode="enforce", mx="old.example.com"), "/c.pem", FAIL, "does not name mx"),
        ("v=STSv1; id=1;", _STS.format(mode="testing", mx="old.example.com"), "/c.pem", WARN, "does not name mx"),
        ("v=STSv1; id=1;", "version: STSv1\nmode: none\nmax_age: 60\n", "", OK, "is right (none)"),
        ("v=STSv1; id=1;", "<html>", "", WARN, "has no usable policy"),
        ("v=STSv1; id=1;", None, "", WARN, "has no usable policy"),
        ("v=STSv1;", None, "", WARN, "is not usable"),
        ("v=spf1 -all", None, "", WARN, "is not usable"),
    ],
)
def test_an_mta_sts_policy_is_fetched_and_judged(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    record: str,
    policy: str | None,
    certificate: str,
    status: str,
    words: str,
) -> None:
    _public(settings)
    settings.SMTP_TLS_CERT = certificate
    FakeDns.publish("_mta-sts.example.com", "TXT", record)
    FakeDns.publish("mta-sts.example.com", "A", "203.0.113.8")
    asked: list[tuple[str, list[str]]] = []

    def fetch(domain: str, addresses: list[str]) -> str | None:
        asked.append((domain, addresses))
        return policy

    monkeypatch.setattr(mail_diagnosis, "fetch_policy", fetch)

    finding = _only(mail_diagnosis.examine_mail_domain(), "MTA-STS")

    assert (finding.status, bool(finding.remedy)) == (status, status != OK)
    assert words in finding.message
    assert asked == ([("example.com", ["203.0.113.8"])] if "id=" in record else [])


def test_an_mta_sts_record_that_dns_does_not_tell(settings: Settings) -> None:
    _public(settings)
    FakeDns.broken["_mta-sts.example.com"] = DnsOutcome.TIMEOUT

    finding = _only(mail_diagnosis.examine_mail_domain(), "MTA-STS")

    assert (finding.status, finding.message) == (WARN, "The record of _mta-sts.example.com could not be looked up")
    FakeDns.clear()


def test_dns_that_does_not_answer_is_no_verdict(settings: Settings) -> None:
    _public(settings)
    FakeDns.broken["example.com"] = DnsOutcome.TIMEOUT

    first = next(mail_diagnosis.examine_mail_domain())

    assert (first.status, first.message) == (WARN, "SPF of example.com could not be looked up")
    FakeDns.clear()


def test_a_public_mail_domain_behind_a_loopback_listener(settings: Settings) -> None:
    _public(settings)
    settings.SMTP_HOST = "127.0.0.1"

    first = next(mail_diagnosis.examine_mail_domain())

    assert (first.status, first.message) == (WARN, "SMTP listens on 127.0.0.1 only")


def test_sending_domains_are_looked_at_without_changing_them(settings: Settings) -> None:
    _public(settings)
    row = register_domain(admin_principal(organization()), NewDomain("mail.acme.org")).row
    for record in domain_records(row, keys_of(row)):
        FakeDns.publish(record.name, record.type, record.value)
    sending_domain(organization(), "gone.acme.org", DomainStatus.FAILED)

    fine = list(mail_diagnosis.examine_sending_domains())
    SendingDomain.objects.filter(pk=row.pk).update(status="verified")
    FakeDns.withdraw("mail.acme.org", "TXT")
    FakeDns.withdraw("mail.acme.org", "MX")
    broken = list(mail_diagnosis.examine_sending_domains())

    assert [(f.status, f.message) for f in fine] == [(OK, "mail.acme.org (not_started): all 8 records are right")]
    assert [(f.status, f.message) for f in broken] == [
        (FAIL, "SPF of mail.acme.org is missing"),
        (WARN, "MX of mail.acme.org is missing"),
    ]
    row.refresh_from_db()
    assert (row.last_checked_at, row.results, row.failed_checks) == (None, {}, 0)


def test_many_sending_domains_are_not_all_looked_at(settings: Settings) -> None:
    _public(settings)
    acme = organization()
    for _ in range(12):
        sending_domain(acme)

    findings = list(mail_diagnosis.examine_sending_domains())

    assert findings[-1].message == "2 more were not looked at here"


def test_no_certificate_on_a_public_domain(settings: Settings) -> None:
    settings.MAIL_DOMAIN, settings.SMTP_TLS_CERT = "example.com", ""

    assert _only(diagnosis.examine_smtp_tls(), "SMTP TLS").status == WARN


@pytest.mark.parametrize(
    ("options", "status", "text"),
    [
        ({}, OK, "valid until"),
        ({"days": 5}, WARN, "valid until"),
        ({"days": -1}, FAIL, "expired on"),
        ({"own_key": False}, FAIL, "does not belong"),
    ],
)
def test_certificates(settings: Settings, key_pair: Any, options: dict[str, Any], status: str, text: str) -> None:
    settings.SMTP_TLS_CERT, settings.SMTP_TLS_KEY = key_pair(**options)

    finding = _only(diagnosis.examine_smtp_tls(), "SMTP TLS")

    assert finding.status == status
    assert text in finding.message


@pytest.mark.parametrize("content", [None, b"not a pem file"])
def test_a_certificate_that_cannot_be_read(settings: Settings, key_pair: Any, content: bytes | None) -> None:
    settings.SMTP_TLS_CERT, settings.SMTP_TLS_KEY = key_pair()
    path = Path(settings.SMTP_TLS_CERT)
    path.unlink() if content is None else path.write_bytes(content)

    assert _only(diagnosis.examine_smtp_tls(), "SMTP TLS").status == FAIL
