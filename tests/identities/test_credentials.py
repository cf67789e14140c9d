"""How a request says who is calling: headers, keys, session tokens."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import uuid
from datetime import timedelta

import jwt
import pytest
import time_machine
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from common.clock import now
from identities.models import ApiKey, Membership, User
from identities.services import sessions
from tests.factories.identities import (
    ApiClient,
    admin_key,
    agent,
    agent_key,
    key_row,
    organization,
    person,
    session,
)

pytestmark = pytest.mark.django_db

REFUSAL = {"detail": "This API key or token is not valid. Check that it is complete, not revoked and not expired."}


def _status(**headers: str) -> int:
    return (
        ApiClient(headers={name.replace("_", "-"): value for name, value in headers.items()}).get("/whoami").status_code
    )


# --- Headers ----------------------------------------------------------------------------------------------------


def test_every_way_to_send_a_key() -> None:
    key = admin_key()

    assert _status(X_API_Key=key) == 200
    assert _status(X_Service_Token=key) == 200
    assert _status(Authorization=f"Bearer {key}") == 200
    assert _status(Authorization=f"bearer {key}") == 200


def test_the_first_header_decides() -> None:
    good, bad = admin_key(), f"{admin_key()}x"
    token = session(organization())

    assert _status(X_API_Key=good, X_Service_Token=bad, Authorization="Bearer nonsense") == 200
    assert _status(X_API_Key=bad, X_Service_Token=good, Authorization=f"Bearer {token}") == 401
    assert _status(X_Service_Token=bad, Authorization=f"Bearer {token}") == 401


@pytest.mark.parametrize(
    "value",
    ["", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "Bearer ap_sk_123", "Bearer a.b", "Bearer a.b.c", "Token x"],
)
def test_other_authorization_headers_are_refused(value: str) -> None:
    assert _status(Authorization=value) == 401


# --- Keys -------------------------------------------------------------------------------------------------------


def _wrong_keys(text: str) -> dict[str, str]:
    key_id, _, secret = text.partition(".")
    return {
        "no secret": key_id,
        "empty secret": f"{key_id}.",
        "cut": text[:-1],
        "longer": f"{text}A",
        "other secret": f"{key_id}.{'A' * len(secret)}",
        "other id": f"ApiKey_{uuid.uuid4()}.{secret}",
        "lower case": f"{key_id}.{secret.swapcase()}",
        "very long": f"{text}{'A' * 10_000}",
        "isk": f"isk_live_{secret}",
        "not ascii": f"{key_id}.é",
    }


@pytest.mark.parametrize("name", sorted(_wrong_keys("ApiKey_x.y")))
def test_a_wrong_key_is_refused(name: str) -> None:
    text = admin_key()

    answer = ApiClient(_wrong_keys(text)[name]).get("/whoami")

    assert (answer.status_code, answer.json()) == (401, REFUSAL)
    assert key_row(text).last_used_at is None


def test_a_revoked_key_is_refused_at_once() -> None:
    text = admin_key()
    assert ApiClient(text).get("/whoami").status_code == 200

    ApiKey.objects.update(revoked_at=now())

    answer = ApiClient(text).get("/whoami")
    assert (answer.status_code, answer.json()) == (401, REFUSAL)


def test_a_key_expires_to_the_second() -> None:
    start = now()
    text = admin_key(expires_at=start + timedelta(hours=1))

    with time_machine.travel(start + timedelta(minutes=59, seconds=59), tick=False):
        body = ApiClient(text).get("/whoami").json()
    with time_machine.travel(start + timedelta(hours=1), tick=False):
        refused = ApiClient(text).get("/whoami")

    assert body["expires_at"] is not None
    assert (refused.status_code, refused.json()) == (401, REFUSAL)


def test_a_key_of_a_deleted_identity_is_refused_even_when_nobody_revoked_it() -> None:
    alpha = agent()
    text = agent_key(alpha)
    alpha.deleted_at = now()
    alpha.save()

    assert ApiClient(text).get("/whoami").status_code == 401


def test_the_last_use_is_recorded_at_most_once_a_minute() -> None:
    text = admin_key()
    client = ApiClient(text)
    start = now()

    with time_machine.travel(start, tick=False):
        client.get("/whoami")
    assert key_row(text).last_used_at == start
    with time_machine.travel(start + timedelta(seconds=60), tick=False):
        client.get("/whoami")
    assert key_row(text).last_used_at == start
    with time_machine.travel(start + timedelta(seconds=61), tick=False):
        client.get("/whoami")
    assert key_row(text).last_used_at == start + timedelta(seconds=61)


def test_a_key_is_checked_by_one_query() -> None:
    client = ApiClient(admin_key())
    client.get("/whoami")

    with CaptureQueriesContext(connection) as captured:
        client.get("/signing-keys")

    assert len(captured) == 2  # the key, the answer


# --- Session tokens ---------------------------------------------------------------------------------------------


def _encode(header: dict[str, str], claims: object, signature: bytes = b"") -> str:
    parts = [json.dumps(header).encode(), json.dumps(claims).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def _claims(token: str) -> dict[str, object]:
    claims: dict[str, object] = jwt.decode(token, options={"verify_signature": False})
    return claims


def _accepted(token: str) -> bool:
    answer = ApiClient(bearer=token).get("/whoami")
    if answer.status_code == 401:
        assert answer.json() == REFUSAL
    return answer.status_code == 200


def test_a_session_lasts_an_hour() -> None:
    start = now()
    acme = organization()
    with time_machine.travel(start, tick=False):
        token = session(acme)

    with time_machine.travel(start + timedelta(minutes=59), tick=False):
        assert _accepted(token)
    with time_machine.travel(start + timedelta(minutes=61), tick=False):
        assert not _accepted(token)


def test_raising_the_epoch_ends_every_session() -> None:
    acme = organization()
    user = person(acme)
    token = session(acme, user=user)
    assert _accepted(token)

    User.objects.update(token_epoch=F("token_epoch") + 1)

    assert not _accepted(token)
    assert _accepted(session(acme, user=User.objects.get()))


def test_a_session_ends_with_the_account_or_the_membership() -> None:
    acme = organization()
    inactive, left, removed = person(acme), person(acme), person(acme)
    tokens = [session(acme, user=user) for user in (inactive, left, removed)]
    assert all(_accepted(token) for token in tokens)

    User.objects.filter(pk=inactive.pk).update(is_active=False)
    Membership.objects.filter(user=left).delete()
    removed.delete()

    assert not any(_accepted(token) for token in tokens)


def test_the_role_is_read_now_and_not_from_the_token() -> None:
    acme = organization()
    token = session(acme)

    Membership.objects.update(role="member")

    assert ApiClient(bearer=token).get("/whoami").json()["org_role"] == "member"
    assert ApiClient(bearer=token).post("/identities", {"agent_handle": "alpha"}).status_code == 403


def test_a_token_that_was_changed_is_refused() -> None:
    acme, other = organization(), organization()
    token = session(acme)
    header, _, signature = token.split(".")
    changed = {**_claims(token), "org": other.pk}
    body = base64.urlsafe_b64encode(json.dumps(changed).encode()).rstrip(b"=").decode()

    assert not _accepted(f"{header}.{body}.{signature}")
    assert not _accepted(f"{token[:-4]}AAAA")
    assert not _accepted(f"{token}.extra")


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", ""])
def test_a_token_without_signature_is_refused(algorithm: str) -> None:
    claims = _claims(session(organization()))

    assert not _accepted(_encode({"alg": algorithm, "typ": "JWT"}, claims))
    assert not _accepted(_encode({"alg": algorithm, "typ": "JWT"}, claims, b"anything"))


def test_the_public_key_is_no_shared_secret() -> None:
    claims = _claims(session(organization()))
    public = sessions._current_key().public_key()
    for form in (
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(Encoding.Raw, PublicFormat.Raw),
    ):
        unsigned = _encode({"alg": "HS256", "typ": "JWT"}, claims).rstrip(".")
        signature = hmac.new(form, unsigned.encode(), hashlib.sha256).digest()
        assert not _accepted(_encode({"alg": "HS256", "typ": "JWT"}, claims, signature))


def test_a_token_of_another_key_is_refused() -> None:
    claims = _claims(session(organization()))

    assert not _accepted(jwt.encode(claims, Ed25519PrivateKey.generate(), algorithm="EdDSA"))


@pytest.mark.parametrize("missing", ["exp", "sub", "iss", "jti"])
def test_every_claim_is_needed(missing: str) -> None:
    claims = _claims(session(organization()))
    del claims[missing]

    assert not _accepted(jwt.encode(claims, sessions._current_key(), algorithm="EdDSA"))


def test_another_issuer_is_refused() -> None:
    claims = {**_claims(session(organization())), "iss": "somebody-else"}

    assert not _accepted(jwt.encode(claims, sessions._current_key(), algorithm="EdDSA"))
