"""Bootstrap and removal of organizations."""

from __future__ import annotations

import pytest

from identities.models import ApiKey, HandleClaim, Membership, Organization, User
from identities.services.organizations import bootstrap_organization, delete_organization
from mail.models import Mailbox
from tests.factories.identities import ApiClient, agent, organization
from tunnels.models import Tunnel

pytestmark = pytest.mark.django_db


def test_the_first_run_makes_everything() -> None:
    made = bootstrap_organization("Ann@Example.com", "Acme")

    assert made.user.email == "ann@example.com"
    assert made.password is not None
    assert made.user.check_password(made.password)
    assert made.user.is_superuser
    assert made.api_key is not None
    whoami = ApiClient(made.api_key).get("/api/whoami").json()
    assert (whoami["organization_id"], whoami["created_by"]) == (made.organization.pk, made.user.pk)
    assert Membership.objects.get().role == "owner"


def test_another_run_finds_it_again() -> None:
    first = bootstrap_organization("ann@example.com", "Acme")

    second = bootstrap_organization("ANN@example.com", "Acme")

    assert second.organization == first.organization
    assert (second.user, second.password, second.api_key) == (first.user, None, None)
    assert (User.objects.count(), Organization.objects.count(), ApiKey.objects.count()) == (1, 1, 1)


def test_a_new_key_on_request() -> None:
    first = bootstrap_organization("ann@example.com", "Acme")

    second = bootstrap_organization("ann@example.com", "Acme", new_key=True)

    assert second.api_key not in (None, first.api_key)
    assert ApiKey.objects.count() == 2


def test_deleting_an_organization_takes_everything_but_the_quarantine() -> None:
    acme, other = organization(), organization()
    agent(acme, "alpha")
    agent(other, "bravo")

    delete_organization(acme.pk)

    assert list(Organization.objects.all()) == [other]
    assert Mailbox.objects.count() == 1
    assert Tunnel.objects.count() == 1
    claims = {claim.name: claim.released_at is None for claim in HandleClaim.objects.all()}
    assert claims == {"alpha": False, "bravo": True}
    delete_organization(acme.pk)
    delete_organization("org_unknown")
