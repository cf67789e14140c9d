"""The human side: pending, approve, reject, and the page behind the link (contract identities.md section 15)."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from common.clock import now
from identities.enums import Role
from identities.models import AgentIdentity, ApiKey, HandleClaim, Membership, Organization
from mail.models import Mailbox, PlatformMail
from signup.limits import REJECTED_RETENTION
from signup.models import Signup
from tests.factories.identities import (
    ApiClient,
    admin_client,
    agent,
    agent_client,
    organization,
    person,
    session,
)
from tests.factories.signup import HUMAN, NewAgent, newest_mail, sign_up

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_limit_by_address(settings: Any) -> None:
    settings.SIGNUPS_PER_IP_PER_HOUR = 0


@pytest.fixture
def acme() -> Organization:
    return organization("Acme")


@pytest.fixture
def human(acme: Organization) -> ApiClient:
    return ApiClient(bearer=session(acme, user=person(acme, email=HUMAN)))


def decide(client: ApiClient, made: NewAgent, what: str, body: Any = None) -> Any:
    return client.post(f"/agent-signup/{made.row.identity_id}/{what}", {} if body is None else body)


def test_the_human_sees_who_waits_for_them(human: ApiClient, django_assert_max_num_queries: Any) -> None:
    older, newer = sign_up(harness="codex"), sign_up(agent_handle="newer")
    sign_up(human_email="other@human.example")

    with django_assert_max_num_queries(5):
        agents = human.get("/agent-signup/pending").json()["agents"]

    assert [row["identity_id"] for row in agents] == [str(newer.row.identity_id), str(older.row.identity_id)]
    assert agents[0]["agent_handle"] == "newer"
    assert agents[0]["email_address"] == "newer@mail.localhost"
    assert agents[0]["note_to_human"] == "Hello, it is me."
    assert agents[1]["harness"] == "codex"


def test_an_unproven_address_sees_nobody(acme: Organization) -> None:
    user = person(acme, email=HUMAN, email_verified_at=None)
    made = sign_up()
    client = ApiClient(bearer=session(acme, user=user))

    assert client.get("/agent-signup/pending").json() == {"agents": []}
    assert decide(client, made, "approve").status_code == 404
    assert decide(client, made, "reject").status_code == 404


def test_approve_moves_the_agent_with_its_key_and_address(human: ApiClient, acme: Organization) -> None:
    made = sign_up(agent_handle="helper")

    answer = decide(human, made, "approve", {"organization_id": acme.pk})

    assert answer.status_code == 200
    assert answer.json()["organization_id"] == acme.pk
    assert answer.json()["claim_status"] == "agent_claimed"
    assert Organization.objects.filter(is_provisional=True).count() == 0
    mine = made.client.get("/identities/helper").json()
    assert mine["organization_id"] == acme.pk
    assert mine["mailbox"]["email_address"] == "helper@mail.localhost"
    assert newest_mail(HUMAN)["Subject"].endswith("is verified")
    assert human.get("/agent-signup/pending").json() == {"agents": []}
    assert decide(human, made, "approve").status_code == 409


def test_approve_needs_a_role_in_the_organization(human: ApiClient) -> None:
    made, foreign = sign_up(), organization()

    assert decide(human, made, "approve", {"organization_id": foreign.pk}).status_code == 403
    Membership.objects.update(role=Role.MEMBER.value)
    assert (
        decide(human, made, "approve", {"organization_id": Membership.objects.get().organization_id}).status_code == 403
    )
    assert Signup.objects.get().state == "pending"


def test_a_human_of_several_organizations_names_one(human: ApiClient, acme: Organization) -> None:
    other = organization()
    Membership.objects.create(user=Membership.objects.get().user, organization=other, role=Role.ADMIN.value)
    made = sign_up()

    assert decide(human, made, "approve").status_code == 422
    assert decide(human, made, "approve", {"organization_id": other.pk}).json()["organization_id"] == other.pk


def test_a_human_without_organization_gets_that_of_the_agent() -> None:
    user = person(email=HUMAN)
    made = sign_up()

    answer = decide(ApiClient(bearer=session(user=user)), made, "approve")

    assert answer.status_code == 200
    assert Membership.objects.get(user=user).organization_id == answer.json()["organization_id"]


def test_reject_removes_the_agent_and_its_key(human: ApiClient) -> None:
    made = sign_up(agent_handle="helper")

    answer = decide(human, made, "reject")

    assert answer.status_code == 200
    assert answer.json()["claim_status"] == "agent_rejected"
    assert not AgentIdentity.objects.exists()
    assert not Mailbox.objects.exists()
    assert not ApiKey.objects.filter(pk=made.row.key_id).exists()
    assert not Organization.objects.filter(is_provisional=True).exists()
    assert HandleClaim.objects.get(pk="helper").released_at is not None
    assert newest_mail(HUMAN)["Subject"].endswith("was removed")
    assert made.client.get("/whoami").status_code == 401
    assert made.client.post("/agent-signup/verify", {"verification_code": "123456"}).status_code == 401
    assert decide(human, made, "reject").status_code == 404


def test_a_rejected_key_may_only_ask_for_its_status(human: ApiClient) -> None:
    made = sign_up()
    decide(human, made, "reject")

    status = made.client.get("/agent-signup/status")

    assert status.status_code == 200
    assert status.json()["claim_status"] == "agent_rejected"
    assert status.json()["human_email"] == HUMAN
    assert ApiClient(bearer=made.key).get("/agent-signup/status").status_code == 200
    for forged in (f"{made.row.key_id}.wrong", made.row.key_id, "ApiKey_x.y"):
        assert ApiClient(forged).get("/agent-signup/status").status_code == 401


def test_a_rejected_key_is_forgotten_in_the_end(human: ApiClient) -> None:
    made = sign_up()
    decide(human, made, "reject")
    Signup.objects.filter(pk=made.row.pk).update(decided_at=now() - REJECTED_RETENTION)

    assert made.client.get("/agent-signup/status").status_code == 401


def test_a_claimed_agent_cannot_be_rejected(human: ApiClient) -> None:
    made = sign_up()
    decide(human, made, "approve")

    assert decide(human, made, "reject").status_code == 409
    assert AgentIdentity.objects.filter(signup=made.row).exists()


@pytest.mark.parametrize("path", ["pending", "{id}/approve", "{id}/reject"])
def test_only_signed_in_people_decide(acme: Organization, path: str) -> None:
    made = sign_up()
    url = f"/agent-signup/{path.format(id=made.row.identity_id)}"
    method = "GET" if path == "pending" else "POST"

    expected = {
        403: [admin_client(acme), agent_client(agent(acme)), made.client],
        401: [ApiClient()],
    }
    for status, clients in expected.items():
        for client in clients:
            assert client.call(method, url).status_code == status
    if method == "POST":
        stranger = ApiClient(bearer=session(acme, user=person(acme)))
        assert stranger.post(url).status_code == 404
        assert stranger.post("/agent-signup/nonsense/approve").status_code == 404
    assert Signup.objects.get().state == "pending"


def test_the_link_shows_the_agent_and_decides_nothing_by_itself() -> None:
    made = sign_up(display_name="<b>Eve</b>", note_to_human="<script>alert(1)</script>")

    page = Client().get(made.link)

    assert page.status_code == 200
    assert b"&lt;b&gt;Eve" in page.content
    assert b"<script>" not in page.content
    assert "no-store" in page.headers["Cache-Control"]
    assert Signup.objects.get().state == "pending"


def test_the_link_approves_once() -> None:
    made = sign_up()
    link = made.link

    page = Client().post(link, {"decision": "approve"})

    assert b"Approved" in page.content
    assert made.client.get("/whoami").json()["auth_subtype"] == "api_key.agent_scoped.claimed"
    assert Client().get(link).status_code == 410
    assert Client().post(link, {"decision": "reject"}).status_code == 410
    assert AgentIdentity.objects.exists()


def test_the_link_disowns() -> None:
    made = sign_up()

    page = Client().post(made.link, {"decision": "reject"})

    assert b"Removed" in page.content
    assert not AgentIdentity.objects.exists()
    assert made.client.get("/agent-signup/status").json()["claim_status"] == "agent_rejected"


def test_forms_of_the_page_are_protected() -> None:
    made = sign_up()

    assert Client(enforce_csrf_checks=True).post(made.link, {"decision": "approve"}).status_code == 403
    assert Client().post(made.link, {"decision": "perhaps"}).status_code == 400
    assert Signup.objects.get().state == "pending"


@pytest.mark.parametrize("token", ["abc", "abc:def:ghi", "%00"])
def test_forged_links_are_expired_links(token: str) -> None:
    assert Client().get(f"/claim/{token}").status_code == 410


def test_old_links_expire(monkeypatch: pytest.MonkeyPatch) -> None:
    made = sign_up()
    link = made.link
    Signup.objects.update(code_sent_at=now().replace(year=2020))

    assert Client().get(link).status_code == 410
    assert PlatformMail.objects.count() == 1
