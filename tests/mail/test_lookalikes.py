"""Text made to be taken for other text."""
# ruff: noqa: RUF001  (look-alike letters are what is tested)

from __future__ import annotations

import pytest

from mail.lookalikes import has_hidden_characters, has_mixed_scripts, is_lookalike_domain, unicode_domain


def test_domains_as_people_see_them() -> None:
    assert unicode_domain("xn--bcher-kva.example") == "bücher.example"
    assert unicode_domain("xn--a.example") == "xn--a.example"


@pytest.mark.parametrize(
    ("domain", "imitates"),
    [
        ("paypal.example", False),
        ("xn--pypal-4ve.example", True),
        ("pаypal.example", True),
        ("xn--80ak6aa92e.com", True),
        ("xn--bcher-kva.example", False),
        ("xn--e1afmkfd.xn--p1ai", False),  # пример.рф
        ("xn--r8jz45g.example", False),  # 例え
        ("xn--n1aen.xn--p1ai", False),  # Latin to the eye, but below an alphabet of its own
        ("xn--n1aen.example", True),
        ("", False),
    ],
)
def test_lookalike_domains(domain: str, imitates: bool) -> None:
    assert is_lookalike_domain(domain) is imitates


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("plain", False),
        ("👩‍💻", False),
        ("می‌خواهم", False),
        ("in\u200bvoice", True),
        ("in\u200dvoice", True),
        ("\u202efdp.exe", True),
        ("in\u00advoice", True),
        ("a\U000e0061", True),
    ],
)
def test_hidden_characters(text: str, hidden: bool) -> None:
    assert has_hidden_characters(text) is hidden


@pytest.mark.parametrize(
    ("word", "mixed"), [("hello", False), ("привет", False), ("hеllo", True), ("東京Tower", False)]
)
def test_mixed_scripts(word: str, mixed: bool) -> None:
    assert has_mixed_scripts(word) is mixed
