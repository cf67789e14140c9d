"""The operator's settings about trust: what they mean and what is refused at start."""

from __future__ import annotations

from typing import Any

import pytest

from mail.trust.config import check_trust_settings, load_config


@pytest.mark.parametrize(
    ("relays", "address", "trusted"),
    [
        ("127.0.0.0/8 ::1/128", "127.0.0.1", True),
        ("127.0.0.0/8 ::1/128", "::1", True),
        ("127.0.0.0/8 ::1/128", "::ffff:127.0.0.1", True),
        ("127.0.0.0/8 ::1/128", "192.0.2.1", False),
        ("192.0.2.7, 2001:db8::/32", "192.0.2.7", True),
        ("192.0.2.7, 2001:db8::/32", "2001:db8::9", True),
        ("fe80::/10", "fe80::1%eth0", True),
        ("", "127.0.0.1", False),
        ("127.0.0.0/8", "", False),
        ("127.0.0.0/8", "unknown", False),
    ],
)
def test_trusted_relays(settings: Any, relays: str, address: str, trusted: bool) -> None:
    settings.TRUSTED_RELAYS = relays

    assert load_config().is_trusted_relay(address) is trusted


def test_the_scorers(settings: Any) -> None:
    settings.SPAM_SCORER = "rspamd+http://10.0.0.5:11333/"
    assert (load_config().uses_heuristic, load_config().rspamd_url) == (False, "http://10.0.0.5:11333")
    settings.SPAM_SCORER = "heuristic"
    assert (load_config().uses_heuristic, load_config().rspamd_url) == (True, "")
    settings.SPAM_SCORER = "off"
    assert (load_config().uses_heuristic, load_config().rspamd_url) == (False, "")


def test_sealers_have_one_spelling(settings: Any) -> None:
    settings.ARC_TRUSTED_SEALERS = "Google.com, bücher.example"

    assert load_config().trusted_sealers == {"google.com", "xn--bcher-kva.example"}


@pytest.mark.parametrize(
    ("name", "value", "variable"),
    [
        ("DMARC_ENFORCE", "yes", "INKBOX_DMARC_ENFORCE"),
        ("TRUSTED_RELAYS", "mx.example.com", "INKBOX_TRUSTED_RELAYS"),
        ("TRUSTED_RELAYS", "192.0.2.1/24", "INKBOX_TRUSTED_RELAYS"),
        ("ARC_TRUSTED_SEALERS", "not a domain!", "INKBOX_ARC_TRUSTED_SEALERS"),
        ("SPAM_SCORER", "magic", "INKBOX_SPAM_SCORER"),
        ("SPAM_SCORER", "rspamd+ftp://x", "INKBOX_SPAM_SCORER"),
        ("SPAM_SCORER", "rspamd+http://", "INKBOX_SPAM_SCORER"),
        ("SPAM_SCORER", "rspamd+http://u:p@host:11333", "INKBOX_SPAM_SCORER"),
        ("SPAM_SCORER", "rspamd+http://host:99999", "INKBOX_SPAM_SCORER"),
    ],
)
def test_what_cannot_work_is_refused_at_start(settings: Any, name: str, value: str, variable: str) -> None:
    assert check_trust_settings() == []
    setattr(settings, name, value)

    (error,) = check_trust_settings()

    assert variable in error.msg
    assert error.hint == "See Trust and spam in docs/operations.md."
