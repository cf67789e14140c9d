"""The records that a sending domain publishes, and what is wrong with those found. Pure, apart from asking."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from django.conf import settings

from common.dns import DnsAnswer, DnsClient, DnsOutcome
from mail.dkim import TXT_STRING_BYTES
from mail.dns.spf import (
    Mechanism,
    SpfInvalid,
    SpfUnknown,
    authorised_senders,
    missing_sources,
    parse_mx,
    parse_spf,
    spf_texts,
)
from mail.trust.domains import organizational_domain

OWNERSHIP_LABEL = "inkbox-ownership"
MX_PREFERENCE = 10
_SHOWN_VALUES = 10
_SHOWN_CHARS = 1000


class Purpose(StrEnum):
    """What a record is for."""

    OWNERSHIP = "ownership"
    SPF = "spf"
    DKIM = "dkim"
    DMARC = "dmarc"
    MX = "mx"
    RETURN_PATH = "return_path"


class RecordState(StrEnum):
    """What a check found."""

    OK = "ok"
    MISSING = "missing"
    WRONG = "wrong"
    # Not looked at yet, or DNS did not answer.
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class DnsRecord:
    """A record to publish."""

    purpose: Purpose
    type: str
    name: str
    value: str
    is_required: bool = False

    @property
    def key(self) -> str:
        """Names it among the records of its domain."""
        return f"{self.type} {self.name}"

    @property
    def zone_line(self) -> str:
        """As a line of a zone file; long text is several strings of one record."""
        if self.type != "TXT":
            return f"{self.name}. IN {self.type} {self.value}."
        starts = range(0, len(self.value), TXT_STRING_BYTES)
        strings = " ".join(f'"{self.value[at : at + TXT_STRING_BYTES]}"' for at in starts)
        return f"{self.name}. IN TXT {strings}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check says about one record; `remedy` is a sentence, empty when there is nothing to do."""

    state: RecordState
    found: tuple[str, ...] = ()
    remedy: str = ""


UNCHECKED = Verdict(RecordState.UNKNOWN)


def mail_host() -> str:
    """The name under which this server receives mail."""
    return str(settings.SMTP_HOSTNAME).lower().rstrip(".")


def sending_sources() -> list[Mechanism]:
    """What this server sends from, as SPF terms. Raises SpfInvalid when INKBOX_MAIL_SPF is malformed."""
    return list(parse_spf(f"v=spf1 {settings.MAIL_SPF or f'a:{mail_host()}'}").mechanisms)


def spf_value() -> str:
    """The SPF record of a name that sends nothing but through this server."""
    return f"v=spf1 {' '.join(term.text for term in sending_sources())} ~all"


def ownership_record(domain: str, token: str) -> DnsRecord:
    """Proves that the organization controls the name's DNS."""
    name, value = f"{OWNERSHIP_LABEL}.{domain}", f"{OWNERSHIP_LABEL}={token}"
    return DnsRecord(Purpose.OWNERSHIP, "TXT", name, value, is_required=True)


def dkim_record(domain: str, selector: str, value: str, *, is_required: bool) -> DnsRecord:
    """A public key (RFC 6376 section 3.6)."""
    return DnsRecord(Purpose.DKIM, "TXT", f"{selector}._domainkey.{domain}", value, is_required=is_required)


def policy_records(domain: str, mail_from_subdomain: str) -> list[DnsRecord]:
    """Those that are the same for every domain. Only SPF is required: mail without it is widely refused, while a
    domain that receives elsewhere has reasons for its own MX."""
    bounces = f"{mail_from_subdomain}.{domain}"
    return [
        DnsRecord(Purpose.SPF, "TXT", domain, spf_value(), is_required=True),
        DnsRecord(Purpose.MX, "MX", domain, f"{MX_PREFERENCE} {mail_host()}"),
        DnsRecord(Purpose.DMARC, "TXT", f"_dmarc.{domain}", "v=DMARC1; p=none"),
        DnsRecord(Purpose.RETURN_PATH, "MX", bounces, f"{MX_PREFERENCE} {mail_host()}"),
        DnsRecord(Purpose.RETURN_PATH, "TXT", bounces, spf_value()),
    ]


def examine_record(dns: DnsClient, record: DnsRecord) -> Verdict:
    """Ask for a record and judge the answer."""
    answer = dns.lookup(record.name, record.type)
    if not answer.is_conclusive:
        return Verdict(RecordState.UNKNOWN, (), _unanswered(record.name, answer))
    if record.type == "MX":
        return _judge_mx(record, answer)
    if record.purpose in (Purpose.SPF, Purpose.RETURN_PATH):
        return _judge_spf(dns, record, answer)
    if record.purpose is Purpose.DMARC:
        return _judge_dmarc(dns, record, answer)
    return _judge_dkim(record, answer) if record.purpose is Purpose.DKIM else _judge_ownership(record, answer)


def _judge_ownership(record: DnsRecord, answer: DnsAnswer) -> Verdict:
    values = [value.strip().strip('"') for value in answer.values]
    if record.value in values:
        return Verdict(RecordState.OK, _shown(values))
    return _absent(record, answer, values)


def _judge_dkim(record: DnsRecord, answer: DnsAnswer) -> Verdict:
    keys = [value for value in answer.values if "p" in tags_of(value)]
    if not keys:
        return _absent(record, answer, answer.values)
    shown = _shown(keys)
    if len(keys) > 1:
        return Verdict(
            RecordState.WRONG, shown, f"{record.name} has {len(keys)} keys. Leave only the one of this domain."
        )
    wanted, found = tags_of(record.value), tags_of(keys[0])
    if not found["p"]:
        return Verdict(RecordState.WRONG, shown, f"The key at {record.name} is revoked (empty p=). Publish it again.")
    if found["p"] != wanted["p"] or found.get("k", "rsa").lower() != wanted["k"]:
        remedy = f"{record.name} has another key. Replace its value, and check that nothing was cut off or added."
        return Verdict(RecordState.WRONG, shown, remedy)
    services, hashes = found.get("s", "*").split(":"), found.get("h", "sha256").split(":")
    if not {"*", "email"} & set(services) or "sha256" not in hashes:
        return Verdict(RecordState.WRONG, shown, f"The tags s= or h= of {record.name} exclude mail. Remove them.")
    return Verdict(RecordState.OK, shown)


def _judge_spf(dns: DnsClient, record: DnsRecord, answer: DnsAnswer) -> Verdict:
    texts = spf_texts(answer.values)
    if not texts:
        return _absent(record, answer, [])
    shown = _shown(texts)
    if len(texts) > 1:
        remedy = f"{record.name} has {len(texts)} SPF records, so receivers ignore all. Merge them into one."
        return Verdict(RecordState.WRONG, shown, remedy)
    try:
        found = authorised_senders(dns, record.name, parse_spf(texts[0]))
        missing = missing_sources(dns, sending_sources(), found)
    except SpfUnknown:
        return Verdict(RecordState.UNKNOWN, shown, "DNS did not answer for a name in the record. It is tried again.")
    except SpfInvalid as error:
        return Verdict(RecordState.WRONG, shown, f"The SPF record of {record.name} is invalid. {error}")
    if found.everybody:
        remedy = f"The SPF record of {record.name} lets everybody send (+all). End it with ~all or -all."
        return Verdict(RecordState.WRONG, shown, remedy)
    if missing:
        terms = " ".join(term.text for term in missing)
        remedy = f"Add {terms} to the SPF record of {record.name}, right after v=spf1."
        return Verdict(RecordState.WRONG, shown, remedy)
    return Verdict(RecordState.OK, shown)


def _judge_dmarc(dns: DnsClient, record: DnsRecord, answer: DnsAnswer) -> Verdict:
    values, name = _dmarc_texts(answer), record.name
    if not values:
        # Without a record of its own, a name is under the policy of the registered domain (RFC 7489 section 6.6.3).
        parent = f"_dmarc.{organizational_domain(record.name.removeprefix('_dmarc.'))}"
        if parent == record.name:
            return _absent(record, answer, [])
        inherited = dns.lookup(parent, "TXT")
        if not inherited.is_conclusive:
            return Verdict(RecordState.UNKNOWN, (), _unanswered(parent, inherited))
        values, name = _dmarc_texts(inherited), parent
        if not values:
            return _absent(record, answer, [])
    shown = _shown(values)
    if len(values) > 1:
        return Verdict(RecordState.WRONG, shown, f"{name} has {len(values)} DMARC records. Leave only one.")
    if tags_of(values[0]).get("p", "").lower() not in ("none", "quarantine", "reject"):
        return Verdict(RecordState.WRONG, shown, f"The DMARC record at {name} has no policy. Add p=none or stricter.")
    return Verdict(RecordState.OK, shown)


def _judge_mx(record: DnsRecord, answer: DnsAnswer) -> Verdict:
    hosts = parse_mx(answer.values)
    if not hosts:
        return _absent(record, answer, [])
    shown = _shown([f"{preference} {host}" for host, preference in hosts])
    host, best = mail_host(), hosts[0][1]
    if any(name == host and preference == best for name, preference in hosts):
        return Verdict(RecordState.OK, shown)
    if record.purpose is Purpose.RETURN_PATH:
        remedy = f"Bounces of mail from this domain go to {hosts[0][0]}. Point the MX of {record.name} to {host}."
    else:
        remedy = (
            f"Mail to {record.name} goes to {hosts[0][0]}, so its mailboxes here receive nothing from outside. Point "
            f"the MX to {host}, or keep it if this domain only sends."
        )
    return Verdict(RecordState.WRONG, shown, remedy)


def tags_of(text: str) -> dict[str, str]:
    """A tag list (RFC 6376 section 3.2): `v=DKIM1; p=...`, white space removed, the first of equal tags."""
    tags: dict[str, str] = {}
    for part in text.split(";"):
        name, equals, value = part.partition("=")
        if equals:
            tags.setdefault(name.strip().lower(), re.sub(r"\s+", "", value))
    return tags


def _dmarc_texts(answer: DnsAnswer) -> list[str]:
    return [value for value in answer.values if tags_of(value).get("v") == "DMARC1"]


def _absent(record: DnsRecord, answer: DnsAnswer, others: Sequence[str]) -> Verdict:
    """Nothing of this kind there. Other values mean that somebody published something, but not this."""
    if others:
        remedy = f"{record.name} has other {record.type} values, but not this one. Add it exactly as shown."
        return Verdict(RecordState.WRONG, _shown(others), remedy)
    what = "does not exist" if answer.outcome is DnsOutcome.NXDOMAIN else f"has no such {record.type} record"
    return Verdict(
        RecordState.MISSING, (), f"{record.name} {what}. Publish it; new records can take an hour to be visible."
    )


def _unanswered(name: str, answer: DnsAnswer) -> str:
    if answer.outcome is DnsOutcome.TIMEOUT:
        return f"DNS did not answer in time for {name}. It is tried again; check that its name servers are reachable."
    return f"The name servers of {name} answer with an error. It is tried again; check the zone and its DNSSEC."


def _shown(values: Sequence[str]) -> tuple[str, ...]:
    """What was found, short enough to store and to show; PostgreSQL takes no NUL."""
    return tuple(value.replace("\x00", "\ufffd")[:_SHOWN_CHARS] for value in values[:_SHOWN_VALUES])
