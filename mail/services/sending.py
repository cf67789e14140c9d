"""Send queued mail, first stage: deliver to the mailboxes of this server, and hand the rest to the relay queue.

Local delivery is quick and exactly once; relays may be silent for minutes. So the two are separate tasks on separate
threads, and mail between agents never waits for somebody else's server.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from django.db import transaction

from common.clock import now
from common.db import again_when_undone, refuse_in_transaction
from common.nudge import nudge
from mail import limits
from mail.addresses import domain_of
from mail.domains import hosted_domains, receiving_mailboxes, suspended_among
from mail.enums import RecipientState
from mail.mime.parse import parse_mail
from mail.models import Message, OutboundJob, OutboundRecipient
from mail.raw import StoredRaw, store_raw
from mail.services.jobs import claim_job
from mail.services.receiving import InboundMail, accept_batch
from mail.services.settling import Settlement, settle_recipients
from mail.tracking import outgoing_raw
from webhooks.outbox import recording_together

LOCAL = "local"
UNKNOWN = "550 5.1.1 No mailbox with this address."
# Other servers are asked to try again later; a sender on this one is told at once.
DISABLED = "550 5.2.1 The organization of this mailbox is suspended."


def send_message(message_id: UUID) -> None:
    """Deliver one queued message to its recipients here. Safe to call at any time, any number of times."""
    refuse_in_transaction("Sending mail")
    if claim_job(message_id, is_relaying=False, lease=limits.LOCAL_LEASE) is None:
        return
    message = Message.objects.select_related("content", "mailbox", "mailbox__identity").filter(pk=message_id).first()
    if message is None:
        return
    pending = list(message.recipients.filter(state=RecipientState.PENDING).order_by("pk"))
    local, remote = _split(pending)
    if local:
        _deliver_locally(message, local)
    if not remote:
        OutboundJob.objects.filter(pk=message_id).update(is_open=False, leased_until=None)
        return
    OutboundJob.objects.filter(pk=message_id).update(is_relaying=True, leased_until=None, attempts=0, due_at=now())
    nudge("mail.relay_message", message_id)


def _split(rows: Iterable[OutboundRecipient]) -> tuple[list[OutboundRecipient], list[OutboundRecipient]]:
    """Recipients on this server, and the others. Everything on a hosted domain is ours, known or not."""
    rows = list(rows)
    known = receiving_mailboxes([row.address for row in rows])
    hosted = hosted_domains({domain_of(row.address) for row in rows})
    local = [row for row in rows if row.address in known or domain_of(row.address) in hosted]
    taken = {row.pk for row in local}
    return local, [row for row in rows if row.pk not in taken]


@again_when_undone
def _deliver_locally(message: Message, rows: Sequence[OutboundRecipient]) -> None:
    """Straight to the receiving service; receipt and settlement commit together, so this is exactly once."""
    raw = outgoing_raw(message)
    parsed = parse_mail(raw)
    is_inline = message.content.raw_inline is not None
    # A large message that goes out as it is stored shares its blob.
    stored = store_raw(raw) if message.tracks_opens else StoredRaw(raw if is_inline else None, message.content.raw_key)
    with transaction.atomic(), recording_together():
        known = receiving_mailboxes([row.address for row in rows])
        closed = suspended_among(known.values())
        boxes = {address: pk for address, pk in known.items() if pk not in closed}
        found = tuple(dict.fromkeys(boxes.values()))
        if found:
            accept_batch([InboundMail(parsed, stored, len(raw), found)])
        settlements = {
            row.address: Settlement(RecipientState.DELIVERED, LOCAL)
            if row.address in boxes
            else Settlement(RecipientState.BOUNCED, LOCAL, DISABLED if row.address in known else UNKNOWN)
            for row in rows
        }
        settle_recipients(message.pk, settlements)
