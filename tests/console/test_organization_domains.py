"""Domains that an organization proves to be its own, in the console."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from common.clock import now
from common.dns import DnsOutcome
from console.organization_domains import describe_claim
from identities import limits
from identities.domain_claims import CheckResult, ClaimState
from identities.domain_selectors import get_affiliation
from identities.enums import Role
from identities.models import DomainAffiliation, Organization, OrganizationDomain
from tests.console.pages import signed_in, text
from tests.factories.dns import FakeDns
from tests.factories.identities import agent, organization

pytestmark = pytest.mark.django_db

LIST = "/console/organization-domains"
NAME = "acme.example"


@pytest.fixture(autouse=True)
def internet(settings: Any) -> Iterator[type[FakeDns]]:
    """Fake DNS."""
    settings.DNS_CLIENT = "tests.factories.dns.FakeDns"
    FakeDns.clear()
    yield FakeDns
    FakeDns.clear()


@pytest.fixture
def acme() -> Organization:
    return organization("Acme")


def claim_of(of: Organization, domain: str = NAME, state: ClaimState = ClaimState.PENDING) -> OrganizationDomain:
    """A row as its life leaves it in `state`."""
    is_proven = state in (ClaimState.VERIFIED, ClaimState.GRACE)
    return OrganizationDomain.objects.create(
        organization=of,
        domain=domain,
        state=state.value,
        token=f"token-of-{domain}",
        pending_expires_at=now() + timedelta(days=7),
        last_success_at=now() if is_proven else None,
        valid_until=now() + timedelta(days=7) if is_proven else None,
    )


def publish(row: OrganizationDomain) -> None:
    FakeDns.publish(row.dns_record["name"], row.dns_record["type"], row.dns_record["value"])


def address(name: str, row: OrganizationDomain) -> str:
    return reverse(f"console:{name}", args=[row.public_id])


def test_a_domain_is_claimed_published_and_proven(acme: Organization) -> None:
    client = signed_in(acme, Role.ADMIN)

    response = client.post(LIST, {"domain": "ACME.example"})
    row = OrganizationDomain.objects.get(organization=acme, domain=NAME)
    before = text(client.get(address("organization_domain", row)))
    missing = text(client.post(address("verify_organization_domain", row), follow=True))
    publish(row)
    found = text(client.post(address("verify_organization_domain", row), follow=True))

    row.refresh_from_db()
    assert response.headers["Location"] == address("organization_domain", row)
    for part in ("name", "value"):
        assert f'<code id="record-{part}">{row.dns_record[part]}</code>' in before
        assert f'data-copy="record-{part}"' in before
    assert "not looked for yet" in before
    assert "DNS was looked at: missing. Publish the TXT record at _inkbox.acme.example." in missing
    assert "DNS was looked at. Agents may show it." in found
    assert row.state == "verified"


def test_other_records_and_a_silent_dns_are_told_apart(acme: Organization, internet: type[FakeDns]) -> None:
    row = claim_of(acme)
    client = signed_in(acme)
    path = address("verify_organization_domain", row)

    FakeDns.publish(row.dns_record["name"], "TXT", "inkbox-domain-verification=of-somebody-else")
    other = text(client.post(path, follow=True))
    internet.broken[row.dns_record["name"]] = DnsOutcome.TIMEOUT
    silent = text(client.post(path, follow=True))

    assert "has other TXT records, but not this one. Add it exactly as shown." in other
    assert "DNS did not answer" in silent


def test_a_claim_that_exists_is_shown_with_its_record(acme: Organization) -> None:
    row = claim_of(acme)
    client = signed_in(acme)

    response = client.post(LIST, {"domain": NAME}, follow=True)

    assert response.redirect_chain[-1][0] == address("organization_domain", row)
    assert "is claimed already, with the same record" in text(response)
    assert OrganizationDomain.objects.count() == 1


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"domain": "nonsense domain"}, "This is not a domain name."),
        ({"domain": "co.uk"}, "public suffix"),
        ({"domain": ""}, "This field is required."),
    ],
)
def test_bad_names_are_refused_next_to_their_field(acme: Organization, form: dict[str, str], said: str) -> None:
    response = signed_in(acme).post(LIST, form)

    assert response.status_code == 422
    assert said in text(response)
    assert not OrganizationDomain.objects.exists()


def test_too_many_domains_are_refused_in_the_form(acme: Organization, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ORGANIZATION_DOMAINS_MAX", 1)
    claim_of(acme)

    response = signed_in(acme).post(LIST, {"domain": "more.example"})

    assert response.status_code == 422
    assert "has at most 1 domains" in text(response)
    assert OrganizationDomain.objects.count() == 1


def test_looking_too_often_is_refused_in_words(acme: Organization) -> None:
    row = claim_of(acme)
    client = signed_in(acme)
    path = address("verify_organization_domain", row)
    for _ in range(10):
        client.post(path)
    asked = len(FakeDns.asked)

    page = text(client.post(path, follow=True))

    assert asked == len(FakeDns.asked) == 10
    assert 'class="notice error"' in page


def test_a_released_domain_is_shown_by_nobody_and_not_listed(acme: Organization) -> None:
    row = claim_of(acme, state=ClaimState.VERIFIED)
    identity = agent(acme, "alpha")
    client = signed_in(acme)
    client.post(address("organization_domain_agents", row), {"do": "show", "agent": "alpha"})
    shown = get_affiliation(identity).affiliation

    page = text(client.post(address("release_organization_domain", row), follow=True))
    released = text(client.get(address("organization_domain", row)))

    row.refresh_from_db()
    assert shown is not None
    assert row.state == "released"
    assert f"{NAME} is released" in page
    assert "Prove that a domain is yours" in page
    assert get_affiliation(identity).domain is None
    assert "Claim the domain again." in released
    assert "<form method=" not in _main(released)
    assert row.dns_record["value"] not in released


def test_agents_show_the_domain_that_was_chosen_for_them_last(acme: Organization) -> None:
    first, second = claim_of(acme, state=ClaimState.VERIFIED), claim_of(acme, "other.example")
    identity = agent(acme, "alpha")
    client = signed_in(acme)

    def change(row: OrganizationDomain, do: str, handle: str = "alpha") -> str:
        path = address("organization_domain_agents", row)
        return text(client.post(path, {"do": do, "agent": handle}, follow=True))

    about = reverse("console:agent_about", args=["alpha"])

    shown = change(first, "show")
    proven = text(client.get(about))
    later = change(second, "show")
    unproven = text(client.get(about))
    # Somebody's page is older than the choice.
    change(first, "hide")
    kept = get_affiliation(identity).domain
    change(second, "hide")

    assert f"@alpha shows {NAME}." in shown
    assert "@alpha shows other.example once it is proven." in later
    assert f'<a href="{address("organization_domain", first)}">{NAME}</a></dd>' in proven
    assert f'<a href="{address("organization_domain", second)}">other.example</a>' in unproven
    assert "not proven, so nobody sees it" in unproven
    assert "Shows the domain" not in text(client.get(about))
    assert kept == "other.example"
    assert get_affiliation(identity).domain is None


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"do": "show", "agent": "foreign"}, "Choose one of your agents."),
        ({"do": "nonsense", "agent": "alpha"}, "Choose which agent shows the domain."),
    ],
)
def test_a_choice_that_makes_no_sense_is_refused(acme: Organization, form: dict[str, str], said: str) -> None:
    row = claim_of(acme)
    agent(acme, "alpha")
    agent(organization(), "foreign")

    page = text(signed_in(acme).post(address("organization_domain_agents", row), form, follow=True))

    assert said in page
    assert not DomainAffiliation.objects.exists()


def test_members_read_and_others_see_nothing(acme: Organization) -> None:
    row = claim_of(acme, state=ClaimState.VERIFIED)
    agent(acme, "alpha")
    before = OrganizationDomain.objects.values().get()
    member, stranger = signed_in(acme, Role.MEMBER), signed_in(organization())
    names = ("verify_organization_domain", "release_organization_domain", "organization_domain_agents")

    for client, expected in ((member, 403), (stranger, 404)):
        for name in names:
            answer = client.post(address(name, row), {"do": "show", "agent": "alpha"})
            assert answer.status_code == expected, name
    assert member.post(LIST, {"domain": "b.example"}).status_code == 403
    pages = [text(member.get(LIST)), text(member.get(address("organization_domain", row)))]

    assert OrganizationDomain.objects.values().get() == before
    assert not DomainAffiliation.objects.exists()
    assert FakeDns.asked == []
    for page in pages:
        assert NAME in page
        assert "<form method=" not in _main(page)
    assert NAME not in text(stranger.get(LIST))


def _main(page: str) -> str:
    return page.partition('id="main"')[2].partition("</main>")[0]


def test_who_has_proven_the_same_domain_is_warned_and_nobody_else(acme: Organization) -> None:
    row = claim_of(acme, state=ClaimState.VERIFIED)
    rival = organization()
    claim_of(rival, state=ClaimState.VERIFIED)
    third = organization()
    waiting = claim_of(third)

    page = text(signed_in(acme).get(address("organization_domain", row)))

    assert "Another organization of this server has proven this domain too." in page
    assert "Another organization" in text(signed_in(acme).get(LIST))
    assert "Another organization" not in text(signed_in(third).get(address("organization_domain", waiting)))


def test_the_page_asks_again_and_is_answered_when_something_changed(acme: Organization) -> None:
    row = claim_of(acme)
    client = signed_in(acme, Role.MEMBER)
    path = address("organization_domain", row)
    detail = describe_claim(row)
    asks = {"seen": f"{detail.stamp}-{detail.poll_seconds}"}

    whole = text(client.get(path))
    same = client.get(path, asks, headers={"HX-Request": "true"})
    publish(row)
    signed_in(acme).post(address("verify_organization_domain", row))
    changed = client.get(path, asks, headers={"HX-Request": "true"})

    assert 'hx-trigger="every 15s"' in whole
    assert (same.status_code, same.content) == (204, b"")
    assert changed.status_code == 200
    assert "<html" not in text(changed)
    assert "hx-get" not in text(changed)
    assert f'data-announce="{NAME}: proven"' in text(changed)


@pytest.mark.parametrize("state", list(ClaimState))
@pytest.mark.parametrize("result", [None, *CheckResult])
def test_every_state_has_a_page(acme: Organization, state: ClaimState, result: CheckResult | None) -> None:
    row = claim_of(acme, state=state)
    row.last_check_result = result.value if result is not None else None
    row.save()
    detail = describe_claim(row)

    page = text(signed_in(acme).get(address("organization_domain", row)))

    assert detail.summary.label in page
    assert detail.summary.sentence in page
    assert (detail.found[1] in page) is (state is not ClaimState.RELEASED)


def test_both_kinds_of_domains_lead_to_each_other_and_say_what_they_are(acme: Organization) -> None:
    client = signed_in(acme)

    sending, owned = text(client.get(reverse("console:domains"))), text(client.get(LIST))

    assert "from which their mail is sent" in sending
    assert "No mail is sent from them" in owned
    for page in (sending, owned):
        assert f'href="{LIST}"' in page
        assert f'href="{reverse("console:domains")}"' in page
        assert 'data-key="d" aria-current="page"' in page


def test_many_domains_cost_what_one_costs(acme: Organization) -> None:
    client = signed_in(acme)
    counts = []
    for number in range(2):
        for each in range(4):
            claim_of(acme, f"d{number}{each}.example")
        client.get(LIST)
        with CaptureQueriesContext(connection) as queries:
            client.get(LIST)
        counts.append(len(queries))

    assert counts[0] == counts[1] <= 8


def test_many_agents_cost_what_one_costs(acme: Organization) -> None:
    row = claim_of(acme)
    client = signed_in(acme)
    counts = []
    for _ in range(2):
        for _ in range(4):
            DomainAffiliation.objects.create(identity=agent(acme), claim=row)
        with CaptureQueriesContext(connection) as queries:
            client.get(address("organization_domain", row))
        counts.append(len(queries))

    assert counts[0] == counts[1] <= 8
