"""Register, delete and restore sending domains, choose the default, replace their keys (contract mail.md section 3).

Used by the API, the admin and the console; whoever calls has found the row with a selector of the caller.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import IntegrityError, transaction

from common import ratelimit
from common.clock import now
from common.domain_names import normalize_domain
from common.errors import Forbidden, Invalid, QuotaExceeded
from common.nudge import nudge
from common.principal import Principal
from identities.allowances import allowances_of
from identities.enums import AuditAction
from identities.services.audit import Target, record_audit
from mail import limits
from mail.dns.records import OWNERSHIP_LABEL
from mail.domain_names import parse_new_domain
from mail.domain_selectors import get_sending_domain
from mail.domain_states import CHECKED, DomainEvent, DomainStatus, next_status, restored_status
from mail.errors import (
    DefaultDomainUnavailable,
    SendingDomainInUse,
    SendingDomainNotFound,
    SendingDomainStateWrong,
)
from mail.models import Mailbox, SendingDomain
from mail.services.domain_checks import check_domain
from mail.services.domain_keys import generate_pair, purge_retired_keys, store_keys

DEFAULT_MAIL_FROM = "bounces"
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")


@dataclass(frozen=True, slots=True)
class NewDomain:
    """The body of a registration."""

    domain: str
    # The label below the domain that bounces come back to.
    mail_from_subdomain: str | None = None


@dataclass(frozen=True, slots=True)
class Registration:
    """The row, and whether this call made it."""

    row: SendingDomain
    is_new: bool


def refuse_unless_managing(principal: Principal) -> None:
    """Domains are changed by admin keys, owners and admins. Raises Forbidden."""
    if not principal.manages_organization:
        raise Forbidden("Sending domains are managed with an admin key, or by an admin of the organization.")


def register_domain(principal: Principal, new: NewDomain) -> Registration:
    """Claim a name and make its keys. A name that the organization has already is returned as it is.

    Several organizations may claim a name: it belongs to the one that proves ownership, so a claim takes nothing from
    anybody. Raises Forbidden, Invalid for names that cannot be registered, and QuotaExceeded.
    """
    refuse_unless_managing(principal)
    assert principal.organization_id is not None
    name, label = parse_new_domain(new.domain), parse_mail_from(new.mail_from_subdomain)
    rows = SendingDomain.objects.visible_to(principal)
    mine = rows.filter(domain=name).exclude(status=DomainStatus.FAILED.value)
    if (found := mine.first()) is not None:
        return Registration(found, is_new=False)
    own = allowances_of(principal.organization_id).sending_domains
    most = limits.DOMAINS_PER_ORGANIZATION if own is None else own
    if rows.count() >= most:
        raise QuotaExceeded(f"This organization has at most {most} sending domains. Delete one first.")
    keys = generate_pair()
    moment = now()
    try:
        with transaction.atomic():
            # An earlier attempt that ran out of time has nothing left to say.
            rows.filter(domain=name, status=DomainStatus.FAILED.value).delete()
            row = SendingDomain.objects.create(
                organization_id=principal.organization_id,
                domain=name,
                ownership_token=secrets.token_hex(20),
                mail_from_subdomain=label,
                created_at=moment,
                next_check_at=moment,
                window_ends_at=moment + limits.DOMAIN_WINDOW,
            )
            store_keys(row, keys)
            nudge("mail.check_domain", row.pk)
            _record(row, AuditAction.DOMAIN_REGISTERED)
    except IntegrityError:
        # Two registrations at once: the other one made it.
        return Registration(mine.get(), is_new=False)
    return Registration(row, is_new=True)


def verify_domain(principal: Principal, row: SendingDomain) -> SendingDomain:
    """Look at DNS now (up to 12 seconds) and return the row as it is then.

    Raises RateLimited past 10 checks a minute and organization, SendingDomainStateWrong when nothing is checked.
    """
    refuse_unless_managing(principal)
    if row.state not in CHECKED:
        raise SendingDomainStateWrong(row.domain, row.status, _NOT_CHECKED[row.state])
    ratelimit.hit("domain-checks", row.organization_id, limits.DOMAIN_CHECKS_PER_MINUTE)
    check_domain(row.pk, is_forced=True)
    return _again(row)


_NOT_CHECKED = {
    DomainStatus.FAILED: "Register it again to start over.",
    DomainStatus.PENDING_DELETION: "Restore it first.",
}


def rotate_domain_keys(principal: Principal, row: SendingDomain) -> SendingDomain:
    """Make new DKIM keys. The old ones sign until the new records are visible, at most for 72 hours.

    Raises SendingDomainStateWrong unless the domain is verified.
    """
    refuse_unless_managing(principal)
    keys = generate_pair()
    with transaction.atomic():
        locked = _lock(row)
        if locked.state is not DomainStatus.VERIFIED:
            remedy = "Keys are replaced while a domain is verified and no other replacement is under way."
            raise SendingDomainStateWrong(locked.domain, locked.status, remedy)
        moment = now()
        store_keys(locked, keys)
        locked.status = next_status(locked.state, DomainEvent.ROTATION_STARTED).value
        locked.rotation_ends_at = moment + limits.DOMAIN_ROTATION_WINDOW
        locked.next_check_at = moment
        locked.save()
        _record(locked, AuditAction.DOMAIN_KEYS_ROTATED)
    return locked


def set_default_domain(principal: Principal, reference: str) -> str | None:
    """Make a verified domain the default of new mailboxes; the platform domain clears it. Returns the default's name.

    Existing mailboxes stay where they are. Raises Forbidden, SendingDomainNotFound and DefaultDomainUnavailable.
    """
    refuse_unless_managing(principal)
    with transaction.atomic():
        rows = SendingDomain.objects.visible_to(principal).select_for_update().order_by("pk")
        if normalize_domain(reference) == settings.MAIL_DOMAIN:
            list(rows)
            if rows.filter(is_default=True).update(is_default=False, updated_at=now()):
                assert principal.organization_id is not None
                target = Target("", settings.MAIL_DOMAIN)
                record_audit(principal.organization_id, AuditAction.DOMAIN_DEFAULT_CHANGED, target)
            return None
        wanted = get_sending_domain(principal, reference).pk
        locked = {row.pk: row for row in rows}
        row = locked.get(wanted)
        if row is None:
            raise SendingDomainNotFound(reference[:253])
        if row.state is not DomainStatus.VERIFIED:
            raise DefaultDomainUnavailable(row.domain, row.status)
        rows.filter(is_default=True).exclude(pk=row.pk).update(is_default=False, updated_at=now())
        if rows.filter(pk=row.pk, is_default=False).update(is_default=True, updated_at=now()):
            _record(row, AuditAction.DOMAIN_DEFAULT_CHANGED)
    return row.domain


def request_domain_deletion(principal: Principal, row: SendingDomain) -> None:
    """Delete in 24 hours; a failed one at once. Doing it twice does not start the day anew.

    Raises SendingDomainInUse while mailboxes are on the domain.
    """
    refuse_unless_managing(principal)
    with transaction.atomic():
        locked = _lock(row)
        if locked.state is DomainStatus.PENDING_DELETION:
            return
        if locked.state is DomainStatus.FAILED:
            _record(locked, AuditAction.DOMAIN_DELETION_REQUESTED)
            locked.delete()
            return
        boxes = Mailbox.objects.alive().filter(
            organization_id=locked.organization_id, email_address__endswith=f"@{locked.domain}"
        )
        if count := boxes.count():
            raise SendingDomainInUse(locked.domain, count)
        locked.status_before_deletion = locked.status
        locked.status = next_status(locked.state, DomainEvent.DELETION_REQUESTED).value
        locked.is_default = False
        locked.purge_at = now() + limits.DOMAIN_DELETION_DELAY
        locked.save()
        _record(locked, AuditAction.DOMAIN_DELETION_REQUESTED)


def restore_domain(principal: Principal, row: SendingDomain) -> SendingDomain:
    """Undo a deletion request. The domain is what it was before, and is looked at again at once.

    Raises SendingDomainStateWrong when nothing is to be undone. It does not become the default again.
    """
    refuse_unless_managing(principal)
    with transaction.atomic():
        locked = _lock(row)
        if locked.state is not DomainStatus.PENDING_DELETION:
            raise SendingDomainStateWrong(locked.domain, locked.status, "Only a deleted domain can be restored.")
        locked.status = restored_status(DomainStatus(locked.status_before_deletion)).value
        locked.status_before_deletion = ""
        locked.purge_at, locked.checking_until, locked.next_check_at = None, None, now()
        locked.save()
        nudge("mail.check_domain", locked.pk)
        _record(locked, AuditAction.DOMAIN_RESTORED)
    return locked


def purge_domains(moment: datetime) -> int:
    """Remove rows whose time is over with their keys, and retired keys of others; returns how many rows."""
    purged = 0
    due = SendingDomain.objects.filter(purge_at__lte=moment).values_list("pk", flat=True)
    for pk in list(due[: limits.DOMAIN_SWEEP]):
        with transaction.atomic():
            row = SendingDomain.objects.select_for_update().filter(pk=pk, purge_at__lte=moment).first()
            if row is not None:
                row.delete()
                purged += 1
    purge_retired_keys(moment)
    return purged


def _record(row: SendingDomain, action: AuditAction) -> None:
    record_audit(row.organization_id, action, Target(row.pk, row.domain))


def _lock(row: SendingDomain) -> SendingDomain:
    found = SendingDomain.objects.select_for_update().filter(pk=row.pk).first()
    if found is None:
        raise SendingDomainNotFound(row.domain)
    return found


def _again(row: SendingDomain) -> SendingDomain:
    found = SendingDomain.objects.filter(pk=row.pk).first()
    if found is None:
        raise SendingDomainNotFound(row.domain)
    return found


def parse_mail_from(raw: str | None) -> str:
    """The label below a domain that bounces come back to, `bounces` by default. Raises Invalid."""
    label = (raw or DEFAULT_MAIL_FROM).strip().lower()
    if not _LABEL.fullmatch(label) or label == OWNERSHIP_LABEL:
        raise Invalid(
            "Send one label of letters, digits and hyphens, such as bounces.", loc=("body", "mail_from_subdomain")
        )
    return label
