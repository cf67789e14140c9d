"""Initialize, list, add, change and delete the keys of a vault over the API."""

from __future__ import annotations

from typing import Any

import pytest

from identities.models import Organization
from tests.factories.identities import ApiClient, admin_client, agent, agent_client, organization, session_client
from tests.factories.vault import auth_hash, material, new_vault_body, secret_body, secret_of, vault_of
from tests.factories.vault_envelope import b64
from tests.identities.rows import all_rows
from vault.enums import KeyType, VaultAction
from vault.models import SecretAccess, Vault, VaultAuditEntry, VaultKey, VaultSecret

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
def client(acme: Organization) -> ApiClient:
    return admin_client(acme)


def rows_but_audit() -> dict[str, Any]:
    return {name: rows for name, rows in all_rows().items() if name != "vault.VaultAuditEntry"}


def change_body(**fields: Any) -> dict[str, Any]:
    new = material()
    del new["key_type"]
    return {**new, **fields}


def wrapped(client: ApiClient, value: str) -> Any:
    return client.get(f"/vault/unlock?auth_hash={value}").json()["wrapped_org_encryption_key"]


def test_initialize(acme: Organization, client: ApiClient, body: dict[str, Any]) -> None:
    answer = client.post("/vault/initialize", body)

    row = Vault.objects.get()
    assert answer.status_code == 201
    assert answer.json() == {
        "vault_id": str(row.pk),
        "vault_key_id": body["vault_key"]["id"],
        "recovery_key_count": 4,
    }
    info = client.get("/vault/info").json()
    assert info.pop("created_at").endswith("Z")
    assert info.pop("updated_at").endswith("Z")
    assert info == {
        "id": str(row.pk),
        "organization_id": acme.pk,
        "status": "active",
        "key_count": 1,
        "recovery_key_count": 4,
        "secret_count": 0,
        "deleted_at": None,
    }


def test_a_person_initializes_too(acme: Organization, body: dict[str, Any]) -> None:
    assert session_client(acme).post("/vault/initialize", body).status_code == 201


def test_there_is_one_vault(client: ApiClient, vault: Vault) -> None:
    before = all_rows()

    assert client.post("/vault/initialize", new_vault_body()).status_code == 409
    assert all_rows() == before


def test_ids_of_keys_are_unique_everywhere(vault: Vault, body: dict[str, Any]) -> None:
    other = admin_client(organization())
    before = rows_but_audit()

    answer = other.post("/vault/initialize", new_vault_body(vault_key=material(id=body["vault_key"]["id"])))

    assert answer.status_code == 409
    assert {**rows_but_audit(), "identities.ApiKey": []} == {**before, "identities.ApiKey": []}
    assert not VaultAuditEntry.objects.exclude(vault_id=vault.pk).exists()


_KEY = material()
BAD_BODIES: list[tuple[Any, list[Any]]] = [
    ({"recovery_keys": []}, ["vault_key"]),
    ({"vault_key": "x", "recovery_keys": []}, ["vault_key"]),
    (new_vault_body(vault_key=material(KeyType.RECOVERY)), ["vault_key", "key_type"]),
    (new_vault_body(vault_key=material(id="11111111-1111-4111-8111-11111111111")), ["vault_key", "id"]),
    (new_vault_body(vault_key=material(id="ABCDEFAB-1111-4111-8111-111111111111")), ["vault_key", "id"]),
    (new_vault_body(vault_key=material(id=5)), ["vault_key", "id"]),
    (new_vault_body(vault_key=material(auth_hash="A" * 64)), ["vault_key", "auth_hash"]),
    (new_vault_body(vault_key=material(auth_hash="a" * 63)), ["vault_key", "auth_hash"]),
    (new_vault_body(vault_key=material(auth_hash="a" * 64 + "\n")), ["vault_key", "auth_hash"]),
    (new_vault_body(vault_key=material(auth_hash=None)), ["vault_key", "auth_hash"]),
    (
        new_vault_body(vault_key=material(wrapped_org_encryption_key=b64(bytes(59)))),
        ["vault_key", "wrapped_org_encryption_key"],
    ),
    (
        new_vault_body(vault_key=material(wrapped_org_encryption_key=b64(bytes(61)))),
        ["vault_key", "wrapped_org_encryption_key"],
    ),
    (
        new_vault_body(vault_key=material(wrapped_org_encryption_key="é" * 80)),
        ["vault_key", "wrapped_org_encryption_key"],
    ),
    (
        new_vault_body(vault_key=material(wrapped_org_encryption_key="!" * 80)),
        ["vault_key", "wrapped_org_encryption_key"],
    ),
    (
        new_vault_body(vault_key=material(wrapped_org_encryption_key=["x"])),
        ["vault_key", "wrapped_org_encryption_key"],
    ),
    (new_vault_body(recovery_keys=[]), ["recovery_keys"]),
    (new_vault_body(recovery_keys=[material(KeyType.RECOVERY) for _ in range(3)]), ["recovery_keys"]),
    (new_vault_body(recovery_keys=[material(KeyType.RECOVERY) for _ in range(5)]), ["recovery_keys"]),
    (new_vault_body(recovery_keys=[material() for _ in range(4)]), ["recovery_keys"]),
    (new_vault_body(recovery_keys=[material(KeyType.RECOVERY, id=_KEY["id"]) for _ in range(4)]), ["recovery_keys"]),
    (
        new_vault_body(recovery_keys=[material(KeyType.RECOVERY, auth_hash=_KEY["auth_hash"]) for _ in range(4)]),
        ["recovery_keys"],
    ),
]


@pytest.mark.parametrize(("bad", "loc"), BAD_BODIES)
def test_bad_material_is_named(client: ApiClient, bad: Any, loc: list[Any]) -> None:
    before = all_rows()

    answer = client.post("/vault/initialize", bad)

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", *loc]
    assert all_rows() == before


def test_keys_are_listed_without_what_they_wrap(client: ApiClient, vault: Vault, body: dict[str, Any]) -> None:
    rows = client.get("/vault/keys").json()

    ids = [body["vault_key"]["id"], *(key["id"] for key in body["recovery_keys"])]
    assert rows[0]["id"] == ids[0]
    assert {row["id"] for row in rows} == set(ids)
    assert [row["key_type"] for row in rows] == ["primary", *["recovery"] * 4]
    assert {tuple(sorted(row)) for row in rows} == {("created_at", "created_by", "id", "key_type", "updated_at")}
    assert rows[0]["created_by"] == "ApiKey_test"


@pytest.mark.parametrize(
    ("query", "count"), [("", 5), ("?type=primary", 1), ("?type=RECOVERY", 4), ("?type=Primary", 1)]
)
def test_keys_by_type(client: ApiClient, vault: Vault, query: str, count: int) -> None:
    assert len(client.get(f"/vault/keys{query}").json()) == count


def test_an_unknown_type_is_named(client: ApiClient, vault: Vault) -> None:
    answer = client.get("/vault/keys?type=master")

    assert answer.status_code == 422
    assert answer.json()["detail"] == [
        {"loc": ["query", "type"], "msg": "Use one of: primary, recovery.", "type": "invalid_choice"}
    ]


def test_another_primary_key_opens_the_vault(client: ApiClient, vault: Vault) -> None:
    second = material()

    answer = client.post("/vault/keys", second)

    assert answer.status_code == 201
    assert (answer.json()["id"], answer.json()["key_type"]) == (second["id"], "primary")
    assert wrapped(client, second["auth_hash"]) == second["wrapped_org_encryption_key"]
    assert client.get("/vault/info").json()["key_count"] == 2


def test_recovery_keys_are_not_added(client: ApiClient, vault: Vault) -> None:
    before = all_rows()

    assert client.post("/vault/keys", material(KeyType.RECOVERY)).status_code == 422
    assert all_rows() == before


@pytest.mark.parametrize("name", ["id", "auth_hash"])
def test_a_known_key_is_not_added(client: ApiClient, vault: Vault, body: dict[str, Any], name: str) -> None:
    before = all_rows()

    assert client.post("/vault/keys", material(**{name: body["recovery_keys"][1][name]})).status_code == 409
    assert all_rows() == before


def test_change_by_the_current_key(client: ApiClient, vault: Vault, body: dict[str, Any]) -> None:
    secret = secret_of(vault)
    change = change_body(current_auth_hash=body["vault_key"]["auth_hash"])

    answer = client.put("/vault/keys/primary", change)

    assert answer.status_code == 200
    assert (answer.json()["id"], answer.json()["key_type"]) == (change["id"], "primary")
    assert wrapped(client, body["vault_key"]["auth_hash"]) is None
    assert wrapped(client, change["auth_hash"]) == change["wrapped_org_encryption_key"]
    for key in body["recovery_keys"]:
        assert wrapped(client, key["auth_hash"]) == key["wrapped_org_encryption_key"]
    info = client.get("/vault/info").json()
    assert (info["key_count"], info["recovery_key_count"]) == (1, 4)
    assert VaultSecret.objects.get().encrypted_payload == secret.encrypted_payload
    assert Vault.objects.get().updated_at > vault.updated_at


def test_change_by_a_recovery_code_uses_it_up(client: ApiClient, vault: Vault, body: dict[str, Any]) -> None:
    used, other = body["recovery_keys"][2], body["recovery_keys"][0]
    first = change_body(recovery_auth_hash=used["auth_hash"])

    assert client.put("/vault/keys/primary", first).status_code == 200
    assert wrapped(client, used["auth_hash"]) is None
    assert wrapped(client, body["vault_key"]["auth_hash"]) is None
    assert client.get("/vault/info").json()["recovery_key_count"] == 3
    again = client.put("/vault/keys/primary", change_body(recovery_auth_hash=used["auth_hash"]))
    assert again.status_code == 404
    assert client.put("/vault/keys/primary", change_body(recovery_auth_hash=other["auth_hash"])).status_code == 200
    assert client.get("/vault/info").json()["recovery_key_count"] == 2


def test_every_recovery_code_can_be_used_up(client: ApiClient, vault: Vault, body: dict[str, Any]) -> None:
    for key in body["recovery_keys"]:
        assert client.put("/vault/keys/primary", change_body(recovery_auth_hash=key["auth_hash"])).status_code == 200

    info = client.get("/vault/info").json()
    assert (info["key_count"], info["recovery_key_count"]) == (1, 0)


def test_the_proof_of_a_change_is_good_once(client: ApiClient, vault: Vault, body: dict[str, Any]) -> None:
    change = change_body(current_auth_hash=body["vault_key"]["auth_hash"])
    client.put("/vault/keys/primary", change)
    before = rows_but_audit()

    answer = client.put("/vault/keys/primary", change_body(current_auth_hash=body["vault_key"]["auth_hash"]))

    assert answer.status_code == 403
    assert rows_but_audit() == before
    assert VaultAuditEntry.objects.latest("created_at").action == VaultAction.KEY_REFUSED


@pytest.mark.parametrize(
    ("proofs", "status"),
    [
        ({}, 400),
        ({"current_auth_hash": None, "recovery_auth_hash": None}, 400),
        ({"current_auth_hash": "a" * 64, "recovery_auth_hash": "b" * 64}, 400),
        ({"current_auth_hash": "a" * 64}, 403),
        ({"recovery_auth_hash": "a" * 64}, 404),
        ({"current_auth_hash": "a"}, 422),
        ({"recovery_auth_hash": "Z" * 64}, 422),
    ],
)
def test_bad_proofs(client: ApiClient, vault: Vault, proofs: dict[str, Any], status: int) -> None:
    before = rows_but_audit()

    answer = client.put("/vault/keys/primary", change_body(**proofs))

    assert answer.status_code == status
    assert rows_but_audit() == before


def test_the_kinds_of_proof_are_not_mixed(client: ApiClient, vault: Vault, body: dict[str, Any]) -> None:
    before = rows_but_audit()
    primary, recovery = body["vault_key"]["auth_hash"], body["recovery_keys"][0]["auth_hash"]

    assert client.put("/vault/keys/primary", change_body(current_auth_hash=recovery)).status_code == 403
    assert client.put("/vault/keys/primary", change_body(recovery_auth_hash=primary)).status_code == 404
    assert rows_but_audit() == before


@pytest.mark.parametrize("name", ["id", "auth_hash"])
def test_a_change_to_a_known_key(client: ApiClient, vault: Vault, body: dict[str, Any], name: str) -> None:
    before = all_rows()
    proof = {"current_auth_hash": body["vault_key"]["auth_hash"]}

    for known in (body["vault_key"], body["recovery_keys"][0]):
        answer = client.put("/vault/keys/primary", change_body(**proof, **{name: known[name]}))
        assert answer.status_code == 409
    assert all_rows() == before


def test_a_change_ends_every_primary_key(client: ApiClient, vault: Vault, body: dict[str, Any]) -> None:
    second = material()
    client.post("/vault/keys", second)

    client.put("/vault/keys/primary", change_body(current_auth_hash=second["auth_hash"]))

    assert client.get("/vault/info").json()["key_count"] == 1
    assert wrapped(client, second["auth_hash"]) is None
    assert wrapped(client, body["vault_key"]["auth_hash"]) is None


def test_recovery_keys_can_all_be_deleted(client: ApiClient, vault: Vault, body: dict[str, Any]) -> None:
    for key in body["recovery_keys"]:
        assert client.delete(f"/vault/keys/{key['auth_hash']}").status_code == 204
        assert wrapped(client, key["auth_hash"]) is None

    assert client.get("/vault/info").json()["recovery_key_count"] == 0


def test_the_last_primary_key_stays(client: ApiClient, vault: Vault, body: dict[str, Any]) -> None:
    before = all_rows()

    assert client.delete(f"/vault/keys/{body['vault_key']['auth_hash']}").status_code == 409
    assert all_rows() == before


def test_of_two_primary_keys_one_may_go(client: ApiClient, vault: Vault, body: dict[str, Any]) -> None:
    second = material()
    client.post("/vault/keys", second)

    assert client.delete(f"/vault/keys/{body['vault_key']['auth_hash']}").status_code == 204
    assert client.delete(f"/vault/keys/{second['auth_hash']}").status_code == 409


@pytest.mark.parametrize("unknown", ["a" * 64, "zz", "A" * 64, "%00" * 64, "a" * 5000])
def test_deleting_an_unknown_key(client: ApiClient, vault: Vault, unknown: str) -> None:
    before = rows_but_audit()

    assert client.delete(f"/vault/keys/{unknown}").status_code == 404
    assert rows_but_audit() == before


def test_a_person_deletes_the_vault_and_starts_over(acme: Organization, client: ApiClient, vault: Vault) -> None:
    secret_of(vault, agent(acme))
    person = session_client(acme)

    assert person.delete("/vault/").status_code == 204

    assert not VaultKey.objects.exists()
    assert not VaultSecret.objects.exists()
    assert not SecretAccess.objects.exists()
    assert client.get("/vault/info").status_code == 404
    assert person.delete("/vault").status_code == 404
    assert client.post("/vault/initialize", new_vault_body()).status_code == 201
    # What happened stays known.
    assert VaultAuditEntry.objects.filter(vault_id=vault.pk, action=VaultAction.VAULT_DELETED.value).count() == 1


@pytest.mark.parametrize(
    ("method", "path", "sent"),
    [
        ("GET", "/vault/info", None),
        ("GET", "/vault/unlock", None),
        ("GET", f"/vault/unlock?auth_hash={'a' * 64}", None),
        ("GET", "/vault/keys", None),
        ("POST", "/vault/keys", material()),
        ("PUT", "/vault/keys/primary", change_body(current_auth_hash=auth_hash())),
        ("DELETE", f"/vault/keys/{'b' * 64}", None),
        ("GET", "/vault/secrets", None),
        ("POST", "/vault/secrets", secret_body()),
        ("GET", "/vault/secrets/22222222-2222-4222-8222-222222222222", None),
    ],
)
def test_without_a_vault(client: ApiClient, method: str, path: str, sent: Any) -> None:
    before = all_rows()

    answer = client.call(method, path, sent)

    assert answer.status_code == 404
    assert answer.json() == {"detail": "The vault is not initialized. Initialize it with an admin key first."}
    assert all_rows() == before


def test_an_agent_reads_keys_and_info(acme: Organization, vault: Vault) -> None:
    secret_of(vault)
    client = agent_client(agent(acme))

    assert len(client.get("/vault/keys").json()) == 5
    # The counts are those of the organization.
    assert client.get("/vault/info").json()["secret_count"] == 1


def test_vaults_of_two_organizations_do_not_touch(vault: Vault, body: dict[str, Any]) -> None:
    other = organization()
    vault_of(other)
    client = admin_client(other)

    assert wrapped(client, body["vault_key"]["auth_hash"]) is None
    assert client.delete(f"/vault/keys/{body['recovery_keys'][0]['auth_hash']}").status_code == 404
    change = change_body(current_auth_hash=body["vault_key"]["auth_hash"])
    assert client.put("/vault/keys/primary", change).status_code == 403
    assert VaultKey.objects.filter(vault=vault).count() == 5
