"""Every state of a vault's keys with everything that can happen to them."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID, uuid4

import pytest

from common.errors import DomainError
from vault.enums import KeyType
from vault.errors import KeyInUse, KeyMismatch, KeyNotFound, LastPrimaryKey, RecoveryKeyNotFound, TooManyKeys
from vault.keyring import find_key, plan_addition, plan_change, plan_deletion
from vault.limits import PRIMARY_KEYS_MAX


@dataclass(frozen=True)
class Held:
    """A stored key."""

    name: str
    id: UUID
    key_type: str
    auth_digest: bytes


def digest(name: str) -> bytes:
    return name.encode().ljust(32, b".")


def held(name: str) -> Held:
    key_type = KeyType.RECOVERY if name.startswith("r") else KeyType.PRIMARY
    return Held(name, uuid4(), key_type.value, digest(name))


def ring(names: str) -> list[Held]:
    return [held(name) for name in names.split()]


# What is left of the keys after the event, or the refusal. `new` is the key that a change or addition brings.
STATES = {
    "fresh": "p1 r1 r2 r3 r4",
    "two primaries": "p1 p2 r1",
    "one recovery": "p1 r1",
    "no recovery": "p1",
    "empty": "",
}
EVENTS = (
    "change by p1",
    "change by r1",
    "change by p2",
    "change by unknown",
    "add",
    "delete p1",
    "delete r1",
    "delete unknown",
)
Outcome = str | type[DomainError]
TABLE: dict[str, tuple[Outcome, ...]] = {
    "fresh": (
        "new r1 r2 r3 r4",
        "new r2 r3 r4",
        KeyMismatch,
        KeyMismatch,
        "p1 r1 r2 r3 r4 new",
        LastPrimaryKey,
        "p1 r2 r3 r4",
        KeyNotFound,
    ),
    # A change ends every primary key: whoever changes it because it leaked means all of them.
    "two primaries": ("new r1", "new", "new r1", KeyMismatch, "p1 p2 r1 new", "p2 r1", "p1 p2", KeyNotFound),
    "one recovery": ("new r1", "new", KeyMismatch, KeyMismatch, "p1 r1 new", LastPrimaryKey, "p1", KeyNotFound),
    "no recovery": (
        "new",
        RecoveryKeyNotFound,
        KeyMismatch,
        KeyMismatch,
        "p1 new",
        LastPrimaryKey,
        KeyNotFound,
        KeyNotFound,
    ),
    "empty": (
        KeyMismatch,
        RecoveryKeyNotFound,
        KeyMismatch,
        KeyMismatch,
        "new",
        KeyNotFound,
        KeyNotFound,
        KeyNotFound,
    ),
}
CASES = [
    pytest.param(state, event, outcome, id=f"{state}: {event}")
    for state, outcomes in TABLE.items()
    for event, outcome in zip(EVENTS, outcomes, strict=True)
]


def happen(keys: list[Held], event: str) -> list[str]:
    """The names of the keys afterwards, in the order of the table."""
    new, subject = held("new"), event.rpartition(" ")[2]
    if event == "add":
        plan_addition(keys, new.id, new.auth_digest)
        return [key.name for key in keys] + ["new"]
    if event.startswith("delete"):
        gone = plan_deletion(keys, digest(subject))
        return [key.name for key in keys if key is not gone]
    kind = KeyType.RECOVERY if subject.startswith("r") else KeyType.PRIMARY
    removed = plan_change(keys, digest(subject), kind, new.id, new.auth_digest)
    return ["new", *(key.name for key in keys if key not in removed)]


@pytest.mark.parametrize(("state", "event", "outcome"), CASES)
def test_table(state: str, event: str, outcome: Outcome) -> None:
    keys = ring(STATES[state])

    if isinstance(outcome, str):
        assert happen(keys, event) == outcome.split()
    else:
        with pytest.raises(outcome):
            happen(keys, event)


@pytest.mark.parametrize(("proof", "kind"), [("p1", KeyType.RECOVERY), ("r1", KeyType.PRIMARY)])
def test_a_proof_is_not_taken_for_the_other_kind(proof: str, kind: KeyType) -> None:
    with pytest.raises((KeyMismatch, RecoveryKeyNotFound)):
        plan_change(ring("p1 r1"), digest(proof), kind, uuid4(), digest("new"))


@pytest.mark.parametrize("name", ["p1", "r1"])
def test_a_new_key_is_new(name: str) -> None:
    keys = ring("p1 r1")
    known = next(key for key in keys if key.name == name)

    for new_id, new_digest in ((known.id, digest("new")), (uuid4(), known.auth_digest)):
        with pytest.raises(KeyInUse):
            plan_addition(keys, new_id, new_digest)
        with pytest.raises(KeyInUse):
            plan_change(keys, digest("p1"), KeyType.PRIMARY, new_id, new_digest)


def test_a_wrong_proof_does_not_tell_whether_the_new_key_is_known() -> None:
    keys = ring("p1 r1")

    with pytest.raises(KeyMismatch):
        plan_change(keys, digest("unknown"), KeyType.PRIMARY, keys[1].id, keys[1].auth_digest)


def test_primary_keys_are_limited() -> None:
    keys = ring(" ".join(f"p{number}" for number in range(PRIMARY_KEYS_MAX - 1)) + " r1 r2")

    plan_addition(keys, uuid4(), digest("new"))
    with pytest.raises(TooManyKeys):
        plan_addition([*keys, held("p99")], uuid4(), digest("new"))


def test_of_two_primary_keys_either_may_go() -> None:
    assert plan_deletion(ring("p1 p2"), digest("p2")).name == "p2"


@pytest.mark.parametrize(("name", "found"), [("p1", "p1"), ("r2", "r2"), ("gone", None)])
def test_find_key(name: str, found: str | None) -> None:
    key = find_key(ring("p1 r1 r2"), digest(name))

    assert (key.name if key else None) == found
