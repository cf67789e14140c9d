"""Reads of sending domains. Every one starts from the principal or from an organization."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from django.conf import settings
from django.db.models import Q, QuerySet

from common.domain_names import normalize_domain
from common.ids import parse_uuid
from common.principal import Principal
from common.unset import UNSET, Unset
from mail.domain_states import RECEIVING, DomainStatus
from mail.errors import SendingDomainNotFound, SendingDomainNotVerified
from mail.models import SendingDomain
from mail.models.sending_domain import ID_PREFIX

_RECEIVING = [status.value for status in RECEIVING]


def list_sending_domains(principal: Principal, status: str | None = None) -> list[SendingDomain]:
    """Newest first, failed ones included until they are purged."""
    rows = SendingDomain.objects.visible_to(principal)
    if status is not None:
        rows = rows.filter(status=status)
    return list(rows.order_by("-created_at", "-pk"))


def get_sending_domain(principal: Principal, reference: str) -> SendingDomain:
    """By name or by `sending_domain_<uuid>`. Raises SendingDomainNotFound."""
    row = _find(SendingDomain.objects.visible_to(principal), reference)
    if row is None:
        raise SendingDomainNotFound(_shown(reference))
    return row


def choose_mailbox_domain(organization_id: str, wanted: str | Unset | None) -> str:
    """The domain of a new mailbox, inside the transaction that creates it (the row stays locked until then).

    UNSET: the organization's default, else the platform domain; None: the platform domain; text: one of the
    organization's domains, by name or by `sending_domain_<uuid>`. Raises SendingDomainNotFound 404 and
    SendingDomainNotVerified 409. An unusable default is refused too: an address never moves, so the platform domain
    in its place would be a lasting surprise.
    """
    rows = SendingDomain.objects.select_for_update().filter(organization_id=organization_id)
    if wanted is None:
        return settings.MAIL_DOMAIN
    if wanted is UNSET:
        row = rows.filter(is_default=True).first()
        if row is None:
            return settings.MAIL_DOMAIN
    else:
        if normalize_domain(wanted) == settings.MAIL_DOMAIN:
            return settings.MAIL_DOMAIN
        row = _find(rows, wanted)
        if row is None:
            raise SendingDomainNotFound(_shown(wanted))
    if row.state is not DomainStatus.VERIFIED:
        raise SendingDomainNotVerified(row.domain, row.status, row.failure_reason)
    return row.domain


def domain_for_sending(organization_id: str, domain: str) -> SendingDomain | None:
    """The row behind a mailbox's domain, None on the platform domain. Raises SendingDomainNotVerified.

    Also when the organization has no such row any more: its mailboxes stay readable but send nothing.
    """
    if domain == settings.MAIL_DOMAIN:
        return None
    row = _find(SendingDomain.objects.filter(organization_id=organization_id), domain)
    if row is None:
        raise SendingDomainNotVerified(domain, "not registered")
    if not row.is_sending:
        raise SendingDomainNotVerified(domain, row.status, row.failure_reason)
    return row


def accepting_domains(domains: Collection[str]) -> QuerySet[SendingDomain]:
    """Rows of these names whose mailboxes receive mail; at most one a name."""
    return SendingDomain.objects.filter(
        domain__in=domains, is_owned=True, verified_at__isnull=False, status__in=_RECEIVING
    )


def _find(rows: QuerySet[SendingDomain], reference: str) -> SendingDomain | None:
    """Of several rows of one name all but one have failed; that one counts."""
    if reference.startswith(ID_PREFIX):
        row_id: UUID | None = parse_uuid(reference.removeprefix(ID_PREFIX))
        return rows.filter(pk=row_id).first() if row_id is not None else None
    name = normalize_domain(reference)
    if name is None:
        return None
    found = rows.filter(domain=name)
    return found.filter(~Q(status=DomainStatus.FAILED.value)).first() or found.order_by("-created_at").first()


def _shown(reference: str) -> str:
    """A reference for an error text: hostile input is not echoed at length."""
    return reference[:253] if reference.isprintable() else "This"
