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
    # Nothing was said to any server, for reasons of this one: try again soon, without counting it as a try.
    NOT_TRIED = "not_tried"
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
    # Makes the envelope sender for the recipients of one SMTP transaction; without it, that is `sender`.
    return_path: Callable[[Sequence[str]], str] | None = None

    def sender_for(self, recipients: Sequence[str]) -> str:
        """Where bounces of a transaction for these recipients go."""
        return self.sender if self.return_path is None else self.return_path(recipients)


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
