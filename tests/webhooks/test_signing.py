"""The published vector, and what the headers hold."""

from __future__ import annotations

import base64
import hashlib
import hmac

from webhooks.signing import (
    EXAMPLE_BODY,
    EXAMPLE_REQUEST_ID,
    EXAMPLE_SECRET,
    EXAMPLE_TIMESTAMP,
    Keys,
    request_headers,
    sign,
    sign_standard,
)

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
        request_id="req_0001", timestamp=1767323045, body=EXAMPLE_BODY, keys=Keys(EXAMPLE_SECRET), auth_token="abc"
    )

    assert headers == {
        "Content-Type": "application/json",
        "X-Inkbox-Request-ID": "req_0001",
        "X-Inkbox-Timestamp": "1767323045",
        "X-Inkbox-Signature": VECTOR,
        "Authorization": "Bearer abc",
    }


def test_without_a_secret_the_signature_is_left_out() -> None:
    headers = request_headers(request_id="r", timestamp=1, body=b"{}", keys=Keys(None))

    assert headers == {
        "Content-Type": "application/json",
        "X-Inkbox-Request-ID": "r",
        "X-Inkbox-Timestamp": "1",
    }


def test_after_a_rotation_both_keys_sign() -> None:
    headers = request_headers(request_id="r", timestamp=1, body=b"{}", keys=Keys("whsec_new", "whsec_old"))

    assert headers["X-Inkbox-Signature"] == sign("whsec_new", "r", 1, b"{}")
    assert headers["X-Inkbox-Signature-Previous"] == sign("whsec_old", "r", 1, b"{}")


def test_standard_webhooks_headers_verify_as_their_specification_says() -> None:
    # Its published example: https://github.com/standard-webhooks/standard-webhooks, libraries' test vectors.
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = b'{"test": 2432232314}'

    assert sign_standard(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body) == (
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    )


def test_standard_webhooks_headers_list_both_signatures() -> None:
    new, old = "whsec_" + "ab" * 32, "whsec_" + "cd" * 32

    headers = request_headers(request_id="r", timestamp=7, body=b"{}", keys=Keys(new, old), standard_id="evt_1")

    assert (headers["webhook-id"], headers["webhook-timestamp"]) == ("evt_1", "7")
    key = base64.b64decode("ab" * 32)
    expected = base64.b64encode(hmac.new(key, b"evt_1.7.{}", hashlib.sha256).digest()).decode()
    first, second = headers["webhook-signature"].split(" ")
    assert first == f"v1,{expected}"
    assert second == sign_standard(old, "evt_1", 7, b"{}")


def test_without_a_key_standard_webhooks_headers_are_unsigned() -> None:
    headers = request_headers(request_id="r", timestamp=7, body=b"{}", keys=Keys(None), standard_id="evt_1")

    assert "webhook-signature" not in headers
    assert headers["webhook-id"] == "evt_1"
