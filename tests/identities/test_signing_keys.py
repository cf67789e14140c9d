"""Webhook signing keys (contract identities.md section 11)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine

from common.clock import now
from identities.models import SigningKey
from identities.services.signing_keys import (
    SigningSecrets,
    ensure_signing_key,
    rotate_signing_key,
    signing_secret,
    signing_secrets,
)
from tests.factories.identities import (
    ApiClient,
    admin_client,
    admin_key,
    agent,
    agent_client,
    organization,
    session_client,
)
from tests.identities.rows import all_rows

pytestmark = pytest.mark.django_db


def test_the_first_key_of_an_identity() -> None:
    acme = organization()
    alpha = agent(acme, "alpha")
    client = admin_client(acme)
    assert client.get("/identities/alpha/signing-key").json() == {"configured": False, "created_at": None}

    answer = client.post("/identities/@alpha/signing-key", {})

    assert answer.status_code == 201
    body = answer.json()
    assert body["signing_key"].startswith("whsec_")
    assert len(body["signing_key"]) == len("whsec_") + 64
    status = {"configured": True, "created_at": body["created_at"]}
    assert client.get("/identities/alpha/signing-key").json() == status
    identity = client.get("/identities/alpha").json()
    assert (identity["signing_key_configured"], identity["signing_key_created_at"]) == (True, body["created_at"])
    assert signing_secret(acme.pk, alpha.pk) == body["signing_key"]


def test_a_rotation_replaces_the_key_at_once() -> None:
    acme = organization()
    alpha = agent(acme, "alpha")
    client = admin_client(acme)
    first = client.post("/identities/alpha/signing-key").json()

    with time_machine.travel(now() + timedelta(hours=1), tick=False):
        second = client.post("/identities/alpha/signing-key").json()

    assert first["signing_key"] != second["signing_key"]
    assert first["created_at"] < second["created_at"]
    assert signing_secret(acme.pk, alpha.pk) == second["signing_key"]
    assert SigningKey.objects.count() == 1


def test_the_secret_is_encrypted_at_rest() -> None:
    acme = organization()
    agent(acme, "alpha")

    secret = admin_client(acme).post("/identities/alpha/signing-key").json()["signing_key"]

    assert secret.encode() not in bytes(SigningKey.objects.get().sealed_secret)
    assert secret not in admin_client(acme).get("/identities/alpha").content.decode()


def test_an_agent_key_rotates_its_own_on_the_route_without_a_handle() -> None:
    alpha = agent(handle="alpha")
    # The newest client too: it is the admin call that was retired.
    client = agent_client(alpha, user_agent="inkbox-python/0.7.20")
    assert client.get("/signing-keys").json() == {"configured": False, "created_at": None}

    body = client.post("/signing-keys", {}).json()

    assert signing_secret(alpha.organization_id, alpha.pk) == body["signing_key"]
    assert client.get("/signing-keys").json() == {"configured": True, "created_at": body["created_at"]}


def test_an_admin_key_makes_a_key_of_the_organization() -> None:
    acme = organization()
    alpha, bravo = agent(acme, "alpha"), agent(acme, "bravo")
    client = admin_client(acme)
    own = client.post("/identities/bravo/signing-key").json()["signing_key"]

    shared = client.post("/signing-keys", {}).json()["signing_key"]

    # A key of the identity wins over that of the organization.
    assert signing_secret(acme.pk, alpha.pk) == shared
    assert signing_secret(acme.pk, bravo.pk) == own
    assert client.get("/identities/alpha").json()["signing_key_configured"] is False


def test_the_organization_status_covers_its_identities() -> None:
    acme = organization()
    agent(acme, "alpha")
    client = admin_client(acme)
    assert client.get("/signing-keys").json() == {"configured": False, "created_at": None}

    created_at = client.post("/identities/alpha/signing-key").json()["created_at"]

    assert client.get("/signing-keys").json() == {"configured": True, "created_at": created_at}
    assert admin_client().get("/signing-keys").json()["configured"] is False


@pytest.mark.parametrize(
    ("user_agent", "status"),
    [
        (None, 201),
        ("python-httpx/0.27", 201),
        ("inkbox-python/0.4.13", 201),
        ("inkbox-python/0.4.14", 409),
        ("inkbox-typescript/0.5.14", 409),
        ("inkbox-cli/0.5.14 inkbox-typescript/0.5.14", 409),
        ("inkbox-rust/0.7.20", 409),
        ("inkbox-python/1.0.0", 409),
    ],
)
@pytest.mark.parametrize("prefix", ["", "/compat/0.3"])
@pytest.mark.parametrize("person", [False, True])
def test_clients_that_can_name_an_identity_are_sent_there(
    user_agent: str | None, status: int, prefix: str, person: bool
) -> None:
    acme = organization()
    make = session_client if person else admin_client
    client = make(acme, user_agent=user_agent, prefix=prefix)
    before = all_rows()

    answer = client.post("/signing-keys", {})

    expected = 201 if prefix else status
    assert answer.status_code == expected
    if expected == 409:
        detail = answer.json()["detail"]
        assert detail == "Signing keys belong to identities: use POST /api/v1/identities/{handle}/signing-key."
        assert all_rows() == before


def test_the_first_key_is_minted_once() -> None:
    acme = organization()
    alpha = agent(acme, "alpha")

    first = ensure_signing_key(alpha)

    assert first is not None
    assert ensure_signing_key(alpha) is None
    assert signing_secret(acme.pk, alpha.pk) == first


def test_no_key_is_minted_while_the_organization_signs() -> None:
    acme = organization()
    alpha = agent(acme, "alpha")
    ApiClient(admin_key(acme)).post("/signing-keys")

    assert ensure_signing_key(alpha) is None
    assert SigningKey.objects.count() == 1


def test_without_any_key_nothing_signs() -> None:
    alpha = agent()

    assert signing_secret(alpha.organization_id, alpha.pk) is None


def test_after_a_rotation_the_old_key_signs_too_for_a_day() -> None:
    alpha = agent()
    owner = (alpha.organization_id, alpha.pk)
    with time_machine.travel(datetime(2026, 3, 1, tzinfo=UTC)) as clock:
        first, _ = rotate_signing_key(organization_id=alpha.organization_id, identity=alpha)
        assert signing_secrets([owner])[owner] == SigningSecrets(first)
        second, _ = rotate_signing_key(organization_id=alpha.organization_id, identity=alpha)
        assert signing_secrets([owner])[owner] == SigningSecrets(second, first)
        clock.shift(timedelta(hours=23))
        third, _ = rotate_signing_key(organization_id=alpha.organization_id, identity=alpha)
        assert signing_secrets([owner])[owner] == SigningSecrets(third, second)
        clock.shift(timedelta(hours=24))
        assert signing_secrets([owner])[owner] == SigningSecrets(third)
    assert len({first, second, third}) == 3


def test_secrets_of_many_owners_cost_one_query(django_assert_num_queries: Any) -> None:
    acme, other = organization(), organization()
    alpha, bravo, charlie = agent(acme), agent(acme), agent(other)
    own, _ = rotate_signing_key(organization_id=acme.pk, identity=alpha)
    shared, _ = rotate_signing_key(organization_id=acme.pk, identity=None)
    owners = [(acme.pk, alpha.pk), (acme.pk, bravo.pk), (acme.pk, None), (other.pk, charlie.pk)]

    with django_assert_num_queries(1):
        found = signing_secrets(owners)

    assert [found[owner].current for owner in owners] == [own, shared, shared, None]


def test_a_key_sealed_under_another_server_key_is_left_out(settings: Any) -> None:
    alpha = agent()
    rotate_signing_key(organization_id=alpha.organization_id, identity=alpha)

    settings.SECRET_KEY = "another-key-another-key-another-key"

    assert signing_secrets([(alpha.organization_id, alpha.pk)]) == {}
