"""Which domains and addresses this server receives mail for. For doors and workers, which have no principal."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from uuid import UUID

from django.conf import settings

from common.domain_names import normalize_domain
from common.prepared import Many, Prepared
from mail.addresses import domain_of, normalize_address
from mail.domain_selectors import accepting_domains
from mail.models import Mailbox, SendingDomain

_ACCEPTING: Prepared[SendingDomain] = Prepared(
    lambda names: accepting_domains(names).values_list("domain", "is_receiving"), Many(str)
)


def domains_with_mailboxes(domains: Collection[str]) -> frozenset[str]:
    """Those of `domains` that mailboxes here receive on. One query at most: this runs for every batch of mail."""
    return frozenset(name for name, _ in _lookup(domains))


def hosted_domains(domains: Collection[str]) -> frozenset[str]:
    """Those of `domains` on which everything is delivered locally or bounces.

    A verified domain whose MX record points elsewhere has mailboxes here all the same, but other addresses on it
    belong to the other server.
    """
    return frozenset(name for name, is_receiving in _lookup(domains) if is_receiving)


def is_hosted_domain(domain: str) -> bool:
    """Whether all mail for `domain` ends here."""
    return bool(hosted_domains([domain]))


def receiving_mailboxes(addresses: Iterable[str]) -> dict[str, UUID]:
    """The live mailbox of each address that has one, by the address as given.

    A mailbox on a domain of its own receives while its organization holds the domain, also at the domain's return
    path: bounces for `a@acme.org` come to `a@bounces.acme.org`.
    """
    wanted = {address: _ascii_address(address) for address in addresses}
    wanted = {address: plain for address, plain in wanted.items() if "\x00" not in plain}
    homes = _homes({domain_of(plain) for plain in wanted.values()})
    real = {}
    for address, plain in wanted.items():
        home = homes.get(domain_of(plain))
        if home is not None:
            real[address] = (f"{plain.rpartition('@')[0]}@{home[0]}", home[1])
    names = {plain for plain, _ in real.values()}
    rows = Mailbox.objects.alive().filter(email_address__in=names) if names else Mailbox.objects.none()
    boxes = {name: (pk, of) for name, pk, of in rows.values_list("email_address", "pk", "organization_id")}
    return {
        address: boxes[plain][0]
        for address, (plain, owner) in real.items()
        if plain in boxes and owner in (None, boxes[plain][1])
    }


def suspended_among(mailbox_ids: Iterable[UUID]) -> set[UUID]:
    """Those of the mailboxes that take no mail now, because their organization is suspended."""
    rows = Mailbox.objects.filter(pk__in=list(mailbox_ids), organization__suspended_at__isnull=False)
    return set(rows.values_list("pk", flat=True))


def _homes(domains: set[str]) -> dict[str, tuple[str, str | None]]:
    """For each domain that mail is taken for: whose mailboxes get it, and the only organization they may be of."""
    own = settings.MAIL_DOMAIN
    homes: dict[str, tuple[str, str | None]] = {own: (own, None)} if own in domains else {}
    others = domains - {own}
    if not others:
        return homes
    parents = {domain.partition(".")[2] for domain in others}
    for row in accepting_domains(others | parents):
        bounces = f"{row.mail_from_subdomain}.{row.domain}"
        if row.domain in others:
            # Comes before the return path of another domain that happens to have this name.
            homes[row.domain] = (row.domain, row.organization_id)
        if bounces in others:
            homes.setdefault(bounces, (row.domain, row.organization_id))
    return homes


def _ascii_address(address: str) -> str:
    """As mailboxes are stored: lower case, the domain as A-labels (a peer with SMTPUTF8 may send it otherwise)."""
    plain = normalize_address(address)
    local, _, domain = plain.rpartition("@")
    return plain if domain.isascii() else f"{local}@{normalize_domain(domain) or domain}"


def _lookup(domains: Collection[str]) -> list[tuple[str, bool]]:
    own = settings.MAIL_DOMAIN
    others = {domain for domain in domains if domain != own and "\x00" not in domain}
    found = [(own, True)] if own in domains else []
    if others:
        found += [(name, bool(is_receiving)) for name, is_receiving in _ACCEPTING.tuples(others)]
    return found
