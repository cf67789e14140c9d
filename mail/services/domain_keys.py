"""DKIM keys of sending domains: an RSA and an Ed25519 key at a time, replaced with overlap.

A key signs only from when its record is visible. After a rotation the old key stays published for a week, because
mail that it signed may still be on its way; then its private half is destroyed.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from common.sealed import seal
from mail import limits
from mail.dkim import generate_key
from mail.dns.records import DnsRecord, dkim_record
from mail.enums import DkimAlgorithm
from mail.models import DkimKey, SendingDomain
from mail.services.dkim_keys import KEY_PURPOSE

_SELECTOR_KINDS = {DkimAlgorithm.RSA: "r", DkimAlgorithm.ED25519: "e"}


@dataclass(frozen=True, slots=True)
class NewKey:
    """A generated pair. Making an RSA key takes a tenth of a second and more, so it is done before a transaction."""

    selector: str
    algorithm: DkimAlgorithm
    sealed_private_key: bytes
    dns_record: str


def generate_pair() -> list[NewKey]:
    """One key of each algorithm, under selectors that nobody has used."""
    name = f"ib{secrets.token_hex(5)}"
    keys = []
    for algorithm, suffix in _SELECTOR_KINDS.items():
        pem, record = generate_key(algorithm)
        keys.append(NewKey(f"{name}{suffix}", algorithm, seal(KEY_PURPOSE, pem), record))
    return keys


def store_keys(row: SendingDomain, keys: Sequence[NewKey]) -> None:
    """Keep generated keys, inactive until their records are visible."""
    DkimKey.objects.bulk_create(
        DkimKey(
            domain=row.domain,
            selector=key.selector,
            algorithm=key.algorithm.value,
            sealed_private_key=key.sealed_private_key,
            dns_record=key.dns_record,
            is_active=False,
            sending_domain=row,
        )
        for key in keys
    )


def keys_of(row: SendingDomain) -> list[DkimKey]:
    """Oldest first."""
    return list(DkimKey.objects.filter(sending_domain=row).order_by("pk"))


def record_of(key: DkimKey) -> DnsRecord:
    """What to publish for a key. Ed25519 is optional: many receivers do not check it yet (RFC 8463)."""
    return dkim_record(
        key.domain,
        key.selector,
        key.dns_record,
        is_required=key.algorithm == DkimAlgorithm.RSA and key.retire_at is None,
    )


def is_rotating(keys: Sequence[DkimKey]) -> bool:
    """Whether a newer RSA key waits to replace the one that signs."""
    current = [key for key in keys if key.algorithm == DkimAlgorithm.RSA and key.retire_at is None]
    return len(current) > 1


def use_visible_keys(
    keys: Sequence[DkimKey], visible: Collection[UUID], absent: Collection[UUID], moment: datetime
) -> None:
    """Sign with the newest visible key of each algorithm and let its predecessors retire.

    `absent` are keys that are certainly not published: an Ed25519 key among them stops signing, while the last RSA
    key does not, because then the domain is degraded and sends nothing.
    """
    for algorithm in DkimAlgorithm:
        current = [key for key in keys if key.algorithm == algorithm and key.retire_at is None]
        chosen = next((key for key in reversed(current) if key.pk in visible), None)
        if chosen is None:
            if algorithm is not DkimAlgorithm.RSA:
                gone = [key.pk for key in current if key.pk in absent]
                DkimKey.objects.filter(pk__in=gone, is_active=True).update(is_active=False)
            continue
        older = [key.pk for key in current if key.pk < chosen.pk]
        DkimKey.objects.filter(pk__in=older).update(is_active=False, retire_at=moment + limits.DKIM_RETIREMENT)
        others = [key.pk for key in current if key.pk > chosen.pk]
        DkimKey.objects.filter(pk__in=others).update(is_active=False)
        DkimKey.objects.filter(pk=chosen.pk).update(is_active=True)


def drop_unused_keys(keys: Sequence[DkimKey]) -> None:
    """Give a rotation up: of each algorithm only the oldest current key stays, which is the one that was used."""
    for algorithm in DkimAlgorithm:
        current = [key for key in keys if key.algorithm == algorithm and key.retire_at is None]
        DkimKey.objects.filter(pk__in=[key.pk for key in current[1:]]).delete()


def stop_signing_for(row: SendingDomain) -> None:
    """No key of this claim signs any more; another organization may hold the name next."""
    DkimKey.objects.filter(sending_domain=row).update(is_active=False)


def purge_retired_keys(moment: datetime) -> int:
    """Destroy private keys whose time of overlap has passed; returns how many."""
    return DkimKey.objects.filter(sending_domain__isnull=False, retire_at__lte=moment).delete()[0]
