"""The rules of the audit chain: what is hashed, and what of a chain does not fit. Pure.

A row's hash is SHA-256 over its canonical JSON (keys sorted, no spaces, ASCII, times in UTC with microseconds), which
includes the hash of the row before. So a changed, removed or moved row shows, unless all that follow are changed too,
and the head with them: keep a printed head elsewhere to rule that out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol


class Entry(Protocol):
    """A row of the log."""

    organization_id: str
    seq: int
    created_at: datetime
    actor_kind: str
    actor_id: str
    actor_label: str
    action: str
    target_id: str
    target_label: str
    details: Any
    previous_hash: str
    hash: str


@dataclass(frozen=True, slots=True)
class Head:
    """The last row of a chain; seq 0 is an empty chain."""

    seq: int = 0
    hash: str = ""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong at one place of a chain."""

    seq: int
    what: str


def canonical_json(fields: Mapping[str, Any]) -> bytes:
    """The one spelling of a JSON object."""
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def entry_hash(entry: Entry) -> str:
    """The hash that belongs to the fields of a row."""
    fields = {
        "organization_id": entry.organization_id,
        "seq": entry.seq,
        "created_at": entry.created_at.astimezone(UTC).isoformat(timespec="microseconds"),
        "actor_kind": entry.actor_kind,
        "actor_id": entry.actor_id,
        "actor_label": entry.actor_label,
        "action": entry.action,
        "target_id": entry.target_id,
        "target_label": entry.target_label,
        "details": entry.details,
        "previous_hash": entry.previous_hash,
    }
    return hashlib.sha256(canonical_json(fields)).hexdigest()


def chain_faults(entries: Iterable[Entry], head: Head) -> Iterator[Fault]:
    """Everything that does not fit in a chain, given in the order of `seq` up to its head."""
    seq, previous = 0, ""
    for entry in entries:
        if entry.seq == seq:
            yield Fault(entry.seq, "two rows have this number")
        elif entry.seq != seq + 1:
            missing = f"row {seq + 1} is" if entry.seq == seq + 2 else f"rows {seq + 1} to {entry.seq - 1} are"
            yield Fault(entry.seq, f"{missing} missing before it")
        elif entry.previous_hash != previous:
            yield Fault(entry.seq, "it does not follow from the row before it")
        if entry_hash(entry) != entry.hash:
            yield Fault(entry.seq, "it was changed")
        seq, previous = entry.seq, entry.hash
    if seq < head.seq:
        yield Fault(head.seq, f"the chain ends at row {seq} instead")
    elif (seq, previous) != (head.seq, head.hash):
        yield Fault(seq, "it is not the row that the chain ended with")
