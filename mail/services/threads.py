"""Move threads between folders."""

from __future__ import annotations

from django.db import transaction

from mail.enums import Folder
from mail.errors import ThreadNotFound
from mail.models import Mailbox, Message, Thread


def move_thread(thread: Thread, folder: str) -> None:
    """Put a thread into another folder. Out of `blocked` its messages become visible to the agent; nothing is sent.

    Raises ThreadNotFound when it was deleted meanwhile.
    """
    with transaction.atomic():
        # Receiving locks the mailbox before it looks at folders, so a new message and a move never cross.
        Mailbox.objects.select_for_update().filter(pk=thread.mailbox_id).first()
        alive = Thread.objects.filter(pk=thread.pk, deleted_at__isnull=True)
        current = alive.values_list("folder", flat=True).first()
        if current is None:
            raise ThreadNotFound
        if current != folder:
            alive.update(folder=folder)
        if current == Folder.BLOCKED:
            Message.objects.filter(thread=thread).update(is_blocked=False)
    thread.folder = folder
