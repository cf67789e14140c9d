"""Delete messages: hidden and uncounted at once, content removed after the retention."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models import F

from common import blobs
from common.clock import now
from common.db import batches
from mail import limits
from mail.errors import MessageNotFound
from mail.models import Mailbox, Message, MessageContent, SandboxMail, Thread

_BATCH = 500
# A blob is written before the row that refers to it; younger ones may still be waiting for theirs.
_BLOB_GRACE = timedelta(days=1)


def delete_message(message: Message) -> None:
    """Soft-delete; storage is free at once, a thread without messages disappears. Raises MessageNotFound when gone."""
    with transaction.atomic():
        Mailbox.objects.select_for_update().filter(pk=message.mailbox_id).first()
        deleted = Message.objects.alive().filter(pk=message.pk).update(deleted_at=now(), updated_at=now())
        if not deleted:
            raise MessageNotFound
        Mailbox.objects.filter(pk=message.mailbox_id).update(
            storage_used_bytes=F("storage_used_bytes") - message.size_bytes
        )
        Thread.objects.filter(pk=message.thread_id).update(message_count=F("message_count") - 1)
        Thread.objects.filter(pk=message.thread_id, message_count=0).update(deleted_at=now())


def purge_deleted_mail() -> int:
    """Remove what was deleted longer ago than the retention, then blobs without a row. Returns how many rows."""
    limit = now() - limits.DELETED_RETENTION
    due = Message.objects.filter(deleted_at__lt=limit).values_list("pk", "thread_id")[: 20 * _BATCH]
    removed = 0
    for batch in batches(list(due), _BATCH):
        removed += Message.objects.filter(pk__in=[pk for pk, _ in batch]).delete()[0]
        threads = Thread.objects.filter(pk__in={thread for _, thread in batch}, deleted_at__isnull=False)
        removed += threads.filter(messages__isnull=True).delete()[0]
    _purge_blobs()
    return removed


def _purge_blobs() -> None:
    blobs.store().remove_leftovers(_BLOB_GRACE)
    for keys in batches(blobs.store().older_than(_BLOB_GRACE), _BATCH):
        used = set(MessageContent.objects.filter(raw_key__in=keys).values_list("raw_key", flat=True))
        used |= set(SandboxMail.objects.filter(raw_key__in=keys).values_list("raw_key", flat=True))
        for key in keys:
            if key not in used:
                blobs.store().delete_unless_renewed(key, _BLOB_GRACE)
