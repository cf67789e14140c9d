"""Two callers at once: the database decides, and exactly one of them gets what both want."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.db import connection

from common.principal import Profile
from identities.services.identities import delete_identity
from tests.factories.identities import ApiClient, admin_client, admin_principal, agent, organization
from tests.factories.vault import material, new_vault_body, secret_body, secret_of, vault_of
from vault.models import SecretAccess, Vault, VaultKey, VaultSecret
from vault.services.keys import delete_vault

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(*works: Callable[[], Any]) -> list[Any]:
    """The results of all, started together in threads of their own."""
    together = threading.Barrier(len(works))
    results: list[Any] = [None] * len(works)

    def run(number: int, work: Callable[[], Any]) -> None:
        try:
            together.wait(30)
            results[number] = work()
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(number, work)) for number, work in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return results


def status(client: ApiClient, method: str, path: str, body: Any = None) -> Callable[[], int]:
    return lambda: client.call(method, path, body).status_code


def change(**proof: Any) -> dict[str, Any]:
    return {name: value for name, value in material(**proof).items() if name != "key_type"}


def test_of_two_vaults_one_is_made() -> None:
    client = admin_client(organization())

    answers = at_once(*(status(client, "POST", "/vault/initialize", new_vault_body()) for _ in range(2)))

    assert sorted(answers) == [201, 409]
    assert Vault.objects.count() == 1
    assert VaultKey.objects.count() == 5


def test_of_two_changes_of_the_key_the_second_has_no_proof() -> None:
    acme, body = organization(), new_vault_body()
    vault_of(acme, body)
    client = admin_client(acme)
    proof = body["vault_key"]["auth_hash"]

    answers = at_once(
        *(status(client, "PUT", "/vault/keys/primary", change(current_auth_hash=proof)) for _ in range(2))
    )

    assert sorted(answers) == [200, 403]
    assert VaultKey.objects.filter(key_type="primary").count() == 1


def test_a_recovery_code_is_used_once() -> None:
    acme, body = organization(), new_vault_body()
    vault_of(acme, body)
    client = admin_client(acme)
    proof = body["recovery_keys"][0]["auth_hash"]

    answers = at_once(
        *(status(client, "PUT", "/vault/keys/primary", change(recovery_auth_hash=proof)) for _ in range(2))
    )

    assert sorted(answers) == [200, 404]
    assert (VaultKey.objects.filter(key_type="recovery").count(), VaultKey.objects.count()) == (3, 4)


def test_two_primary_keys_are_not_both_deleted() -> None:
    acme, body, second = organization(), new_vault_body(), material()
    vault_of(acme, body)
    client = admin_client(acme)
    client.post("/vault/keys", second)

    answers = at_once(
        *(status(client, "DELETE", f"/vault/keys/{key['auth_hash']}") for key in (body["vault_key"], second))
    )

    assert sorted(answers) == [204, 409]
    assert VaultKey.objects.filter(key_type="primary").count() == 1


def test_of_two_grants_one_is_new() -> None:
    acme = organization()
    secret, alpha = secret_of(vault_of(acme)), agent(acme)
    client = admin_client(acme)
    path = f"/vault/secrets/{secret.pk}/access"

    answers = at_once(*(status(client, "POST", path, {"identity_id": str(alpha.pk)}) for _ in range(2)))

    assert sorted(answers) == [201, 409]
    assert SecretAccess.objects.count() == 1


def test_one_id_is_one_secret() -> None:
    acme = organization()
    vault_of(acme)
    client, body = admin_client(acme), secret_body()

    answers = at_once(*(status(client, "POST", "/vault/secrets", body) for _ in range(2)))

    assert sorted(answers) == [201, 409]
    assert VaultSecret.objects.count() == 1


def test_a_grant_does_not_outlive_identity_or_secret() -> None:
    acme = organization()
    vault, client = vault_of(acme), admin_client(acme)

    for _ in range(3):
        secret, alpha = secret_of(vault), agent(acme)
        path = f"/vault/secrets/{secret.pk}"
        at_once(
            status(client, "POST", f"{path}/access", {"identity_id": str(alpha.pk)}),
            partial(delete_identity, alpha, Profile.MODERN),
            status(client, "DELETE", path),
        )
        assert not SecretAccess.objects.exists()
        assert not VaultSecret.objects.exists()


def test_a_vault_that_is_deleted_leaves_nothing_behind() -> None:
    acme = organization()
    vault, alpha = vault_of(acme), agent(acme)
    secret = secret_of(vault)
    client = admin_client(acme)

    def delete() -> None:
        delete_vault(admin_principal(acme))

    answers = at_once(
        delete,
        status(client, "POST", "/vault/secrets", secret_body()),
        status(client, "POST", f"/vault/secrets/{secret.pk}/access", {"identity_id": str(alpha.pk)}),
        status(client, "PATCH", f"/vault/secrets/{secret.pk}", {"name": "New"}),
    )

    assert set(answers[1:]) <= {200, 201, 404}
    assert not Vault.objects.exists()
    assert not VaultSecret.objects.exists()
    assert not SecretAccess.objects.exists()
