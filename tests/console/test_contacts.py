"""The address book in the console: the list, the pages of contacts, and what is changed there."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from contacts.models import Contact, ContactFact
from contacts.services.access import grant_access, revoke_access
from contacts.services.facts import NewCitation, NewFact, create_fact
from identities.enums import Role
from identities.models import Organization
from mail.models import Message
from tests.console.pages import signed_in, text
from tests.factories.contacts import contact
from tests.factories.identities import admin_principal, agent, organization
from tests.factories.mail import mailbox_of, receive

pytestmark = pytest.mark.django_db

HOSTILE = "<script>alert(1)</script>"
LIST = "/console/contacts"
NEW = "/console/contacts/new"


@pytest.fixture
def acme() -> Organization:
    return organization("Acme")


def page_of(name: str, row: Contact) -> str:
    return reverse(f"console:{name}", args=[row.pk])


def queries(client: Any, path: str) -> int:
    with CaptureQueriesContext(connection) as found:
        client.get(path)
    return len(found)


# --- The list -----------------------------------------------------------------------------------------------------


def test_the_list_shows_only_the_own_organization(acme: Organization) -> None:
    contact(acme, HOSTILE, emails=["ada@customer.example"], phones=["+14155550100"], company_name="Engines")
    contact(organization(), "Somebody foreign")

    page = text(signed_in(acme, Role.MEMBER).get(LIST))

    assert "ada@customer.example" in page
    assert "+14155550100" in page
    assert "Engines" in page
    assert HOSTILE not in page
    assert "Somebody foreign" not in page
    assert "New contact" not in page  # members look


@pytest.mark.parametrize(
    "query",
    ["lovelace", "ENGINES", "ADA@customer", "customer.example", "+1 (415) 555", "5550100", "bring tea"],
)
def test_contacts_are_found_by_all_that_people_know(acme: Organization, query: str) -> None:
    contact(
        acme,
        emails=["ada@customer.example"],
        phones=["+14155550100"],
        company_name="Engines",
        notes="Bring tea",
    )
    contact(acme, "Bea Other", emails=["bea@other.example"], phones=["+442071838750"])

    page = text(signed_in(acme).get(LIST, {"q": query}))

    assert "Ada Lovelace" in page
    assert "Bea Other" not in page


def test_a_search_without_result_says_so(acme: Organization) -> None:
    contact(acme)
    client = signed_in(acme)

    page = text(client.get(LIST, {"q": HOSTILE}))

    assert "No contact matches" in page
    assert HOSTILE not in page
    assert client.get(LIST, {"q": "\x00", "order": "nonsense", "page": "x"}).status_code == 200
    assert client.get(LIST, {"agent": "nobody"}).status_code == 404


def test_the_list_is_narrowed_to_what_an_agent_sees(acme: Organization) -> None:
    alpha, bravo = agent(acme, "alpha"), agent(acme, "bravo")
    contact(acme, "For all")
    contact(acme, "For alpha", access=[alpha.pk])
    contact(acme, "For bravo", access=[bravo.pk])

    page = text(signed_in(acme).get(LIST, {"agent": "alpha"}))

    assert "For all" in page
    assert "For alpha" in page
    assert "For bravo" not in page


def test_the_list_is_narrowed_to_what_waits_for_review(acme: Organization) -> None:
    contact(acme, "Reviewed")
    row = contact(acme, "Made from mail")
    Contact.objects.filter(pk=row.pk).update(review_status="unreviewed", creation_source="communication")
    client = signed_in(acme)

    page = text(client.get(LIST, {"review": "unreviewed"}))
    client.post(page_of("confirm_contact", row))

    assert "Made from mail" in page
    assert "Reviewed</a>" not in page
    row.refresh_from_db()
    assert row.review_status == "confirmed"


def test_pages_and_orders(acme: Organization) -> None:
    for number in range(51):
        contact(acme, f"Contact {number:02}")
    client = signed_in(acme)

    def names(**query: str) -> list[str]:
        return re.findall(r">(Contact \d\d)</a>", text(client.get(LIST, query)))

    assert names() == [f"Contact {number:02}" for number in range(50)]
    assert names(page="2") == ["Contact 50"]
    assert names(order="recent")[:2] == ["Contact 50", "Contact 49"]


def test_many_contacts_cost_what_one_costs(acme: Organization) -> None:
    alpha = agent(acme, "alpha")
    client = signed_in(acme)
    row = contact(acme, emails=["ada@customer.example"], access=[alpha.pk])
    paths = [LIST, f"{LIST}?agent=alpha&q=ada", page_of("contact", row), "/console/agents/alpha/book"]
    for path in paths:
        client.get(path)

    def more(numbers: range) -> None:
        for number in numbers:
            other = contact(acme, f"Ada {number}", emails=[f"ada{number}@customer.example"])
            revoke_access(admin_principal(acme), other, agent(acme).pk)
            create_fact(admin_principal(acme), other, NewFact("Fact", "profile"))
            kind = ("profile", "preference", "context")[number % 3]
            create_fact(admin_principal(acme), row, NewFact(f"Fact {number}", kind))

    more(range(1))
    few = [queries(client, path) for path in paths]
    more(range(1, 10))

    assert [queries(client, path) for path in paths] == few
    assert max(few) <= 16


# --- Making and changing ------------------------------------------------------------------------------------------

FULL = {
    "given_name": "Ada",
    "family_name": "Lovelace",
    "company_name": "Engines Ltd",
    "birthday": "1815-12-10",
    "notes": "One\r\ntwo",
    "emails-value": ["ada@Customer.example", "", "ada@home.example"],
    "emails-label": ["work", "", ""],
    "emails-primary": "2",
    "phones-value_e164": ["+1 (415) 555-0100"],
    "phones-label": ["mobile"],
    "addresses-street": ["Main St 1\r\nFloor 2"],
    "addresses-city": ["London"],
    "addresses-region": [""],
    "addresses-postal": [""],
    "addresses-country": ["UK"],
    "addresses-label": [""],
    "websites-url": ["engines.example/ada"],
    "websites-label": [""],
    "dates-date": ["2020-02-29"],
    "dates-label": ["first call"],
    "custom_fields-label": ["Shoe size"],
    "custom_fields-value": ["38"],
}


def test_a_contact_is_made_with_all_its_rows(acme: Organization) -> None:
    response = signed_in(acme).post(NEW, FULL)

    row = Contact.objects.get()
    assert response.headers["Location"] == page_of("contact", row)
    assert (row.organization, row.preferred_name, row.notes) == (acme, "Ada Lovelace", "One\ntwo")
    assert row.birthday == date(1815, 12, 10)
    assert row.emails == [
        {"label": "work", "value": "ada@customer.example", "is_primary": False},
        {"label": None, "value": "ada@home.example", "is_primary": True},
    ]
    assert row.phones == [{"label": "mobile", "value_e164": "+14155550100", "is_primary": False}]
    address = {"street": "Main St 1\nFloor 2", "city": "London", "region": None, "postal": None, "country": "UK"}
    assert row.addresses == [{"label": None, **address}]
    assert row.websites == [{"label": None, "url": "https://engines.example/ada"}]
    assert row.dates == [{"label": "first call", "date": "2020-02-29"}]
    assert row.custom_fields == [{"label": "Shoe size", "value": "38"}]


def test_the_form_of_a_contact_holds_what_the_contact_holds(acme: Organization) -> None:
    client = signed_in(acme)
    client.post(NEW, FULL)
    row = Contact.objects.get()
    before = row.updated_at

    page = text(client.get(page_of("edit_contact", row)))
    client.post(page_of("edit_contact", row), {**FULL, "preferred_name": "Ada Lovelace"})

    for value in ("ada@home.example", "+14155550100", "Floor 2", "https://engines.example/ada", "2020-02-29", "38"):
        assert value in page
    row.refresh_from_db()
    # Nothing was changed, and the name goes on following its parts.
    assert row.updated_at == before
    assert row.preferred_name_locked_at is None


def test_only_what_differs_is_changed(acme: Organization) -> None:
    client = signed_in(acme)
    client.post(NEW, FULL)
    row = Contact.objects.get()

    form = {**FULL, "preferred_name": "Ada Lovelace", "family_name": "King", "emails-value": ["ada@new.example"]}
    client.post(page_of("edit_contact", row), form)

    row.refresh_from_db()
    assert (row.family_name, row.preferred_name) == ("King", "Ada King")
    assert [item["value"] for item in row.emails] == ["ada@new.example"]
    assert list(row.identifiers.filter(kind="email").values_list("value", flat=True)) == ["ada@new.example"]


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({}, "Give the contact a name"),
        ({"given_name": "A\x01"}, "Remove line breaks and control characters."),
        ({"given_name": "x" * 129}, "at most 128 characters"),
        ({"given_name": "A", "birthday": "yesterday"}, "Enter a valid date."),
        ({"given_name": "A", "emails-value": ["nobody"]}, "This is not an email address."),
        ({"given_name": "A", "emails-value": ["a@b.example", "A@B.example"]}, "This contact has the address twice."),
        ({"given_name": "A", "emails-value": [""], "emails-label": ["work"]}, "Fill in the address."),
        ({"given_name": "A", "phones-value_e164": ["0171 2345"]}, "Write the number with its country"),
        ({"given_name": "A", "websites-url": ["ftp://x.example"]}, "http:// or https://"),
        ({"given_name": "A", "dates-date": [""], "dates-label": ["first call"]}, "Choose the date."),
        ({"given_name": "A", "dates-date": ["31.12."]}, "Enter a valid date."),
        ({"given_name": "A", "addresses-label": ["home"]}, "Fill at least one part of the address."),
        ({"given_name": "A", "custom_fields-value": ["38"]}, "Say what it is."),
        ({"given_name": "A", "addresses-city": ["x"] * 11}, "At most 10 of these are kept."),
    ],
)
def test_a_refusal_stands_where_it_belongs(acme: Organization, form: dict[str, Any], said: str) -> None:
    response = signed_in(acme).post(NEW, {"notes": HOSTILE, **form})

    assert response.status_code == 422
    assert text(response).count(said) == 1
    assert HOSTILE not in text(response)
    assert not Contact.objects.exists()


def test_rows_come_and_go_without_being_stored(acme: Organization) -> None:
    client = signed_in(acme)
    form = {"given_name": "Ada", "emails-value": ["a@x.example", "b@x.example"], "emails-label": ["", ""]}

    more = client.post(NEW, {**form, "add": "emails"})
    fewer = client.post(NEW, {**form, "remove": "emails-0"})
    nothing = client.post(NEW, {**form, "remove": "emails-7"})

    assert [response.status_code for response in (more, fewer, nothing)] == [200, 200, 200]
    assert text(more).count('name="emails-value"') == 3
    assert text(more).count("autofocus") == 1
    assert 'value="Ada"' in text(more)
    assert text(fewer).count('name="emails-value"') == 1
    assert "a@x.example" not in text(fewer)
    assert text(nothing).count('name="emails-value"') == 2
    assert not Contact.objects.exists()


def test_there_is_no_button_for_one_row_too_many(acme: Organization) -> None:
    page = text(signed_in(acme).post(NEW, {"addresses-city": ["x"] * 9, "add": "addresses"}))

    assert page.count('name="addresses-city"') == 10
    assert 'value="addresses"' not in page
    assert "There is room for 10." in page


def test_who_was_slower_is_told(acme: Organization) -> None:
    row = contact(acme, given_name="Ada")
    client = signed_in(acme)
    path = page_of("edit_contact", row)
    seen = re.findall(r'name="seen" value="([^"]+)"', text(client.get(path)))[0]
    client.post(path, {"preferred_name": "First", "seen": seen})

    refused = client.post(path, {"preferred_name": "Second", "seen": seen})
    row.refresh_from_db()
    assert (refused.status_code, row.preferred_name) == (422, "First")
    assert "Somebody changed this contact meanwhile." in text(refused)
    again = re.findall(r'name="seen" value="([^"]+)"', text(refused))[0]
    client.post(path, {"preferred_name": "Second", "seen": again})

    row.refresh_from_db()
    assert row.preferred_name == "Second"


@pytest.mark.parametrize("name", ["edit_contact", "delete_contact", "contact_access", "add_fact", "confirm_contact"])
def test_members_change_nothing(acme: Organization, name: str) -> None:
    row = contact(acme)
    form = {"preferred_name": "Other", "do": "open", "content": "Known", "kind": "profile"}

    response = signed_in(acme, Role.MEMBER).post(page_of(name, row), form)

    assert response.status_code == 403
    before = row.updated_at
    row.refresh_from_db()
    assert row.updated_at == before
    assert not ContactFact.objects.exists()


def test_a_contact_is_deleted(acme: Organization) -> None:
    row = contact(acme)

    response = signed_in(acme).post(page_of("delete_contact", row))

    assert response.headers["Location"] == LIST
    assert not Contact.objects.exists()


# --- Who sees it --------------------------------------------------------------------------------------------------


def test_the_page_says_who_sees_the_contact(acme: Organization) -> None:
    alpha = agent(acme, "alpha")
    agent(acme, "bravo")
    open_one, closed = contact(acme, "Open"), contact(acme, "Closed", access=[alpha.pk])
    hidden = contact(acme, "Hidden", access=[])
    client = signed_in(acme, Role.MEMBER)

    assert "Every agent sees this contact" in text(client.get(page_of("contact", open_one)))
    page = text(client.get(page_of("contact", closed)))
    assert "1 of 2 agents sees this contact" in page
    assert "@alpha" in page
    assert "@bravo" not in page
    assert "No agent sees this contact" in text(client.get(page_of("contact", hidden)))


def test_what_is_hidden_from_an_agent_is_named(acme: Organization) -> None:
    alpha = agent(acme, "alpha")
    row = contact(acme, emails=["ada@customer.example"], phones=["+14155550100"])
    row.visibilities.create(identity=alpha, email="block", memories="block")
    client = signed_in(acme)

    assert "without addresses, facts" in text(client.get(page_of("contact", row)))
    book = text(client.get("/console/agents/alpha/book"))
    assert "+14155550100" in book
    assert "ada@customer.example" not in book


def test_a_contact_is_hidden_from_one_and_shown_again(acme: Organization) -> None:
    agent(acme, "alpha")
    agent(acme, "bravo")
    row = contact(acme)
    client = signed_in(acme)

    def shown(**form: str) -> list[bool]:
        client.post(page_of("contact_access", row), form)
        lists = [text(client.get(f"{LIST}?agent={handle}")) for handle in ("alpha", "bravo")]
        return ["Ada Lovelace" in page for page in lists]

    assert shown(do="hide", agent="alpha") == [False, True]
    assert shown(do="hide", agent="bravo") == [False, False]
    assert shown(do="show", agent="alpha") == [True, False]
    assert shown(do="open") == [True, True]


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"do": "hide", "agent": "foreign"}, "Choose one of your agents."),
        ({"do": "hide", "agent": ""}, "Choose one of your agents."),
        ({"do": "show", "agent": "alpha"}, "Every identity sees this contact already."),
        ({"do": "nonsense"}, "Choose who sees the contact."),
    ],
)
def test_a_wrong_grant_changes_nothing(acme: Organization, form: dict[str, str], said: str) -> None:
    agent(acme, "alpha")
    agent(organization(), "foreign")
    row = contact(acme)

    page = text(signed_in(acme).post(page_of("contact_access", row), form, follow=True))

    assert said in page
    assert not row.visibilities.exists()


# --- What is known ------------------------------------------------------------------------------------------------


def test_facts_are_written_changed_and_forgotten(acme: Organization) -> None:
    row = contact(acme)
    client = signed_in(acme)

    page = client.post(page_of("add_fact", row), {"content": f"Likes {HOSTILE}", "kind": "preference"}, follow=True)
    fact = ContactFact.objects.get()
    path = reverse("console:change_fact", args=[row.pk, fact.pk])
    client.post(path, {"content": "Likes tea", "kind": "profile"})
    fact.refresh_from_db()

    assert HOSTILE not in text(page)
    assert (fact.content, fact.kind, fact.origin) == ("Likes tea", "profile", "user")
    assert "This field is required" in text(client.post(path, {"content": " ", "kind": "profile"}, follow=True))
    assert client.post(page_of("add_fact", row), {"content": "", "kind": "x"}).status_code == 422
    client.post(path, {"do": "delete"})
    assert not ContactFact.objects.exists()


def test_too_many_facts_are_refused_in_the_form(acme: Organization) -> None:
    row = contact(acme)
    for number in range(10):
        create_fact(admin_principal(acme), row, NewFact(f"Fact {number}", "profile"))

    response = signed_in(acme).post(page_of("add_fact", row), {"content": "One more", "kind": "profile"})

    assert response.status_code == 422
    assert "Too many active facts" in text(response)
    assert row.facts.count() == 10


def test_a_fact_leads_to_the_message_it_rests_on(acme: Organization) -> None:
    box = mailbox_of(agent(acme, "alpha"))
    receive(box)
    message = Message.objects.get()
    row = contact(acme)
    create_fact(admin_principal(acme), row, NewFact("Wrote", "context", [NewCitation("email", message.pk, {})]))

    page = text(signed_in(acme).get(page_of("contact", row)))

    assert reverse("console:thread", args=["alpha", message.thread_id]) in page


def test_a_fact_of_another_contact_is_not_there(acme: Organization) -> None:
    fact = create_fact(admin_principal(acme), contact(acme), NewFact("Known", "profile"))
    other = contact(acme, "Other")

    response = signed_in(acme).post(reverse("console:change_fact", args=[other.pk, fact.pk]), {"do": "delete"})

    assert response.status_code == 404
    assert ContactFact.objects.exists()


# --- The page of an agent -----------------------------------------------------------------------------------------


def test_an_agent_page_shows_what_the_agent_sees(acme: Organization) -> None:
    alpha = agent(acme, "alpha")
    seen = contact(acme, "Seen", access=[])
    contact(acme, "Unseen", access=[])
    grant_access(admin_principal(acme), seen, alpha.pk)
    create_fact(admin_principal(acme), seen, NewFact("Wants PDF", "preference"))

    page = text(signed_in(acme, Role.MEMBER).get("/console/agents/alpha/book"))

    assert "Seen</a>" in page
    assert "Wants PDF" in page
    assert "1 fact<" in page
    assert "Unseen" not in page
    assert "?agent=alpha" not in page


def test_a_long_book_leads_to_the_whole_list(acme: Organization) -> None:
    agent(acme, "alpha")
    for number in range(21):
        contact(acme, f"Contact {number}")

    page = text(signed_in(acme).get("/console/agents/alpha/book"))

    assert f"{LIST}?agent=alpha" in page
    assert page.count("/console/contacts/") == 20
