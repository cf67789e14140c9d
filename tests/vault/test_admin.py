"""Django admin of this app: rows to look at, never ciphertext."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin import site
from django.contrib.admin.utils import quote
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from identities.models import User
from tests.factories.identities import agent, organization
from tests.factories.vault import new_vault_body, secret_of, vault_of
from vault.models import SecretAccess, Vault, VaultAuditEntry, VaultKey, VaultSecret

pytestmark = pytest.mark.django_db

MODELS = [VaultAuditEntry, SecretAccess, Vault, VaultKey, VaultSecret]


@pytest.fixture
def operator() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("operator@example.com", "a password"))
    return client


@pytest.fixture
def body() -> dict[str, Any]:
    acme, body = organization("Acme"), new_vault_body()
    secret_of(vault_of(acme, body), agent(acme, "alpha"), name="Bank")
    return body


def _url(model: Any, page: str, *args: Any) -> str:
    meta = model._meta
    return reverse(f"admin:{meta.app_label}_{meta.model_name}_{page}", args=[quote(arg) for arg in args])


def test_every_model_is_registered() -> None:
    assert set(MODELS) <= set(site._registry)


@pytest.mark.parametrize("model", MODELS)
def test_pages_show_no_ciphertext_and_load_none(operator: Client, body: dict[str, Any], model: Any) -> None:
    hidden = [VaultSecret.objects.get().encrypted_payload]
    hidden += [key[name] for key in (body["vault_key"], *body["recovery_keys"]) for name in key if "id" not in name]
    rows = list(model.objects.all())
    assert rows

    pages = [_url(model, "changelist"), f"{_url(model, 'changelist')}?q=alpha"]
    pages += [_url(model, "change", row.pk) for row in rows]
    for page in pages:
        with CaptureQueriesContext(connection) as queries:
            answer = operator.get(page)
        assert answer.status_code == 200, page
        text = answer.content.decode()
        assert not [value for value in hidden if value not in ("primary", "recovery") and value in text]
        sql = " ".join(query["sql"] for query in queries)
        assert "encrypted_payload" not in sql
        assert "wrapped_org_encryption_key" not in sql
        assert "auth_digest" not in sql


@pytest.mark.parametrize("model", MODELS)
def test_rows_are_only_looked_at(operator: Client, body: dict[str, Any], model: Any) -> None:
    row = model.objects.first()

    assert operator.get(_url(model, "add")).status_code == 403
    assert operator.post(_url(model, "change", row.pk), {"name": "x"}).status_code == 403
    assert operator.post(_url(model, "delete", row.pk), {"post": "yes"}).status_code == 403
    assert model.objects.filter(pk=row.pk).exists()


def test_secrets_are_found_by_name(operator: Client, body: dict[str, Any]) -> None:
    def found(query: str) -> bool:
        page = operator.get(_url(VaultSecret, "changelist"), {"q": query}).content.decode()
        return _url(VaultSecret, "change", VaultSecret.objects.get().pk) in page

    assert found("Bank")
    assert not found("nothing")
