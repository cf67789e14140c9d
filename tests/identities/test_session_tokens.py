"""Tokens for people who are signed in, and what ends them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import jwt
import pytest
import time_machine
from django.contrib.sessions.models import Session
from django.test import Client

from common.clock import now
from identities import limits
from identities.enums import Role
from identities.models import AuditRecord, Membership, SessionToken, User
from identities.services.sessions import ORGANIZATION_KEY, purge_session_tokens
from tests.console.pages import signed_in
from tests.factories.identities import (
    ApiClient,
    admin_client,
    agent,
    agent_client,
    nobody,
    organization,
    person,
    session,
)

pytestmark = pytest.mark.django_db

PASSWORD = "correct horse 9 battery"


def ask(client: Client, **body: object) -> Any:
    return client.post("/api/v1/auth/token", body, content_type="application/json")


def whoami(token: str) -> Any:
    return ApiClient(bearer=token).get("/whoami")


def test_a_session_gets_a_token_of_its_organization() -> None:
    first, second = organization(), organization()
    user = person(first)
    Membership.objects.create(user=user, organization=second, role=Role.MEMBER.value)
    client = signed_in(user=user)

    answer = ask(client)
    chosen = client.session
    chosen[ORGANIZATION_KEY] = second.pk
    chosen.save()
    switched, named = ask(client), ask(client, organization_id=first.pk)

    assert answer.status_code == 201
    assert answer.headers["Cache-Control"] == "no-store"
    body = answer.json()
    assert (body["token_type"], body["expires_in"], body["organization_id"]) == ("Bearer", 3600, first.pk)
    assert whoami(body["token"]).json()["organization_id"] == first.pk
    assert whoami(switched.json()["token"]).json()["org_role"] == "member"
    assert named.json()["organization_id"] == first.pk


def test_an_organization_of_others_is_unknown() -> None:
    answer = ask(signed_in(organization()), organization_id=organization().pk)

    assert answer.status_code == 404


def test_a_person_without_an_organization_gets_a_token_too() -> None:
    answer = ask(signed_in(user=person()))

    assert answer.json()["organization_id"] is None
    assert whoami(answer.json()["token"]).json()["organization_id"] is None


def test_only_a_session_is_traded() -> None:
    acme = organization()
    identity = agent(acme)

    for client in (nobody(), admin_client(acme), agent_client(identity), ApiClient(bearer=session(acme))):
        assert client.post("/auth/token", {}).status_code == 401
    assert signed_in(acme).get("/api/v1/auth/token").status_code == 405


@pytest.mark.parametrize("path", ["/api/v1/auth/token", "/api/v1/auth/revoke"])
def test_another_site_cannot_use_the_cookie(path: str) -> None:
    user = person(organization())
    client = Client(enforce_csrf_checks=True)
    client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")

    refused = client.post(path, {}, content_type="application/json")
    client.get("/accounts/email/")
    token = client.cookies["csrftoken"].value
    taken = client.post(path, {}, content_type="application/json", headers={"X-CSRFToken": token})

    assert refused.status_code == 403
    assert taken.status_code in (201, 204)


def test_all_tokens_are_revoked_by_token_or_session() -> None:
    acme = organization()
    user = person(acme)
    client = signed_in(user=user)
    one, two = ask(client).json()["token"], ask(client).json()["token"]

    assert ApiClient(bearer=one).post("/auth/revoke").status_code == 204
    assert [whoami(token).status_code for token in (one, two)] == [401, 401]
    three = ask(client).json()["token"]
    assert client.post("/api/v1/auth/revoke", content_type="application/json").status_code == 204

    assert whoami(three).status_code == 401
    assert admin_client(acme).post("/auth/revoke").status_code == 403
    assert nobody().post("/auth/revoke").status_code == 401


def test_a_changed_password_ends_tokens() -> None:
    acme = organization()
    user = person(acme, password=PASSWORD)
    client = Client()
    client.post("/accounts/login/", {"login": user.email, "password": PASSWORD})
    token = ask(client).json()["token"]
    assert whoami(token).status_code == 200

    client.post(
        "/accounts/password/change/",
        {"oldpassword": PASSWORD, "password1": PASSWORD + " new", "password2": PASSWORD + " new"},
    )

    assert User.objects.get(pk=user.pk).check_password(PASSWORD + " new")
    assert whoami(token).status_code == 401


def test_signing_out_elsewhere_ends_tokens() -> None:
    acme = organization()
    user = person(acme, password=PASSWORD)
    here, there = Client(), Client()
    for client in (here, there):
        client.post("/accounts/login/", {"login": user.email, "password": PASSWORD})
    token = ask(there).json()["token"]

    here.post("/accounts/sessions/")

    assert whoami(token).status_code == 401
    assert ask(there).status_code == 401
    assert ask(here).status_code == 201


def claims_of(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


def test_a_token_says_whose_it_is() -> None:
    acme = organization()
    user = person(acme, Role.ADMIN)

    body = ask(signed_in(user=user)).json()

    claims = claims_of(body["token"])
    assert (claims["sub"], claims["org"], claims["role"]) == (user.pk, acme.pk, "admin")
    assert claims["jti"] == body["id"]
    assert claims["exp"] - claims["iat"] == body["expires_in"] == 3600


def test_a_token_does_not_outlive_its_session() -> None:
    client = signed_in(organization())
    client.get("/console/")
    Session.objects.update(expire_date=now() + timedelta(minutes=5))

    body = ask(client).json()

    assert 290 <= body["expires_in"] <= 300


def sign_in(email: str) -> Client:
    client = Client()
    client.post("/accounts/login/", {"login": email, "password": PASSWORD})
    return client


def test_signing_out_ends_the_tokens_of_that_session_only() -> None:
    user = person(organization(), password=PASSWORD)
    here, there = sign_in(user.email), sign_in(user.email)
    mine, other = ask(here).json()["token"], ask(there).json()["token"]

    here.post("/accounts/logout/")

    assert (whoami(mine).status_code, whoami(other).status_code) == (401, 200)


def test_tokens_are_listed_and_ended_one_by_one() -> None:
    acme, other = organization(), organization()
    user = person(acme)
    Membership.objects.create(user=user, organization=other, role=Role.MEMBER.value)
    client = signed_in(user=user)
    first, second = ask(client, organization_id=acme.pk).json(), ask(client, organization_id=other.pk).json()
    ask(signed_in(acme))
    mine = ApiClient(bearer=first["token"])

    listed = mine.get("/auth/tokens").json()["items"]
    by_cookie = client.get("/api/v1/auth/tokens").json()["items"]

    assert [(row["id"], row["organization_id"], row["is_current"]) for row in listed] == [
        (second["id"], other.pk, False),
        (first["id"], acme.pk, True),
    ]
    assert "token" not in listed[0]
    assert [row["is_current"] for row in by_cookie] == [False, False]
    assert mine.delete(f"/auth/tokens/{second['id']}").status_code == 204
    assert (whoami(first["token"]).status_code, whoami(second["token"]).status_code) == (200, 401)
    assert mine.delete(f"/auth/tokens/{second['id']}").status_code == 404
    assert mine.delete("/auth/tokens/nothing").status_code == 404


def test_a_token_of_somebody_else_is_unknown() -> None:
    acme = organization()
    theirs = ask(signed_in(acme)).json()

    answer = ApiClient(bearer=session(acme)).delete(f"/auth/tokens/{theirs['id']}")

    assert answer.status_code == 404
    assert whoami(theirs["token"]).status_code == 200


def test_a_token_ends_itself_and_a_session_its_own() -> None:
    user = person(organization())
    client, elsewhere = signed_in(user=user), signed_in(user=user)
    one, two, three = ask(client).json(), ask(client).json(), ask(elsewhere).json()

    assert ApiClient(bearer=one["token"]).post("/auth/token/revoke").status_code == 204
    after_one = [whoami(row["token"]).status_code for row in (one, two, three)]
    assert client.post("/api/v1/auth/token/revoke", content_type="application/json").status_code == 204
    after_all = [whoami(row["token"]).status_code for row in (one, two, three)]

    assert after_one == [401, 200, 200]
    assert after_all == [401, 401, 200]


def test_removal_from_the_organization_ends_tokens_for_good() -> None:
    acme = organization()
    user = person(acme, Role.MEMBER)
    token = ask(signed_in(user=user)).json()["token"]
    person(acme, Role.OWNER)

    Membership.objects.get(user=user).delete()
    Membership.objects.create(user=user, organization=acme, role=Role.MEMBER.value)

    assert whoami(token).status_code == 401


def test_issue_and_end_are_in_the_audit_log() -> None:
    acme = organization()
    user = person(acme)
    client = signed_in(user=user)
    one = ask(client).json()
    ask(client)

    client.delete(f"/api/v1/auth/tokens/{one['id']}")
    client.post("/api/v1/auth/revoke", content_type="application/json")

    rows = AuditRecord.objects.filter(organization_id=acme.pk).order_by("seq")
    assert [row.action for row in rows] == [*2 * ["api_session.opened"], *2 * ["api_session.ended"]]
    assert {(row.actor_id, row.target_label) for row in rows} == {(user.pk, user.email)}
    assert rows[0].target_id == rows[2].target_id == one["id"]
    assert one["token"] not in str(list(rows.values()))


def test_the_oldest_token_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SESSION_TOKENS_PER_PERSON", 2)
    client = signed_in(organization())

    tokens = [ask(client).json()["token"] for _ in range(3)]

    assert [whoami(token).status_code for token in tokens] == [401, 200, 200]


def test_tokens_are_not_made_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SESSION_TOKENS_PER_MINUTE", 2)
    client = signed_in(organization())

    answers = [ask(client) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [201, 201, 429]
    assert int(answers[2].headers["Retry-After"]) > 0
    assert SessionToken.objects.count() == 2


def test_rows_of_ended_tokens_are_removed() -> None:
    client = signed_in(organization())
    ask(client)
    with time_machine.travel(now() + timedelta(minutes=61)):
        session(organization())
        assert purge_session_tokens() == 1

    assert SessionToken.objects.count() == 1


@pytest.mark.parametrize("path", ["/api/v1/auth/token", "/api/v1/agent-signup/pending"])
def test_only_the_console_is_let_in_from_browsers(settings: Any, path: str) -> None:
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}
    (console,) = settings.CORS_ALLOWED_ORIGINS

    allowed = Client().options(path, headers={"origin": console, **asked})
    refused = Client().options(path, headers={"origin": "https://evil.example", **asked})

    assert allowed.headers["access-control-allow-origin"] == console
    assert "authorization" in allowed.headers["access-control-allow-headers"]
    assert "access-control-allow-credentials" not in allowed.headers
    assert "access-control-allow-origin" not in refused.headers


def test_a_deactivated_person_gets_nothing() -> None:
    acme = organization()
    user = person(acme)
    client = signed_in(user=user)
    User.objects.filter(pk=user.pk).update(is_active=False)

    assert ask(client).status_code == 401
