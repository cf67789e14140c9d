"""The operator's settings about inbound mail, read once and checked."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from mail.trust.domains import ascii_domain

ENFORCEMENTS = ("spam", "reject", "off")
_RSPAMD = "rspamd+"
_SEPARATORS = re.compile(r"[\s,]+")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class BadTrustSetting(ValueError):
    """A setting cannot be used; the text says which and why."""


@dataclass(frozen=True, slots=True)
class TrustConfig:
    """What the SMTP door needs to judge a message. `rspamd_url` is empty unless rspamd is the scorer."""

    trusted_relays: tuple[Network, ...]
    seconds: int
    enforce: str
    trusted_sealers: frozenset[str]
    uses_heuristic: bool
    rspamd_url: str
    spam_threshold: int
    spam_seconds: int

    def is_trusted_relay(self, address: str) -> bool:
        """Whether mail from this peer is taken as it is."""
        try:
            ip = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return False
        mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
        return any((mapped or ip) in network for network in self.trusted_relays)


def load_config() -> TrustConfig:
    """Raises BadTrustSetting; the system check reports it before a server starts."""
    if settings.DMARC_ENFORCE not in ENFORCEMENTS:
        raise BadTrustSetting(f"INKBOX_DMARC_ENFORCE={settings.DMARC_ENFORCE!r}: use {', '.join(ENFORCEMENTS)}.")
    scorer = settings.SPAM_SCORER
    rspamd_url = ""
    if scorer.startswith(_RSPAMD):
        rspamd_url = _check_url(scorer.removeprefix(_RSPAMD))
    elif scorer not in ("heuristic", "off"):
        raise BadTrustSetting("INKBOX_SPAM_SCORER: use heuristic, off, or rspamd+http://host:11333.")
    return TrustConfig(
        trusted_relays=tuple(_network(text) for text in _words(settings.TRUSTED_RELAYS)),
        seconds=settings.TRUST_SECONDS,
        enforce=settings.DMARC_ENFORCE,
        trusted_sealers=frozenset(_sealer(text) for text in _words(settings.ARC_TRUSTED_SEALERS)),
        uses_heuristic=scorer == "heuristic",
        rspamd_url=rspamd_url,
        spam_threshold=settings.SPAM_THRESHOLD,
        spam_seconds=settings.SPAM_SECONDS,
    )


def _words(text: str) -> list[str]:
    return [word for word in _SEPARATORS.split(text) if word]


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        raise BadTrustSetting(f"INKBOX_TRUSTED_RELAYS: {text!r} is no address and no network.") from None


def _sealer(text: str) -> str:
    if not (domain := ascii_domain(text)):
        raise BadTrustSetting(f"INKBOX_ARC_TRUSTED_SEALERS: {text!r} is no domain.")
    return domain


def _check_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_usable = False
    if not is_usable or parts.username or parts.password or parts.query or parts.fragment:
        raise BadTrustSetting("INKBOX_SPAM_SCORER: write rspamd+http://host:11333, without user name or query.")
    return url.rstrip("/")


@register()
def check_trust_settings(**_: Any) -> list[CheckMessage]:
    """The settings about trust and spam can be used."""
    try:
        load_config()
    except BadTrustSetting as error:
        return [Error(str(error), hint="See Trust and spam in docs/operations.md.", id="mail.E001")]
    return []
