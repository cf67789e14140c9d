"""API keys (contract identities.md section 12)."""

from __future__ import annotations

import re
from typing import Any

import pytest

from identities.models import ApiKey
from tests.factories.identities import (
    ApiClient,
    admin_client,
    admin_key,
    agent,
    agent_key,
    key_row,
    organization,
    person,
    session,
    session_client,
)
from tests.identities.rows import all_rows

pytestmark = pytest.mark.django_db

KEY = re.compile(r"ApiKey_[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\.[A-Za-z0-9_-]{43}\Z")


def test_an_admin_key_mints_a_key_for_an_identity() -> None:
    acme = organization()
    alpha = agent(acme, "alpha")
    body = {"label": "CI", "description": "for tests", "scoped_identity_id": str(alpha.pk)}

    answer = admin_client(acme).post("/api-keys", body)

    assert answer.status_code == 201
    text, record = answer.json()["api_key"], answer.json()["record"]
    assert KEY.match(text)
    key_id, _, secret = text.partition(".")
    assert {**record, "created_at": None, "updated_at": None} == {
        "id": key_id,
        "organization_id": acme.pk,
        # The person behind the admin key that minted it.
        "created_by": "user_test",
        "creator_type": "human",
        "scoped_identity_id": str(alpha.pk),
        "label": "CI",
        "description": "for tests",
        "status": "active",
        "last4": secret[-4:],
        "display_prefix": key_id[:15],
        "last_used_at": None,
        "expires_at": None,
        "revoked_at": None,
        "created_at": None,
        "updated_at": None,
    }
    assert ApiClient(text).get("/identities").json()[0]["agent_handle"] == "alpha"


def test_a_person_mints_an_admin_key() -> None:
    acme = organization()
    user = person(acme)
    client = ApiClient(bearer=session(acme, user=user))

    answer = client.post("/api-keys", {"label": "laptop"})

    assert answer.status_code == 201
    assert answer.json()["record"]["scoped_identity_id"] is None
    assert answer.json()["record"]["created_by"] == user.pk
    assert ApiClient(answer.json()["api_key"]).get("/whoami").json()["auth_subtype"] == "api_key.admin_scoped"


def test_an_admin_key_mints_no_admin_key() -> None:
    client = admin_client()
    before = all_rows()

    answer = client.post("/api-keys", {"label": "more"})

    assert answer.status_code == 403
    assert answer.json() == {
        "detail": "An admin key can only mint agent keys. Send scoped_identity_id, or use the console."
    }
    assert all_rows() == before


def test_the_identity_must_be_one_of_the_organization() -> None:
    foreign = agent(organization(), "alpha")
    acme = organization()
    gone = agent(acme, "gone")
    client = admin_client(acme)
    client.delete("/identities/gone")
    before = all_rows()

    for identity_id in (foreign.pk, gone.pk, "0192f0c1-0000-7000-8000-000000000000"):
        answer = client.post("/api-keys", {"label": "x", "scoped_identity_id": str(identity_id)})
        assert (answer.status_code, answer.json()) == (404, {"detail": "Identity not found"})

    assert all_rows() == before


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "label"),
        ({"label": None}, "label"),
        ({"label": ""}, "label"),
        ({"label": "x" * 256}, "label"),
        ({"label": "a\nb"}, "label"),
        ({"label": "x", "description": "x" * 1001}, "description"),
        ({"label": "x", "scoped_identity_id": "alpha"}, "scoped_identity_id"),
    ],
)
def test_a_bad_field_is_named(body: dict[str, Any], field: str) -> None:
    client = session_client(organization())
    before = all_rows()

    answer = client.post("/api-keys", body)

    assert answer.status_code == 422
    assert [issue["loc"] for issue in answer.json()["detail"]] == [["body", field]]
    assert all_rows() == before


def test_labels_and_descriptions_at_their_limits() -> None:
    body = {"label": "x" * 255, "description": "y" * 1000, "scoped_identity_id": None}

    assert session_client(organization()).post("/api-keys", body).status_code == 201


def test_several_keys_of_an_identity_are_active_while_it_rotates() -> None:
    acme = organization()
    alpha = agent(acme, "alpha")
    old, new = agent_key(alpha), agent_key(alpha)
    client = admin_client(acme)

    answer = client.delete(f"/api-keys/{key_row(old).pk}")

    assert (answer.status_code, answer.content) == (204, b"")
    assert ApiClient(old).get("/whoami").status_code == 401
    assert ApiClient(new).get("/whoami").status_code == 200
    statuses = {row["id"]: row["status"] for row in client.get("/api-keys").json()}
    assert statuses[key_row(old).pk] == "revoked"
    assert statuses[key_row(new).pk] == "active"


def test_revoking_twice_keeps_the_first_time() -> None:
    acme = organization()
    target = key_row(admin_key(acme))
    client = admin_client(acme)
    client.delete(f"/api-keys/{target.pk}")
    first = ApiKey.objects.get(pk=target.pk).revoked_at

    assert client.delete(f"/api-keys/{target.pk}").status_code == 204
    assert ApiKey.objects.get(pk=target.pk).revoked_at == first


@pytest.mark.parametrize("key_id", ["ApiKey_00000000-0000-4000-8000-000000000000", "nonsense", "a%00b", "%F0%9F%A4%96"])
def test_an_unknown_key_is_not_found(key_id: str) -> None:
    answer = admin_client().delete(f"/api-keys/{key_id}")

    assert (answer.status_code, answer.json()) == (404, {"detail": "API key not found"})


def test_a_key_of_another_organization_is_not_found_and_stays() -> None:
    target = key_row(admin_key(organization()))

    assert admin_client().delete(f"/api-keys/{target.pk}").status_code == 404
    assert ApiKey.objects.get(pk=target.pk).revoked_at is None


def test_lists_newest_first_without_secrets() -> None:
    acme = organization()
    texts = [admin_key(acme), admin_key(acme)]
    admin_key(organization())
    client = ApiClient(texts[1])

    answer = client.get("/api-keys")

    assert [row["id"] for row in answer.json()] == [key_row(text).pk for text in reversed(texts)]
    assert not any(text.partition(".")[2] in answer.content.decode() for text in texts)


def test_a_key_reads_its_own_record() -> None:
    alpha = agent(handle="alpha")
    text = agent_key(alpha)

    body = ApiClient(text).get("/api-keys/self").json()

    assert body["id"] == text.partition(".")[0]
    assert (body["creator_type"], body["created_by"]) == ("agent", str(alpha.pk))
    assert body["last_used_at"] is not None
