"""GET /api/v1/vault/unlock: who gets which key and which ciphertext, and how often one may be wrong."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from common.api import inputs
from identities.enums import Role
from identities.models import AgentIdentity, Organization
from tests.factories.identities import (
    ApiClient,
    admin_client,
    agent,
    agent_client,
    organization,
    session_client,
    unclaimed_agent,
)
from tests.factories.vault import auth_hash, new_vault_body, secret_of, vault_of
from vault.enums import SecretType, VaultAction
from vault.limits import REFUSED_KEYS_PER_MINUTE
from vault.models import SecretAccess, Vault, VaultAuditEntry, VaultKey

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme() -> Organization:
    return organization()


@pytest.fixture
def body() -> dict[str, Any]:
    return new_vault_body()


@pytest.fixture
def vault(acme: Organization, body: dict[str, Any]) -> Vault:
    return vault_of(acme, body)


@pytest.fixture
def alpha(acme: Organization) -> AgentIdentity:
    return agent(acme, "alpha")


def unlock(client: ApiClient, value: str) -> Any:
    answer = client.get(f"/vault/unlock?auth_hash={value}")
    assert answer.status_code == 200, answer.content
    assert answer.headers["Cache-Control"] == "no-store"
    return answer.json()


def ids(bundle: Any) -> list[str]:
    return [row["id"] for row in bundle["encrypted_secrets"]]


def test_the_bundle(acme: Organization, vault: Vault, body: dict[str, Any], alpha: AgentIdentity) -> None:
    secret = secret_of(vault, alpha, name="Bank", description="the account", secret_type=SecretType.API_KEY.value)
    rule = SecretAccess.objects.get()

    bundle = unlock(admin_client(acme), body["vault_key"]["auth_hash"])

    row = bundle["encrypted_secrets"][0]
    for stamped in (row, row["access"][0]):
        assert stamped.pop("created_at").endswith("Z")
    assert row.pop("updated_at").endswith("Z")
    assert bundle == {
        "wrapped_org_encryption_key": body["vault_key"]["wrapped_org_encryption_key"],
        "wrapped_org_encryption_keys": None,
        "encrypted_secrets": [
            {
                "id": str(secret.pk),
                "name": "Bank",
                "description": "the account",
                "secret_type": "api_key",
                "revision": 1,
                "encrypted_payload": secret.encrypted_payload,
                "access": [{"id": str(rule.pk), "vault_secret_id": str(secret.pk), "identity_id": str(alpha.pk)}],
            }
        ],
    }


@pytest.mark.parametrize("number", [0, 3])
def test_a_recovery_code_works_like_the_key(
    acme: Organization, vault: Vault, body: dict[str, Any], number: int
) -> None:
    secret = secret_of(vault)
    key = body["recovery_keys"][number]

    bundle = unlock(admin_client(acme), key["auth_hash"])

    assert bundle["wrapped_org_encryption_key"] == key["wrapped_org_encryption_key"]
    assert ids(bundle) == [str(secret.pk)]
    # Unlocking does not use it up.
    assert unlock(admin_client(acme), key["auth_hash"]) == bundle


def test_secrets_come_newest_first(acme: Organization, vault: Vault, body: dict[str, Any]) -> None:
    rows = [secret_of(vault) for _ in range(3)]
    rows[0].created_at += timedelta(days=1)
    rows[0].save()

    bundle = unlock(admin_client(acme), body["vault_key"]["auth_hash"])

    assert ids(bundle) == [str(rows[number].pk) for number in (0, 2, 1)]


def test_a_hash_that_fits_no_key_gets_nothing(acme: Organization, vault: Vault) -> None:
    secret_of(vault)

    assert unlock(admin_client(acme), auth_hash()) == {
        "wrapped_org_encryption_key": None,
        "wrapped_org_encryption_keys": None,
        "encrypted_secrets": [],
    }


def test_an_agent_gets_what_was_granted_to_it(
    acme: Organization, vault: Vault, body: dict[str, Any], alpha: AgentIdentity
) -> None:
    bravo = agent(acme, "bravo")
    secret_of(vault)
    secret_of(vault, bravo)
    own, shared = secret_of(vault, alpha), secret_of(vault, bravo, alpha)

    bundle = unlock(agent_client(alpha), body["vault_key"]["auth_hash"])

    assert bundle["wrapped_org_encryption_key"] == body["vault_key"]["wrapped_org_encryption_key"]
    assert ids(bundle) == [str(shared.pk), str(own.pk)]
    # Not who else may read it.
    assert [[rule["identity_id"] for rule in row["access"]] for row in bundle["encrypted_secrets"]] == [
        [str(alpha.pk)],
        [str(alpha.pk)],
    ]


def test_an_agent_without_grants_gets_the_key_alone(vault: Vault, body: dict[str, Any], alpha: AgentIdentity) -> None:
    secret_of(vault)

    bundle = unlock(agent_client(alpha), body["vault_key"]["auth_hash"])

    assert bundle["wrapped_org_encryption_key"] is not None
    assert bundle["encrypted_secrets"] == []


def test_without_a_hash_managers_get_every_wrapped_key(acme: Organization, vault: Vault, body: dict[str, Any]) -> None:
    secret = secret_of(vault)

    bundle = session_client(acme).get("/vault/unlock").json()

    keys = [body["vault_key"], *body["recovery_keys"]]
    assert bundle["wrapped_org_encryption_key"] is None
    given = bundle["wrapped_org_encryption_keys"]
    assert {row["id"]: row for row in given} == {
        key["id"]: {
            "id": key["id"],
            "auth_hash": None,
            "wrapped_org_encryption_key": key["wrapped_org_encryption_key"],
        }
        for key in keys
    }
    assert given[0]["id"] == keys[0]["id"]
    assert ids(bundle) == [str(secret.pk)]


def test_without_a_hash_others_get_no_key(acme: Organization, vault: Vault, alpha: AgentIdentity) -> None:
    secret = secret_of(vault, alpha)

    for client in (agent_client(alpha), session_client(acme, Role.MEMBER)):
        bundle = client.get("/vault/unlock").json()
        assert bundle["wrapped_org_encryption_key"] is None
        assert bundle["wrapped_org_encryption_keys"] is None
        assert ids(bundle) == [str(secret.pk)]


@pytest.mark.parametrize("value", ["", "a", "A" * 64, "g" * 64, "%00"])
def test_a_malformed_hash_is_named(acme: Organization, vault: Vault, value: str) -> None:
    answer = admin_client(acme).get(f"/vault/unlock?auth_hash={value}")

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["query", "auth_hash"]
    assert not VaultAuditEntry.objects.exclude(action=VaultAction.VAULT_INITIALIZED.value).exists()


def test_an_unclaimed_agent_is_kept_out(acme: Organization, vault: Vault, body: dict[str, Any]) -> None:
    newcomer = unclaimed_agent(acme)
    secret_of(vault, newcomer)
    before = VaultAuditEntry.objects.count()

    answer = agent_client(newcomer).get(f"/vault/unlock?auth_hash={body['vault_key']['auth_hash']}")

    assert answer.status_code == 403
    assert VaultAuditEntry.objects.count() == before


def test_only_a_digest_of_the_hash_is_stored(acme: Organization, vault: Vault, body: dict[str, Any]) -> None:
    unlock(admin_client(acme), body["vault_key"]["auth_hash"])

    row = VaultKey.objects.get(key_type="primary")
    value = body["vault_key"]["auth_hash"]
    assert len(row.auth_digest) == 32
    assert bytes(row.auth_digest) != bytes.fromhex(value)
    assert not [entry for entry in VaultAuditEntry.objects.values() if value in str(entry)]


def test_the_digest_belongs_to_this_vault_and_this_server(
    acme: Organization, vault: Vault, body: dict[str, Any], settings: Any
) -> None:
    other = vault_of(
        organization(), new_vault_body(vault_key={**body["vault_key"], "id": new_vault_body()["vault_key"]["id"]})
    )
    digests = {bytes(row.auth_digest) for row in VaultKey.objects.filter(key_type="primary")}
    assert len(digests) == 2
    assert other.keys.count() == 5

    settings.SECRET_KEY = "another secret of at least thirty-two characters"
    assert unlock(admin_client(acme), body["vault_key"]["auth_hash"])["wrapped_org_encryption_key"] is None


def test_the_hash_is_not_remembered_with_the_query(acme: Organization, vault: Vault) -> None:
    inputs._parsed_query.cache_clear()

    unlock(admin_client(acme), auth_hash())

    assert inputs._parsed_query.cache_info().currsize == 0


# --- Too many wrong hashes ---------------------------------------------------------------------------------------


def test_guessing_is_stopped_for_a_while(acme: Organization, vault: Vault, body: dict[str, Any]) -> None:
    client = admin_client(acme)
    for _ in range(REFUSED_KEYS_PER_MINUTE):
        unlock(client, auth_hash())

    answer = client.get(f"/vault/unlock?auth_hash={body['vault_key']['auth_hash']}")

    # The right one too: otherwise the answer would tell it apart.
    assert answer.status_code == 429
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert answer.json()["detail"]["code"] == "rate_limited"
    assert VaultAuditEntry.objects.filter(action=VaultAction.KEY_REFUSED.value).count() == REFUSED_KEYS_PER_MINUTE
    assert not VaultAuditEntry.objects.filter(action=VaultAction.UNLOCKED.value).exists()


def test_the_other_uses_of_a_hash_count_too(acme: Organization, vault: Vault, body: dict[str, Any]) -> None:
    client = admin_client(acme)
    change = {key: value for key, value in new_vault_body()["vault_key"].items() if key != "key_type"}
    recovery = body["recovery_keys"][0]["auth_hash"]
    for number in range(REFUSED_KEYS_PER_MINUTE):
        if number % 2:
            client.delete(f"/vault/keys/{auth_hash()}")
        else:
            client.put("/vault/keys/primary", {**change, "current_auth_hash": auth_hash()})

    assert client.get(f"/vault/unlock?auth_hash={recovery}").status_code == 429
    assert client.delete(f"/vault/keys/{recovery}").status_code == 429
    assert client.put("/vault/keys/primary", {**change, "recovery_auth_hash": recovery}).status_code == 429
    assert VaultKey.objects.count() == 5


def test_right_hashes_do_not_count(acme: Organization, vault: Vault, body: dict[str, Any]) -> None:
    client = admin_client(acme)

    for _ in range(REFUSED_KEYS_PER_MINUTE * 2):
        assert unlock(client, body["vault_key"]["auth_hash"])["wrapped_org_encryption_key"] is not None


def test_others_are_not_stopped(acme: Organization, vault: Vault, body: dict[str, Any], alpha: AgentIdentity) -> None:
    client = agent_client(alpha)
    for _ in range(REFUSED_KEYS_PER_MINUTE):
        unlock(client, auth_hash())
    value = body["vault_key"]["auth_hash"]

    # Another key of the same identity is the same caller.
    assert agent_client(alpha).get(f"/vault/unlock?auth_hash={value}").status_code == 429
    assert unlock(agent_client(agent(acme)), value)["wrapped_org_encryption_key"] is not None
    assert unlock(admin_client(acme), value)["wrapped_org_encryption_key"] is not None
    # What needs no hash goes on.
    assert client.get("/vault/secrets").status_code == 200
