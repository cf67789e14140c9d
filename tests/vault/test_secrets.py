"""Secrets over the API: create, list, read, change, delete."""

from __future__ import annotations

import os
from typing import Any
from uuid import uuid4

import pytest

from identities.models import AgentIdentity, Organization
from tests.factories.identities import ApiClient, admin_client, agent, agent_client, organization
from tests.factories.vault import secret_body, secret_of, vault_of
from tests.factories.vault_envelope import b64
from tests.identities.rows import all_rows
from vault import limits
from vault.enums import SecretType
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


def test_create(client: ApiClient, vault: Vault) -> None:
    sent = secret_body(name="Bank", description="the account", secret_type="key_pair")

    answer = client.post("/vault/secrets", sent)

    body = answer.json()
    assert answer.status_code == 201
    assert answer.headers["ETag"] == '"1"'
    assert body.pop("created_at") == body.pop("updated_at")
    assert body == {
        "id": sent["id"],
        "name": "Bank",
        "description": "the account",
        "secret_type": "key_pair",
        "revision": 1,
        "access": [],
    }
    row = VaultSecret.objects.get()
    assert row.encrypted_payload == sent["encrypted_payload"]
    assert row.size_bytes == len("Bank" + "the account" + sent["encrypted_payload"])


def test_an_id_is_made_when_there_is_none(client: ApiClient, vault: Vault) -> None:
    sent = secret_body()
    del sent["id"]

    bodies = [client.post("/vault/secrets", sent).json() for _ in range(2)]

    assert {body["id"] for body in bodies} == {str(row.pk) for row in VaultSecret.objects.all()}
    assert len({body["id"] for body in bodies}) == 2
    assert bodies[0]["description"] is None


def test_names_may_repeat_ids_may_not(client: ApiClient, vault: Vault) -> None:
    sent = secret_body()
    client.post("/vault/secrets", sent)
    assert client.post("/vault/secrets", secret_body()).status_code == 201
    before = all_rows()

    assert client.post("/vault/secrets", sent).status_code == 409
    assert all_rows() == before


@pytest.mark.parametrize("secret_type", [t.value for t in SecretType])
def test_every_type_is_stored_and_listed_by_type(client: ApiClient, vault: Vault, secret_type: str) -> None:
    secret_of(vault, secret_type="other" if secret_type != "other" else "login")
    sent = secret_body(secret_type=secret_type)
    client.post("/vault/secrets", sent)

    rows = client.get(f"/vault/secrets?secret_type={secret_type}").json()

    assert [row["id"] for row in rows] == [sent["id"]]
    assert len(client.get("/vault/secrets").json()) == 2


@pytest.mark.parametrize(
    ("extra", "name"),
    [
        ({"id": "x"}, "id"),
        ({"id": None}, "id"),
        ({"id": "{22222222-2222-4222-8222-222222222222}"}, "id"),
        ({"id": "22222222222242228222222222222222"}, "id"),
        ({"name": ""}, "name"),
        ({"name": None}, "name"),
        ({"name": "x" * 256}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"name": 5}, "name"),
        ({"description": "x" * 4001}, "description"),
        ({"description": 5}, "description"),
        ({"secret_type": "password"}, "secret_type"),
        ({"secret_type": None}, "secret_type"),
        ({"encrypted_payload": None}, "encrypted_payload"),
        ({"encrypted_payload": ""}, "encrypted_payload"),
        ({"encrypted_payload": b64(bytes(27))}, "encrypted_payload"),
        ({"encrypted_payload": b64(bytes(limits.PAYLOAD_MAX_BYTES + 1))}, "encrypted_payload"),
        ({"encrypted_payload": b64(bytes(40)).rstrip("=")}, "encrypted_payload"),
        ({"encrypted_payload": b64(b"\xff" * 40).replace("/", "_")}, "encrypted_payload"),
        ({"encrypted_payload": "hunter2 " * 20}, "encrypted_payload"),
        ({"encrypted_payload": {"password": "hunter2"}}, "encrypted_payload"),
    ],
)
def test_a_bad_field_is_named(client: ApiClient, vault: Vault, extra: dict[str, Any], name: str) -> None:
    before = all_rows()

    answer = client.post("/vault/secrets", secret_body(**extra))

    assert answer.status_code == 422
    assert [issue["loc"] for issue in answer.json()["detail"]] == [["body", name]]
    # The refusal does not repeat what was sent: it may be what should have been encrypted.
    assert "hunter2" not in answer.content.decode()
    assert all_rows() == before


@pytest.mark.parametrize("missing", ["name", "secret_type", "encrypted_payload"])
def test_a_missing_field_is_named(client: ApiClient, vault: Vault, missing: str) -> None:
    sent = secret_body()
    del sent[missing]

    answer = client.post("/vault/secrets", sent)

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", missing]


def test_the_largest_payload(client: ApiClient, vault: Vault) -> None:
    sent = secret_body(encrypted_payload=b64(os.urandom(limits.PAYLOAD_MAX_BYTES)))

    assert client.post("/vault/secrets", sent).status_code == 201
    assert client.get(f"/vault/secrets/{sent['id']}").json()["encrypted_payload"] == sent["encrypted_payload"]


def test_the_smallest_payload(client: ApiClient, vault: Vault) -> None:
    assert client.post("/vault/secrets", secret_body(encrypted_payload=b64(os.urandom(28)))).status_code == 201


def test_a_list_has_no_payloads(client: ApiClient, vault: Vault, alpha: AgentIdentity) -> None:
    secret = secret_of(vault, alpha)

    [row] = client.get("/vault/secrets/").json()

    assert "encrypted_payload" not in row
    assert row["id"] == str(secret.pk)
    assert [rule["identity_id"] for rule in row["access"]] == [str(alpha.pk)]


def test_an_empty_list(client: ApiClient, vault: Vault) -> None:
    assert client.get("/vault/secrets").json() == []


def test_an_unknown_type_is_named(client: ApiClient, vault: Vault) -> None:
    answer = client.get("/vault/secrets?secret_type=password")

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["query", "secret_type"]


def test_get_has_the_payload(client: ApiClient, vault: Vault) -> None:
    secret = secret_of(vault, description="d")

    answer = client.get(f"/vault/secrets/{secret.pk}")

    assert answer.status_code == 200
    assert answer.headers["ETag"] == '"1"'
    assert answer.json()["encrypted_payload"] == secret.encrypted_payload
    assert answer.json()["description"] == "d"


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
@pytest.mark.parametrize("row_id", [UNKNOWN, "x", "%00", "a" * 5000])
def test_an_unknown_secret(client: ApiClient, vault: Vault, method: str, row_id: str) -> None:
    before = all_rows()

    answer = client.call(method, f"/vault/secrets/{row_id}", {} if method == "PATCH" else None)

    assert answer.status_code == 404
    assert answer.json() == {"detail": "Secret not found"}
    assert all_rows() == before


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "New"},
        {"description": "new"},
        {"description": None},
        {"encrypted_payload": b64(b"x" * 99)},
        {"name": "New", "description": None, "encrypted_payload": b64(b"y" * 28)},
    ],
)
def test_update_changes_what_was_sent(client: ApiClient, vault: Vault, changes: dict[str, Any]) -> None:
    secret = secret_of(vault, description="old")
    before = client.get(f"/vault/secrets/{secret.pk}").json()

    answer = client.patch(f"/vault/secrets/{secret.pk}", changes)

    assert answer.status_code == 200
    assert answer.headers["ETag"] == '"2"'
    after = client.get(f"/vault/secrets/{secret.pk}").json()
    assert after == {**before, **changes, "revision": 2, "updated_at": after["updated_at"]}
    assert after["updated_at"] > before["updated_at"]
    assert answer.json() == {name: value for name, value in after.items() if name != "encrypted_payload"}
    row = VaultSecret.objects.get()
    assert row.size_bytes == len(f"{row.name}{row.description or ''}{row.encrypted_payload}")


@pytest.mark.parametrize("sent", [{}, None, {"a_field_of_tomorrow": 1}])
def test_an_empty_update_changes_nothing(client: ApiClient, vault: Vault, sent: Any) -> None:
    secret = secret_of(vault)
    before = all_rows()

    answer = client.patch(f"/vault/secrets/{secret.pk}", sent)

    assert answer.status_code == 200
    assert answer.json()["revision"] == 1
    assert all_rows() == before


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"name": None}, "name"),
        ({"name": ""}, "name"),
        ({"encrypted_payload": None}, "encrypted_payload"),
        ({"encrypted_payload": "x"}, "encrypted_payload"),
        ({"secret_type": "other"}, "secret_type"),
        ({"secret_type": "login", "name": "New"}, "secret_type"),
    ],
)
def test_bad_changes(client: ApiClient, vault: Vault, changes: dict[str, Any], name: str) -> None:
    secret = secret_of(vault)
    before = all_rows()

    answer = client.patch(f"/vault/secrets/{secret.pk}", changes)

    assert answer.status_code == 422
    assert [issue["loc"] for issue in answer.json()["detail"]] == [["body", name]]
    assert all_rows() == before


def test_delete_takes_the_rules_along(client: ApiClient, vault: Vault, alpha: AgentIdentity) -> None:
    secret, other = secret_of(vault, alpha), secret_of(vault, alpha)

    assert client.delete(f"/vault/secrets/{secret.pk}").status_code == 204

    assert VaultSecret.objects.get() == other
    assert SecretAccess.objects.get().vault_secret == other
    assert client.delete(f"/vault/secrets/{secret.pk}").status_code == 404


def test_another_organization_sees_nothing(vault: Vault) -> None:
    secret = secret_of(vault)
    other = organization()
    vault_of(other)
    foreign = admin_client(other)
    foreign.get("/vault/info")
    before = VaultSecret.objects.values().get()

    assert foreign.get("/vault/secrets").json() == []
    for method in ("GET", "PATCH", "DELETE"):
        assert foreign.call(method, f"/vault/secrets/{secret.pk}").status_code == 404
    assert VaultSecret.objects.values().get() == before


# --- Agents ------------------------------------------------------------------------------------------------------


def test_an_agent_reads_back_what_it_creates(vault: Vault, alpha: AgentIdentity) -> None:
    client, sent = agent_client(alpha), secret_body()

    created = client.post("/vault/secrets", sent)

    assert created.status_code == 201
    assert [rule["identity_id"] for rule in created.json()["access"]] == [str(alpha.pk)]
    assert client.get(f"/vault/secrets/{sent['id']}").json()["encrypted_payload"] == sent["encrypted_payload"]
    assert [row["id"] for row in client.get("/vault/secrets").json()] == [sent["id"]]


def test_a_granted_agent_changes_and_deletes(vault: Vault, alpha: AgentIdentity) -> None:
    secret, client = secret_of(vault, alpha), agent_client(alpha)

    assert client.patch(f"/vault/secrets/{secret.pk}", {"name": "New"}).json()["name"] == "New"
    assert client.delete(f"/vault/secrets/{secret.pk}").status_code == 204
    assert not VaultSecret.objects.exists()


def test_what_is_not_granted_does_not_exist(vault: Vault, acme: Organization, alpha: AgentIdentity) -> None:
    secret, client = secret_of(vault, agent(acme)), agent_client(alpha)
    before = VaultSecret.objects.values().get()

    assert client.get("/vault/secrets").json() == []
    for method in ("GET", "PATCH", "DELETE"):
        assert client.call(method, f"/vault/secrets/{secret.pk}").status_code == 404
    assert VaultSecret.objects.values().get() == before


# --- Changes of what was read ------------------------------------------------------------------------------------


def test_a_change_of_an_older_revision_is_refused(client: ApiClient, vault: Vault) -> None:
    path = f"/vault/secrets/{secret_of(vault).pk}"
    tag = client.get(path).headers["ETag"]
    client.patch(path, {"name": "By somebody else"}, If_Match=tag)
    before = all_rows()

    for method in ("PATCH", "DELETE"):
        answer = client.call(method, path, {"name": "Mine"}, If_Match=tag)
        assert answer.status_code == 412
        assert answer.json()["detail"]["code"] == "secret_changed"
        assert answer.json()["detail"]["revision"] == 2
    assert all_rows() == before


@pytest.mark.parametrize("tag", ['"1"', "*", '"7", "1"', ""])
def test_a_change_of_the_expected_revision(client: ApiClient, vault: Vault, tag: str) -> None:
    path = f"/vault/secrets/{secret_of(vault).pk}"

    assert client.patch(path, {"name": "New"}, If_Match=tag).status_code == 200
    assert client.delete(path, If_Match="*").status_code == 204


@pytest.mark.parametrize("tag", ["1", 'W/"1"', '"x"', '"1', '"1" "2"'])
def test_a_malformed_expectation(client: ApiClient, vault: Vault, tag: str) -> None:
    path = f"/vault/secrets/{secret_of(vault).pk}"
    before = all_rows()

    answer = client.patch(path, {"name": "New"}, If_Match=tag)

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["header", "If-Match"]
    assert all_rows() == before


# --- How much a vault holds --------------------------------------------------------------------------------------


def test_the_number_of_secrets_is_limited(client: ApiClient, vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SECRETS_PER_VAULT_MAX", 2)
    kept = [secret_of(vault), secret_of(vault)]
    before = all_rows()

    answer = client.post("/vault/secrets", secret_body())

    assert answer.status_code == 409
    assert answer.json()["detail"]["code"] == "vault_full"
    assert all_rows() == before
    client.delete(f"/vault/secrets/{kept[0].pk}")
    assert client.post("/vault/secrets", secret_body()).status_code == 201


def test_the_size_of_a_vault_is_limited(client: ApiClient, vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = secret_of(vault, name="12345678")
    monkeypatch.setattr(limits, "VAULT_MAX_BYTES", secret.size_bytes)
    path = f"/vault/secrets/{secret.pk}"
    before = all_rows()

    assert client.post("/vault/secrets", secret_body()).status_code == 409
    assert client.patch(path, {"name": "123456789"}).status_code == 409
    assert all_rows() == before
    # What makes it no larger is fine.
    assert client.patch(path, {"name": "87654321"}).status_code == 200


def test_an_id_of_another_vault_is_taken(client: ApiClient, vault: Vault) -> None:
    sent = secret_body(id=str(uuid4()))
    secret_of(vault_of(organization()), id=sent["id"])

    assert client.post("/vault/secrets", sent).status_code == 409
    assert VaultSecret.objects.get().vault != vault
