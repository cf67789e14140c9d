"""The storage that a mailbox uses and may use."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import F

from mail.errors import MailboxNotFound, StorageLimitExceeded
from mail.models import Mailbox


def check_storage(mailbox: Mailbox, more_bytes: int) -> None:
    """Raises StorageLimitExceeded when the (locked) mailbox cannot take so much more."""
    limit = mailbox.storage_limit_bytes
    if limit is not None and mailbox.storage_used_bytes + more_bytes > limit:
        raise StorageLimitExceeded(limit, f"{settings.PUBLIC_URL}/")


def charge_storage(mailbox_id: UUID, more_bytes: int) -> Mailbox:
    """Lock the mailbox and count bytes that are added, or with a negative number freed; freeing is never refused.

    Inside the caller's transaction. Raises StorageLimitExceeded, MailboxNotFound when it was deleted meanwhile.
    """
    mailbox = Mailbox.objects.alive().select_for_update(of=("self",)).filter(pk=mailbox_id).first()
    if mailbox is None:
        raise MailboxNotFound
    if more_bytes > 0:
        check_storage(mailbox, more_bytes)
    if more_bytes:
        Mailbox.objects.filter(pk=mailbox_id).update(storage_used_bytes=F("storage_used_bytes") + more_bytes)
    return mailbox


def count_received(bytes_by_mailbox: Mapping[UUID, int]) -> None:
    """Count received mail, which no limit refuses, in mailboxes that the caller has locked.

    For every batch of the SMTP door, where compiling an update costs more than making it.
    """
    key = Mailbox._meta.pk
    rows = [(count, key.get_db_prep_value(pk, connection)) for pk, count in sorted(bytes_by_mailbox.items())]
    with connection.cursor() as cursor:
        cursor.executemany("UPDATE mail_mailbox SET storage_used_bytes = storage_used_bytes + %s WHERE id = %s", rows)
