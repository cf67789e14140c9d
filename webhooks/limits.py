"""Product numbers of this app."""

from __future__ import annotations

from datetime import timedelta

# Subscriptions (contract webhooks.md 2.4)
SUBSCRIPTIONS_PER_LEGACY_OWNER = 20
SUBSCRIPTIONS_PER_IDENTITY = 60
AUTH_TOKEN_MAX_CHARS = 2048
CONTEXT_MAX_COUNT = 50
CONTEXT_MAX_HOURS = 168
# Context of a delivery (contract webhooks.md section 9)
CONTEXT_MAX_BYTES = 256 * 1024
CONTEXT_WINDOW_MAX_ITEMS = 200

# Delivery (contract webhooks.md 4.3)
ATTEMPT_TIMEOUT_SECONDS = 10.0
RESPONSE_BODY_MAX_BYTES = 4096
ERROR_DETAIL_MAX_CHARS = 500
LEASE = timedelta(seconds=60)
# Requests that were started a moment ago. One that gets no answer soon counts with the slow ones instead, which have a
# limit of their own, so that receivers that hang cost the others nothing.
MAX_IN_FLIGHT = 256
MAX_SLOW = 768
SLOW_SECONDS = 0.25
MAX_IN_FLIGHT_PER_SUBSCRIPTION = 4
# Requests to a receiver that has not answered in this process yet, or failed with its last answer.
NEW_LANE_ROOM = 1
# Rows leased ahead for a receiver that answers quickly, so that a claim is not needed for every four requests.
MAX_LEASED_PER_SUBSCRIPTION = 64
MAX_LEASED = 512
# A row leased ahead goes back when it was not started within this time: a deleted subscription stops at once.
MAX_AHEAD_SECONDS = 2.0

# A probe of an open circuit that is not heard of again (its process was killed) is repeated after this time.
PROBE_PATIENCE = timedelta(seconds=30)
# A delivery that could not be made for so long, because its circuit stayed open, is given up.
DELIVERY_MAX_AGE = timedelta(days=7)

# Deliveries of a suspended organization are put aside for so long at a time; resuming brings them back at once.
SUSPENDED_RECHECK = timedelta(hours=1)

# Events that one call may queue again.
REDELIVERY_MAX_EVENTS = 1000

# Impaired endpoints that one response speaks of.
ENDPOINT_NOTICES = 5

# Delivery log
DELIVERIES_DEFAULT_LIMIT = 50
DELIVERIES_MAX_LIMIT = 200
PURGE_BATCH = 500

# Event log
EVENTS_DEFAULT_LIMIT = 100
EVENTS_MAX_LIMIT = 500
EVENTS_MAX_WAIT_SECONDS = 30
# A position further ahead of the clock than this was not handed out here.
EVENTS_MAX_AHEAD_SECONDS = 3600
# Open long-polls, streams and sockets, in one process.
LIVE_READERS = 5000
LIVE_READERS_PER_CALLER = 100
