"""Product numbers of this app."""

from __future__ import annotations

from datetime import timedelta

# Subscriptions (contract webhooks.md 2.4)
SUBSCRIPTIONS_PER_LEGACY_OWNER = 20
SUBSCRIPTIONS_PER_IDENTITY = 60
AUTH_TOKEN_MAX_CHARS = 2048
CONTEXT_MAX_COUNT = 50
CONTEXT_MAX_HOURS = 168

# Delivery (contract webhooks.md 4.3)
ATTEMPT_TIMEOUT_SECONDS = 10.0
RESPONSE_BODY_MAX_BYTES = 4096
ERROR_DETAIL_MAX_CHARS = 500
LEASE = timedelta(seconds=60)
MAX_IN_FLIGHT = 256
MAX_IN_FLIGHT_PER_SUBSCRIPTION = 4
# Rows leased ahead for a receiver that answers quickly, so that a claim is not needed for every four requests.
MAX_LEASED_PER_SUBSCRIPTION = 64
MAX_LEASED = 512
# A row leased ahead goes back when it was not started within this time: a deleted subscription stops at once.
MAX_AHEAD_SECONDS = 2.0

# Delivery log
DELIVERIES_DEFAULT_LIMIT = 50
DELIVERIES_MAX_LIMIT = 200
RETENTION = timedelta(days=30)
PURGE_BATCH = 500
