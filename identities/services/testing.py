"""Accounts for the public integration suites (contract README section 12); only served with a testing secret."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction

from common.clock import now
from common.errors import NotFound
from identities.enums import CreatorType, Role
from identities.models import Membership, Organization, User
from identities.services.api_keys import mint_api_key
from identities.services.organizations import delete_organization, new_password
from identities.services.sessions import issue_session_token


@dataclass(frozen=True, slots=True)
class NewTestAccount:
    """The body of create-test-user-organization."""

    create_api_key: bool = False


@dataclass(frozen=True, slots=True)
class TestAccount:
    """A person with an organization; `api_key` is None unless one was asked for."""

    email_address: str
    password: str
    user_id: str
    org_id: str
    api_key: str | None


@dataclass(frozen=True, slots=True)
class TestSession:
    """The body of create-session-jwt."""

    user_id: str
    org_id: str


@dataclass(frozen=True, slots=True)
class UsedTestAccount:
    """What one suite leaves behind; the listed organizations are those its agents signed up."""

    user_id: str
    org_id: str
    created_provisional_org_ids: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class UsedTestAccounts:
    """The body of cleanup-test-user-organization."""

    accounts: Sequence[UsedTestAccount]


class TestMembershipNotFound(NotFound):
    """No such user in this organization."""

    def __init__(self) -> None:
        super().__init__("No such user in this organization")


def create_test_account(new: NewTestAccount) -> TestAccount:
    """A verified person who owns a new organization without identities."""
    password = new_password()
    name = f"suite-{secrets.token_hex(6)}"
    with transaction.atomic():
        user = User.objects.create_user(f"{name}@example.com", password, name=name, email_verified_at=now())
        organization = Organization.objects.create(name=name)
        Membership.objects.create(user=user, organization=organization, role=Role.OWNER.value)
        key_text = None
        if new.create_api_key:
            key_text = mint_api_key(
                organization_id=organization.pk, label=name, created_by=user.pk, creator_type=CreatorType.HUMAN
            )[1]
    return TestAccount(user.email, password, user.pk, organization.pk, key_text)


def issue_test_session(session: TestSession) -> str:
    """A console token for a member. Raises TestMembershipNotFound."""
    membership = (
        Membership.objects.select_related("user")
        .filter(user_id=session.user_id, organization_id=session.org_id)
        .first()
    )
    if membership is None:
        raise TestMembershipNotFound
    return issue_session_token(membership.user, membership).token


def remove_test_accounts(used: UsedTestAccounts) -> int:
    """Delete users and organizations with all they hold; returns how many organizations were asked to go.

    Names are free at once, so that the next run may use the same handles. Safe to repeat.
    """
    organization_ids = {
        organization_id
        for account in used.accounts
        for organization_id in (account.org_id, *account.created_provisional_org_ids)
    }
    with transaction.atomic():
        for organization_id in sorted(organization_ids):
            delete_organization(organization_id, free_names_at_once=True)
        User.objects.filter(pk__in=[account.user_id for account in used.accounts]).delete()
    return len(organization_ids)
