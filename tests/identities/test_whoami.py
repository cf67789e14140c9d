"""GET /api/whoami (contract identities.md section 13)."""

from __future__ import annotations

import pytest

from identities.enums import Role
from tests.factories.identities import (
    ApiClient,
    admin_key,
    agent,
    agent_key,
    key_row,
    organization,
    person,
    session,
    unclaimed_agent,
)

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("path", ["/api/whoami", "/api/whoami/", "/api/v1/whoami", "/api/v1/whoami/"])
def test_an_admin_key(path: str) -> None:
    acme = organization()
    text = admin_key(acme, description="the first")

    body = ApiClient(text).get(path).json()

    assert body.pop("created_at").endswith("Z")
    assert body.pop("last_used_at").endswith("Z")
    assert body == {
        "auth_type": "api_key",
        "auth_subtype": "api_key.admin_scoped",
        "scope": f"organization:{acme.pk}",
        "organization_id": acme.pk,
        "created_by": "user_test",
        "creator_type": "human",
        "key_id": key_row(text).pk,
        "label": "admin",
        "description": "the first",
        "expires_at": None,
    }


@pytest.mark.parametrize("claimed", [True, False])
def test_an_agent_key(claimed: bool) -> None:
    identity = agent(handle="alpha") if claimed else unclaimed_agent(handle="alpha")

    body = ApiClient(agent_key(identity)).get("/api/whoami").json()

    assert body["auth_subtype"] == f"api_key.agent_scoped.{'claimed' if claimed else 'unclaimed'}"
    assert body["scope"] == f"agent_identity:{identity.pk}"
    assert body["organization_id"] == identity.organization_id
    assert (body["creator_type"], body["created_by"]) == ("agent", str(identity.pk))


@pytest.mark.parametrize(("role", "shown"), [(Role.OWNER, "admin"), (Role.ADMIN, "admin"), (Role.MEMBER, "member")])
def test_a_person(role: Role, shown: str) -> None:
    acme = organization()
    user = person(acme, role, email="ann@example.com", name="Ann")

    body = ApiClient(bearer=session(acme, user=user)).get("/api/whoami").json()

    assert body == {
        "auth_type": "jwt",
        "auth_subtype": "session",
        "user_id": user.pk,
        "email": "ann@example.com",
        "name": "Ann",
        "organization_id": acme.pk,
        "org_role": shown,
        "org_slug": None,
    }


def test_a_person_without_organization() -> None:
    body = ApiClient(bearer=session(None)).get("/api/whoami").json()

    assert (body["auth_type"], body["organization_id"], body["org_role"], body["name"]) == ("jwt", None, None, None)


def test_nobody() -> None:
    assert ApiClient().get("/api/whoami").status_code == 401
