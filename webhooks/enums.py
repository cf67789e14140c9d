"""Values that go on the wire or into rows."""

from __future__ import annotations

from enum import StrEnum


class SubscriptionStatus(StrEnum):
    """Callers only ever see `active`; a deleted row stays so that the delivery log keeps its id."""

    ACTIVE = "active"
    DELETED = "deleted"


class DispatchState(StrEnum):
    """Life of one event on its way to one subscription."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class CircuitState(StrEnum):
    """Whether an endpoint is being sent to. `gone`: it answered 410 and is left alone until its owner changes it."""

    CLOSED = "closed"
    OPEN = "open"
    GONE = "gone"


class Selector(StrEnum):
    """Which kind of owner a subscription was created with."""

    IDENTITY = "identity"
    MAILBOX = "mailbox"
    PHONE_NUMBER = "phone_number"
