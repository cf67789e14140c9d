"""Access rules over the API: who may grant and revoke what to whom."""

from __future__ import annotations

from typing import Any

import pytest

from common.principal import Profile
from identities.models import AgentIdentity, Organization
from identities.services.identities import delete_identity
from tests.factories.identities import ApiClient, admin_client, agent, agent_client, organization
from tests.factories.vault import secret_body, secret_of, vault_of
from tests.identities.rows import all_rows
from vault.models import SecretAccess, Vault, VaultSecret

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


@pytest.fixture
def alpha(acme: Organization) -> AgentIdentity:
    return agent(acme, "alpha")


@pytest.fixture
def bravo(acme: Organization) -> AgentIdentity:
    return agent(acme, "bravo")


@pytest.fixture
def secret(vault: Vault) -> VaultSecret:
    return secret_of(vault)


def access_path(secret: VaultSecret, identity: Any = None) -> str:
    return f"/vault/secrets/{secret.pk}/access" + (f"/{getattr(identity, 'pk', identity)}" if identity else "")


def test_grant_and_list(client: ApiClient, secret: VaultSecret, alpha: AgentIdentity, bravo: AgentIdentity) -> None:
    answers = [client.post(access_path(secret), {"identity_id": str(one.pk)}) for one in (alpha, bravo)]

    rules = [answer.json() for answer in answers]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert [rule["identity_id"] for rule in rules] == [str(alpha.pk), str(bravo.pk)]
    assert {tuple(sorted(rule)) for rule in rules} == {("created_at", "id", "identity_id", "vault_secret_id")}
    assert client.get(access_path(secret)).json() == rules
    assert client.get(f"/vault/secrets/{secret.pk}").json()["access"] == rules


def test_a_second_grant_is_a_conflict(client: ApiClient, secret: VaultSecret, alpha: AgentIdentity) -> None:
    client.post(access_path(secret), {"identity_id": str(alpha.pk)})
    before = all_rows()

    assert client.post(access_path(secret), {"identity_id": str(alpha.pk)}).status_code == 409
    assert all_rows() == before


@pytest.mark.parametrize("sent", [{}, {"identity_id": None}, {"identity_id": "alpha"}, {"identity_id": []}])
def test_a_bad_body_is_named(client: ApiClient, secret: VaultSecret, sent: Any) -> None:
    answer = client.post(access_path(secret), sent)

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", "identity_id"]
    assert not SecretAccess.objects.exists()


def test_identities_of_others_and_deleted_ones_are_unknown(
    client: ApiClient, secret: VaultSecret, alpha: AgentIdentity
) -> None:
    delete_identity(alpha, Profile.MODERN)
    foreign = agent()
    before = all_rows()

    for one in (UNKNOWN, str(foreign.pk), str(alpha.pk)):
        answer = client.post(access_path(secret), {"identity_id": one})
        assert answer.status_code == 404
        assert answer.json() == {"detail": "Identity not found"}
    assert all_rows() == before


def test_an_unknown_secret(client: ApiClient, vault: Vault, alpha: AgentIdentity) -> None:
    path = f"/vault/secrets/{UNKNOWN}/access"

    assert client.get(path).status_code == 404
    assert client.post(path, {"identity_id": str(alpha.pk)}).status_code == 404
    assert client.delete(f"{path}/{alpha.pk}").status_code == 404


def test_revoke_ends_it_at_once(client: ApiClient, vault: Vault, alpha: AgentIdentity, bravo: AgentIdentity) -> None:
    secret = secret_of(vault, alpha, bravo)

    assert client.delete(access_path(secret, alpha)).status_code == 204

    assert agent_client(alpha).get(f"/vault/secrets/{secret.pk}").status_code == 404
    assert agent_client(bravo).get(f"/vault/secrets/{secret.pk}").status_code == 200
    assert client.delete(access_path(secret, alpha)).status_code == 404


@pytest.mark.parametrize("identity_id", [UNKNOWN, "x", "%00"])
def test_revoking_what_is_not_granted(client: ApiClient, secret: VaultSecret, identity_id: str) -> None:
    before = all_rows()

    assert client.delete(access_path(secret, identity_id)).status_code == 404
    assert all_rows() == before


# --- Agents ------------------------------------------------------------------------------------------------------


def test_an_agent_grants_itself_what_it_has(vault: Vault, alpha: AgentIdentity) -> None:
    client, sent = agent_client(alpha), secret_body()
    created = client.post("/vault/secrets", sent).json()

    answer = client.post(f"/vault/secrets/{sent['id']}/access", {"identity_id": str(alpha.pk)})

    assert answer.status_code == 201
    assert [answer.json()] == created["access"]
    assert SecretAccess.objects.count() == 1


def test_an_agent_does_not_grant_itself_more(secret: VaultSecret, alpha: AgentIdentity) -> None:
    answer = agent_client(alpha).post(access_path(secret), {"identity_id": str(alpha.pk)})

    assert answer.status_code == 404
    assert not SecretAccess.objects.exists()


def test_an_agent_does_not_speak_for_others(vault: Vault, alpha: AgentIdentity, bravo: AgentIdentity) -> None:
    secret, client = secret_of(vault, alpha, bravo), agent_client(alpha)
    charlie = agent(alpha.organization)

    # Whether the other exists is not told.
    for one in (str(charlie.pk), str(bravo.pk), UNKNOWN):
        assert client.post(access_path(secret), {"identity_id": one}).status_code == 403
        assert client.delete(access_path(secret, one)).status_code == 403
    assert SecretAccess.objects.count() == 2


def test_an_agent_sees_its_own_rule(vault: Vault, alpha: AgentIdentity, bravo: AgentIdentity) -> None:
    secret = secret_of(vault, bravo, alpha)

    [rule] = agent_client(alpha).get(access_path(secret)).json()

    assert rule["identity_id"] == str(alpha.pk)


def test_an_agent_gives_up_its_access(vault: Vault, alpha: AgentIdentity) -> None:
    secret, client = secret_of(vault, alpha), agent_client(alpha)

    assert client.delete(access_path(secret, alpha)).status_code == 204

    assert client.get(f"/vault/secrets/{secret.pk}").status_code == 404
    assert client.delete(access_path(secret, alpha)).status_code == 404
    assert VaultSecret.objects.exists()
