"""Team, invitations and settings in the console."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from identities.enums import Role
from identities.models import Invitation, Membership, Organization, User
from tests.console.pages import signed_in
from tests.factories.identities import organization, person
from tests.factories.invitations import token_of
from tests.factories.signup import newest_mail, text_of

pytestmark = pytest.mark.django_db

SECRET = "correct horse 9 battery"
TEAM = "/console/team"


def text(response: Any) -> str:
    content: str = response.content.decode()
    return content


def invite(of: Organization, email: str = "guest@example.com", role: str = "member") -> str:
    """The path of a new invitation's page."""
    signed_in(of).post(TEAM, {"email": email, "role": role})
    return reverse("console:invitation", args=[token_of(email)])


def role_in(of: Organization, user: User) -> str | None:
    return Membership.objects.filter(organization=of, user=user).values_list("role", flat=True).first()


def test_the_list_shows_members_and_what_the_viewer_may_change() -> None:
    acme, other = organization(), organization()
    owner, admin, member = (person(acme, role) for role in (Role.OWNER, Role.ADMIN, Role.MEMBER))
    stranger = person(other)

    pages = {user.pk: text(signed_in(user=user).get(TEAM)) for user in (owner, admin, member)}

    for page in pages.values():
        assert owner.email in page
        assert member.email in page
        assert stranger.email not in page
    assert pages[owner.pk].count('name="role"') == 4  # three members and the invitation
    assert pages[admin.pk].count('name="role"') == 3
    assert pages[member.pk].count('name="role"') == 0
    assert '<option value="owner"' not in pages[admin.pk]


def test_the_list_costs_the_same_for_many() -> None:
    acme = organization()
    client = signed_in(acme)
    invite(acme)
    client.get(TEAM)
    counts = []
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            client.get(TEAM)
        counts.append(len(queries))
        for number in range(4):
            person(acme, Role.MEMBER)
            invite(acme, f"guest{number}@example.com")

    assert counts[0] == counts[1]


def test_roles_and_removal_through_the_page() -> None:
    acme = organization()
    member = person(acme, Role.MEMBER)
    path = reverse("console:member", args=[member.pk])

    refused = signed_in(acme, Role.ADMIN).post(path, {"role": "owner"})
    foreign = signed_in(organization()).post(path, {"role": "admin"})
    by_member = signed_in(acme, Role.MEMBER).post(path, {"remove": "1"})
    signed_in(acme).post(path, {"role": "nobody"})
    assert (refused.status_code, foreign.status_code, by_member.status_code) == (403, 404, 403)
    assert role_in(acme, member) == "member"

    signed_in(acme).post(path, {"role": "admin"})
    assert role_in(acme, member) == "admin"
    signed_in(acme).post(path, {"remove": "1"})
    assert role_in(acme, member) is None


def test_the_last_owner_is_told_why_not() -> None:
    acme = organization()
    owner = person(acme)
    client = signed_in(user=owner)

    left = client.post(reverse("console:leave_organization"), follow=True)
    demoted = client.post(reverse("console:member", args=[owner.pk]), {"role": "member"}, follow=True)

    assert "This is the last owner" in text(left)
    assert "This is the last owner" in text(demoted)
    assert role_in(acme, owner) == "owner"


def test_who_leaves_sees_nothing_any_more() -> None:
    acme = organization()
    person(acme)
    member = person(acme, Role.MEMBER)
    client = signed_in(user=member)

    client.post(reverse("console:leave_organization"))

    assert client.get(TEAM).headers["Location"] == reverse("console:welcome")


def test_an_invitation_is_sent_again_and_revoked() -> None:
    acme = organization()
    first = invite(acme)
    second = invite(acme)
    row = Invitation.objects.get()
    client = signed_in(acme)

    assert Client().get(first).status_code == 404
    assert Client().get(second).status_code == 200
    assert "guest@example.com" in text(client.get(TEAM))
    client.post(reverse("console:revoke_invitation", args=[row.pk]))

    assert Client().get(second).status_code == 404
    client.get(TEAM)  # shows the notice
    assert "guest@example.com" not in text(client.get(TEAM))


def test_bad_invitations_stay_on_the_page() -> None:
    acme = organization()
    client = signed_in(acme, Role.ADMIN)

    answers = [
        client.post(TEAM, {"email": "no address", "role": "member"}),
        client.post(TEAM, {"email": "guest@example.com", "role": "owner"}),
        client.post(TEAM, {"email": person(acme).email, "role": "member"}),
    ]

    assert [answer.status_code for answer in answers] == [422, 422, 422]
    assert "is a member already" in text(answers[2])
    assert signed_in(acme, Role.MEMBER).post(TEAM, {"email": "a@b.example", "role": "member"}).status_code == 403
    assert not Invitation.objects.exists()


def test_a_signed_in_person_joins() -> None:
    acme, own = organization("Acme"), organization("Own")
    guest = person(own, email="guest@example.com")
    path = invite(acme, role="admin")
    client = signed_in(user=guest)

    page = text(client.get(path))
    assert role_in(acme, guest) is None
    answer = client.post(path, follow=True)

    assert "Join Acme" in page
    assert "Welcome to Acme" in text(answer)
    assert role_in(acme, guest) == "admin"
    assert client.post(path).status_code == 410


def test_somebody_else_does_not_join() -> None:
    acme = organization()
    path = invite(acme)
    other = person()
    client = signed_in(user=other)

    page, answer = client.get(path), client.post(path)

    assert "You are signed in as" in text(page)
    assert answer.status_code == 403
    assert role_in(acme, other) is None


@pytest.mark.parametrize("is_open", [True, False])
def test_a_new_person_registers_and_joins(is_open: bool, settings: Any) -> None:
    settings.ACCOUNTS_OPEN = is_open
    acme = organization("Acme")
    # allauth remembers across tests to whom it has just sent a code.
    email = f"guest-{is_open}@example.com".lower()
    path = invite(acme, email)
    client = Client()

    assert "Register" in text(client.get(path))
    assert client.post(path).headers["Location"].startswith("/accounts/login/")
    client.post("/accounts/signup/", {"email": email, "password1": SECRET, "password2": SECRET})
    code = re.search(r"^\s*([A-Z0-9]{3,4}-?[A-Z0-9]{3,4})\s*$", text_of(newest_mail(email)), re.MULTILINE)
    assert code is not None
    verified = client.post(reverse("account_email_verification_sent"), {"code": code[1]})

    assert verified.headers["Location"] == path
    assert "Welcome to Acme" in text(client.post(path, follow=True))
    assert role_in(acme, User.objects.get(email=email)) == "member"


def test_closed_registration_lets_only_the_invited_address_in(settings: Any) -> None:
    settings.ACCOUNTS_OPEN = False
    path = invite(organization())
    person(email="known@example.com", password=SECRET)
    client = Client()
    client.get(path)

    client.post("/accounts/signup/", {"email": "other@example.com", "password1": SECRET, "password2": SECRET})
    reset = client.post("/accounts/password/reset/", {"email": "known@example.com"})

    assert not User.objects.filter(email="other@example.com").exists()
    assert reset.status_code == 302


def test_a_person_with_an_account_signs_in_and_lands_on_the_invitation() -> None:
    guest = person(email="guest@example.com", password=SECRET)
    path = invite(organization())
    client = Client()
    client.get(path)

    answer = client.post("/accounts/login/", {"login": guest.email, "password": SECRET})

    assert answer.headers["Location"] == path


def test_settings_are_saved_by_managers() -> None:
    acme = organization("Acme")
    path = reverse("console:settings")
    values = {"name": "Umbrella", "compat_profile": "seed"}

    assert signed_in(acme, Role.MEMBER).post(path, values).status_code == 403
    assert signed_in(acme).post(path, {"name": "", "compat_profile": "x"}).status_code == 422
    acme.refresh_from_db()
    assert acme.name == "Acme"
    signed_in(acme, Role.ADMIN).post(path, values)

    acme.refresh_from_db()
    assert (acme.name, acme.compat_profile) == ("Umbrella", "seed")


def test_an_organization_is_deleted_by_typing_its_name() -> None:
    acme = organization("Acme")
    owner = person(acme)
    client = signed_in(user=owner)
    path = reverse("console:delete_organization")

    wrong = client.post(path, {"confirmation": "Acm"})
    assert wrong.status_code == 422
    assert "Type the name" in text(wrong)
    assert signed_in(acme, Role.ADMIN).post(path, {"confirmation": "Acme"}).status_code == 403
    assert Organization.objects.filter(pk=acme.pk).exists()
    client.post(path, {"confirmation": "Acme"})

    assert not Organization.objects.filter(pk=acme.pk).exists()
    assert User.objects.filter(pk=owner.pk).exists()
