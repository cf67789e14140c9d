"""Product numbers of this app (contract identities.md section 14)."""

from __future__ import annotations

from datetime import timedelta

CODE_DIGITS = 6
CODE_LIFETIME = timedelta(hours=48)
CODE_TRIES = 5
# What one person types in the console; five wrong ones end a code, whoever typed them.
CODE_CLAIMS_PER_HOUR = 10
RESEND_COOLDOWN = timedelta(minutes=5)
NOTE_MAX_CHARS = 2000
HARNESS_MAX_CHARS = 64
HANDLE_SLUG_MAX_CHARS = 40
HANDLE_TRIES = 5
# How long a rejected key may still ask what became of it.
REJECTED_RETENTION = timedelta(days=90)
