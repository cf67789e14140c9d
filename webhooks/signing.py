"""The signature of a webhook request (contract webhooks.md 4.2). No I/O, no framework."""

from __future__ import annotations

import hashlib
import hmac

KEY_PREFIX = "whsec_"
REQUEST_ID = "X-Inkbox-Request-ID"
TIMESTAMP = "X-Inkbox-Timestamp"
SIGNATURE = "X-Inkbox-Signature"

# The published test vector, shown by the catalog so that a receiver can check its own code.
EXAMPLE_SECRET = "whsec_test_secret_key"  # noqa: S105 - a test vector, not a secret
EXAMPLE_REQUEST_ID = "req_0001"
EXAMPLE_TIMESTAMP = 1767323045
EXAMPLE_BODY = b'{"event_type":"message.received","timestamp":"2026-01-02T03:04:05Z","data":{}}'


def sign(secret: str, request_id: str, timestamp: int, body: bytes) -> str:
    """`sha256=` and 64 lower-case hex digits.

    The key is the text of the secret without its prefix, not decoded; the message is `{id}.{timestamp}.` and the body.
    """
    message = f"{request_id}.{timestamp}.".encode() + body
    return "sha256=" + hmac.new(secret.removeprefix(KEY_PREFIX).encode(), message, hashlib.sha256).hexdigest()


def request_headers(
    *, request_id: str, timestamp: int, body: bytes, secret: str | None, auth_token: str | None
) -> dict[str, str]:
    """All headers of one attempt. Without a secret the signature is left out, never empty."""
    headers = {"Content-Type": "application/json", REQUEST_ID: request_id, TIMESTAMP: str(timestamp)}
    if secret is not None:
        headers[SIGNATURE] = sign(secret, request_id, timestamp, body)
    if auth_token is not None:
        headers["Authorization"] = f"Bearer {auth_token}"
    return headers
