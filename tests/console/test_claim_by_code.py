"""Agents are claimed on the claims page by the code of their mail."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from common.clock import now
from common.principal import Profile
from identities.enums import Role
from identities.models import AgentIdentity, AuditRecord, Organization
from identities.services.identities import delete_identity
from signup import limits
from signup.enums import DecidedBy
from signup.models import Signup
from tests.console.pages import signed_in, text
from tests.factories.identities import agent, organization, person
from tests.factories.signup import NewAgent, newest_mail, sign_up

pytestmark = pytest.mark.django_db

OTHER = "ada@work.example"
REFUSAL = "This code does not claim that agent."


@pytest.fixture(autouse=True)
def _no_limit_by_address(settings: Any) -> None:
    settings.SIGNUPS_PER_IP_PER_HOUR = 0


@pytest.fixture
def acme() -> Organization:
    return organization("Acme")


def claim(client: Client, name: str, code: str) -> Any:
    return client.post(reverse("console:claims"), {"agent": name, "code": code})


def wrong(made: NewAgent) -> str:
    return "000000" if made.code != "000000" else "111111"


@pytest.mark.parametrize("name", ["helper", "@Helper", " helper@mail.localhost "])
def test_an_agent_of_mine_joins_my_organization(acme: Organization, name: str) -> None:
    user = person(acme)
    made = sign_up(user.email, agent_handle="helper")

    answer = claim(signed_in(user=user), name, made.code)

    assert answer.headers["Location"] == reverse("console:agent", args=["helper"])
    row = Signup.objects.get()
    assert (row.state, row.decided_by, row.decided_by_user_id) == ("claimed", DecidedBy.CODE.value, user.pk)
    assert row.code_hash is None
    identity = AgentIdentity.objects.get()
    assert (identity.organization_id, identity.claim_status) == (acme.pk, "agent_claimed")
    assert not Organization.objects.filter(is_provisional=True).exists()
    assert newest_mail(user.email)["Subject"].endswith("is verified")
    record = AuditRecord.objects.get(action="claim.approved")
    assert (record.organization_id, record.actor_id, record.details) == (acme.pk, user.pk, {"decided_by": "code"})


def test_the_code_of_another_address_claims_for_its_owner(acme: Organization) -> None:
    made = sign_up(OTHER, agent_handle="helper")
    client = signed_in(acme)

    answer = claim(client, "helper", made.code)

    assert answer.headers["Location"] == reverse("console:claims")
    assert f"@helper is claimed. It belongs to the owner of {OTHER}." in text(client.get(reverse("console:claims")))
    identity = AgentIdentity.objects.get()
    assert identity.claim_status == "agent_claimed"
    assert identity.organization_id != acme.pk, "as with the link"


def refusals(client: Client, made: NewAgent) -> dict[str, Any]:
    """The same page for every reason."""
    return {
        "unknown handle": claim(client, "nobody-here", made.code),
        "unknown address": claim(client, "nobody@mail.localhost", made.code),
        "hostile": claim(client, "x" * 200 + "%00", made.code),
        "wrong code": claim(client, "helper", wrong(made)),
        "no signup": claim(client, "ordinary", made.code),
    }


def test_every_reason_reads_the_same(acme: Organization) -> None:
    agent(acme, "ordinary")
    made = sign_up(OTHER, agent_handle="helper")

    answers = refusals(signed_in(acme), made)

    assert {answer.status_code for answer in answers.values()} == {422}
    pages = {name: text(answer) for name, answer in answers.items()}
    assert all(REFUSAL in page for page in pages.values())
    alerts = {page.split('role="alert"')[1].split("</div>")[0] for page in pages.values()}
    assert len(alerts) == 1
    assert Signup.objects.get().state == "pending"


def test_a_code_ends_after_five_wrong_ones_whoever_sends_them(acme: Organization) -> None:
    made = sign_up(OTHER, agent_handle="helper")
    people = [signed_in(acme) for _ in range(2)]

    for number in range(5):
        assert claim(people[number % 2], "helper", wrong(made)).status_code == 422
    late = claim(people[0], "helper", made.code)

    assert late.status_code == 422
    assert REFUSAL in text(late)
    assert Signup.objects.get().state == "pending"
    assert made.client.post("/agent-signup/verify", {"verification_code": made.code}).status_code == 429


def test_one_person_has_so_many_tries(acme: Organization, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CODE_CLAIMS_PER_HOUR", 2)
    made = sign_up(OTHER, agent_handle="helper")
    client = signed_in(acme)

    for name in ("a-b-c", "d-e-f"):
        claim(client, name, made.code)
    late = claim(client, "helper", made.code)

    assert late.status_code == 422
    assert "More than 2 of these an hour." in text(late)
    assert Signup.objects.get().wrong_codes == 0
    assert claim(signed_in(acme), "helper", made.code).status_code == 302


def test_an_old_code_claims_nothing(acme: Organization) -> None:
    made, user = sign_up(OTHER, agent_handle="helper"), person(acme)
    code = made.code

    with time_machine.travel(now() + timedelta(hours=49)):
        answer = claim(signed_in(user=user), "helper", code)

    assert REFUSAL in text(answer)
    assert Signup.objects.get().state == "pending"


@pytest.mark.parametrize("decision", ["claimed", "rejected", "deleted"])
def test_a_decided_agent_reads_like_an_unknown_one(acme: Organization, decision: str) -> None:
    made = sign_up(OTHER, agent_handle="helper")
    code = made.code
    assert made.row.identity is not None
    if decision == "claimed":
        made.client.post("/agent-signup/verify", {"verification_code": code})
    elif decision == "rejected":
        Client().post(made.link, {"decision": "reject"})
    else:
        delete_identity(made.row.identity, Profile.MODERN)

    answer = claim(signed_in(acme), "helper", code)

    assert answer.status_code == 422
    assert REFUSAL in text(answer)


@pytest.mark.parametrize("code", ["", "12345", "1234567", "12345a", "١٢٣٤٥٦", "123456\n7"])
def test_a_code_has_six_digits(acme: Organization, code: str) -> None:
    sign_up(OTHER, agent_handle="helper")

    answer = claim(signed_in(acme), "helper", code)

    assert answer.status_code == 422
    assert Signup.objects.get().wrong_codes == 0


def test_a_handle_of_two_organizations_is_not_guessed(acme: Organization) -> None:
    made = sign_up(OTHER, agent_handle="helper")
    twin = sign_up(OTHER, agent_handle="other")
    assert twin.row.identity_id is not None
    AgentIdentity.objects.filter(pk=twin.row.identity_id).update(agent_handle="helper")
    by_handle = claim(signed_in(acme), "helper", twin.code)
    by_address = claim(signed_in(acme), "other@mail.localhost", twin.code)

    assert by_handle.status_code == 422
    assert by_address.status_code == 302
    assert Signup.objects.get(pk=made.row.pk).state == "pending"


@pytest.mark.parametrize("role", list(Role))
def test_the_form_is_there_for_everybody(acme: Organization, role: Role) -> None:
    page = text(signed_in(acme, role).get(reverse("console:claims")))

    assert "Claim with a code" in page
    assert 'autocomplete="one-time-code"' in page
