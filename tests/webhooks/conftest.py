"""A receiver on this machine, and permission to call it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.factories.webhooks import Receiver, receiver
from webhooks import dispatcher


@pytest.fixture
def hook(settings: object) -> Iterator[Receiver]:
    """A receiver that answers 200."""
    settings.WEBHOOK_ALLOW_PRIVATE = True  # type: ignore[attr-defined]
    with receiver() as state:
        yield state


@pytest.fixture
def second_hook(hook: Receiver) -> Iterator[Receiver]:
    """Another receiver."""
    with receiver() as state:
        yield state


@pytest.fixture
def running_dispatcher(transactional_db: None) -> Iterator[None]:
    """Stops the dispatcher that a test wakes."""
    yield
    dispatcher.stop(5)
