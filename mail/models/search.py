"""The search index's own rows: which message has which place in it, and what still has to be indexed."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.db.models import Q

from mail.models.mailbox import Mailbox
from mail.models.message import Message


class SearchEntry(models.Model):
    """One message in the index. While `is_pending`, its words are missing or out of date.

    The ids follow the messages' own order in time (mail/services/indexing.py), so the index gives the newest first.
    In PostgreSQL the table has one column more, `terms`, a tsvector (mail/search/schema.py).
    """

    id = models.BigIntegerField(primary_key=True)
    message = models.OneToOneField(Message, on_delete=models.CASCADE, related_name="search_entry")
    # Without an index: what waits in a mailbox is found among the few entries that wait at all.
    mailbox = models.ForeignKey(Mailbox, on_delete=models.CASCADE, related_name="+", db_index=False)
    is_pending = models.BooleanField(default=True)
    # Counts up with every request to index, so that a slow indexer does not clear a newer request.
    revision = models.PositiveIntegerField(default=0)
    # SQLite only: what the index holds, compressed; FTS5 needs it to forget a message.
    indexed_terms = models.BinaryField(null=True)

    class Meta:
        indexes: ClassVar[list[Any]] = [
            models.Index(fields=["-id"], condition=Q(is_pending=True), name="search_pending"),
        ]

    def __str__(self) -> str:
        return str(self.message_id)
