"""The sandbox transport: mail is kept in the database and shown to operators instead of being sent."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID, uuid5

import structlog
from django.db import transaction

from common.db import refuse_in_transaction
from mail.mime.parse import HeaderTooLarge, parse_mail
from mail.models import Message, SandboxMail
from mail.providers.base import Envelope, Outcome, RecipientResult
from mail.providers.outcomes import same_for_all
from mail.raw import store_raw

log = structlog.get_logger(__name__)

# Names sandbox rows after what they hold, so that the primary key itself makes a repeated send harmless.
_NAMESPACE = UUID("5f0c9e0a-53b5-4d2e-9a53-3b1c9c4f7c11")


def _subject(raw: bytes) -> str:
    try:
        return parse_mail(raw).subject or ""
    except HeaderTooLarge:
        return ""


class SandboxTransport:
    """Stores every envelope exactly once and accepts every recipient. Opens no connection."""

    name = "sandbox"

    def send(self, envelope: Envelope, hand_off: Callable[[], None]) -> list[RecipientResult]:
        """Keep the envelope. Sending the same message to the same recipients again adds nothing."""
        refuse_in_transaction("Sending mail")
        hand_off()
        key = "\n".join([str(envelope.message_row_id), *sorted(envelope.recipients)])
        stored = store_raw(envelope.content)
        with transaction.atomic():
            row, is_new = SandboxMail.objects.get_or_create(
                pk=uuid5(_NAMESPACE, key),
                defaults={
                    # The message may have been deleted since it was queued; its copy is kept all the same.
                    "message": Message.objects.filter(pk=envelope.message_row_id).first(),
                    "organization_id": envelope.organization_id,
                    "envelope_from": envelope.sender,
                    "recipients": list(envelope.recipients),
                    "subject": _subject(envelope.content),
                    "raw_inline": stored.raw_inline,
                    "raw_key": stored.raw_key,
                    "size_bytes": len(envelope.content),
                },
            )
        if is_new:
            log.info("mail.sandboxed", message=str(envelope.message_row_id), sandbox_mail=str(row.pk))
        return same_for_all(envelope.recipients, Outcome.ACCEPTED, "Kept by the sandbox; not sent.", str(row.pk))
