"""Services that are repeated when the database undid them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import OperationalError, transaction

from common.db import again_when_undone

pytestmark = pytest.mark.django_db


class _Cause(Exception):
    def __init__(self, sqlstate: str) -> None:
        super().__init__(sqlstate)
        self.sqlstate = sqlstate


def undone(sqlstate: str = "40P01") -> OperationalError:
    error = OperationalError("deadlock detected")
    error.__cause__ = _Cause(sqlstate)
    return error


def service(*answers: Exception | str) -> tuple[list[int], Callable[[int], str]]:
    """A service that gives these answers in turn, and the numbers it was called with."""
    calls: list[int] = []
    left = list(answers)

    @again_when_undone
    def work(number: int) -> str:
        calls.append(number)
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return calls, work


@pytest.mark.parametrize("sqlstate", ["40P01", "40001"])
def test_what_was_undone_is_done_again(sqlstate: str) -> None:
    calls, work = service(undone(sqlstate), undone(sqlstate), "done")

    assert work(7) == "done"
    assert calls == [7, 7, 7]


def test_three_repeats_are_enough() -> None:
    calls, work = service(*[undone() for _ in range(5)])

    with pytest.raises(OperationalError):
        work(7)
    assert len(calls) == 4


@pytest.mark.parametrize("error", [undone("57014"), OperationalError("database is locked"), ValueError("no")])
def test_other_errors_are_not_repeated(error: Exception) -> None:
    calls, work = service(error, "done")

    with pytest.raises(type(error)):
        work(7)
    assert len(calls) == 1


def test_inside_a_transaction_the_error_goes_to_whoever_opened_it() -> None:
    calls, work = service(undone(), "done")

    with pytest.raises(OperationalError), transaction.atomic():
        work(7)
    assert len(calls) == 1
