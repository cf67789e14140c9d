"""Whom webhooks and contact rules name as the other side (contract webhooks.md section 8)."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import orjson
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from contacts.models import Contact, ContactFact, ContactVisibility
from contacts.resolving import resolve_peers
from identities.models import AgentIdentity, Organization
from tests.factories.contacts import contact, rule
from tests.factories.identities import admin_client, agent, agent_client, organization
from tests.factories.mail import mailbox_of, receive
from webhooks.enrichment import KnownContact, Peer, PeerKind
from webhooks.models import Event

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme() -> Organization:
    return organization()


@pytest.fixture
def alpha(acme: Organization) -> AgentIdentity:
    return agent(acme, "alpha")


def email(of: AgentIdentity, value: str = "ada@example.com") -> Peer:
    return Peer(of.organization_id, of.pk, PeerKind.EMAIL, value)


def known(peers: Collection[Peer]) -> list[KnownContact | None]:
    found = resolve_peers(peers)
    return [found.get(peer) for peer in peers]


def test_a_contact_is_found_by_address_and_number(acme: Organization, alpha: AgentIdentity) -> None:
    ada = contact(acme, "Ada", emails=["Ada@Example.com", "a@b.example"], phones=["+14155550100"])
    for content in ("Likes tea", "Writes programs"):
        ContactFact.objects.create(contact=ada, content=content, kind="profile", origin="user")
    phone = Peer(acme.pk, alpha.pk, PeerKind.PHONE, "+14155550100")

    found = known([email(alpha), phone, email(alpha, "bob@example.com")])

    expected = KnownContact(
        ada.pk,
        "Ada",
        ("Writes programs", "Likes tea"),
        ("ada@example.com", "a@b.example", "+14155550100"),
    )
    assert found == [expected, expected, None]


def test_the_oldest_contact_that_the_identity_may_see_counts(acme: Organization, alpha: AgentIdentity) -> None:
    bravo = agent(acme, "bravo")
    hidden = contact(acme, "Hidden", emails=["ada@example.com"], access=[bravo.pk])
    seen = contact(acme, "Seen", emails=["ada@example.com"])
    contact(organization(), "Foreign", emails=["ada@example.com"])

    found = known([email(alpha), email(bravo)])

    assert [one.id for one in found if one is not None] == [seen.pk, hidden.pk]


@pytest.mark.parametrize(
    ("decisions", "expected"),
    [
        ({"profile": "block"}, None),
        ({"email": "block"}, None),
        ({"memories": "block"}, ((), ("ada@example.com", "+14155550100"))),
        ({"phone": "block"}, (("Likes tea",), ("ada@example.com",))),
    ],
)
def test_what_is_hidden_from_the_identity_stays_hidden(
    acme: Organization, alpha: AgentIdentity, decisions: dict[str, str], expected: Any
) -> None:
    ada = contact(acme, "Ada", emails=["ada@example.com"], phones=["+14155550100"])
    ContactFact.objects.create(contact=ada, content="Likes tea", kind="profile", origin="user")
    ContactVisibility.objects.create(contact=ada, identity=alpha, **decisions)

    (found,) = known([email(alpha)])

    assert (found and (found.memories, found.addresses)) == expected


def test_a_name_that_is_an_address_is_none(acme: Organization, alpha: AgentIdentity) -> None:
    contact(acme, "ada@example.com", emails=["ada@example.com"])
    Contact.objects.update(preferred_name_source="identifier_fallback")

    (found,) = known([email(alpha)])

    assert found is not None
    assert found.name is None


def test_the_number_of_peers_does_not_change_the_number_of_queries(acme: Organization, alpha: AgentIdentity) -> None:
    for number in range(20):
        ada = contact(acme, f"Ada {number}", emails=[f"a{number}@example.com"])
        ContactFact.objects.create(contact=ada, content="Likes tea", kind="profile", origin="user")

    with CaptureQueriesContext(connection) as few:
        known([email(alpha, "a0@example.com")])
    with CaptureQueriesContext(connection) as many:
        assert None not in known([email(alpha, f"a{number}@example.com") for number in range(20)])
    with CaptureQueriesContext(connection) as none:
        known([email(alpha, "nobody@example.com")])

    assert (len(few), len(many), len(none)) == (4, 4, 1)


def test_events_of_mail_name_the_contact(acme: Organization, alpha: AgentIdentity) -> None:
    ada = contact(acme, "Countess", emails=["ada@customer.example"])

    receive(mailbox_of(alpha))

    entry = {"id": str(ada.pk), "name": "Countess", "memories": []}
    assert orjson.loads(Event.objects.get().body)["data"]["contacts"] == [
        {**entry, "bucket": "from", "address": "ada@customer.example"}
    ]


def test_rules_show_the_contact_behind_an_address(acme: Organization, alpha: AgentIdentity) -> None:
    ada = contact(acme, "Ada", emails=["Ada@Example.com"], phones=["+14155550100"])
    rule(alpha, "ada@example.com")
    rule(alpha, "example.com")
    rule(alpha, "bob@example.com")
    path = "/identities/alpha/mail-contact-rules"

    def cards(client: Any) -> dict[str, Any]:
        return {one["match_target"]: one["contact"] for one in client.get(path).json()}

    found = cards(admin_client(acme))
    whole = admin_client(acme).get(f"/contacts/{ada.pk}").json()
    assert found == {"ada@example.com": whole, "example.com": None, "bob@example.com": None}

    ContactVisibility.objects.create(contact=ada, identity=alpha, phone="block")
    assert cards(agent_client(alpha))["ada@example.com"]["phones"] == []
    ContactVisibility.objects.update(email="block")
    assert cards(agent_client(alpha))["ada@example.com"] is None
    assert cards(admin_client(acme))["ada@example.com"] == {**whole}


def test_the_cards_of_many_rules_cost_what_those_of_one_cost(acme: Organization, alpha: AgentIdentity) -> None:
    client = admin_client(acme)
    client.get("/contacts")

    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            client.get("/identities/alpha/mail-contact-rules")
        return len(queries)

    for number in range(12):
        contact(acme, f"Ada {number}", emails=[f"a{number}@example.com"])
    rule(alpha, "a0@example.com")
    one = cost()
    for number in range(1, 12):
        rule(alpha, f"a{number}@example.com")

    assert cost() == one
