"""The published vector, and what the headers hold."""

from __future__ import annotations

import hashlib
import hmac

from webhooks.signing import EXAMPLE_BODY, EXAMPLE_REQUEST_ID, EXAMPLE_SECRET, EXAMPLE_TIMESTAMP, request_headers, sign

VECTOR = "sha256=09a7124a2d3d1f238bff1e7aba62883ddbac231941d353580ee7071e75e216de"


def test_the_published_vector() -> None:
    body = b'{"event_type":"message.received","timestamp":"2026-01-02T03:04:05Z","data":{}}'

    assert len(body) == 78
    assert sign("whsec_test_secret_key", "req_0001", 1767323045, body) == VECTOR


def test_the_example_of_the_catalog_is_the_vector() -> None:
    assert sign(EXAMPLE_SECRET, EXAMPLE_REQUEST_ID, EXAMPLE_TIMESTAMP, EXAMPLE_BODY) == VECTOR


def test_the_prefix_is_removed_once_and_the_rest_is_not_decoded() -> None:
    key = b"whsec_616263"
    expected = "sha256=" + hmac.new(key, b"r.1.body", hashlib.sha256).hexdigest()

    assert sign("whsec_whsec_616263", "r", 1, b"body") == expected
    assert sign("616263", "r", 1, b"body") == sign("whsec_616263", "r", 1, b"body")


def test_headers_of_a_signed_request_with_a_token() -> None:
    headers = request_headers(
        request_id="req_0001", timestamp=1767323045, body=EXAMPLE_BODY, secret=EXAMPLE_SECRET, auth_token="abc"
    )

    assert headers == {
        "Content-Type": "application/json",
        "X-Inkbox-Request-ID": "req_0001",
        "X-Inkbox-Timestamp": "1767323045",
        "X-Inkbox-Signature": VECTOR,
        "Authorization": "Bearer abc",
    }


def test_without_a_secret_the_signature_is_left_out() -> None:
    headers = request_headers(request_id="r", timestamp=1, body=b"{}", secret=None, auth_token=None)

    assert headers == {
        "Content-Type": "application/json",
        "X-Inkbox-Request-ID": "r",
        "X-Inkbox-Timestamp": "1",
    }
