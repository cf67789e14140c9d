"""Keep the index of whom messages are with, in the transactions that store and change messages."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from common.bulk import insert_rows
from mail import limits
from mail.addresses import counterparty_address
from mail.enums import Direction
from mail.models import Correspondent, Message


def note_correspondents(messages: Iterable[Message]) -> None:
    """For messages that are being stored. One query."""
    insert_rows(Correspondent, (row for message in messages for row in _rows(message)))


def note_other_recipients(message: Message) -> None:
    """For a message whose recipients have changed before it was sent."""
    Correspondent.objects.filter(message=message).delete()
    note_correspondents([message])


def _rows(message: Message) -> Iterable[Correspondent]:
    if message.direction == Direction.INBOUND:
        addresses = [message.from_address]
    else:
        addresses = [*message.to_addresses, *(message.cc_addresses or ()), *(message.bcc_addresses or ())]
    known = dict.fromkeys(counterparty_address(address) for address in addresses if address)
    for address in islice(known, limits.CORRESPONDENTS_MAX):
        yield Correspondent(
            message_id=message.pk, mailbox_id=message.mailbox_id, address=address, occurred_at=message.created_at
        )
