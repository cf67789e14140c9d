"""Access to secrets in the life of an identity: created, deleted, moved to another organization."""

from __future__ import annotations

from typing import Any

import pytest

from common.principal import Profile
from identities.models import AgentIdentity, Organization
from identities.services.identities import delete_identity
from identities.services.moves import move_identity
from tests.factories.identities import ApiClient, admin_client, agent, agent_client, key_row, organization
from tests.factories.vault import new_vault_body, secret_of, vault_of
from tests.identities.rows import all_rows
from vault.models import SecretAccess, Vault, VaultAuditEntry, VaultSecret

pytestmark = pytest.mark.django_db

UNKNOWN = "99999999-9999-4999-8999-999999999999"


@pytest.fixture
def acme() -> Organization:
    return organization()


@pytest.fixture
def vault(acme: Organization) -> Vault:
    return vault_of(acme)


@pytest.fixture
def client(acme: Organization) -> ApiClient:
    return admin_client(acme)


def granted(handle: str) -> set[str]:
    identity = AgentIdentity.objects.get(agent_handle=handle)
    return {str(pk) for pk in SecretAccess.objects.filter(identity=identity).values_list("vault_secret_id", flat=True)}


# --- Created with access -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["", "/compat/0.3"])
def test_an_identity_is_created_with_access(acme: Organization, vault: Vault, prefix: str) -> None:
    client = admin_client(acme, prefix=prefix)
    one, two, three = (str(secret_of(vault).pk) for _ in range(3))

    for number, (wanted, expected) in enumerate(
        [
            (one, {one}),
            ([one, three], {one, three}),
            ([two, two, two.upper()], {two}),
            ("*", {one, two, three}),
            ("all", {one, two, three}),
            ([], set()),
            (None, set()),
        ]
    ):
        answer = client.post("/identities", {"agent_handle": f"agent-{number}", "vault_secret_ids": wanted})
        assert answer.status_code == 201, answer.content
        assert granted(f"agent-{number}") == expected


def test_later_secrets_are_not_granted(client: ApiClient, vault: Vault) -> None:
    client.post("/identities", {"agent_handle": "alpha", "vault_secret_ids": "*"})
    secret_of(vault)

    assert granted("alpha") == set()


def test_the_grant_is_in_the_log(client: ApiClient, vault: Vault) -> None:
    secret_of(vault)
    secret_of(vault)

    answer = client.post("/identities", {"agent_handle": "alpha", "vault_secret_ids": "*"})

    entry = VaultAuditEntry.objects.get(action="access_granted")
    assert (str(entry.identity_id), entry.secret_count) == (answer.json()["id"], 2)
    assert (entry.caller_scope, entry.caller_id) == ("key", key_row(client._headers["X-API-Key"]).pk)


def test_every_secret_of_no_vault_is_none(client: ApiClient) -> None:
    assert client.post("/identities", {"agent_handle": "alpha", "vault_secret_ids": "*"}).status_code == 201
    assert not SecretAccess.objects.exists()


def test_an_unknown_secret_refuses_the_identity(client: ApiClient, vault: Vault) -> None:
    known = str(secret_of(vault).pk)
    foreign = str(secret_of(vault_of(organization())).pk)
    before = all_rows()

    for wanted in (UNKNOWN, foreign, [known, UNKNOWN], [foreign, known]):
        answer = client.post("/identities", {"agent_handle": "alpha", "vault_secret_ids": wanted})
        assert answer.status_code == 404
        assert answer.json() == {"detail": "Secret not found"}
    assert all_rows() == before


@pytest.mark.parametrize(
    "wanted", ["x", "", 5, True, {}, {"ids": []}, [5], [None], ["*"], [UNKNOWN, "x"], [UNKNOWN] * 5001]
)
def test_a_bad_wish_is_named(client: ApiClient, vault: Vault, wanted: Any) -> None:
    before = all_rows()

    answer = client.post("/identities", {"agent_handle": "alpha", "vault_secret_ids": wanted})

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", "vault_secret_ids"]
    assert all_rows() == before


def test_many_secrets_are_granted_in_a_few_statements(
    client: ApiClient, vault: Vault, django_assert_max_num_queries: Any
) -> None:
    for _ in range(5):
        secret_of(vault)

    with django_assert_max_num_queries(45):
        client.post("/identities", {"agent_handle": "alpha", "vault_secret_ids": "all"})
    assert len(granted("alpha")) == 5


# --- Deleted -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", list(Profile))
def test_a_deleted_identity_loses_its_access(acme: Organization, vault: Vault, profile: Profile) -> None:
    alpha, bravo = agent(acme, "alpha"), agent(acme, "bravo")
    secret = secret_of(vault, alpha, bravo)

    delete_identity(alpha, profile)

    assert [rule.identity_id for rule in SecretAccess.objects.all()] == [bravo.pk]
    assert VaultSecret.objects.get() == secret


# --- Moved -------------------------------------------------------------------------------------------------------


def _provisional() -> tuple[Organization, AgentIdentity, Vault, dict[str, Any]]:
    before = organization(is_provisional=True)
    alpha, body = agent(before, "alpha"), new_vault_body()
    vault = vault_of(before, body)
    secret_of(vault, alpha)
    return before, alpha, vault, body


def test_the_vault_of_a_provisional_organization_moves_along() -> None:
    before, alpha, _, body = _provisional()
    after = organization()

    moved = move_identity(alpha, after)

    assert Vault.objects.get().organization_id == after.pk
    assert set(VaultAuditEntry.objects.values_list("organization_id", flat=True)) == {after.pk}
    client = admin_client(after)
    # The salt of its keys stays, or nobody could derive them any more.
    assert client.get("/vault/info").json()["organization_id"] == before.pk
    for caller in (client, agent_client(moved)):
        bundle = caller.get(f"/vault/unlock?auth_hash={body['vault_key']['auth_hash']}").json()
        assert bundle["wrapped_org_encryption_key"] == body["vault_key"]["wrapped_org_encryption_key"]
        assert len(bundle["encrypted_secrets"]) == 1
    assert admin_client(before).get("/vault/info").status_code == 404


def test_two_vaults_are_not_merged() -> None:
    before, alpha, vault, _ = _provisional()
    after = organization()
    other = vault_of(after)

    move_identity(alpha, after)

    assert Vault.objects.get(organization=after) == other
    assert Vault.objects.get(organization=before) == vault
    assert not SecretAccess.objects.exists()


def test_a_vault_stays_with_those_who_use_it() -> None:
    before, alpha, vault, _ = _provisional()
    bravo = agent(before, "bravo")
    secret_of(vault, bravo)

    move_identity(alpha, organization())

    assert Vault.objects.get().organization_id == before.pk
    assert [rule.identity_id for rule in SecretAccess.objects.all()] == [bravo.pk]


def test_the_vault_of_a_real_organization_stays(acme: Organization, vault: Vault) -> None:
    alpha = agent(acme, "alpha")
    secret_of(vault, alpha)

    move_identity(alpha, organization())

    assert Vault.objects.get().organization_id == acme.pk
    assert not SecretAccess.objects.exists()
    assert VaultSecret.objects.count() == 1


def test_nothing_of_the_new_organization_is_granted(acme: Organization, vault: Vault) -> None:
    secret_of(vault)
    alpha = agent(organization(), "alpha")

    moved = move_identity(alpha, acme)

    assert agent_client(moved).get("/vault/secrets").json() == []
