"""The admin pages of claimed domains."""

from __future__ import annotations

import pytest
from django.test import Client

from identities.domain_claims import ClaimState
from identities.models import DomainAffiliation, OrganizationDomain, User
from tests.factories.dns import FakeDns
from tests.factories.identities import agent, organization
from tests.factories.organization_domains import domain_claim, publish

# Looks at DNS are refused inside of transactions.
pytestmark = pytest.mark.django_db(transaction=True)

PAGE = "/admin/identities/organizationdomain/"


@pytest.fixture
def operator() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("op@example.org", "password"))
    return client


def _act(client: Client, action: str, *rows: OrganizationDomain) -> str:
    body = {"action": action, "_selected_action": [str(row.pk) for row in rows]}
    answer = client.post(PAGE, body, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_domain_is_claimed_for_an_organization(operator: Client) -> None:
    acme = organization()

    answer = operator.post(f"{PAGE}add/", {"organization": acme.pk, "domain": "ACME.org"})
    again = operator.post(f"{PAGE}add/", {"organization": acme.pk, "domain": "acme.org"})
    wrong = operator.post(f"{PAGE}add/", {"organization": acme.pk, "domain": "co.uk"})

    assert answer.status_code == 302
    row = OrganizationDomain.objects.get()
    assert (row.domain, row.organization_id, row.state) == ("acme.org", acme.pk, "pending")
    assert "claimed this domain already" in again.content.decode()
    assert "public suffix" in wrong.content.decode()


@pytest.mark.parametrize("state", list(ClaimState))
def test_pages_open_in_every_state(operator: Client, state: ClaimState) -> None:
    acme = organization()
    row = domain_claim(acme, state=state)
    shown = DomainAffiliation.objects.create(identity=agent(acme), claim=row)

    page = operator.get(f"{PAGE}{row.pk}/change/")

    assert row.dns_record["value"] in page.content.decode()
    assert operator.get(f"{PAGE}?q={row.domain}").status_code == 200
    assert operator.get("/admin/identities/domainaffiliation/").status_code == 200
    assert operator.get(f"/admin/identities/domainaffiliation/{shown.pk}/change/").status_code == 200
    assert operator.post(f"{PAGE}{row.pk}/delete/", {"post": "yes"}).status_code == 403


def test_domains_are_looked_at_and_released(operator: Client) -> None:
    acme = organization()
    proven, missing = (domain_claim(acme, state=ClaimState.PENDING) for _ in range(2))
    publish(proven)

    looked = _act(operator, "check_now", proven, missing)
    released = _act(operator, "release", proven)
    refused = _act(operator, "check_now", proven)

    assert f"{proven.domain}: verified." in looked
    assert f"{missing.domain}: pending." in looked
    assert f"{proven.domain}: released." in released
    assert f"{proven.domain} was released" in refused
    assert len(FakeDns.asked) == 2


def test_few_at_a_time(operator: Client) -> None:
    acme = organization()

    page = _act(operator, "check_now", *(domain_claim(acme) for _ in range(11)))

    assert "Choose at most 10 domains." in page
    assert FakeDns.asked == []
