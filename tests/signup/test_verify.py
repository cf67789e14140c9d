"""Verify, resend and status (contract identities.md sections 14.2 to 14.4)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine

from common.clock import now
from identities.enums import Role
from identities.models import AgentIdentity, Membership, Organization
from mail.models import Mailbox, PlatformMail
from signup.models import Signup
from signup.services.claiming import adopt_organizations
from tests.factories.identities import ApiClient, admin_client, agent, agent_client, organization, person
from tests.factories.signup import HUMAN, NewAgent, newest_mail, sign_up

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_limit_by_address(settings: Any) -> None:
    settings.SIGNUPS_PER_IP_PER_HOUR = 0


def verify(made: NewAgent, code: str) -> Any:
    return made.client.post("/agent-signup/verify", {"verification_code": code})


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06d}"


def test_the_code_claims_the_agent() -> None:
    made = sign_up()

    answer = verify(made, made.code)

    assert answer.status_code == 200
    assert answer.json()["claim_status"] == "agent_claimed"
    assert answer.json()["organization_id"].startswith("org_agent_")
    assert made.client.get("/whoami").json()["auth_subtype"] == "api_key.agent_scoped.claimed"
    assert newest_mail(HUMAN)["Subject"].endswith("is verified")
    status = made.client.get("/agent-signup/status").json()
    assert status == {
        "claim_status": "agent_claimed",
        "human_state": "human_no_account",
        "human_email": HUMAN,
        "restrictions": {
            "max_sends_per_day": 500,
            "allowed_recipients": [],
            "can_receive": True,
            "can_create_mailboxes": False,
        },
    }


def test_saying_the_code_again_changes_nothing() -> None:
    made = sign_up()
    code = made.code
    verify(made, code)
    mails = PlatformMail.objects.count()

    again = verify(made, wrong(code))

    assert again.status_code == 200
    assert again.json()["claim_status"] == "agent_claimed"
    assert PlatformMail.objects.count() == mails


def test_five_wrong_codes_are_too_many() -> None:
    made = sign_up()
    code = made.code

    answers = [verify(made, wrong(code)).status_code for _ in range(6)]

    assert answers == [401] * 5 + [429]
    assert verify(made, code).status_code == 429
    assert AgentIdentity.objects.get(signup=made.row).claim_status == "agent_unclaimed"


def test_the_last_try_may_be_right() -> None:
    made = sign_up()
    code = made.code
    for _ in range(4):
        verify(made, wrong(code))

    assert verify(made, code).status_code == 200


def test_a_code_lives_for_two_days() -> None:
    made = sign_up()
    code = made.code
    Signup.objects.update(code_sent_at=now() - timedelta(hours=48, seconds=1))

    assert verify(made, code).status_code == 410
    assert Signup.objects.get().wrong_codes == 0


@pytest.mark.parametrize("code", ["12345", "1234567", "12345a", "", None, "\uff11\uff12345"])
def test_a_code_has_six_digits(code: str | None) -> None:
    made = sign_up()

    answer = made.client.post("/agent-signup/verify", {"verification_code": code})

    assert answer.status_code == 422
    assert Signup.objects.get().wrong_codes == 0


def test_a_new_code_replaces_the_old_one_and_its_tries() -> None:
    with time_machine.travel(now(), tick=False) as clock:
        made = sign_up()
        old, old_link = made.code, made.link
        for _ in range(5):
            verify(made, wrong(old))
        early = made.client.post("/agent-signup/resend-verification")
        clock.shift(timedelta(minutes=5))

        answer = made.client.post("/agent-signup/resend-verification")

        assert early.status_code == 429
        assert early.headers["Retry-After"] == "300"
        assert answer.status_code == 200
        assert answer.json()["claim_status"] == "agent_unclaimed"
        assert made.link != old_link
        assert verify(made, old).status_code == (200 if made.code == old else 401)
        assert verify(made, made.code).status_code == 200


def test_a_claimed_agent_gets_no_further_code() -> None:
    made = sign_up()
    verify(made, made.code)
    mails = PlatformMail.objects.count()

    answer = made.client.post("/agent-signup/resend-verification")

    assert (answer.status_code, answer.json()["claim_status"]) == (200, "agent_claimed")
    assert PlatformMail.objects.count() == mails


def test_the_agent_moves_to_the_only_organization_of_its_human() -> None:
    acme = organization()
    person(acme, email=HUMAN)
    made = sign_up()
    provisional = Organization.objects.get(is_provisional=True)

    answer = verify(made, made.code)

    assert answer.json()["organization_id"] == acme.pk
    assert not Organization.objects.filter(pk=provisional.pk).exists()
    assert Mailbox.objects.get(identity_id=made.row.identity_id).organization_id == acme.pk
    assert made.client.get("/whoami").json()["organization_id"] == acme.pk


@pytest.mark.parametrize("organizations", [0, 2])
def test_otherwise_the_human_owns_the_organization_of_the_agent(organizations: int) -> None:
    user = person(email=HUMAN)
    for _ in range(organizations):
        Membership.objects.create(user=user, organization=organization(), role=Role.OWNER.value)
    made = sign_up()

    organization_id = verify(made, made.code).json()["organization_id"]

    kept = Organization.objects.get(pk=organization_id)
    assert organization_id.startswith("org_agent_")
    assert not kept.is_provisional
    assert Membership.objects.get(user=user, organization=kept).role == Role.OWNER


def test_an_unproven_address_owns_nothing_until_it_is_proven() -> None:
    user = person(email=HUMAN, email_verified_at=None)
    made = sign_up()
    organization_id = verify(made, made.code).json()["organization_id"]
    assert made.client.get("/agent-signup/status").json()["human_state"] == "human_account_unverified"
    assert adopt_organizations(user) == []

    user.email_verified_at = now()
    user.save()
    found = adopt_organizations(user)

    assert [row.pk for row in found] == [organization_id]
    assert adopt_organizations(user) == []
    assert Membership.objects.get(user=user).role == Role.OWNER


def test_before_the_claim_only_the_human_is_written_to() -> None:
    made = sign_up()
    status = made.client.get("/agent-signup/status").json()
    box = Mailbox.objects.get(identity_id=made.row.identity_id)
    path = f"/mail/mailboxes/{box.email_address}/messages"

    assert status["restrictions"]["allowed_recipients"] == [HUMAN]
    assert status["restrictions"]["max_sends_per_day"] == 10
    assert made.client.post(path, {"recipients": {"to": [HUMAN]}, "subject": "Hi"}).status_code == 201
    assert made.client.post(path, {"recipients": {"to": ["eve@x.example"]}, "subject": "Hi"}).status_code == 403


@pytest.mark.parametrize("path", ["verify", "resend-verification", "status"])
def test_keys_that_no_signup_made_are_unknown_here(path: str) -> None:
    for client in (admin_client(), agent_client(agent())):
        call = client.get if path == "status" else client.post
        assert call(f"/agent-signup/{path}").status_code == 404
    call = ApiClient().get if path == "status" else ApiClient().post
    assert call(f"/agent-signup/{path}").status_code == 401
