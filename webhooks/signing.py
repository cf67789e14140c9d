"""The signature of a webhook request (contract webhooks.md 4.2). No I/O, no framework."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass

KEY_PREFIX = "whsec_"
REQUEST_ID = "X-Inkbox-Request-ID"
TIMESTAMP = "X-Inkbox-Timestamp"
SIGNATURE = "X-Inkbox-Signature"
# With the key before the last rotation, while that still counts.
PREVIOUS_SIGNATURE = "X-Inkbox-Signature-Previous"
# Standard Webhooks 1.0, for subscriptions that ask for them.
STANDARD_ID = "webhook-id"
STANDARD_TIMESTAMP = "webhook-timestamp"
STANDARD_SIGNATURE = "webhook-signature"

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


def sign_standard(secret: str, event_id: str, timestamp: int, body: bytes) -> str:
    """`v1,` and base64. The key is the text of the secret without its prefix, decoded as base64.

    Hexadecimal digits are base64 too, so one secret serves both kinds of signature.
    """
    text = secret.removeprefix(KEY_PREFIX)
    message = f"{event_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(base64.b64decode(text), message, hashlib.sha256).digest()).decode()


@dataclass(frozen=True, slots=True)
class Keys:
    """What a request is signed with. Without `current` it goes out unsigned; `previous` is the key that it replaced."""

    current: str | None
    previous: str | None = None


def request_headers(
    *,
    request_id: str,
    timestamp: int,
    body: bytes,
    keys: Keys,
    auth_token: str | None = None,
    standard_id: str | None = None,
) -> dict[str, str]:
    """All headers of one attempt. Without a key the signature is left out, never empty.

    `standard_id` is the event's id, when the subscription wants the headers of Standard Webhooks too.
    """
    headers = {"Content-Type": "application/json", REQUEST_ID: request_id, TIMESTAMP: str(timestamp)}
    if keys.current is not None:
        headers[SIGNATURE] = sign(keys.current, request_id, timestamp, body)
    if keys.previous is not None:
        headers[PREVIOUS_SIGNATURE] = sign(keys.previous, request_id, timestamp, body)
    if standard_id is not None:
        headers[STANDARD_ID], headers[STANDARD_TIMESTAMP] = standard_id, str(timestamp)
        both = [sign_standard(key, standard_id, timestamp, body) for key in (keys.current, keys.previous) if key]
        if both:
            headers[STANDARD_SIGNATURE] = " ".join(both)
    if auth_token is not None:
        headers["Authorization"] = f"Bearer {auth_token}"
    return headers
