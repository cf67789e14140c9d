"""Product numbers of this app."""

from __future__ import annotations

from datetime import timedelta

HANDLE_MIN_CHARS = 3
HANDLE_MAX_CHARS = 63
SEED_HANDLE_MAX_CHARS = 255
DISPLAY_NAME_MAX_CHARS = 255
DESCRIPTION_MAX_CHARS = 10_000
KEY_LABEL_MAX_CHARS = 255
KEY_DESCRIPTION_MAX_CHARS = 1000
# Ids in `vault_secret_ids` of identity create.
INITIAL_SECRETS_MAX = 5000
HANDLE_QUARANTINE = timedelta(days=30)
SESSION_TOKEN_SECONDS = 3600
LAST_USED_RESOLUTION = timedelta(seconds=60)
# How long the old key signs beside the new one after a rotation.
SIGNING_KEY_OVERLAP = timedelta(hours=24)
AVATAR_MAX_BYTES = 5 * 1024 * 1024
# About five thousand squared: what a good camera takes. Decoded they are 100 MB, which WebP needs several times.
AVATAR_MAX_PIXELS = 25_000_000
AVATAR_MAX_WEBP_PIXELS = 10_000_000
AVATAR_SIDE_PIXELS = 600
# Of all identities of an organization: the largest picture takes a processor for a second.
AVATARS_PER_MINUTE = 30
IDEMPOTENCY_KEY_MAX_CHARS = 255
IDEMPOTENCY_RETENTION = timedelta(days=7)
ORGANIZATION_NAME_MAX_CHARS = 255
INVITATION_LIFETIME = timedelta(days=7)
INVITATIONS_PER_ORGANIZATION = 100
INVITATIONS_PER_HOUR = 30
SESSION_TOKENS_PER_MINUTE = 60
SESSION_TOKENS_PER_PERSON = 50

# Domains of organizations (contract identities.md section 17); the durations are this server's.
ORGANIZATION_DOMAINS_MAX = 100
DOMAIN_CLAIM_WINDOW = timedelta(days=7)
# How long a domain is shown after it was last found proven.
DOMAIN_PROOF_VALIDITY = timedelta(days=7)
DOMAIN_RELEASED_RETENTION = timedelta(days=30)
DOMAIN_CHECK_LEASE = timedelta(seconds=60)
DOMAIN_CHECKS_PER_MINUTE = 10
DOMAIN_SWEEP = 50
