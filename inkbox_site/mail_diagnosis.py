"""What `manage.py doctor` says about DNS: of the platform mail domain, of its host, and of sending domains."""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings
from django.db import Error as DatabaseError

from common.dns import DnsClient, dns_client, reverse_name
from inkbox_site.checks import is_local_name
from inkbox_site.findings import FAIL, OK, WARN, Finding
from mail.dns.records import (
    MX_PREFERENCE,
    DnsRecord,
    Purpose,
    RecordState,
    dkim_record,
    examine_record,
    mail_host,
    policy_records,
)
from mail.dns.spf import SpfInvalid
from mail.domain_states import SENDING, DomainStatus
from mail.models import DkimKey, SendingDomain
from mail.providers.mta_sts import Mode, fetch_policy, parse_policy, parse_record
from mail.providers.registry import speaks_smtp
from mail.services.domain_checks import domain_records
from mail.services.domain_keys import keys_of

# A budget of 12 seconds each: past that many, doctor says so instead of taking minutes.
_DOMAINS_LOOKED_AT = 10
_NOT_LOOKED_AT = (DomainStatus.FAILED.value, DomainStatus.PENDING_DELETION.value)


def examine_mail_domain() -> Iterator[Finding]:
    """Mail from other servers finds its way here, and mail from here is believed there."""
    domain = settings.MAIL_DOMAIN
    if is_local_name(domain):
        yield Finding("mail domain", OK, f"{domain} works on this machine only, so it needs no DNS records")
        return
    if is_local_name(settings.SMTP_HOST):
        remedy = "Set INKBOX_SMTP_HOST=0.0.0.0 and INKBOX_SMTP_PORT=25, or forward port 25 to it."
        yield Finding("mail domain", WARN, f"SMTP listens on {settings.SMTP_HOST} only", remedy)
    try:
        records = [row for row in policy_records(domain, "bounces") if row.purpose is not Purpose.RETURN_PATH]
    except SpfInvalid:
        return  # the settings' own finding
    dns = dns_client()
    for record in records:
        yield _judged("mail domain", dns, record, WARN)
    yield from _examine_return_path(dns, domain)
    yield from _examine_keys(dns, domain)
    yield from _examine_host(dns)
    yield from _examine_sts(dns, domain)


def examine_sending_domains() -> Iterator[Finding]:
    """Records of the organizations' domains, as DNS has them now. Nothing is changed."""
    try:
        rows = list(SendingDomain.objects.exclude(status__in=_NOT_LOOKED_AT).order_by("-verified_at", "pk"))
        for row in rows[:_DOMAINS_LOOKED_AT]:
            yield from _examine_domain(row)
    except (DatabaseError, SpfInvalid):
        return  # these have findings of their own
    if len(rows) > _DOMAINS_LOOKED_AT:
        remedy = "The server checks them all on its own; their state is in the admin under sending domains."
        yield Finding("sending domain", OK, f"{len(rows) - _DOMAINS_LOOKED_AT} more were not looked at here", remedy)


def _examine_domain(row: SendingDomain) -> Iterator[Finding]:
    dns = dns_client()
    # Mail that goes out and is not believed is worse than a domain that is not ready yet.
    severity = FAIL if row.state in SENDING else WARN
    records = domain_records(row, keys_of(row))
    found = [_judged("sending domain", dns, record, severity if record.is_required else WARN) for record in records]
    wrong = [finding for finding in found if finding.status != OK]
    yield from wrong
    if not wrong:
        yield Finding("sending domain", OK, f"{row.domain} ({row.status}): all {len(records)} records are right")


def _examine_return_path(dns: DnsClient, domain: str) -> Iterator[Finding]:
    """Bounces of mail over SMTP come back to signed addresses of the domain, so its MX has to lead here."""
    if settings.MAIL_RETURN_PATH != "verp" or not speaks_smtp(settings.MAIL_TRANSPORT):
        return
    record = DnsRecord(Purpose.RETURN_PATH, "MX", domain, f"{MX_PREFERENCE} {mail_host()}")
    yield _judged("return path", dns, record, WARN)


def _examine_sts(dns: DnsClient, domain: str) -> Iterator[Finding]:
    """The domain's own promise of TLS to those who write to it (RFC 8461). Having none is fine, a wrong one is not."""
    answer = dns.lookup(f"_mta-sts.{domain}", "TXT")
    if not answer.is_conclusive:
        remedy = "DNS did not answer. Run doctor again; check that the domain's name servers are reachable."
        yield Finding("MTA-STS", WARN, f"The record of _mta-sts.{domain} could not be looked up", remedy)
        return
    if not answer.values:
        remedy = "Optional: it makes others insist on TLS. See Mail DNS set-up in docs/operations.md."
        yield Finding("MTA-STS", OK, f"{domain} publishes no policy", remedy)
        return
    if parse_record(answer.values) is None:
        remedy = f'Publish exactly one record of this form: _mta-sts.{domain}. IN TXT "v=STSv1; id=20260101"'
        yield Finding("MTA-STS", WARN, f"The record of _mta-sts.{domain} is not usable", remedy)
        return
    host = f"mta-sts.{domain}"
    addresses = [address for kind in ("A", "AAAA") for address in dns.lookup(host, kind).values]
    policy = parse_policy(fetch_policy(domain, addresses) or "")
    if policy is None:
        remedy = f"Serve the policy as text/plain, with a certificate for {host}, or remove the record."
        yield Finding("MTA-STS", WARN, f"https://{host}/.well-known/mta-sts.txt has no usable policy", remedy)
    elif policy.mode is not Mode.NONE and not policy.allows(mail_host()):
        # In the mode enforce, others hold their mail back.
        status = FAIL if policy.mode is Mode.ENFORCE else WARN
        remedy = f"Add the line `mx: {mail_host()}` to the policy, and change the id in the record."
        yield Finding("MTA-STS", status, f"The policy of {domain} does not name {mail_host()}", remedy)
    elif policy.mode is Mode.ENFORCE and not settings.SMTP_TLS_CERT:
        remedy = "Set INKBOX_SMTP_TLS_CERT and INKBOX_SMTP_TLS_KEY: without TLS here, others hold their mail back."
        yield Finding("MTA-STS", FAIL, f"The policy of {domain} promises TLS, and SMTP has no certificate", remedy)
    else:
        yield Finding("MTA-STS", OK, f"The policy of {domain} is right ({policy.mode.value})")


def _examine_keys(dns: DnsClient, domain: str) -> Iterator[Finding]:
    try:
        keys = list(DkimKey.objects.filter(domain=domain, is_active=True).order_by("pk"))
    except DatabaseError:
        return
    for key in keys:
        record = dkim_record(domain, key.selector, key.dns_record, is_required=True)
        yield _judged("mail domain", dns, record, WARN)
    if not keys:
        remedy = f"Run: manage.py dkim create --domain {domain}, and publish the record that it prints."
        yield Finding("mail domain", WARN, f"{domain} has no DKIM key, so its mail is not signed", remedy)


def _examine_host(dns: DnsClient) -> Iterator[Finding]:
    """The name in the MX record, and whether its address leads back to it."""
    host = mail_host()
    answers = [dns.lookup(host, kind) for kind in ("A", "AAAA")]
    addresses = [address for answer in answers for address in answer.values]
    if not addresses:
        remedy = f"Publish an address record (A, AAAA) for {host}: mail servers connect to it."
        yield Finding("mail host", WARN, f"{host} has no address in DNS", remedy)
        return
    yield Finding("mail host", OK, f"{host} is {', '.join(addresses)}")
    if settings.MAIL_TRANSPORT != "mx":
        return  # somebody else connects to the recipients' servers
    for address in addresses:
        names = dns.lookup(reverse_name(address), "PTR").values
        if host in names:
            yield Finding("reverse DNS", OK, f"{address} is {host}")
        else:
            shown = f"is {', '.join(names)}, not {host}" if names else "has no name"
            remedy = f"Ask the provider of the address to set its reverse DNS (PTR) to {host}: many servers insist."
            yield Finding("reverse DNS", WARN, f"{address} {shown}", remedy)


def _judged(subject: str, dns: DnsClient, record: DnsRecord, severity: str) -> Finding:
    verdict = examine_record(dns, record)
    what = f"{record.purpose.value.upper().replace('_', ' ')} of {record.name}"
    if verdict.state is RecordState.OK:
        return Finding(subject, OK, f"{what} is right")
    if verdict.state is RecordState.UNKNOWN:
        return Finding(subject, WARN, f"{what} could not be looked up", verdict.remedy)
    publish = f" Record: {record.zone_line}" if verdict.state is RecordState.MISSING else ""
    return Finding(subject, severity, f"{what} is {verdict.state.value}", f"{verdict.remedy}{publish}")
