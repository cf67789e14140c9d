"""Address syntax (RFC 5321 section 4.1.2, RFC 6531, IDNA 2008)."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mail.addresses import (
    counterparty_address,
    domain_of,
    is_valid_local_part,
    normalize_address,
    parse_domain,
    parse_recipient,
)
from mail.mime.encode import encode_address


@pytest.mark.parametrize(
    ("raw", "address"),
    [
        ("ada@customer.example", "ada@customer.example"),
        ("Ada.L@CUSTOMER.Example", "Ada.L@customer.example"),
        (" <ada@customer.example> ", "ada@customer.example"),
        ("ada+tag@customer.example", "ada+tag@customer.example"),
        ("!#$%&'*+-/=?^_`{|}~@x.example", "!#$%&'*+-/=?^_`{|}~@x.example"),
        ("ada@localhost", "ada@localhost"),
        ("ada@a--b.example", "ada@a--b.example"),
        ("jörg@x.example", "jörg@x.example"),
        ("ada@MÜLLER.example", "ada@xn--mller-kva.example"),
        ("ada@xn--mller-kva.example", "ada@xn--mller-kva.example"),
        ("ada@straße.example", "ada@xn--strae-oqa.example"),
        ("ada@\uff45\uff56il.example", "ada@evil.example"),
        ("ada@customer\u3002example", "ada@customer.example"),
        ("ada@日本語.example", "ada@xn--wgv71a119e.example"),
        (f"{'a' * 64}@x.example", f"{'a' * 64}@x.example"),
        (f"a@{'b' * 63}.{'c' * 63}.{'d' * 63}.{'e' * 56}", f"a@{'b' * 63}.{'c' * 63}.{'d' * 63}.{'e' * 56}"),
    ],
)
def test_recipients(raw: str, address: str) -> None:
    assert parse_recipient(raw) == address
    assert parse_recipient(address) == address


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "ada",
        "@x.example",
        "ada@",
        "ada@@x.example",
        "a@b@x.example",
        "Ada <ada@x.example>",
        "ada@x.example, eve@x.example",
        "ada@x.example;",
        '"ada"@x.example',
        "ada(comment)@x.example",
        "<@relay.example:ada@x.example>",
        "mailto:ada@x.example",
        ".ada@x.example",
        "ada.@x.example",
        "a..b@x.example",
        "a b@x.example",
        "ada@x example",
        "ada@[192.0.2.1]",
        "ada@-x.example",
        "ada@x-.example",
        "ada@x..example",
        "ada@.example",
        "ada@x.example.",
        "ada@x_y.example",
        "ada@☃.example\u202e",
        "ada\r\nRCPT TO:<eve@x.example>@x.example",
        "a\x00@x.example",
        "a\x7f@x.example",
        "a\u0085@x.example",
        "a\u200b@x.example",
        "a\u202e@x.example",
        "=?utf-8?q?x?=@x.example",
        "=?@x.example",
        f"{'a' * 65}@x.example",
        f"{'ü' * 33}@x.example",
        f"a@{'b' * 64}.example",
        f"a@{'b.' * 125}example",
        f"ada@{'ü' * 60}.example",
    ],
)
def test_what_is_no_recipient(raw: str) -> None:
    assert parse_recipient(raw) is None


@given(
    st.one_of(
        st.text(max_size=60),
        st.builds("{}@{}".format, st.text(max_size=20), st.text(max_size=20)),
        st.text(alphabet='aA1@.-_<>=?"\\ ü\u3002\uff0e\u200d\u0301ß☃\x00\r\n', max_size=30),
    )
)
@example("a@\u0301x.example")
@example("a@xn--a.example")
def test_what_is_a_recipient_can_stand_in_a_header(raw: str) -> None:
    address = parse_recipient(raw)

    if address is not None:
        assert encode_address("to", address) == address
        assert parse_recipient(address) == address
        local, _, domain = address.rpartition("@")
        assert local.isprintable()
        assert domain.isascii()
        assert domain == domain.lower()


@given(st.emails())
def test_ordinary_addresses_are_recipients(address: str) -> None:
    local, _, domain = address.rpartition("@")
    if ".." not in local and not local.startswith("=?"):
        assert parse_recipient(address) == f"{local}@{domain.lower()}"


@pytest.mark.parametrize(
    ("raw", "normal"),
    [
        ("Ada@X.Example", "ada@x.example"),
        (" <Ada@X.Example> ", "ada@x.example"),
        ("<ada@x.example", "ada@x.example"),
        ("", ""),
        ("<>", ""),
    ],
)
def test_normal_form(raw: str, normal: str) -> None:
    assert normalize_address(raw) == normal
    assert normalize_address(normal) == normal


@pytest.mark.parametrize(("address", "domain"), [("a@X.Example", "x.example"), ('"a@b"@x', "x"), ("ada", "ada")])
def test_domain(address: str, domain: str) -> None:
    assert domain_of(address) == domain


@pytest.mark.parametrize("text", ["a", "0", "billing-bot", "a.b_c-d", "x" * 64, "a1.2b"])
def test_local_parts_that_are_handed_out(text: str) -> None:
    assert is_valid_local_part(text)


@pytest.mark.parametrize(
    "text", ["", "-a", "a-", ".a", "a.", "_a", "a..b", "a--b", "A", "ü", "a b", "a@b", "a+b", "x" * 65, "a\n"]
)
def test_local_parts_that_are_not(text: str) -> None:
    assert not is_valid_local_part(text)


@given(st.text(alphabet="abz019._-", min_size=1, max_size=66))
def test_a_local_part_that_is_handed_out_is_a_recipient(text: str) -> None:
    if is_valid_local_part(text):
        assert parse_recipient(f"{text}@mail.localhost") == f"{text}@mail.localhost"


@pytest.mark.parametrize(
    ("raw", "domain"),
    [
        ("example.com", "example.com"),
        (" @Example.COM. ", "example.com"),
        ("b\u00fccher.example", "xn--bcher-kva.example"),
        ("\uff45vil.example", "evil.example"),
        ("xn--ls8h.example", "xn--ls8h.example"),
        ("localhost", "localhost"),
        ("ada@example.com", None),
        ("*.example.com", None),
        ("-a.example", None),
        ("a..example", None),
        ("[192.0.2.1]", None),
        ("a b.example", None),
        ("", None),
        ("@", None),
        (".", None),
    ],
)
def test_domains_of_rules(raw: str, domain: str | None) -> None:
    assert parse_domain(raw) == domain


@pytest.mark.parametrize(
    ("raw", "compared"),
    [
        ("Eve@Spam.Example", "eve@spam.example"),
        ("eve@b\u00fccher.example", "eve@xn--bcher-kva.example"),
        ('"Eve X"@Spam.Example', '"eve x"@spam.example'),
        ("<>", ""),
        ("", ""),
    ],
)
def test_senders_are_compared_in_the_spelling_of_rules(raw: str, compared: str) -> None:
    assert counterparty_address(raw) == compared


@given(st.text(max_size=80))
def test_any_text_is_compared_or_refused(raw: str) -> None:
    assert counterparty_address(raw) == counterparty_address(counterparty_address(raw))
    domain = parse_domain(raw)
    assert domain is None or parse_domain(domain) == domain
