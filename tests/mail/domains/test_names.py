"""Which names may be registered, and how they are spelled."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.domain_names import normalize_domain
from common.errors import Invalid
from mail.domain_names import DOMAIN_MAX_CHARS, parse_new_domain
from mail.trust.domains import organizational_domain


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("mail.example.org", "mail.example.org"),
        (" Mail.EXAMPLE.org. ", "mail.example.org"),
        ("bücher.example.org", "xn--bcher-kva.example.org"),
        ("BÜCHER.Example.org", "xn--bcher-kva.example.org"),
        ("xn--bcher-kva.example.org", "xn--bcher-kva.example.org"),
        ("почта.рф", "xn--80a1acny.xn--p1ai"),
    ],
)
def test_one_spelling_for_each_name(raw: str, name: str) -> None:
    assert parse_new_domain(raw) == name


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("", "not a domain name"),
        ("has space.example.org", "not a domain name"),
        ("-a.example.org", "not a domain name"),
        ("a..example.org", "not a domain name"),
        ("under_score.example.org", "not a domain name"),
        ("user@example.org", "not a domain name"),
        ("https://example.org", "not a domain name"),
        ("xn--zz-.example.org", "not a domain name"),
        ("a\x00.example.org", "not a domain name"),
        ("a" * 64 + ".example.org", "not a domain name"),
        ("192.0.2.1", "not a domain name"),
        ("localhost", "does not exist in public DNS"),
        ("intranet", "does not exist in public DNS"),
        ("mine.localhost", "does not exist in public DNS"),
        ("co.uk", "public suffix"),
        ("github.io", "public suffix"),
        (".".join(["abcdefghi"] * 19) + ".example.org", f"at most {DOMAIN_MAX_CHARS} characters"),
    ],
)
def test_names_that_nobody_may_register(raw: str, reason: str) -> None:
    with pytest.raises(Invalid, match=reason) as refusal:
        parse_new_domain(raw)

    assert refusal.value.loc == ("body", "domain")


@pytest.mark.parametrize("raw", ["agents.example.com", "a.agents.example.com", "tunnels.example.com", "mx.example.com"])
def test_names_of_the_server_itself_are_refused(raw: str, settings: object) -> None:
    settings.MAIL_DOMAIN = "agents.example.com"  # type: ignore[attr-defined]
    settings.TUNNEL_ZONE, settings.SMTP_HOSTNAME = "tunnels.example.com", "MX.example.com"  # type: ignore[attr-defined]

    with pytest.raises(Invalid, match="belongs to this server"):
        parse_new_domain(raw)

    assert parse_new_domain("other.example.com") == "other.example.com"


def test_the_organizational_domain_is_the_registered_one() -> None:
    assert organizational_domain("mail.example.co.uk") == "example.co.uk"
    assert organizational_domain("example.co.uk") == "example.co.uk"


@given(st.text(max_size=300))
def test_any_text_is_a_clean_name_or_refused(raw: str) -> None:
    name = normalize_domain(raw)

    assert name is None or (name.isascii() and name == name.lower() and normalize_domain(name) == name)
