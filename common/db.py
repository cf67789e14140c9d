"""Small database helpers shared by services."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

from django.db import connection

T = TypeVar("T")


def in_transaction() -> bool:
    """True inside a transaction that the code opened (the one a test case wraps around itself does not count)."""
    return any(not getattr(block, "_from_testcase", False) for block in connection.atomic_blocks)


def refuse_in_transaction(what: str) -> None:
    """Raise when called inside a transaction: network I/O there would hold locks for as long as a peer likes."""
    if in_transaction():
        raise RuntimeError(f"{what} inside a database transaction")


def batches(rows: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of at most `size` rows, in order."""
    iterator = iter(rows)
    while batch := list(islice(iterator, size)):
        yield batch
