"""vCards in and out of the console, and contacts that become one."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from contacts import limits
from contacts.models import Contact
from contacts.services.facts import NewFact, create_fact
from identities.enums import Role
from identities.models import Organization
from tests.console.pages import signed_in, text
from tests.factories.contacts import contact
from tests.factories.identities import admin_principal, agent, organization

pytestmark = pytest.mark.django_db

IMPORT = "/console/contacts/import"
CHANGE = "/console/contacts/change"
MERGE = "/console/contacts/merge"
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def acme() -> Organization:
    return organization("Acme")


def card(*lines: str) -> str:
    return "\r\n".join(["BEGIN:VCARD", "VERSION:4.0", *lines, "END:VCARD", ""])


def upload(client: Any, content: str | bytes, name: str = "book.vcf") -> Any:
    raw = content.encode() if isinstance(content, str) else content
    return client.post(IMPORT, {"file": SimpleUploadedFile(name, raw, "text/vcard")})


# --- Import -------------------------------------------------------------------------------------------------------


def test_every_card_has_a_result(acme: Organization) -> None:
    existing = contact(acme, "Bea", emails=["bea@customer.example"])
    cards = [
        card(f"FN:{HOSTILE}", "EMAIL:ada@customer.example", "TEL:0171 2345"),
        card("FN:Somebody else", "EMAIL:bea@customer.example"),
        card("NOTE:no name at all"),
    ]

    page = text(upload(signed_in(acme), "".join(cards)))

    made = Contact.objects.exclude(pk=existing.pk).get()
    assert made.emails[0]["value"] == "ada@customer.example"
    assert "1 contact imported" in page
    assert "2 cards left out" in page
    assert reverse("console:contact", args=[existing.pk]) in page
    assert "A contact with this UID, address or number exists already." in page
    assert "The card has no name, address or number that can be used." in page
    assert "no international number" in page
    assert HOSTILE not in page


def test_the_same_file_twice_adds_nothing_twice(acme: Organization) -> None:
    client = signed_in(acme)
    book = card("FN:Ada", "EMAIL:ada@customer.example")
    upload(client, book)

    page = text(upload(client, book))

    assert "0 contacts imported" in page
    assert "Nothing was added" in page
    assert Contact.objects.count() == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no complete card"),
        (b"hello", "no complete card"),
        (b"BEGIN:VCARD\r\nFN:\xff\r\nEND:VCARD\r\n", "not UTF-8"),
        (b"x" * (limits.IMPORT_MAX_BYTES + 1), "larger than 5242880 bytes"),
        (card("FN:A").encode() * (limits.IMPORT_CARDS_MAX + 1), "more than 1000 cards"),
    ],
)
def test_a_file_that_is_refused_stores_nothing(acme: Organization, content: bytes, said: str) -> None:
    response = upload(signed_in(acme), content)

    assert response.status_code == 422
    assert said in text(response)
    assert not Contact.objects.exists()


def test_no_file_and_no_right(acme: Organization) -> None:
    assert "Choose a file." in text(signed_in(acme).post(IMPORT))
    assert upload(signed_in(acme, Role.MEMBER), card("FN:Ada")).status_code == 403
    assert not Contact.objects.exists()


def test_a_large_file_costs_what_a_small_one_costs(acme: Organization) -> None:
    client = signed_in(acme)
    upload(client, card("FN:First"))

    counts = []
    for size in (2, 40):
        book = "".join(card(f"FN:{size} {n}", f"EMAIL:a{size}-{n}@customer.example") for n in range(size))
        with CaptureQueriesContext(connection) as queries:
            upload(client, book)
        counts.append(len(queries))

    assert counts[0] == counts[1]


# --- Export -------------------------------------------------------------------------------------------------------


def test_a_contact_is_downloaded(acme: Organization) -> None:
    row = contact(acme, 'Ada "A" L/ove', emails=["ada@customer.example"])

    response = signed_in(acme, Role.MEMBER).get(reverse("console:contact_card", args=[row.pk]))

    assert response.headers["Content-Type"] == "text/vcard; charset=utf-8"
    assert response.headers["Content-Disposition"].startswith("attachment;")
    assert response.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert response.headers["Cache-Control"] == "no-store"
    assert "EMAIL:ada@customer.example" in text(response)


def test_ticked_contacts_are_exported_by_members_too(acme: Organization) -> None:
    rows = [contact(acme, f"Contact {number}") for number in range(30)]

    response = signed_in(acme, Role.MEMBER).post(CHANGE, {"do": "export", "contact": [row.pk for row in rows]})

    assert text(response).count("BEGIN:VCARD") == 30


def test_what_was_exported_is_imported_elsewhere(acme: Organization) -> None:
    row = contact(acme, emails=["ada@customer.example"], phones=["+14155550100"], company_name="Engines")
    exported = text(signed_in(acme).get(reverse("console:contact_card", args=[row.pk])))
    other = organization()

    upload(signed_in(other), exported)

    copy = Contact.objects.get(organization=other)
    assert (copy.preferred_name, copy.company_name) == ("Ada Lovelace", "Engines")
    assert (copy.emails, copy.phones) == (row.emails, row.phones)


# --- Many at once -------------------------------------------------------------------------------------------------


def test_ticked_contacts_are_deleted(acme: Organization) -> None:
    kept, *gone = (contact(acme, f"Contact {number}") for number in range(3))
    foreign = contact(organization(), "Foreign")
    form = {"do": "delete", "contact": [*(row.pk for row in gone), foreign.pk, "nonsense"], "back": "q=con&page=2"}

    response = signed_in(acme).post(CHANGE, form)

    assert response.headers["Location"] == "/console/contacts?q=con&page=2"
    assert set(Contact.objects.all()) == {kept, foreign}


@pytest.mark.parametrize("action", ["delete", "merge"])
def test_members_neither_delete_nor_merge(acme: Organization, action: str) -> None:
    rows = [contact(acme, "One"), contact(acme, "Two")]
    client = signed_in(acme, Role.MEMBER)

    assert client.post(CHANGE, {"do": action, "contact": [row.pk for row in rows]}).status_code == 403
    form = {"contact": [row.pk for row in rows], "survivor": rows[0].pk}
    assert client.post(MERGE, form).status_code == 403
    assert Contact.objects.alive().count() == 2


def test_nothing_ticked_and_nothing_chosen(acme: Organization) -> None:
    row = contact(acme)
    client = signed_in(acme)

    assert "Tick the contacts first." in text(client.post(CHANGE, {"do": "delete"}, follow=True))
    page = text(client.post(CHANGE, {"do": "x", "contact": row.pk, "back": "//evil.example"}, follow=True))
    assert "Choose what to do with the contacts." in page
    assert Contact.objects.count() == 1


def test_a_foreign_contact_is_not_exported(acme: Organization) -> None:
    foreign = contact(organization())

    response = signed_in(acme).post(CHANGE, {"do": "export", "contact": foreign.pk})

    assert response.status_code == 404


# --- Merging ------------------------------------------------------------------------------------------------------


def test_ticked_contacts_are_merged_as_chosen(acme: Organization) -> None:
    ada = contact(acme, "Ada", emails=["ada@customer.example"], company_name="Engines")
    lovelace = contact(acme, "Countess", phones=["+14155550100"], company_name="Engines", job_title="Analyst")
    create_fact(admin_principal(acme), lovelace, NewFact("Likes tea", "preference"))
    client = signed_in(acme)

    step = client.post(CHANGE, {"do": "merge", "contact": [ada.pk, lovelace.pk]})
    page = text(client.get(step.headers["Location"]))
    form = {"contact": [ada.pk, lovelace.pk], "survivor": ada.pk, "take-preferred_name": lovelace.pk}
    response = client.post(MERGE, form)

    # Only what differs is asked for.
    assert 'name="take-preferred_name"' in page
    assert "take-company_name" not in page
    assert "take-job_title" not in page
    ada.refresh_from_db()
    assert response.headers["Location"] == reverse("console:contact", args=[ada.pk])
    assert (ada.preferred_name, ada.job_title) == ("Countess", "Analyst")
    assert [item["value_e164"] for item in ada.phones] == ["+14155550100"]
    assert ada.facts.get().content == "Likes tea"
    assert list(Contact.objects.alive()) == [ada]


def test_a_merge_begins_with_one_contact_and_looks_for_the_other(acme: Organization) -> None:
    ada = contact(acme, "Ada", emails=["ada@customer.example"])
    same = contact(acme, "A. Lovelace", emails=["ADA@customer.example"])
    contact(acme, "Zoe")
    client = signed_in(acme)

    page = text(client.get(f"{MERGE}?contact={ada.pk}"))
    found = text(client.get(f"{MERGE}?contact={ada.pk}&q=zo"))

    assert f"?contact={ada.pk}&amp;contact={same.pk}" in page
    assert "Zoe" not in page
    assert "Zoe" in found
    assert "A. Lovelace" not in found


def test_what_cannot_be_merged_is_refused(acme: Organization) -> None:
    ada, bea = contact(acme, "Ada"), contact(acme, "Bea")
    client = signed_in(acme)

    alone = client.post(MERGE, {"contact": ada.pk, "survivor": ada.pk})
    nobody = client.post(MERGE, {"contact": [ada.pk, bea.pk], "survivor": uuid4()})
    stranger = {"contact": [ada.pk, bea.pk], "survivor": ada.pk, "take-notes": uuid4()}
    odd = client.post(MERGE, stranger)

    assert [response.status_code for response in (alone, nobody, odd)] == [422, 422, 422]
    assert "Choose at least two contacts" in text(alone)
    assert "Name a contact that takes part in the merge." in text(odd)
    assert Contact.objects.alive().count() == 2


def test_a_foreign_contact_is_not_merged(acme: Organization) -> None:
    ada, foreign = contact(acme, "Ada"), contact(organization(), "Foreign")
    client = signed_in(acme)

    assert client.get(f"{MERGE}?contact={ada.pk}&contact={foreign.pk}").status_code == 404
    form = {"contact": [ada.pk, foreign.pk], "survivor": ada.pk}
    assert client.post(MERGE, form).status_code == 404
    assert Contact.objects.alive().count() == 2


def test_a_merge_of_many_costs_what_one_of_two_costs(acme: Organization) -> None:
    agent(acme)
    client = signed_in(acme)
    rows = [contact(acme, f"Contact {number}") for number in range(12)]
    counts = []
    for size in (2, 12):
        path = f"{MERGE}?" + "&".join(f"contact={row.pk}" for row in rows[:size])
        client.get(path)
        with CaptureQueriesContext(connection) as queries:
            client.get(path)
        counts.append(len(queries))

    assert counts[0] == counts[1] <= 10
