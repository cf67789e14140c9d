"""When programs write too much: budgets of exchanged and of bounced mail, the loops that mail headers show. Pure.

Only what goes back and forth counts: `exchanged` is twice the smaller direction. An agent that reports to another one a
thousand times an hour is no loop; two that answer each other are.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Budget:
    """So many exchanged messages in a window; 0 is no limit."""

    messages: int
    window: timedelta

    def describe(self, where: str) -> str:
        """Why an exchange is paused, for people and agents."""
        minutes = int(self.window.total_seconds() // 60)
        return f"{self.messages} messages went back and forth {where} within {minutes} minutes."


def exchanged(sent: float, received: float) -> float:
    """How many messages of two directions answer each other."""
    return 2 * min(sent, received)


def is_spent(sent: float, received: float, budget: Budget) -> bool:
    """Whether the next message would go over the budget."""
    return budget.messages > 0 and exchanged(sent, received) >= budget.messages


def drained(level: float, elapsed: timedelta, budget: Budget) -> float:
    """A direction's count after a time without mail: a leaky bucket, which half a budget leaves in a window.

    It holds one message more than that half, so that a steady flow at the budget's own rate does not spend it, and one
    that is a little faster does.
    """
    if budget.messages <= 0:
        return 0.0
    capacity = budget.messages / 2
    return max(0.0, min(level, capacity + 1) - capacity * (max(elapsed, timedelta()) / budget.window))


@dataclass(frozen=True, slots=True)
class BounceBudget:
    """How much of what a mailbox sends may come back: a share in percent (0: no limit), from so many bounces on."""

    percent: int
    at_least: int

    def describe(self, bounced: int, settled: int) -> str:
        """Why sending is paused, for people and agents."""
        return f"{bounced} of the last {settled} addresses that it wrote to bounced or complained."


def bounces_too_much(bounced: int, settled: int, budget: BounceBudget) -> bool:
    """Whether a sender with this record has to stop. A few bounces are nobody's fault, whatever share they are."""
    return budget.percent > 0 and bounced >= budget.at_least and bounced * 100 >= budget.percent * settled


def received_count(content: bytes) -> int:
    """How many servers a message has passed (RFC 5321 section 6.3)."""
    end = content.find(b"\r\n\r\n")
    header = content[: end if end >= 0 else len(content)].lower()
    return header.count(b"\nreceived:") + header.startswith(b"received:")
