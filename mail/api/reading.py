"""Shapes of reading threads (docs/api/reading.md)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson
from rest_framework import serializers

from common.api.inputs import InputSerializer
from common.api.outputs import OutputSerializer
from common.api.pagination import Page
from mail import limits
from mail.api.serializers import ThreadOut
from mail.models import Thread


@dataclass(frozen=True, slots=True)
class ThreadPage:
    """Which messages of a thread."""

    limit: int
    cursor: str | None = None


class ThreadPageIn(InputSerializer[ThreadPage]):
    """Query of one thread."""

    into = ThreadPage
    limit = serializers.IntegerField(
        min_value=1, max_value=limits.THREAD_MESSAGES_MAX, default=limits.THREAD_MESSAGES_MAX
    )
    cursor = serializers.CharField(required=False, allow_blank=True)


def thread_body(thread: Thread, page: Page) -> dict[str, Any]:
    """A thread with one page of its messages."""
    messages = orjson.Fragment(f"[{','.join(page.texts)}]")
    more = {"has_more": page.next_cursor is not None, "next_cursor": page.next_cursor}
    return {**ThreadOut.render(thread), "messages": messages, **more}


@dataclass(frozen=True, slots=True)
class TranscriptQuery:
    """The budget of a transcript, as it was given."""

    max_bytes: int | None = None
    max_tokens: int | None = None

    @property
    def budget_bytes(self) -> int:
        """The smaller of the two; the default without either."""
        given = [self.max_bytes] if self.max_bytes is not None else []
        if self.max_tokens is not None:
            given.append(self.max_tokens * limits.TRANSCRIPT_BYTES_PER_TOKEN)
        return min(given, default=limits.TRANSCRIPT_DEFAULT_BYTES)


_PER_TOKEN = limits.TRANSCRIPT_BYTES_PER_TOKEN


class TranscriptIn(InputSerializer[TranscriptQuery]):
    """Query of a transcript. A token is counted as four bytes of UTF-8."""

    into = TranscriptQuery
    max_bytes = serializers.IntegerField(
        min_value=limits.TRANSCRIPT_MIN_BYTES, max_value=limits.TRANSCRIPT_MAX_BYTES, required=False
    )
    max_tokens = serializers.IntegerField(
        min_value=limits.TRANSCRIPT_MIN_BYTES // _PER_TOKEN,
        max_value=limits.TRANSCRIPT_MAX_BYTES // _PER_TOKEN,
        required=False,
    )


class TranscriptOut(OutputSerializer):
    """A thread as text, and what was left out of it."""

    thread_id = serializers.UUIDField()
    subject = serializers.CharField(allow_null=True)
    text = serializers.CharField()
    message_count = serializers.IntegerField()
    included_messages = serializers.IntegerField()
    omitted_messages = serializers.IntegerField(help_text="Earlier ones, which did not fit.")
    shortened_messages = serializers.IntegerField(help_text="Included ones whose end was cut off.")
    size_bytes = serializers.IntegerField(help_text="Of `text` in UTF-8; never more than the budget.")
    estimated_tokens = serializers.IntegerField(help_text="`size_bytes` / 4, rounded up.")
    budget_bytes = serializers.IntegerField()
