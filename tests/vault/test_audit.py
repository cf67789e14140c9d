"""Whatever is read or changed is written down, and what is written stays."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.db.utils import DatabaseError

from common.clock import now
from identities.enums import Role
from identities.models import AgentIdentity, AuditRecord, Organization
from identities.services.organizations import delete_organization
from tests.factories.identities import admin_client, agent, agent_client, key_row, organization, session_client
from tests.factories.vault import auth_hash, material, new_vault_body, secret_body, secret_of, vault_of
from vault.enums import VaultAction
from vault.models import SecretAccess, Vault, VaultAuditEntry
from vault.services.audit import purge_vault_audit
from vault.tasks import purge_vault_audit as purge_task

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme() -> Organization:
    return organization()


@pytest.fixture
def alpha(acme: Organization) -> AgentIdentity:
    return agent(acme, "alpha")


@pytest.fixture
def body() -> dict[str, Any]:
    return new_vault_body()


@pytest.fixture
def vault(acme: Organization, body: dict[str, Any]) -> Vault:
    return vault_of(acme, body)


_CHANGE = material()
_NEW = secret_body()
# method, path, body, then what is written: the action and the ids in it, by the name they have here.
ROUTES: dict[str, tuple[str, str, Any, VaultAction, dict[str, Any]]] = {
    "info": ("GET", "/vault/info", None, VaultAction.INFO_READ, {}),
    "keys": ("GET", "/vault/keys", None, VaultAction.KEYS_LISTED, {}),
    "unlock": (
        "GET",
        "/vault/unlock?auth_hash={auth_hash}",
        None,
        VaultAction.UNLOCKED,
        {"key_id": "{key}", "secret_count": 1},
    ),
    "failed unlock": ("GET", f"/vault/unlock?auth_hash={auth_hash()}", None, VaultAction.KEY_REFUSED, {}),
    "bundle": ("GET", "/vault/unlock", None, VaultAction.BUNDLE_READ, {"secret_count": 1}),
    "secrets": ("GET", "/vault/secrets", None, VaultAction.SECRETS_LISTED, {"secret_count": 1}),
    "secret": ("GET", "/vault/secrets/{secret}", None, VaultAction.SECRET_READ, {"secret_id": "{secret}"}),
    "access": ("GET", "/vault/secrets/{secret}/access", None, VaultAction.ACCESS_LISTED, {"secret_id": "{secret}"}),
    "create": ("POST", "/vault/secrets", _NEW, VaultAction.SECRET_CREATED, {"secret_id": _NEW["id"]}),
    "update": (
        "PATCH",
        "/vault/secrets/{secret}",
        {"name": "New"},
        VaultAction.SECRET_UPDATED,
        {"secret_id": "{secret}"},
    ),
    "delete": ("DELETE", "/vault/secrets/{secret}", None, VaultAction.SECRET_DELETED, {"secret_id": "{secret}"}),
    "grant": (
        "POST",
        "/vault/secrets/{secret}/access",
        {"identity_id": "{bravo}"},
        VaultAction.ACCESS_GRANTED,
        {"secret_id": "{secret}", "identity_id": "{bravo}"},
    ),
    "revoke": (
        "DELETE",
        "/vault/secrets/{secret}/access/{alpha}",
        None,
        VaultAction.ACCESS_REVOKED,
        {"secret_id": "{secret}", "identity_id": "{alpha}"},
    ),
    "add key": ("POST", "/vault/keys", _CHANGE, VaultAction.KEY_ADDED, {"key_id": _CHANGE["id"]}),
    "change key": (
        "PUT",
        "/vault/keys/primary",
        {**_CHANGE, "current_auth_hash": "{auth_hash}"},
        VaultAction.KEY_CHANGED,
        {"key_id": _CHANGE["id"]},
    ),
    "recover": (
        "PUT",
        "/vault/keys/primary",
        {**_CHANGE, "recovery_auth_hash": "{recovery}"},
        VaultAction.KEY_RECOVERED,
        {"key_id": _CHANGE["id"]},
    ),
    "delete key": (
        "DELETE",
        "/vault/keys/{recovery}",
        None,
        VaultAction.KEY_DELETED,
        {"key_id": "{recovery_key}"},
    ),
}


@pytest.mark.parametrize("route", ROUTES)
def test_every_route_leaves_one_entry(
    acme: Organization, alpha: AgentIdentity, vault: Vault, body: dict[str, Any], route: str
) -> None:
    names = {
        "secret": str(secret_of(vault, alpha).pk),
        "alpha": str(alpha.pk),
        "bravo": str(agent(acme).pk),
        "key": body["vault_key"]["id"],
        "auth_hash": body["vault_key"]["auth_hash"],
        "recovery": body["recovery_keys"][1]["auth_hash"],
        "recovery_key": body["recovery_keys"][1]["id"],
    }

    def fill(value: Any) -> Any:
        return value.format(**names) if isinstance(value, str) else value

    method, path, sent, action, ids = ROUTES[route]
    client = admin_client(acme)
    before = set(VaultAuditEntry.objects.values_list("pk", flat=True))

    answer = client.call(method, fill(path), {name: fill(value) for name, value in sent.items()} if sent else None)

    assert answer.status_code < 300, answer.content
    [entry] = VaultAuditEntry.objects.exclude(pk__in=before)
    written = {
        name: str(value) if name.endswith("_id") else value
        for name in ("secret_id", "key_id", "identity_id", "secret_count")
        if (value := getattr(entry, name)) is not None
    }
    assert (entry.action, written) == (action.value, {name: fill(value) for name, value in ids.items()})
    assert (entry.organization_id, entry.vault_id) == (acme.pk, vault.pk)
    assert (entry.caller_scope, entry.caller_id) == ("admin", key_row(client._headers["X-API-Key"]).pk)


def test_initializing_and_deleting_are_written_down(acme: Organization, body: dict[str, Any]) -> None:
    client = session_client(acme)
    client.post("/vault/initialize", body)
    client.delete("/vault")

    entries = VaultAuditEntry.objects.order_by("created_at")

    assert [entry.action for entry in entries] == ["vault_initialized", "vault_deleted"]
    assert {(entry.caller_scope, entry.caller_id[:5]) for entry in entries} == {("session", "user_")}


def test_acts_of_administration_are_in_the_log_of_the_organization_too(
    acme: Organization, alpha: AgentIdentity, body: dict[str, Any]
) -> None:
    client = session_client(acme)
    client.post("/vault/initialize", body)
    sent = secret_body()
    client.post("/vault/secrets", sent)
    client.post(f"/vault/secrets/{sent['id']}/access", {"identity_id": str(alpha.pk)})
    client.get("/vault/unlock")
    client.delete(f"/vault/secrets/{sent['id']}/access/{alpha.pk}")
    client.put("/vault/keys/primary", {**_CHANGE, "recovery_auth_hash": body["recovery_keys"][0]["auth_hash"]})
    client.delete("/vault")

    rows = AuditRecord.objects.filter(organization_id=acme.pk, action__startswith="vault.").order_by("seq")

    vault_id = str(VaultAuditEntry.objects.first().vault_id)  # type: ignore[union-attr]
    assert [(row.action, row.target_id, row.details) for row in rows] == [
        ("vault.initialized", body["vault_key"]["id"], {}),
        ("vault.access_granted", sent["id"], {"agent": f"@{alpha.agent_handle}"}),
        ("vault.access_revoked", sent["id"], {"agent": f"@{alpha.agent_handle}"}),
        ("vault.key_recovered", _CHANGE["id"], {}),
        ("vault.deleted", vault_id, {}),
    ]


def test_an_agent_is_named(alpha: AgentIdentity, vault: Vault) -> None:
    secret = secret_of(vault, alpha)

    agent_client(alpha).get(f"/vault/secrets/{secret.pk}")

    entry = VaultAuditEntry.objects.get(action=VaultAction.SECRET_READ.value)
    assert (entry.caller_scope, entry.caller_identity_id) == ("agent", alpha.pk)


def test_a_refused_read_leaves_no_entry(acme: Organization, alpha: AgentIdentity, vault: Vault) -> None:
    secret = secret_of(vault)
    before = VaultAuditEntry.objects.count()

    assert agent_client(alpha).get(f"/vault/secrets/{secret.pk}").status_code == 404
    assert VaultAuditEntry.objects.count() == before


def test_what_cannot_be_written_down_is_not_handed_out(
    acme: Organization, vault: Vault, body: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    secret, client = secret_of(vault), admin_client(acme)

    def fail(**_: Any) -> None:
        raise RuntimeError("disk full")

    monkeypatch.setattr(VaultAuditEntry.objects, "create", fail)
    for path in ("unlock", f"unlock?auth_hash={body['vault_key']['auth_hash']}", f"secrets/{secret.pk}", "secrets"):
        with pytest.raises(RuntimeError, match="disk full"):
            client.get(f"/vault/{path}")


def test_entries_are_not_changed_or_deleted(vault: Vault) -> None:
    with pytest.raises(TypeError):
        VaultAuditEntry.objects.all().update(action="info_read")
    with pytest.raises(TypeError):
        VaultAuditEntry.objects.all().delete()
    # Whoever goes around that meets the database.
    entry = VaultAuditEntry.objects.get()
    for name, value in {"action": "info_read", "caller_id": "", "created_at": now(), "secret_count": 7}.items():
        setattr(entry, name, value)
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            entry.save(update_fields=[name])
    assert VaultAuditEntry.objects.get().action == "vault_initialized"


def test_an_organization_takes_its_log_along(acme: Organization, vault: Vault, alpha: AgentIdentity) -> None:
    secret_of(vault, alpha)

    delete_organization(acme.pk)

    assert not VaultAuditEntry.objects.exists()
    assert not SecretAccess.objects.exists()


# --- Reading the log ---------------------------------------------------------------------------------------------


def test_the_log_is_read_in_pages(acme: Organization, vault: Vault) -> None:
    client = admin_client(acme)
    for _ in range(4):
        client.get("/vault/info")

    first = client.get("/vault/audit?limit=3").json()
    second = client.get(f"/vault/audit?limit=3&cursor={first['next_cursor']}").json()

    actions = [row["action"] for row in first["items"] + second["items"]]
    assert actions == [*["info_read"] * 4, "vault_initialized"]
    assert (first["has_more"], second["has_more"]) == (True, False)
    assert sorted(first["items"][0]) == [
        "action",
        "caller_id",
        "caller_identity_id",
        "caller_scope",
        "created_at",
        "id",
        "identity_id",
        "key_id",
        "secret_count",
        "secret_id",
        "vault_id",
    ]


def test_the_log_is_filtered(acme: Organization, vault: Vault, alpha: AgentIdentity) -> None:
    one, other = secret_of(vault, alpha), secret_of(vault, alpha)
    client, its = admin_client(acme), agent_client(alpha)
    for path in (f"secrets/{one.pk}", f"secrets/{other.pk}", "info"):
        its.get(f"/vault/{path}")
    client.get(f"/vault/secrets/{one.pk}")

    def actions(query: str) -> list[str]:
        return [row["action"] for row in client.get(f"/vault/audit?{query}").json()["items"]]

    assert actions(f"identity_id={alpha.pk}") == ["info_read", "secret_read", "secret_read"]
    assert actions(f"secret_id={one.pk}&action=secret_read") == ["secret_read", "secret_read"]
    assert actions(f"secret_id={one.pk}&action=SECRET_READ&identity_id={alpha.pk}") == ["secret_read"]
    assert client.get("/vault/audit?action=nothing").status_code == 422
    assert client.get("/vault/audit?limit=0").status_code == 422
    assert client.get("/vault/audit?cursor=x").status_code == 422


def test_the_log_of_others_is_empty(acme: Organization, vault: Vault) -> None:
    assert admin_client(organization()).get("/vault/audit").json()["items"] == []
    assert session_client(acme, Role.MEMBER).get("/vault/audit").status_code == 403


# --- Retention ---------------------------------------------------------------------------------------------------


def _entry(vault: Vault, days: int) -> VaultAuditEntry:
    return VaultAuditEntry.objects.create(
        organization_id=vault.organization_id,
        vault_id=vault.pk,
        action="info_read",
        caller_scope="admin",
        caller_id="k",
        created_at=now() - timedelta(days=days),
    )


def test_old_entries_are_forgotten(vault: Vault, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.VAULT_AUDIT_DAYS = 30
    monkeypatch.setattr("vault.limits.AUDIT_PURGE_BATCH", 2)
    kept = {VaultAuditEntry.objects.get().pk, _entry(vault, 29).pk}
    for _ in range(5):
        _entry(vault, 31)

    assert purge_vault_audit() == 5
    assert set(VaultAuditEntry.objects.values_list("pk", flat=True)) == kept
    purge_task()
    assert VaultAuditEntry.objects.count() == 2


def test_zero_keeps_everything(vault: Vault, settings: Any) -> None:
    settings.VAULT_AUDIT_DAYS = 0
    _entry(vault, 4000)

    assert purge_vault_audit() == 0
    assert VaultAuditEntry.objects.count() == 2
