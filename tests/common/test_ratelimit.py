"""Rate limits."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest

from common import ratelimit
from common.errors import RateLimited


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    ratelimit.forget_all()
    yield
    ratelimit.forget_all()


def test_the_limit_is_reached_and_says_how_long_to_wait() -> None:
    subject = uuid4().hex
    for _ in range(5):
        ratelimit.hit("test", subject, 5)

    with pytest.raises(RateLimited) as caught:
        ratelimit.hit("test", subject, 5)

    assert caught.value.status == 429
    assert caught.value.retry_after is not None
    assert 1 <= caught.value.retry_after <= 60
    assert caught.value.detail["error"] == "rate_limited"
    assert str(caught.value.retry_after) in caught.value.message


def test_subjects_and_buckets_are_counted_apart() -> None:
    subject = uuid4().hex
    ratelimit.hit("test", subject, 1)

    ratelimit.hit("test", uuid4().hex, 1)
    ratelimit.hit("other", subject, 1)

    with pytest.raises(RateLimited):
        ratelimit.hit("test", subject, 1)


@pytest.mark.parametrize("per_minute", [0, -1])
def test_zero_means_no_limit(per_minute: int) -> None:
    subject = uuid4().hex
    for _ in range(100):
        ratelimit.hit("test", subject, per_minute)

    # Nothing was counted either: the first hit under a limit passes, the second does not.
    ratelimit.hit("test", subject, 1)
    with pytest.raises(RateLimited):
        ratelimit.hit("test", subject, 1)
