"""Product numbers of this app."""

from __future__ import annotations

from datetime import timedelta

SUBJECT_MAX_CHARS = 998
BODY_MAX_CHARS = 10 * 1024 * 1024
RECIPIENTS_MAX = 50
ADDRESS_MAX_CHARS = 254
LOCAL_PART_MAX_CHARS = 64
FILENAME_MAX_CHARS = 255
ATTACHMENTS_MAX = 100
ATTACHMENTS_TOTAL_BYTES = 25 * 1024 * 1024
BLOCKED_EXTENSIONS = frozenset({".exe", ".bat", ".scr"})
SNIPPET_CHARS = 200
SIGNATURE_MAX_CHARS = 16_384
# Raw messages up to this size live in their row, so that one commit makes mail durable; larger ones are blobs.
INLINE_RAW_BYTES = 128 * 1024
ATTACHMENT_URL_SECONDS = 3600
SMTP_BATCH_MESSAGES = 64
SMTP_BATCH_WAIT_SECONDS = 0.004
SMTP_RECIPIENTS_PER_MESSAGE = 100
THREAD_CANDIDATES = 25
SEND_LEASE = timedelta(minutes=10)
RETRY_DELAYS = tuple(timedelta(minutes=m) for m in (1, 5, 15, 30, 60, 120, 240, 480, 720, 1440))
DELETED_RETENTION = timedelta(days=30)
WEBHOOK_BODY_CHARS = 65_536
