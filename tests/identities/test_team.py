"""Roles, removal, leaving and invitations: the services."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
import time_machine
from django.db import connections

from common.clock import now
from common.errors import DomainError, RateLimited
from common.principal import Principal, Profile, Scope
from identities import limits
from identities.enums import Role
from identities.errors import (
    AlreadyMember,
    ConfirmationWrong,
    InvitationExpired,
    InvitationForAnother,
    InvitationNotFound,
    LastOwner,
    MemberNotFound,
    OwnersOnly,
    RoleTooLow,
)
from identities.models import AuditRecord, Invitation, Membership, Organization, User
from identities.services.invitations import accept_invitation, find_invitation, invite_person, revoke_invitation
from identities.services.organizations import OrganizationChanges, remove_own_organization, update_organization
from identities.services.team import change_role, leave_organization, remove_member
from mail.models import PlatformMail
from tests.factories.identities import ApiClient, agent, organization, person, session
from tests.factories.invitations import token_of
from tests.factories.signup import newest_mail, text_of

pytestmark = pytest.mark.django_db


def as_(user: User, of: Organization) -> Principal:
    row = Membership.objects.filter(user=user, organization=of).first()
    return Principal(Scope.SESSION, of.pk, user_id=user.pk, role=row.role if row is not None else None)


def roles(of: Organization) -> dict[str, str]:
    return dict(Membership.objects.filter(organization=of).values_list("user__email", "role"))


def actions(of: Organization) -> list[str]:
    return list(AuditRecord.objects.filter(organization_id=of.pk).order_by("seq").values_list("action", flat=True))


@pytest.mark.parametrize(
    ("actor", "target", "role", "refusal"),
    [
        (Role.OWNER, Role.MEMBER, Role.OWNER, None),
        (Role.OWNER, Role.OWNER, Role.MEMBER, None),
        (Role.OWNER, Role.ADMIN, Role.MEMBER, None),
        (Role.ADMIN, Role.MEMBER, Role.ADMIN, None),
        (Role.ADMIN, Role.ADMIN, Role.MEMBER, None),
        (Role.ADMIN, Role.MEMBER, Role.OWNER, OwnersOnly),
        (Role.ADMIN, Role.OWNER, Role.MEMBER, OwnersOnly),
        (Role.MEMBER, Role.MEMBER, Role.ADMIN, RoleTooLow),
        (Role.MEMBER, Role.OWNER, Role.MEMBER, RoleTooLow),
    ],
)
def test_roles_are_changed(actor: Role, target: Role, role: Role, refusal: type[DomainError] | None) -> None:
    acme = organization()
    person(acme, Role.OWNER)
    caller, other = person(acme, actor), person(acme, target)

    if refusal is None:
        change_role(as_(caller, acme), other.pk, role)
        assert roles(acme)[other.email] == role
        assert actions(acme) == ["member.role_changed"]
    else:
        with pytest.raises(refusal):
            change_role(as_(caller, acme), other.pk, role)
        assert roles(acme)[other.email] == target
        assert actions(acme) == []


@pytest.mark.parametrize(
    ("actor", "target", "refusal"),
    [
        (Role.OWNER, Role.OWNER, None),
        (Role.OWNER, Role.ADMIN, None),
        (Role.ADMIN, Role.ADMIN, None),
        (Role.ADMIN, Role.MEMBER, None),
        (Role.ADMIN, Role.OWNER, OwnersOnly),
        (Role.MEMBER, Role.MEMBER, RoleTooLow),
    ],
)
def test_members_are_removed(actor: Role, target: Role, refusal: type[DomainError] | None) -> None:
    acme = organization()
    caller, other = person(acme, actor), person(acme, target)
    person(acme, Role.OWNER)
    token = ApiClient(bearer=session(acme, user=other))

    if refusal is None:
        remove_member(as_(caller, acme), other.pk)
        assert other.email not in roles(acme)
        assert actions(acme) == ["member.removed"]
        assert token.get("/identities").status_code == 401
    else:
        with pytest.raises(refusal):
            remove_member(as_(caller, acme), other.pk)
        assert roles(acme)[other.email] == target
        assert actions(acme) == []


def test_the_last_owner_stays_an_owner() -> None:
    acme = organization()
    owner = person(acme)
    person(acme, Role.ADMIN)

    for act in (
        lambda: change_role(as_(owner, acme), owner.pk, Role.ADMIN),
        lambda: remove_member(as_(owner, acme), owner.pk),
        lambda: leave_organization(as_(owner, acme)),
    ):
        with pytest.raises(LastOwner):
            act()

    assert roles(acme)[owner.email] == "owner"
    assert actions(acme) == []


def test_others_leave() -> None:
    acme = organization()
    person(acme)
    member = person(acme, Role.MEMBER)

    leave_organization(as_(member, acme))

    assert member.email not in roles(acme)
    assert actions(acme) == ["member.left"]


def test_people_of_other_organizations_are_unknown() -> None:
    acme, other = organization(), organization()
    owner, stranger = person(acme), person(other)

    for user_id in (stranger.pk, "user_x", "\x00"):
        with pytest.raises(MemberNotFound):
            change_role(as_(owner, acme), user_id, Role.MEMBER)
        with pytest.raises(MemberNotFound):
            remove_member(as_(owner, acme), user_id)

    assert roles(other)[stranger.email] == "owner"


@pytest.mark.django_db(transaction=True)
def test_of_two_owners_who_leave_at_once_one_stays() -> None:
    acme = organization()
    owners = [person(acme), person(acme)]
    barrier = threading.Barrier(2)
    refused: list[str] = []

    def leave(user: User) -> None:
        principal = as_(user, acme)
        barrier.wait()
        try:
            leave_organization(principal)
        except LastOwner:
            refused.append(user.pk)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=leave, args=[user]) for user in owners]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(refused) == 1
    assert list(Membership.objects.values_list("user_id", flat=True)) == refused


def test_an_invitation_brings_somebody_in() -> None:
    acme = organization("Acme <b>")
    owner, guest = person(acme, name="Ada\nBcc: x@y.example"), person(email="guest@example.com")

    row = invite_person(as_(owner, acme), " Guest@Example.com ", Role.ADMIN)
    token = token_of("guest@example.com")
    membership = accept_invitation(guest, token)

    assert (membership.organization, membership.role) == (acme, "admin")
    assert actions(acme) == ["invitation.sent", "member.joined"]
    mail = newest_mail("guest@example.com")
    assert mail["Subject"] == "You are invited to Acme <b>"
    assert "Ada Bcc: x@y.example invites you" in text_of(mail)
    assert "Acme &lt;b&gt;" in text_of(mail, "html")
    assert token.encode() not in bytes(row.token_hash)
    with pytest.raises(InvitationExpired):
        accept_invitation(guest, token)


@pytest.mark.parametrize(
    ("actor", "role", "refusal"),
    [
        (Role.OWNER, Role.OWNER, None),
        (Role.ADMIN, Role.ADMIN, None),
        (Role.ADMIN, Role.OWNER, OwnersOnly),
        (Role.MEMBER, Role.MEMBER, RoleTooLow),
    ],
)
def test_who_may_invite_whom(actor: Role, role: Role, refusal: type[DomainError] | None) -> None:
    acme = organization()
    caller = person(acme, actor)

    if refusal is None:
        assert invite_person(as_(caller, acme), "guest@example.com", role).role == role
        return
    with pytest.raises(refusal):
        invite_person(as_(caller, acme), "guest@example.com", role)
    assert not Invitation.objects.exists()
    assert not PlatformMail.objects.exists()


def test_inviting_again_replaces_link_role_and_time() -> None:
    acme = organization()
    owner = person(acme)
    first = invite_person(as_(owner, acme), "guest@example.com", Role.ADMIN)
    old = token_of("guest@example.com")

    with time_machine.travel(now() + timedelta(days=8), tick=False):
        with pytest.raises(InvitationExpired):
            find_invitation(old)
        second = invite_person(as_(owner, acme), "guest@example.com", Role.MEMBER)
        found = find_invitation(token_of("guest@example.com"))

    assert (second.pk, found.pk, found.role) == (first.pk, first.pk, "member")
    with pytest.raises(InvitationNotFound):
        find_invitation(old)


def test_an_admin_does_not_replace_the_invitation_of_an_owner() -> None:
    acme = organization()
    owner, admin = person(acme), person(acme, Role.ADMIN)
    row = invite_person(as_(owner, acme), "guest@example.com", Role.OWNER)

    with pytest.raises(OwnersOnly):
        invite_person(as_(admin, acme), "guest@example.com", Role.MEMBER)
    with pytest.raises(OwnersOnly):
        revoke_invitation(as_(admin, acme), row.pk)

    row.refresh_from_db()
    assert (row.role, row.revoked_at) == ("owner", None)


def test_an_invitation_is_bound_to_its_address() -> None:
    acme = organization()
    invite_person(as_(person(acme), acme), "guest@example.com", Role.MEMBER)
    token = token_of("guest@example.com")

    with pytest.raises(InvitationForAnother):
        accept_invitation(person(email="other@example.com"), token)
    with pytest.raises(InvitationForAnother):
        accept_invitation(person(email="guest@example.com", email_verified_at=None), token)

    assert "guest@example.com" not in roles(acme)
    assert find_invitation(token).accepted_at is None


def test_a_revoked_invitation_is_gone_and_others_cannot_revoke() -> None:
    acme, other = organization(), organization()
    owner = person(acme)
    row = invite_person(as_(owner, acme), "guest@example.com", Role.MEMBER)
    token = token_of("guest@example.com")

    with pytest.raises(InvitationNotFound):
        revoke_invitation(as_(person(other), other), row.pk)
    revoke_invitation(as_(owner, acme), row.pk)

    for text in (token, "", "x" * 4000, "é"):
        with pytest.raises(InvitationNotFound):
            find_invitation(text)
    assert actions(acme) == ["invitation.sent", "invitation.revoked"]


def test_members_are_not_invited_and_invitations_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    acme = organization()
    owner = person(acme)
    member = person(acme, Role.MEMBER)
    monkeypatch.setattr(limits, "INVITATIONS_PER_HOUR", 2)

    with pytest.raises(AlreadyMember):
        invite_person(as_(owner, acme), member.email.upper(), Role.MEMBER)
    invite_person(as_(owner, acme), "one@example.com", Role.MEMBER)
    with pytest.raises(RateLimited):
        invite_person(as_(owner, acme), "two@example.com", Role.MEMBER)

    assert Invitation.objects.count() == 1


def test_a_member_who_accepts_keeps_the_role() -> None:
    acme = organization()
    owner, guest = person(acme), person(email="guest@example.com")
    invite_person(as_(owner, acme), guest.email, Role.MEMBER)
    Membership.objects.create(user=guest, organization=acme, role=Role.ADMIN.value)

    accept_invitation(guest, token_of(guest.email))

    assert roles(acme)[guest.email] == "admin"


@pytest.mark.django_db(transaction=True)
def test_an_invitation_that_is_accepted_twice_at_once_counts_once() -> None:
    acme = organization()
    guest = person(email="guest@example.com")
    invite_person(as_(person(acme), acme), guest.email, Role.MEMBER)
    token = token_of(guest.email)
    outcomes: list[str] = []

    def accept() -> None:
        try:
            accept_invitation(guest, token)
            outcomes.append("joined")
        except InvitationExpired:
            outcomes.append("used")
        finally:
            connections.close_all()

    threads = [threading.Thread(target=accept) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == ["joined", "used", "used"]
    assert actions(acme) == ["invitation.sent", "member.joined"]


def test_settings_are_changed_by_managers() -> None:
    acme = organization("Acme")
    admin, member = person(acme, Role.ADMIN), person(acme, Role.MEMBER)
    changes = OrganizationChanges("Umbrella", Profile.SEED)

    with pytest.raises(RoleTooLow):
        update_organization(as_(member, acme), changes)
    update_organization(as_(admin, acme), changes)
    update_organization(as_(admin, acme), changes)

    acme.refresh_from_db()
    assert (acme.name, acme.compat_profile) == ("Umbrella", "seed")
    assert [row.details for row in AuditRecord.objects.all()] == [
        {
            "name": "Umbrella",
            "compat_profile": "seed",
            "previous_name": "Acme",
            "previous_compat_profile": "modern",
        }
    ]


@pytest.mark.parametrize("role", [Role.ADMIN, Role.MEMBER])
def test_only_owners_delete_an_organization(role: Role) -> None:
    acme = organization("Acme")

    with pytest.raises(OwnersOnly):
        remove_own_organization(as_(person(acme, role), acme), "Acme")

    assert Organization.objects.filter(pk=acme.pk).exists()


def test_an_organization_is_deleted_by_its_name() -> None:
    acme = organization("Acme")
    owner = person(acme)
    agent(acme, "alpha")

    with pytest.raises(ConfirmationWrong):
        remove_own_organization(as_(owner, acme), "acme")
    assert Organization.objects.filter(pk=acme.pk).exists()
    remove_own_organization(as_(owner, acme), " Acme ")

    assert not Organization.objects.filter(pk=acme.pk).exists()
    assert actions(acme)[-1] == "organization.deleted"
