"""Delete messages: hidden and uncounted at once, content removed after the retention."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models import F, Sum

from common import blobs
from common.clock import now
from common.db import batches
from identities.selectors import avatar_keys_among
from mail import limits
from mail.errors import MessageNotFound, ThreadNotFound
from mail.models import DraftAttachment, Mailbox, Message, MessageContent, SandboxMail, Thread
from mail.services.approving import withdraw_message, withdraw_thread
from mail.services.indexing import remove_deleted_from_index, remove_from_index

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
        withdraw_message(message)
        remove_from_index([message.pk])
        Mailbox.objects.filter(pk=message.mailbox_id).update(
            storage_used_bytes=F("storage_used_bytes") - message.size_bytes
        )
        left = Message.objects.alive().filter(thread_id=message.thread_id).order_by("-created_at")
        latest_at = left.values_list("created_at", flat=True).first()
        changes = {"deleted_at": now()} if latest_at is None else {"last_message_at": latest_at}
        Thread.objects.filter(pk=message.thread_id).update(message_count=F("message_count") - 1, **changes)


def delete_thread(thread: Thread) -> None:
    """Soft-delete a thread with its messages; storage is free at once. Raises ThreadNotFound when gone."""
    with transaction.atomic():
        # Nothing joins the thread meanwhile: receiving and sending lock the mailbox too.
        Mailbox.objects.select_for_update().filter(pk=thread.mailbox_id).first()
        moment = now()
        alive = Thread.objects.filter(pk=thread.pk, deleted_at__isnull=True)
        if not alive.update(deleted_at=moment, message_count=0):
            raise ThreadNotFound
        withdraw_thread(thread)
        messages = Message.objects.alive().filter(thread=thread)
        freed = messages.aggregate(size=Sum("size_bytes"))["size"] or 0
        # A long thread would hold the write lock too long: the sweep forgets the rest, which no search shows meanwhile.
        remove_from_index(list(messages.values_list("pk", flat=True)[: 2 * _BATCH]))
        messages.update(deleted_at=moment, updated_at=moment)
        Mailbox.objects.filter(pk=thread.mailbox_id).update(storage_used_bytes=F("storage_used_bytes") - freed)


def purge_deleted_mail() -> int:
    """Remove what was deleted longer ago than the retention, then blobs without a row. Returns how many messages."""
    remove_deleted_from_index()
    limit = now() - limits.DELETED_RETENTION
    due = Message.objects.filter(deleted_at__lt=limit).values_list("pk", "thread_id")[: 20 * _BATCH]
    removed = 0
    for batch in batches(list(due), _BATCH):
        _, rows = Message.objects.filter(pk__in=[pk for pk, _ in batch]).delete()
        removed += rows.get(Message._meta.label, 0)
        threads = Thread.objects.filter(pk__in={thread for _, thread in batch}, deleted_at__isnull=False)
        threads.filter(messages__isnull=True).delete()
    _purge_blobs()
    return removed


def _purge_blobs() -> None:
    blobs.store().remove_leftovers(_BLOB_GRACE)
    for keys in batches(blobs.store().older_than(_BLOB_GRACE), _BATCH):
        used = set(MessageContent.objects.filter(raw_key__in=keys).values_list("raw_key", flat=True))
        used |= set(DraftAttachment.objects.filter(raw_key__in=keys).values_list("raw_key", flat=True))
        used |= avatar_keys_among(keys)
        used |= set(SandboxMail.objects.filter(raw_key__in=keys).values_list("raw_key", flat=True))
        for key in keys:
            if key not in used:
                blobs.store().delete_unless_renewed(key, _BLOB_GRACE)
