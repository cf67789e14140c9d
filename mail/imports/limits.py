"""Product numbers of mailbox imports (contract mail.md section 9)."""

from __future__ import annotations

from datetime import timedelta

UPLOAD_BYTES = 1024 * 1024 * 1024
UPLOAD_SECONDS = 300
MESSAGE_BYTES = 50 * 1024 * 1024
MESSAGES_PER_JOB = 100_000
ZIP_ENTRIES = 65_000
ORIGINAL_ADDRESSES = 20
JOBS_PER_ORGANIZATION = 20
QUOTA_WINDOW = timedelta(hours=24)
START_WITHIN = timedelta(hours=24)

# A zip entry may expand to this many times its packed size; ordinary mail stays below 30. Small ones are let off.
ZIP_RATIO = 200
ZIP_RATIO_FREE_BYTES = 10 * 1024 * 1024
ZIP_EXPANDED_BYTES = 16 * 1024 * 1024 * 1024
ZIP_DIRECTORY_BYTES = 64 * 1024 * 1024

# One transaction: small enough that the SMTP door, which writes to the same database, hardly waits for it.
BATCH_MESSAGES = 100
BATCH_BYTES = 4 * 1024 * 1024
# A run ends after this long and queues itself again, so that imports of many organizations take turns.
RUN_SECONDS = 120.0
LEASE = timedelta(minutes=10)
# Runs in a row that ended without progress before the job is given up.
ATTEMPTS = 5
