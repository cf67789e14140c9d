"""Small database helpers shared by services."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from itertools import islice
from typing import ParamSpec, TypeVar

import structlog
from django.db import OperationalError, connection

log = structlog.get_logger(__name__)

T = TypeVar("T")
P = ParamSpec("P")
# PostgreSQL's serialization_failure and deadlock_detected: the transaction was undone so that another could go on.
_UNDONE = frozenset({"40001", "40P01"})
_REPEATS = 3


def in_transaction() -> bool:
    """True inside a transaction that the code opened (the one a test case wraps around itself does not count)."""
    return any(not getattr(block, "_from_testcase", False) for block in connection.atomic_blocks)


def refuse_in_transaction(what: str) -> None:
    """Raise when called inside a transaction: network I/O there would hold locks for as long as a peer likes."""
    if in_transaction():
        raise RuntimeError(f"{what} inside a database transaction")


def again_when_undone(service: Callable[P, T]) -> Callable[P, T]:
    """Repeat a service whose transaction PostgreSQL undid to resolve a deadlock, at once and at most three times.

    For services that do all they do in one transaction, so that nothing of the first try is left. Called inside a
    transaction of the caller it is that one that was undone, and the error goes on to its service.
    """

    @wraps(service)
    def repeat(*args: P.args, **kwargs: P.kwargs) -> T:
        for _ in range(_REPEATS):
            try:
                return service(*args, **kwargs)
            except OperationalError as error:
                if in_transaction() or getattr(error.__cause__, "sqlstate", None) not in _UNDONE:
                    raise
                log.info("database.undone", service=service.__qualname__, detail=str(error))
        return service(*args, **kwargs)

    return repeat


def batches(rows: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of at most `size` rows, in order."""
    iterator = iter(rows)
    while batch := list(islice(iterator, size)):
        yield batch
