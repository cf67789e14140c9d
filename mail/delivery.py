"""The delivery state machine: what a recipient may become, and what the message says then. Pure.

Source: contract mail.md section 4.8.
"""

from __future__ import annotations

from collections.abc import Iterable

from mail.enums import MailEvent, MessageStatus, RecipientState

_S = RecipientState
# Final states stay, except that a provider may still settle an uncertain one and a late bounce undoes a delivery.
TRANSITIONS: dict[RecipientState, frozenset[RecipientState]] = {
    _S.PENDING: frozenset({_S.SENT, _S.DELIVERED, _S.BOUNCED, _S.FAILED, _S.UNCERTAIN}),
    _S.SENT: frozenset({_S.DELIVERED, _S.BOUNCED, _S.FAILED}),
    _S.UNCERTAIN: frozenset({_S.SENT, _S.DELIVERED, _S.BOUNCED, _S.FAILED}),
    _S.DELIVERED: frozenset({_S.BOUNCED}),
    _S.BOUNCED: frozenset(),
    _S.FAILED: frozenset(),
}


def next_state(current: RecipientState, event: RecipientState) -> RecipientState:
    """The state after `event`; an event that is not allowed leaves it as it is."""
    return event if event in TRANSITIONS[current] else current


def message_status(states: Iterable[RecipientState]) -> MessageStatus:
    """One status for all recipients: any bounce shows, delivered only when all are."""
    found = set(states)
    if _S.BOUNCED in found:
        return MessageStatus.BOUNCED
    if found <= {_S.PENDING, _S.UNCERTAIN}:
        return MessageStatus.QUEUED
    if _S.FAILED in found and found <= {_S.FAILED, _S.PENDING, _S.UNCERTAIN}:
        return MessageStatus.FAILED if found == {_S.FAILED} else MessageStatus.QUEUED
    if found == {_S.DELIVERED}:
        return MessageStatus.DELIVERED
    return MessageStatus.SENT


def events_between(before: MessageStatus, after: MessageStatus, *, is_forward: bool) -> list[MailEvent]:
    """The events that a change of status fires; a jump from queued to delivered fires sent on the way."""
    if before == after:
        return []
    events = []
    if before == MessageStatus.QUEUED and after != MessageStatus.FAILED:
        events.append(MailEvent.FORWARDED if is_forward else MailEvent.SENT)
    final = {
        MessageStatus.DELIVERED: MailEvent.DELIVERED,
        MessageStatus.BOUNCED: MailEvent.BOUNCED,
        MessageStatus.FAILED: MailEvent.FAILED,
    }.get(after)
    if final is not None:
        events.append(final)
    return events
