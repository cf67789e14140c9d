"""Django admin of this app, contacts and tunnels."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin import site
from django.contrib.admin.utils import quote
from django.test import Client
from django.urls import reverse

from contacts.models import ContactRule
from identities.models import (
    AgentIdentity,
    ApiKey,
    HandleClaim,
    IdempotencyRecord,
    IdentityAccess,
    Membership,
    Organization,
    SessionToken,
    SigningKey,
    User,
)
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
)
from tunnels.models import Tunnel

pytestmark = pytest.mark.django_db

MODELS = [
    AgentIdentity,
    ApiKey,
    ContactRule,
    HandleClaim,
    IdempotencyRecord,
    IdentityAccess,
    Membership,
    Organization,
    SessionToken,
    SigningKey,
    Tunnel,
    User,
]
READ_ONLY = [ApiKey, ContactRule, HandleClaim, IdempotencyRecord, IdentityAccess, SigningKey, Tunnel]


@pytest.fixture
def operator() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("operator@example.com", "a password"))
    return client


@pytest.fixture
def world() -> Organization:
    acme = organization()
    alpha = agent(acme, "alpha")
    person(acme)
    agent_key(alpha)
    admin_client(acme).post("/identities/alpha/signing-key")
    ContactRule.objects.create(
        organization=acme, identity=alpha, channel="mail", action="block", match_type="domain", match_target="a.example"
    )
    IdentityAccess.objects.create(target=alpha)
    session(acme)
    IdempotencyRecord.objects.create(organization=acme, operation="mail.send", key="k", body_hash=b"h", state="done")
    return acme


def _url(model: type, page: str, *args: Any) -> str:
    meta = model._meta  # type: ignore[attr-defined]
    return reverse(f"admin:{meta.app_label}_{meta.model_name}_{page}", args=[quote(arg) for arg in args])


@pytest.mark.parametrize("model", MODELS)
def test_pages_open_and_show_no_secret(operator: Client, world: Organization, model: type) -> None:
    rows = list(model._default_manager.all())  # type: ignore[attr-defined]
    assert rows

    pages = [_url(model, "changelist"), f"{_url(model, 'changelist')}?q=alpha"]
    pages += [_url(model, "change", row.pk) for row in rows]

    for page in pages:
        answer = operator.get(page)
        assert answer.status_code == 200, page
        text = answer.content.decode()
        assert "secret_hash" not in text
        assert "sealed_secret" not in text
        assert "body_hash" not in text


@pytest.mark.parametrize("model", READ_ONLY)
def test_some_rows_are_only_looked_at(operator: Client, world: Organization, model: type) -> None:
    row = model._default_manager.first()  # type: ignore[attr-defined]

    assert operator.get(_url(model, "add")).status_code == 403
    assert operator.post(_url(model, "change", row.pk), {"label": "x"}).status_code == 403
    assert operator.post(_url(model, "delete", row.pk), {"post": "yes"}).status_code == 403
    assert model._default_manager.filter(pk=row.pk).exists()  # type: ignore[attr-defined]


def test_identities_are_not_added_here(operator: Client) -> None:
    assert operator.get(_url(AgentIdentity, "add")).status_code == 403


def test_a_token_of_a_person_is_ended_by_deleting_its_row(operator: Client) -> None:
    text = session(organization())
    row = SessionToken.objects.get()

    page = operator.get(_url(SessionToken, "change", row.pk)).content.decode()
    operator.post(_url(SessionToken, "delete", row.pk), {"post": "yes"})

    assert text not in page
    assert operator.get(_url(SessionToken, "add")).status_code == 403
    assert ApiClient(bearer=text).get("/whoami").status_code == 401


def test_every_model_of_the_three_apps_is_registered() -> None:
    assert set(MODELS) <= set(site._registry)


def test_keys_are_revoked_by_an_action(operator: Client) -> None:
    acme = organization()
    text, other = admin_key(acme), admin_key(acme)
    body = {"action": "revoke_keys", "_selected_action": [key_row(text).pk]}

    answer = operator.post(_url(ApiKey, "changelist"), body)

    assert answer.status_code == 302
    assert ApiClient(text).get("/whoami").status_code == 401
    assert ApiClient(other).get("/whoami").status_code == 200


@pytest.mark.parametrize("many", [False, True])
def test_deleting_an_identity_goes_through_the_service(operator: Client, world: Organization, many: bool) -> None:
    alpha = AgentIdentity.objects.get()
    text = agent_key(alpha)

    if many:
        body = {"action": "delete_selected", "_selected_action": [alpha.pk], "post": "yes"}
        answer = operator.post(_url(AgentIdentity, "changelist"), body)
    else:
        answer = operator.post(_url(AgentIdentity, "delete", alpha.pk), {"post": "yes"})

    assert answer.status_code == 302
    assert AgentIdentity.objects.get().deleted_at is not None
    assert ApiClient(text).get("/whoami").status_code == 401
    assert not Tunnel.objects.alive().exists()
    assert HandleClaim.objects.get().released_at is not None
    # A deleted identity is gone from admin too.
    assert operator.get(_url(AgentIdentity, "change", alpha.pk)).status_code == 302


def test_deleting_an_organization_asks_and_takes_everything(operator: Client, world: Organization) -> None:
    asked = operator.get(_url(Organization, "delete", world.pk))
    assert asked.status_code == 200
    assert Organization.objects.exists()

    answer = operator.post(_url(Organization, "delete", world.pk), {"post": "yes"})

    assert answer.status_code == 302
    assert not Organization.objects.exists()
    assert not AgentIdentity.objects.exists()
    assert HandleClaim.objects.get().released_at is not None


def test_an_identity_is_changed_through_the_service(operator: Client, world: Organization) -> None:
    alpha = AgentIdentity.objects.get()
    body = {"status": "paused", "display_name": "Alpha Bot", "description": "new"}

    answer = operator.post(_url(AgentIdentity, "change", alpha.pk), {**body, "agent_handle": "ignored"})

    assert answer.status_code == 302
    alpha.refresh_from_db()
    assert {name: getattr(alpha, name) for name in body} == body
    assert alpha.agent_handle == "alpha"


def test_a_person_is_added_with_an_email_address(operator: Client) -> None:
    body = {
        "email": "Ann@Example.com",
        "name": "Ann",
        "usable_password": "true",
        "password1": "correct horse battery",
        "password2": "correct horse battery",
        "memberships-TOTAL_FORMS": "0",
        "memberships-INITIAL_FORMS": "0",
    }

    assert operator.get(_url(User, "add")).status_code == 200
    answer = operator.post(_url(User, "add"), body)

    assert answer.status_code == 302
    ann = User.objects.get(name="Ann")
    assert ann.email == "ann@example.com"
    assert ann.check_password("correct horse battery")
    assert operator.get(_url(User, "change", ann.pk)).status_code == 200
    assert operator.get(reverse("admin:auth_user_password_change", args=[quote(ann.pk)])).status_code == 200


def test_admin_is_for_operators_only() -> None:
    client = Client()
    client.force_login(person(organization()))

    assert client.get(_url(ApiKey, "changelist")).status_code == 302
