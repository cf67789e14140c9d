"""System checks: each wrong value, and none for the defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks
from pytest_django import Settings

from inkbox_site import checks, queues

MYSQL, POSTGRES, SQLITE = (f"django.db.backends.{name}" for name in ("mysql", "postgresql", "sqlite3"))


@pytest.fixture
def embedded(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    settings.REDIS_URL = settings.TESTING_SECRET = ""
    monkeypatch.setattr(checks, "database_engine", lambda: SQLITE)
    return settings


def _ids() -> list[str]:
    return sorted(str(message.id) for message in run_checks() if str(message.id).startswith("inkbox."))


def test_the_defaults_are_fine(embedded: Settings) -> None:
    assert _ids() == []


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"MAIL_TRANSPORT": "pigeon"}, ["inkbox.E001"]),
        ({"MAIL_TRANSPORT": "anymail:postmark"}, ["inkbox.E001"]),
        ({"MAIL_TRANSPORT": "mx"}, []),
        ({"MAIL_RETURN_PATH": "none"}, ["inkbox.E020"]),
        ({"MAIL_RETURN_PATH": "sender"}, []),
        ({"MAIL_WEBHOOK_SECRET": "short"}, ["inkbox.E021"]),
        ({"MAIL_WEBHOOK_SECRET": "has/a/slash/and/is/long"}, ["inkbox.E021"]),
        ({"MAIL_WEBHOOK_SECRET": "x" * 16}, []),
        ({"SMTP_TLS_CERT": "/tls/cert.pem"}, ["inkbox.E002"]),
        ({"SMTP_TLS_KEY": "/tls/key.pem"}, ["inkbox.E002"]),
        ({"SMTP_TLS_CERT": "/none/cert.pem", "SMTP_TLS_KEY": "/none/key.pem"}, ["inkbox.E003", "inkbox.E003"]),
        ({"PUBLIC_URL": "mail.example.com"}, ["inkbox.E004"]),
        ({"PUBLIC_URL": "ftp://example.com"}, ["inkbox.E004"]),
        ({"PUBLIC_URL": "https://"}, ["inkbox.E004"]),
        ({"PUBLIC_URL": "http://[::1"}, ["inkbox.E004"]),
        ({"MAIL_DOMAIN": "user@example.com"}, ["inkbox.E005"]),
        ({"TUNNEL_ZONE": "https://example.com"}, ["inkbox.E005"]),
        ({"SMTP_HOSTNAME": ""}, ["inkbox.E005"]),
        ({"REDIS_URL": "localhost:6379"}, ["inkbox.E006", "inkbox.W009"]),
        ({"REDIS_URL": "redis://127.0.0.1:6379/0"}, ["inkbox.W009"]),
        ({"SECRET_KEY": "short"}, ["inkbox.E010"]),
        ({"PUBLIC_URL": "https://example.com"}, []),
        ({"PUBLIC_URL": "https://example.com", "TESTING_SECRET": "x"}, ["inkbox.W011"]),
        ({"PUBLIC_URL": "https://example.com", "WEBHOOK_ALLOW_PRIVATE": True}, ["inkbox.W012"]),
        ({"LOG_FORMAT": "xml"}, ["inkbox.E013"]),
        ({"MAIL_SPF": "include:spf.provider.example ip4:203.0.113.7 a:mx.example.com"}, []),
        ({"MAIL_SPF": "spf.provider.example"}, ["inkbox.E015"]),
        ({"MAIL_SPF": "ip4:203.0.113.7 ~all"}, ["inkbox.E015"]),
        ({"MAIL_SPF": "mx"}, ["inkbox.E015"]),
        ({"MAIL_SPF": "redirect=spf.provider.example"}, ["inkbox.E015"]),
        ({"DNS_SERVERS": "192.0.2.53, [2001:db8::53]:5353"}, []),
        ({"DNS_SERVERS": "192.0.2.53,ns.example.org"}, ["inkbox.E016"]),
    ],
)
def test_wrong_values(embedded: Settings, values: dict[str, Any], expected: list[str]) -> None:
    for name, value in values.items():
        setattr(embedded, name, value)

    assert _ids() == expected


@pytest.mark.parametrize(
    ("engine", "redis_url", "expected"),
    [
        (MYSQL, "", ["inkbox.E007"]),
        (POSTGRES, "", ["inkbox.W008"]),
        (POSTGRES, "redis://127.0.0.1:6379/0", []),
        (POSTGRES, "rediss://127.0.0.1:6379/0", []),
    ],
)
def test_database_and_broker(
    embedded: Settings, monkeypatch: pytest.MonkeyPatch, engine: str, redis_url: str, expected: list[str]
) -> None:
    embedded.REDIS_URL = redis_url
    monkeypatch.setattr(checks, "database_engine", lambda: engine)

    assert _ids() == expected


def test_a_password_in_the_transport_is_not_repeated(embedded: Settings) -> None:
    embedded.MAIL_TRANSPORT = "smtp://user:hunter2@/path"

    (message,) = [m for m in run_checks() if m.id == "inkbox.E001"]

    assert "hunter2" not in f"{message.msg}{message.hint}"


def test_certificate_and_key_that_exist(embedded: Settings, tmp_path: Path) -> None:
    for name in ("SMTP_TLS_CERT", "SMTP_TLS_KEY"):
        path = tmp_path / name
        path.write_text("pem")
        setattr(embedded, name, str(path))

    assert _ids() == []


def test_a_missing_probe_is_a_warning(embedded: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queues, "missing_probes", lambda: ["nowhere.oldest"])

    assert _ids() == ["inkbox.W014"]


def test_every_message_says_what_to_do(embedded: Settings) -> None:
    embedded.MAIL_TRANSPORT = "pigeon"
    embedded.PUBLIC_URL = "nothing"
    embedded.REDIS_URL = "nothing"
    embedded.SECRET_KEY = "x"
    embedded.LOG_FORMAT = "xml"

    messages = [m for m in run_checks() if str(m.id).startswith("inkbox.")]

    assert len(messages) >= 5
    assert all(message.hint for message in messages)
