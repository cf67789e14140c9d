"""Flags of messages."""

from __future__ import annotations

from common.clock import now
from common.lanes import leave_quick_lane
from common.principal import Principal, Scope
from common.unset import UNSET, Unset
from mail.enums import Direction
from mail.models import Message


def mark_read_by_fetch(principal: Principal, message: Message) -> None:
    """Reading an inbound message with an API key marks it read; a console session only looks (mail.md 4.9)."""
    if message.is_read or message.direction != Direction.INBOUND or principal.scope is Scope.SESSION:
        return
    leave_quick_lane()
    moment = now()
    Message.objects.filter(pk=message.pk, is_read=False).update(is_read=True, updated_at=moment)
    message.is_read, message.updated_at = True, moment


def set_flags(message: Message, *, is_read: bool | Unset, is_starred: bool | Unset) -> None:
    """Change the supplied flags; nothing else of the row."""
    changes: dict[str, bool] = {}
    if is_read is not UNSET:
        changes["is_read"] = is_read
    if is_starred is not UNSET:
        changes["is_starred"] = is_starred
    if not changes:
        return
    moment = now()
    Message.objects.filter(pk=message.pk).update(**changes, updated_at=moment)
    message.updated_at = moment
    for name, value in changes.items():
        setattr(message, name, value)
