"""The vault in the console: its page, what the page may call, and the secrets of one agent."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from identities.enums import Role
from identities.models import Organization
from tests.console.pages import signed_in, text
from tests.factories.identities import agent, organization, person
from tests.factories.vault import auth_hash, new_vault_body, secret_body, secret_of, vault_of
from vault.enums import VaultAction
from vault.limits import REFUSED_KEYS_PER_MINUTE
from vault.models import SecretAccess, Vault, VaultAuditEntry, VaultKey, VaultSecret

pytestmark = pytest.mark.django_db

PAGE = "/console/vault"
API = "/console/vault/api"


@pytest.fixture
def acme() -> Organization:
    return organization()


def call(client: Client, method: str, path: str, body: Any = None, **headers: str) -> Any:
    content = {} if body is None else {"data": json.dumps(body), "content_type": "application/json"}
    return getattr(client, method)(f"{API}{path}", headers=headers, **content)


def actions() -> list[tuple[str, str, str]]:
    rows = VaultAuditEntry.objects.order_by("created_at", "pk")
    return list(rows.values_list("action", "caller_scope", "caller_id"))


# --- The page -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("role", "state"), [(Role.OWNER, "none"), (Role.ADMIN, "none"), (Role.MEMBER, "waiting")])
def test_the_page_before_there_is_a_vault(acme: Organization, role: Role, state: str) -> None:
    page = text(signed_in(acme, role).get(PAGE))

    assert f'data-state="{state}"' in page
    assert f'data-salt="{acme.pk}"' in page
    assert ('id="vault-setup"' in page) == (state == "none")


def test_the_page_of_a_vault_names_its_salt_and_counts(acme: Organization) -> None:
    vault = vault_of(acme)
    Vault.objects.update(salt_organization_id="org_before_the_move")
    secret_of(vault, name="Not in the page")
    user = person(acme)

    page = text(signed_in(user=user).get(PAGE))

    assert 'data-state="locked"' in page
    assert 'data-salt="org_before_the_move"' in page
    assert "1 secret, 4 unused recovery codes." in page
    assert "Not in the page" not in page
    assert actions()[-1] == (VaultAction.INFO_READ, "session", user.pk)


def test_nothing_typed_can_be_sent_by_a_form(acme: Organization) -> None:
    page = text(signed_in(acme).get(PAGE))
    inside = page[page.index('id="vault"') : page.index('id="vault-agents"')]

    fields = re.findall(r"<(?:input|select|textarea)[^>]*>", inside)
    assert len(fields) >= 8
    assert [field for field in fields if " name=" in field] == []


def test_members_get_no_forms_to_write_with(acme: Organization) -> None:
    vault_of(acme)

    page = text(signed_in(acme, Role.MEMBER).get(PAGE))

    assert 'id="vault-unlock"' in page
    for form in ("secret-form", "vault-change", "vault-delete", "access-form", "detail-delete"):
        assert f'id="{form}"' not in page


def test_the_page_alone_allows_webassembly(acme: Organization) -> None:
    client = signed_in(acme)

    def policy(path: str) -> str:
        return client.get(path).headers["Content-Security-Policy"]

    assert "'wasm-unsafe-eval'" in policy(PAGE)
    assert "'wasm-unsafe-eval'" not in policy("/console/keys")
    assert "'unsafe-" not in policy(PAGE)


def test_the_library_is_loaded_by_no_other_page(acme: Organization) -> None:
    client = signed_in(acme)

    assert "console/vault/page.js" in text(client.get(PAGE))
    assert "console/vault/" not in text(client.get("/console/keys"))
    assert "hash-wasm" not in text(client.get(PAGE))


# --- What the page calls ------------------------------------------------------------------------------------------


def test_a_vault_is_made_and_used_like_by_a_client(acme: Organization) -> None:
    client, body = signed_in(acme), new_vault_body()

    assert call(client, "post", "/initialize", body).status_code == 201
    secret = secret_body(name="Bank")
    made = call(client, "post", "/secrets", secret)
    bundle = call(client, "get", f"/unlock?auth_hash={body['vault_key']['auth_hash']}").json()

    assert made.status_code == 201
    assert made.headers["ETag"] == '"1"'
    assert bundle["wrapped_org_encryption_key"] == body["vault_key"]["wrapped_org_encryption_key"]
    assert [row["encrypted_payload"] for row in bundle["encrypted_secrets"]] == [secret["encrypted_payload"]]
    changed = call(client, "patch", f"/secrets/{secret['id']}", {"name": "Bank 2"}, if_match='"1"')
    assert (changed.status_code, changed.json()["revision"]) == (200, 2)
    late = call(client, "patch", f"/secrets/{secret['id']}", {"name": "Bank 3"}, if_match='"1"')
    assert (late.status_code, late.json()["detail"]["code"]) == (412, "secret_changed")
    assert call(client, "delete", f"/secrets/{secret['id']}").status_code == 204
    assert not VaultSecret.objects.exists()


def test_reads_leave_the_entries_that_the_api_leaves(acme: Organization) -> None:
    body = new_vault_body()
    secret = secret_of(vault_of(acme, body))
    user = person(acme, Role.MEMBER)
    client = signed_in(user=user)
    before = VaultAuditEntry.objects.count()

    for path in ("/info", f"/unlock?auth_hash={body['vault_key']['auth_hash']}", "/keys", "/secrets"):
        assert call(client, "get", path).status_code == 200
    assert call(client, "get", f"/secrets/{secret.pk}").status_code == 200
    assert call(client, "get", f"/secrets/{secret.pk}/access").status_code == 200

    assert actions()[before:] == [
        (action, "session", user.pk)
        for action in ("info_read", "unlocked", "keys_listed", "secrets_listed", "secret_read", "access_listed")
    ]
    assert VaultAuditEntry.objects.filter(action="secret_read").get().secret_id == secret.pk


def test_members_read_and_change_nothing(acme: Organization) -> None:
    body = new_vault_body()
    secret = secret_of(vault_of(acme, body), name="Kept")
    identity, client = agent(acme), signed_in(acme, Role.MEMBER)
    key = {name: value for name, value in new_vault_body()["vault_key"].items() if name != "key_type"}

    refused = [
        call(client, "post", "/secrets", secret_body()),
        call(client, "patch", f"/secrets/{secret.pk}", {"name": "x"}),
        call(client, "delete", f"/secrets/{secret.pk}"),
        call(client, "post", f"/secrets/{secret.pk}/access", {"identity_id": str(identity.pk)}),
        call(client, "put", "/keys/primary", {**key, "current_auth_hash": body["vault_key"]["auth_hash"]}),
        call(client, "delete", ""),
    ]

    assert [response.status_code for response in refused] == [403] * 6
    assert VaultSecret.objects.get().name == "Kept"
    assert not SecretAccess.objects.exists()
    assert VaultKey.objects.count() == 5


def test_wrong_keys_are_counted_here_and_at_the_api_together(acme: Organization) -> None:
    body = new_vault_body()
    vault_of(acme, body)
    client = signed_in(acme)

    for _ in range(REFUSED_KEYS_PER_MINUTE):
        assert call(client, "get", f"/unlock?auth_hash={auth_hash()}").json()["encrypted_secrets"] == []
    answer = call(client, "get", f"/unlock?auth_hash={body['vault_key']['auth_hash']}")

    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0


def test_another_organization_sees_another_vault(acme: Organization) -> None:
    secret = secret_of(vault_of(acme))
    other = organization()
    vault_of(other)
    client = signed_in(other)

    for method, path in (("get", ""), ("delete", ""), ("get", "/access"), ("delete", f"/access/{agent(acme).pk}")):
        assert call(client, method, f"/secrets/{secret.pk}{path}").status_code == 404
    assert call(client, "get", "/secrets").json() == []
    assert VaultSecret.objects.filter(pk=secret.pk).exists()


@pytest.mark.parametrize(("method", "path"), [("post", "/secrets"), ("delete", ""), ("put", "/keys/primary")])
def test_another_site_cannot_call_it(acme: Organization, method: str, path: str) -> None:
    vault_of(acme)
    client = Client(enforce_csrf_checks=True)
    client.force_login(person(acme), backend="allauth.account.auth_backends.AuthenticationBackend")

    assert call(client, method, path, secret_body()).status_code == 403
    assert Vault.objects.exists()
    assert not VaultSecret.objects.exists()


def test_a_key_does_not_open_the_door_of_the_page(acme: Organization) -> None:
    from tests.factories.identities import admin_key

    vault_of(acme)

    answer = Client().get(f"{API}/info", headers={"X-API-Key": admin_key(acme)})

    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/accounts/login/")


def test_answers_are_not_kept_and_not_in_the_description_of_the_api(acme: Organization, client: Client) -> None:
    vault_of(acme)

    answer = call(signed_in(acme), "get", "/info")

    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert [path for path in client.get("/api/schema").json()["paths"] if path.startswith("/console")] == []


# --- The secrets of one agent -------------------------------------------------------------------------------------


def test_the_page_of_an_agent_shows_what_it_may_read(acme: Organization) -> None:
    identity, vault = agent(acme, "alpha"), vault_of(acme)
    mine = secret_of(vault, identity, name="Mine", description="<b>A note</b>")
    secret_of(vault, agent(acme, "bravo"), name="Of bravo")
    member = person(acme, Role.MEMBER)

    page = text(signed_in(user=member).get(reverse("console:agent_secrets", args=["alpha"])))

    assert "Mine" in page
    assert "&lt;b&gt;A note" in page
    assert f"/console/vault#{mine.pk}" in page
    assert "Of bravo" not in page
    assert "End access" not in page
    assert actions()[-1] == (VaultAction.SECRETS_LISTED, "session", member.pk)
    assert VaultAuditEntry.objects.order_by("created_at", "pk").last().secret_count == 1  # type: ignore[union-attr]


def test_access_is_given_and_ended_on_the_page_of_an_agent(acme: Organization) -> None:
    identity = agent(acme, "alpha")
    secret = secret_of(vault_of(acme), name="Bank")
    client = signed_in(acme)
    path = reverse("console:agent_secrets", args=["alpha"])

    given = client.post(path, {"secret_id": str(secret.pk)}, follow=True)

    assert "may read “Bank”" in text(given)
    assert SecretAccess.objects.get().identity_id == identity.pk
    ended = client.post(reverse("console:revoke_secret", args=["alpha", secret.pk]), follow=True)
    assert "may no longer read “Bank”" in text(ended)
    assert not SecretAccess.objects.exists()
    assert [action for action, _, _ in actions() if action.startswith("access")] == ["access_granted", "access_revoked"]


@pytest.mark.parametrize("role", [Role.ADMIN, Role.MEMBER])
def test_who_may_give_access_on_the_page_of_an_agent(acme: Organization, role: Role) -> None:
    agent(acme, "alpha")
    secret = secret_of(vault_of(acme))

    answer = signed_in(acme, role).post(reverse("console:agent_secrets", args=["alpha"]), {"secret_id": str(secret.pk)})

    assert answer.status_code == (302 if role is Role.ADMIN else 403)
    assert SecretAccess.objects.exists() == (role is Role.ADMIN)


def test_secrets_of_another_organization_are_not_given(acme: Organization) -> None:
    agent(acme, "alpha")
    vault_of(acme)
    foreign = secret_of(vault_of(organization()))
    client = signed_in(acme)

    for value in (str(foreign.pk), "nonsense", ""):
        answer = client.post(reverse("console:agent_secrets", args=["alpha"]), {"secret_id": value})
        assert answer.status_code == 404
    assert not SecretAccess.objects.exists()


def test_the_page_of_an_agent_without_a_vault_teaches_the_next_step(acme: Organization) -> None:
    agent(acme, "alpha")
    path = reverse("console:agent_secrets", args=["alpha"])

    assert "Set up the vault" in text(signed_in(acme).get(path))
    assert "Set up the vault" not in text(signed_in(acme, Role.MEMBER).get(path))
    vault_of(acme)
    assert "It may read no secret" in text(signed_in(acme).get(path))
