"""Product numbers of this app."""

from __future__ import annotations

from datetime import timedelta

from common import addresses
from mail.enums import SuppressionReason

SUBJECT_MAX_CHARS = 998
BODY_MAX_CHARS = 10 * 1024 * 1024
RECIPIENTS_MAX = 50
ADDRESS_MAX_CHARS = addresses.ADDRESS_MAX_CHARS
LOCAL_PART_MAX_CHARS = addresses.LOCAL_PART_MAX_CHARS
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
SEND_WINDOW = timedelta(hours=24)
LOCAL_LEASE = timedelta(minutes=1)
RELAY_LEASE = timedelta(minutes=10)
# Due rows that one sweep hands to the workers. Relays wake each other as long as there is a backlog, so few suffice;
# more would only fill the broker while every thread waits for a silent server.
LOCAL_SWEEP = 500
RELAY_SWEEP = 50
# A message that waited longer than the sweeps are apart stood in a backlog.
BACKLOG_WAIT = timedelta(seconds=6)
# Short at first, for receivers that greylist; five days in all (RFC 5321 section 4.5.4.1 asks for four to five).
RETRY_DELAYS = tuple(timedelta(minutes=m) for m in (1, 5, 15, 30, 60, 120, 240, 480, 720, 1440, 1440, 1440, 1440))
# A message whose turn with a busy domain did not come.
NOT_TRIED_DELAY = timedelta(seconds=15)
PARTLY_TRIED_DELAY = timedelta(minutes=2)
# Seconds to connect, and between two reads, for what a provider's webhook announces and has to be fetched.
PROVIDER_FETCH_TIMEOUTS = (5.0, 15.0)
# Longer than composing the largest draft takes.
DRAFT_CLAIM = timedelta(minutes=2)
SENT_DRAFT_RETENTION = timedelta(days=7)
PLATFORM_MAIL_RETENTION = timedelta(days=30)
OPEN_WINDOW_SECONDS = 60
DELETED_RETENTION = timedelta(days=30)
# Per message; larger and further files keep no text.
EXTRACTED_FILE_MAX_BYTES = 25 * 1024 * 1024
EXTRACTED_FILES_MAX = 20
THREAD_MESSAGES_MAX = 1000
TRANSCRIPT_DEFAULT_BYTES = 32 * 1024
TRANSCRIPT_MIN_BYTES = 1024
TRANSCRIPT_MAX_BYTES = 1024 * 1024
TRANSCRIPT_MESSAGES_MAX = 500
# What models count as one token of European text, and a cautious figure for it.
TRANSCRIPT_BYTES_PER_TOKEN = 4
# Messages of its mailbox that a search indexes itself when the worker has not yet.
SEARCH_CATCH_UP_MESSAGES = 1000
WEBHOOK_BODY_CHARS = 65_536
# By reason; one that is not named lasts until somebody removes it.
SUPPRESSION_LIFETIMES = {SuppressionReason.MAILBOX_FULL: timedelta(days=1)}
SUPPRESSION_DETAIL_MAX_CHARS = 1000
# The windows of settings.AGENT_THREAD_MESSAGES and AGENT_PAIR_MESSAGES. The pause is longer than the first, so that a
# thread begins anew after it.
THREAD_BUDGET_WINDOW = timedelta(minutes=10)
PAIR_BUDGET_WINDOW = timedelta(hours=1)
EXCHANGE_PAUSE = timedelta(minutes=15)
# The share that bounces is taken over the newest messages of a day; their number bounds the query.
BOUNCE_WINDOW = timedelta(hours=24)
BOUNCE_SAMPLE_MESSAGES = 500
BOUNCES_AT_LEAST = 5
RECEIVED_HEADERS_MAX = 50
# About one message: a message has at most RECIPIENTS_MAX recipients, and each fails once.
REPORTS_PER_MESSAGE_PER_MINUTE = 60

# Sending domains (contract mail.md section 3). The first three durations are the contract's.
DOMAIN_WINDOW = timedelta(hours=72)
DOMAIN_DELETION_DELAY = timedelta(hours=24)
DOMAIN_FAILED_RETENTION = timedelta(days=7)
DOMAIN_ROTATION_WINDOW = timedelta(hours=72)
# Mail may wait in queues for days before a receiver looks up the key that signed it.
DKIM_RETIREMENT = timedelta(days=7)
DOMAINS_PER_ORGANIZATION = 100
DOMAIN_CHECK_LEASE = timedelta(seconds=60)
DOMAIN_SWEEP = 50
DOMAIN_CHECKS_PER_MINUTE = 10
# A verified domain is degraded only when a second check confirms the first, in case one name server was behind.
DOMAIN_FAILURES_TO_DEGRADE = 2
DNS_QUERY_SECONDS = 2.5
DNS_QUERIES_PER_MESSAGE = 80
DKIM_SIGNATURES_MAX = 8
ARC_SETS_MAX = 20

# --- correspondence with a contact
CORRESPONDENTS_MAX = 200  # of one message: more recipients than that are a list
CORRESPONDENCE_TEXT_CHARS = 64 * 1024
CORRESPONDENCE_HTML_CHARS = 256 * 1024  # read of a message without plain text
# Mail of a suspended organization is put aside for so long at a time; resuming brings it back at once.
SUSPENDED_RECHECK = timedelta(hours=1)
