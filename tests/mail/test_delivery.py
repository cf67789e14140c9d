"""The delivery state machine (contract mail.md sections 4.8 and 11)."""

from __future__ import annotations

from itertools import combinations_with_replacement

import pytest

from mail.delivery import TRANSITIONS, events_between, message_status, next_state
from mail.enums import MailEvent, MessageStatus, RecipientState

P, S, D, B, F, U = (
    RecipientState.PENDING,
    RecipientState.SENT,
    RecipientState.DELIVERED,
    RecipientState.BOUNCED,
    RecipientState.FAILED,
    RecipientState.UNCERTAIN,
)
QUEUED, SENT, DELIVERED, BOUNCED, FAILED = (
    MessageStatus.QUEUED,
    MessageStatus.SENT,
    MessageStatus.DELIVERED,
    MessageStatus.BOUNCED,
    MessageStatus.FAILED,
)
# state: what it becomes on pending, sent, delivered, bounced, failed, uncertain.
TABLE = {
    P: (P, S, D, B, F, U),
    S: (S, S, D, B, F, S),
    D: (D, D, D, B, D, D),
    B: (B, B, B, B, B, B),
    F: (F, F, F, F, F, F),
    U: (U, S, D, B, F, U),
}


@pytest.mark.parametrize("state", RecipientState)
@pytest.mark.parametrize(("number", "event"), list(enumerate((P, S, D, B, F, U))))
def test_every_state_on_every_event(state: RecipientState, number: int, event: RecipientState) -> None:
    assert next_state(state, event) is TABLE[state][number]


def test_the_table_knows_every_state() -> None:
    assert set(TRANSITIONS) == set(RecipientState)


@pytest.mark.parametrize(
    ("states", "status"),
    [
        ((), QUEUED),
        ((P,), QUEUED),
        ((U,), QUEUED),
        ((P, U), QUEUED),
        ((F, P), QUEUED),
        ((F, U), QUEUED),
        ((S,), SENT),
        ((S, P), SENT),
        ((S, U), SENT),
        ((S, D), SENT),
        ((S, F), SENT),
        ((D, P), SENT),
        ((D, U), SENT),
        ((D, F), SENT),
        ((D,), DELIVERED),
        ((D, D), DELIVERED),
        ((F,), FAILED),
        ((F, F), FAILED),
        ((B,), BOUNCED),
        ((B, P), BOUNCED),
        ((B, S), BOUNCED),
        ((B, D), BOUNCED),
        ((B, F), BOUNCED),
        ((B, U), BOUNCED),
    ],
)
def test_one_status_for_all_recipients(states: tuple[RecipientState, ...], status: MessageStatus) -> None:
    assert message_status(states) is status
    assert message_status(reversed(states)) is status


@pytest.mark.parametrize("states", list(combinations_with_replacement(RecipientState, 3)))
def test_the_status_never_claims_too_much(states: tuple[RecipientState, ...]) -> None:
    status = message_status(states)

    assert (status is BOUNCED) == (B in states)
    assert (status is DELIVERED) == (set(states) == {D})
    assert (status is FAILED) == (set(states) == {F})
    if status is SENT:
        assert S in states or D in states


@pytest.mark.parametrize(
    ("before", "after", "events"),
    [
        (QUEUED, QUEUED, []),
        (QUEUED, SENT, [MailEvent.SENT]),
        (QUEUED, DELIVERED, [MailEvent.SENT, MailEvent.DELIVERED]),
        (QUEUED, BOUNCED, [MailEvent.SENT, MailEvent.BOUNCED]),
        (QUEUED, FAILED, [MailEvent.FAILED]),
        (SENT, SENT, []),
        (SENT, DELIVERED, [MailEvent.DELIVERED]),
        (SENT, BOUNCED, [MailEvent.BOUNCED]),
        (SENT, FAILED, [MailEvent.FAILED]),
        (DELIVERED, BOUNCED, [MailEvent.BOUNCED]),
        (DELIVERED, DELIVERED, []),
        (BOUNCED, BOUNCED, []),
        (FAILED, FAILED, []),
    ],
)
def test_the_events_of_a_change(before: MessageStatus, after: MessageStatus, events: list[MailEvent]) -> None:
    assert events_between(before, after, is_forward=False) == events
    forwarded = [MailEvent.FORWARDED if event is MailEvent.SENT else event for event in events]
    assert events_between(before, after, is_forward=True) == forwarded
