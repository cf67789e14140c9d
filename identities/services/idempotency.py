"""Idempotent sends (contract mail.md section 5): a repeated request gives the first response, once is sent.

The row is written in the transaction that creates the message, so a key is never consumed by a refused request and
never lost by a crash after acceptance.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

import orjson
from django.db import IntegrityError, transaction
from django.db.models import Model

from common.clock import now
from common.errors import Invalid
from identities import limits
from identities.enums import IdempotencyState
from identities.errors import AlreadyAccepted, IdempotencyInProgress, IdempotencyKeyReused
from identities.models import IdempotencyRecord

P = TypeVar("P")


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A caller's key with its scope."""

    organization_id: str
    sender: str
    operation: str
    key: str
    body_hash: bytes
    wants_replay: bool


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """What was, or is now, answered."""

    status: int
    body: bytes
    is_replay: bool


def read_key(
    header: str | None, prefer: str | None, *, organization_id: str, sender_id: UUID, operation: str, body: Any
) -> IdempotencyKey | None:
    """The key of a request, None without the header. Raises Invalid for a key outside 1-255 printable ASCII characters.

    With `Prefer: idempotency-replay` the scope is (organization, sender, operation) and bodies are compared; without
    it (clients 0.6.11 to 0.7.9) the scope is the organization and bodies are not compared.
    """
    if header is None:
        return None
    check_key(header)
    wants_replay = "idempotency-replay" in (prefer or "").lower()
    try:
        canonical = orjson.dumps(body, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
    except orjson.JSONEncodeError:
        raise Invalid("The body is nested too deeply.", loc=("body",)) from None
    digest = hashlib.sha256(canonical).digest()
    return IdempotencyKey(
        organization_id=organization_id,
        sender=str(sender_id) if wants_replay else "",
        operation=operation if wants_replay else "POST",
        key=header,
        body_hash=digest,
        wants_replay=wants_replay,
    )


def check_key(header: str) -> None:
    """Raises Invalid for anything but 1-255 printable ASCII characters that are not all blank."""
    is_printable = header.isascii() and header.isprintable()
    if not header.strip() or len(header) > limits.IDEMPOTENCY_KEY_MAX_CHARS or not is_printable:
        raise Invalid("Idempotency-Key has 1 to 255 printable ASCII characters.", loc=("header", "Idempotency-Key"))


def find_accepted(*, organization_id: str, sender_id: UUID, operation: str, key: str) -> UUID | None:
    """What an accepted request with this key created, as long as the key is kept (7 days).

    Only keys that came with `Prefer: idempotency-replay` name their sender; the older ones are not found.
    """
    rows = IdempotencyRecord.objects.filter(
        organization_id=organization_id,
        sender=str(sender_id),
        operation=operation,
        key=key,
        state=IdempotencyState.DONE.value,
    )
    return rows.values_list("resource_id", flat=True).first()


def run_once(
    key: IdempotencyKey | None, *, prepare: Callable[[], P], work: Callable[[P], tuple[Model, int, bytes]]
) -> StoredResponse:
    """Run `work` in a transaction, at most once per key. It returns the created row, the status and the body.

    `prepare` runs before, outside the transaction, and not at all when the response is already stored. Raises
    IdempotencyKeyReused, IdempotencyInProgress or AlreadyAccepted for a repeated key that cannot be replayed.
    """
    if key is not None and (earlier := _find(key)) is not None:
        return _answer_again(key, earlier)
    prepared = prepare()
    if key is None:
        with transaction.atomic():
            _, status, body = work(prepared)
        return StoredResponse(status, body, is_replay=False)
    record = IdempotencyRecord(
        organization_id=key.organization_id,
        sender=key.sender,
        operation=key.operation,
        key=key.key,
        body_hash=key.body_hash,
        state=IdempotencyState.IN_PROGRESS.value,
    )
    with transaction.atomic():
        try:
            with transaction.atomic():
                record.save(force_insert=True)
        except IntegrityError:
            # PostgreSQL waits here for the other transaction, so its outcome is final by now.
            if (earlier := _find(key)) is not None:
                return _answer_again(key, earlier)
            raise IdempotencyInProgress from None
        row, status, body = work(prepared)
        record.resource_id, record.response_status, record.response_body = row.pk, status, body
        record.state = IdempotencyState.DONE.value
        record.save(update_fields=["state", "resource_id", "response_status", "response_body"])
    return StoredResponse(status, body, is_replay=False)


def _find(key: IdempotencyKey) -> IdempotencyRecord | None:
    return IdempotencyRecord.objects.filter(
        organization_id=key.organization_id,
        sender=key.sender,
        operation=key.operation,
        key=key.key,
    ).first()


def _answer_again(key: IdempotencyKey, record: IdempotencyRecord) -> StoredResponse:
    if not key.wants_replay:
        raise AlreadyAccepted
    if bytes(record.body_hash) != key.body_hash:
        raise IdempotencyKeyReused
    if record.state != IdempotencyState.DONE or record.response_status is None or record.response_body is None:
        raise IdempotencyInProgress
    return StoredResponse(record.response_status, bytes(record.response_body), is_replay=True)


def purge_idempotency() -> int:
    """Delete rows past their retention; returns how many."""
    deleted, _ = IdempotencyRecord.objects.filter(created_at__lt=now() - limits.IDEMPOTENCY_RETENTION).delete()
    return deleted
