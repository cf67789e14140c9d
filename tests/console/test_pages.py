"""What the pages show and do."""

from __future__ import annotations

import re
from email.message import EmailMessage
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from identities.enums import Role
from identities.models import AgentIdentity, Membership, Organization, User
from mail.models import PlatformMail
from tests.console.pages import signed_in
from tests.factories.identities import agent, organization, person
from tests.factories.mail import mailbox_of, receive
from tests.factories.signup import newest_mail, sign_up, text_of

pytestmark = pytest.mark.django_db

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(autouse=True)
def _no_limit_by_address(settings: Any) -> None:
    settings.SIGNUPS_PER_IP_PER_HOUR = 0


def text(response: Any) -> str:
    content: str = response.content.decode()
    return content


def test_the_overview_shows_only_the_own_organization(django_assert_max_num_queries: Any) -> None:
    acme, other = organization("Acme"), organization()
    receive(mailbox_of(agent(acme, "alpha", display_name=HOSTILE)))
    receive(mailbox_of(agent(other, "foreign")))
    client = signed_in(acme)

    with django_assert_max_num_queries(18):
        page = text(client.get(reverse("console:overview")))

    assert "@alpha" in page
    assert "message.received" in page
    assert "foreign" not in page
    assert HOSTILE not in page


def test_a_list_of_many_agents_costs_what_a_list_of_one_costs() -> None:
    acme = organization()
    client = signed_in(acme)
    agent(acme)
    path = reverse("console:agents")
    client.get(path)

    counts = []
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            client.get(path)
        counts.append(len(queries))
        for _ in range(5):
            agent(acme)

    assert counts[0] == counts[1]


def test_agents_are_found_by_handle_and_name() -> None:
    acme = organization()
    agent(acme, "alpha", display_name="Billing")
    agent(acme, "bravo")

    page = text(signed_in(acme).get(reverse("console:agents"), {"q": "BILL"}))

    assert "@alpha" in page
    assert "@bravo" not in page
    assert HOSTILE not in text(signed_in(acme).get(reverse("console:agents"), {"q": HOSTILE}))


def test_an_agent_is_created() -> None:
    acme = organization()

    response = signed_in(acme).post(reverse("console:new_agent"), {"agent_handle": "Helper", "description": "Helps."})

    identity = AgentIdentity.objects.get()
    assert response.headers["Location"] == reverse("console:agent", args=["helper"])
    assert (identity.organization, identity.display_name, identity.description) == (acme, "helper", "Helps.")


def test_a_refusal_stands_next_to_the_field() -> None:
    acme = organization()

    response = signed_in(acme).post(reverse("console:new_agent"), {"agent_handle": "no spaces"})

    assert response.status_code == 422
    assert "letters a-z, digits and hyphens" in text(response)
    assert not AgentIdentity.objects.exists()


def test_members_create_nothing() -> None:
    acme = organization()

    response = signed_in(acme, Role.MEMBER).post(reverse("console:new_agent"), {"agent_handle": "helper"})

    assert response.status_code == 403
    assert not AgentIdentity.objects.exists()


def test_a_claim_is_approved_into_the_chosen_organization() -> None:
    acme = organization()
    user = person(acme)
    second = organization("Second")
    Membership.objects.create(user=user, organization=second, role=Role.ADMIN.value)
    made = sign_up(user.email, note_to_human=HOSTILE)
    client = signed_in(user=user)
    client.post(reverse("console:switch_organization"), {"organization_id": second.pk})

    page = text(client.get(reverse("console:claims")))
    response = client.post(reverse("console:decide_claim", args=[made.row.identity_id]), {"decision": "approve"})

    assert HOSTILE not in page
    assert made.row.identity is not None
    assert response.headers["Location"] == reverse("console:agent", args=[made.row.identity.agent_handle])
    assert AgentIdentity.objects.get(signup=made.row).organization == second


def test_a_claim_of_somebody_else_is_nobodys_business() -> None:
    acme = organization()
    made = sign_up("other@human.example")

    signed_in(acme).post(reverse("console:decide_claim", args=[made.row.identity_id]), {"decision": "reject"})

    assert AgentIdentity.objects.filter(signup=made.row).exists()


def test_an_organization_that_is_not_ones_own_cannot_be_chosen() -> None:
    acme, other = organization("Acme"), organization("Other")
    client = signed_in(acme)

    client.post(reverse("console:switch_organization"), {"organization_id": other.pk})
    stray = client.post(reverse("console:switch_organization"), {"next": "https://evil.example/"})

    assert "Acme" in text(client.get(reverse("console:overview")))
    assert stray.headers["Location"] == reverse("console:overview")


def test_a_new_person_founds_an_organization() -> None:
    user = person()
    client = signed_in(user=user)

    client.post(reverse("console:welcome"), {"name": "Acme"})

    assert Membership.objects.get(user=user).organization == Organization.objects.get(name="Acme")
    assert client.get(reverse("console:overview")).status_code == 200


def test_registration_proves_the_address_and_adopts_what_was_claimed_before() -> None:
    made = sign_up("new@human.example")
    made.client.post("/agent-signup/verify", {"verification_code": made.code})
    client = Client()

    client.post(
        reverse("account_signup"),
        {"email": "New@human.example", "password1": "correct horse 9 battery", "password2": "correct horse 9 battery"},
    )
    code = _code(newest_mail("new@human.example"))
    assert not Membership.objects.exists()
    client.post(reverse("account_email_verification_sent"), {"code": code})

    user = User.objects.get(email="new@human.example")
    assert user.email_verified_at is not None
    assert Membership.objects.get(user=user).organization == AgentIdentity.objects.get(signup=made.row).organization
    assert client.get(reverse("console:overview")).status_code == 200


def test_registration_can_be_closed(settings: Any) -> None:
    settings.ACCOUNTS_OPEN = False

    Client().post(reverse("account_signup"), {"email": "a@b.example", "password1": "x" * 14, "password2": "x" * 14})

    assert not User.objects.exists()


def test_registration_does_not_tell_who_is_registered() -> None:
    person(email="known@human.example")
    secret = "correct horse 9 battery"
    answers = [
        Client().post(reverse("account_signup"), {"email": email, "password1": secret, "password2": secret})
        for email in ("known@human.example", "unknown@human.example")
    ]

    assert answers[0].status_code == answers[1].status_code == 302
    assert answers[0].headers["Location"] == answers[1].headers["Location"]
    assert PlatformMail.objects.count() == 2


def test_people_made_by_an_operator_sign_in_at_once() -> None:
    acme = organization()
    person(acme, email="owner@example.com", password="correct horse 9 battery")

    client = Client()
    response = client.post(
        reverse("account_login"), {"login": "owner@example.com", "password": "correct horse 9 battery"}
    )

    assert response.headers["Location"] == reverse("console:overview")
    assert client.get(reverse("console:overview")).status_code == 200


def _code(mail: EmailMessage) -> str:
    found = re.search(r"^\s*([A-Z0-9]{3,4}-?[A-Z0-9]{3,4})\s*$", text_of(mail), re.MULTILINE)
    assert found is not None, text_of(mail)
    return found[1]
