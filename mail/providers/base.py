"""What a transport is given and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol
from uuid import UUID


class Outcome(StrEnum):
    """What became of one recipient."""

    ACCEPTED = "accepted"
    # A temporary failure (SMTP 4xx, connection refused): try again later.
    DEFERRED = "deferred"
    # A permanent failure (SMTP 5xx): never try again.
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Envelope:
    """One message for some of its recipients. `content` is complete RFC 5322 bytes, DKIM-signed where possible."""

    message_row_id: UUID
    organization_id: str
    sender: str
    recipients: tuple[str, ...]
    content: bytes


@dataclass(frozen=True, slots=True)
class RecipientResult:
    """The answer for one recipient; `detail` is the provider's text, without message content."""

    address: str
    outcome: Outcome
    detail: str = ""
    provider_id: str = ""


class OutcomeUnknown(Exception):
    """The connection broke after the message was handed over: it may or may not have been accepted."""


class Transport(Protocol):
    """Sends an envelope. Blocking; called outside any transaction, in a worker thread."""

    name: str

    def send(self, envelope: Envelope, hand_off: Callable[[], None]) -> Sequence[RecipientResult]:
        """A result for every recipient.

        `hand_off()` must be called right before the first byte that may cause a delivery: it records durably that
        the outcome is unknown from now on. Raise OutcomeUnknown when the answer is lost after that moment; every
        other failure is expressed in the results.
        """
        ...
