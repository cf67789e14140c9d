"""What one attempt needs, and what it came to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from webhooks.signing import Keys


@dataclass(frozen=True, slots=True)
class Job:
    """Everything one attempt needs, so that sending touches no database."""

    dispatch_id: int | None
    organization_id: str
    identity_id: UUID | None
    subscription_id: UUID
    # None: a test, which is no event and has an id of its own in the body.
    event_id: str | None
    event_type: str
    url: str
    body: str
    # The log keeps the body only when it is not the event's own.
    is_own_body: bool
    request_id: str
    tries: int
    keys: Keys
    auth_token: str | None
    standard_webhooks: bool = False
    is_replay: bool = False
    # Set when the id of the attempt stands in the body already.
    attempt_id: UUID | None = None

    @property
    def wire_event_id(self) -> str:
        """The id in the body: what receivers recognize a repetition by."""
        return self.event_id or f"evt_{self.attempt_id}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one attempt came to."""

    job: Job
    started_at: datetime
    duration_ms: int
    status: int | None = None
    response_body: str | None = None
    error: str | None = None
    retry_after: timedelta | None = None
