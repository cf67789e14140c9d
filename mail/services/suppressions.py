"""The suppression lists: what bounces and complaints add, what people add and remove, and the refusal to send."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Q

from common.clock import now
from common.errors import Forbidden, Invalid
from common.ids import parse_uuid
from common.prepared import Many, Prepared
from common.principal import Principal
from mail import limits
from mail.addresses import normalize_address, parse_recipient
from mail.enums import SuppressionReason, SuppressionSource
from mail.errors import RecipientSuppressed, SuppressionNotFound
from mail.models import Suppression

_PURGE_LIMIT = 5000
# Every send asks this.
_LISTED = Prepared(
    lambda organization_id, moment, addresses: Suppression.objects.filter(
        Q(organization_id=organization_id) | Q(organization_id__isnull=True),
        Q(expires_at__isnull=True) | Q(expires_at__gt=moment),
        address__in=addresses,
    ),
    str,
    datetime,
    Many(str),
)


@dataclass(frozen=True, slots=True)
class NewSuppression:
    """The body of a manual entry."""

    address: str
    detail: str = ""
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """An address that failed, and why it should not be tried again."""

    address: str
    reason: SuppressionReason
    detail: str


def refuse_suppressed(organization_id: str, addresses: Collection[str]) -> None:
    """Raise RecipientSuppressed for the first of `addresses` on the organization's list or the operator's."""
    wanted = {normalize_address(address): address for address in addresses}
    rows = _LISTED.objects(organization_id, now(), wanted)
    found = {row.address: row for row in rows}
    for key, address in wanted.items():
        if key in found:
            raise RecipientSuppressed(address, found[key])


def suppress_failures(
    organization_id: str, message_id: UUID, source: SuppressionSource, failures: Iterable[Failure]
) -> None:
    """Add addresses that failed, inside the caller's transaction. What is listed for longer already stays as it is."""
    for failure in failures:
        lifetime = limits.SUPPRESSION_LIFETIMES.get(failure.reason)
        _put(
            organization_id,
            normalize_address(failure.address),
            {
                "reason": failure.reason.value,
                "source": source.value,
                "detail": failure.detail[: limits.SUPPRESSION_DETAIL_MAX_CHARS],
                "message_id": message_id,
                "expires_at": now() + lifetime if lifetime is not None else None,
            },
        )


def add_suppression(principal: Principal, new: NewSuppression) -> Suppression:
    """Put an address on the caller's list. Repeating it updates note and expiry. Raises Invalid, Forbidden."""
    _require_manager(principal)
    address = parse_recipient(new.address)
    if address is None:
        raise Invalid("This is not an email address. Send a bare address such as ada@example.com.", loc=("address",))
    if new.expires_at is not None and new.expires_at <= now():
        raise Invalid("Choose a moment in the future, or leave expires_at out.", loc=("expires_at",))
    assert principal.organization_id is not None
    values = {
        "reason": SuppressionReason.MANUAL.value,
        "source": SuppressionSource.API.value,
        "detail": new.detail,
        "expires_at": new.expires_at,
        "message_id": None,
    }
    return _put(principal.organization_id, normalize_address(address), values, replaces=True)


def get_suppression(principal: Principal, row_id: str) -> Suppression:
    """One row of the caller's list. Raises SuppressionNotFound."""
    pk = parse_uuid(row_id)
    row = Suppression.objects.visible_to(principal).active().filter(pk=pk).first() if pk is not None else None
    if row is None:
        raise SuppressionNotFound
    return row


def remove_suppression(principal: Principal, row_id: str) -> None:
    """Take an address off the caller's list. Raises SuppressionNotFound, Forbidden."""
    _require_manager(principal)
    get_suppression(principal, row_id).delete()


def purge_suppressions() -> int:
    """Remove expired rows; returns how many."""
    expired = Suppression.objects.filter(expires_at__lte=now()).values_list("pk", flat=True)[:_PURGE_LIMIT]
    return Suppression.objects.filter(pk__in=list(expired)).delete()[0]


def _require_manager(principal: Principal) -> None:
    if not principal.manages_organization:
        raise Forbidden("Only an admin key, an owner or an admin may change the suppression list.")


def _put(organization_id: str, address: str, values: Mapping[str, Any], *, replaces: bool = False) -> Suppression:
    """Insert, or update the row that is there when that makes it last longer (or `replaces`)."""
    try:
        with transaction.atomic():
            return Suppression.objects.create(organization_id=organization_id, address=address, **values)
    except IntegrityError:
        row = Suppression.objects.select_for_update().get(organization_id=organization_id, address=address)
    if replaces or _ends_before(row.expires_at, values["expires_at"]):
        for name, value in values.items():
            setattr(row, name, value)
        row.save()
    return row


def _ends_before(expires_at: datetime | None, other: object) -> bool:
    if expires_at is None:
        return False
    return other is None or (isinstance(other, datetime) and expires_at < other)
