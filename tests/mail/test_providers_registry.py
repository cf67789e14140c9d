"""Reading the transport setting."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mail.providers.esp import AnymailTransport
from mail.providers.mx import MxTransport
from mail.providers.registry import BadTransport, check_transport_setting, parse_transport, transport
from mail.providers.sandbox import SandboxTransport
from mail.providers.smarthost import SmarthostTransport
from mail.providers.smtp_session import Server, Tls


@pytest.mark.parametrize(
    ("text", "kind", "name"),
    [
        ("sandbox", SandboxTransport, "sandbox"),
        ("mx", MxTransport, "mx"),
        ("smtp://relay.example", SmarthostTransport, "smtp"),
        ("anymail:test", AnymailTransport, "anymail:test"),
    ],
)
def test_the_setting_selects_the_transport(settings: Any, text: str, kind: type, name: str) -> None:
    settings.MAIL_TRANSPORT = text

    chosen = transport()

    assert type(chosen) is kind
    assert chosen.name == name
    assert transport() is chosen


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("smtp://relay.example", Server("relay.example", 25, Tls.AUTO)),
        ("smtp://relay.example:2525?starttls=off", Server("relay.example", 2525, Tls.OFF)),
        ("smtp://[::1]:26", Server("::1", 26, Tls.AUTO)),
        (
            "smtp://bot%40example.org:p%2Fw%3F@relay.example?starttls=require&ca=/etc/relay.pem",
            Server("relay.example", 587, Tls.REQUIRE, "", "bot@example.org", "p/w?", "/etc/relay.pem"),
        ),
        ("smtps://u:p@relay.example", Server("relay.example", 465, Tls.IMPLICIT, "", "u", "p")),
    ],
)
def test_smtp_urls(text: str, server: Server) -> None:
    assert parse_transport(text).server == server


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "unknown"),
        ("postmark", "'postmark' is unknown"),
        ("smtp://", "no host name"),
        ("smtp://host:notaport", "not a URL"),
        ("smtp://host/path", "text after the host"),
        ("smtp://u:pa/ss@host", "not a URL"),
        ("smtp://u:12/ss@host", "text after the host"),
        ("smtp://user@host", "both a user name and a password"),
        ("smtp://u:pässword@host", "must be ASCII"),
        ("smtp://host?tls=yes", "unknown option 'tls'"),
        ("smtp://host?starttls=maybe", "auto, require or off"),
        ("smtps://host?starttls=off", "unknown option 'starttls'"),
        ("anymail:", "not a backend"),
        ("anymail:nosuch", "not a backend"),
        ("anymail:base", "not a backend"),
        ("anymail:../x", "not a backend"),
    ],
)
def test_bad_settings_say_what_is_wrong(text: str, problem: str) -> None:
    with pytest.raises(BadTransport, match=r"^The |^starttls"):
        parse_transport(text)

    assert problem in (check_transport_setting(text) or "")


def test_a_password_is_never_in_the_message() -> None:
    for text in ("smtp://u:s3cret@", "smtp://u:s3cret@host?x=1", "smtp://u:s3cret@host/p", "smtpx://u:s3cret@host"):
        assert "s3cret" not in (check_transport_setting(text) or "s3cret")


def test_the_check_finds_missing_provider_settings(settings: Any, tmp_path: Path) -> None:
    assert check_transport_setting("sandbox") is None
    assert check_transport_setting("anymail:test") is None
    assert "POSTMARK_SERVER_TOKEN" in (check_transport_setting("anymail:postmark") or "")
    assert "ca file" in (check_transport_setting(f"smtp://host?ca={tmp_path}/none.pem") or "")

    settings.ANYMAIL = {"POSTMARK_SERVER_TOKEN": "t"}

    assert check_transport_setting("anymail:postmark") is None
