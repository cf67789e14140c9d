"""Merging and deleting many contacts (contract contacts-notes.md section 3.2)."""

from __future__ import annotations

import json
import threading
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.db import connection

from contacts import limits
from contacts.enums import CreationSource, NameSource
from contacts.models import Contact, ContactFact, ContactIdentifier, ContactVisibility
from identities.models import Organization
from tests.factories.contacts import contact
from tests.factories.identities import ApiClient, admin_client, agent, agent_client, organization
from tests.identities.rows import all_rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme() -> Organization:
    return organization()


@pytest.fixture
def client(acme: Organization) -> ApiClient:
    return admin_client(acme)


def merge(client: ApiClient, survivor: Contact, *losers: Contact, **sources: Contact) -> Any:
    body = {
        "losing_contact_ids": [str(row.pk) for row in losers],
        "field_sources": {name: str(row.pk) for name, row in sources.items()},
    }
    return client.post(f"/contacts/{survivor.pk}/merge", body)


@time_machine.travel("2026-05-04T11:00:00Z", tick=False)
def test_the_survivor_holds_what_all_held(acme: Organization, client: ApiClient) -> None:
    ada = contact(
        acme,
        "Ada",
        emails=["ada@example.com", {"value": "a@home.example", "label": None}],
        phones=[{"value_e164": "+14155550100", "is_primary": True}],
        job_title="Poet",
    )
    king = contact(
        acme,
        "Ada King",
        emails=[{"value": "ADA@example.com", "is_primary": True, "label": "work"}, "king@example.com"],
        phones=[{"value_e164": "+14155550101", "is_primary": True}],
        job_title="Countess",
        company_name="Engines",
        custom_fields=[{"label": "x", "value": "y"}],
    )
    ContactFact.objects.create(contact=king, content="Likes tea", kind="preference", origin="user")
    ContactFact.objects.create(contact=king, content="LIKES numbers", kind="preference", origin="user")
    ContactFact.objects.create(contact=ada, content="likes numbers", kind="preference", origin="user")

    response = merge(client, ada, king)

    found = response.json()
    assert response.status_code == 200, found
    assert (found["preferred_name"], found["job_title"], found["company_name"]) == ("Ada", "Poet", "Engines")
    assert found["emails"] == [
        {"label": "work", "value": "ada@example.com", "is_primary": True},
        {"label": None, "value": "a@home.example", "is_primary": False},
        {"label": None, "value": "king@example.com", "is_primary": False},
    ]
    assert [one["is_primary"] for one in found["phones"]] == [True, False]
    assert found["custom_fields"] == [{"label": "x", "value": "y"}]
    assert (found["memory_count"], found["is_confirmed"], found["reviewed_at"]) == (2, True, "2026-05-04T11:00:00Z")
    assert client.get("/contacts/lookup?email=king@example.com").json() == [found]
    assert client.get("/contacts").json() == [found]
    assert client.get(f"/contacts/{king.pk}").status_code == 404
    king.refresh_from_db()
    assert king.merged_into_id == ada.pk
    assert set(ContactIdentifier.objects.values_list("contact_id", flat=True)) == {ada.pk}
    assert merge(client, ada, king).status_code == 404


def test_fields_come_from_where_they_are_said_to(acme: Organization, client: ApiClient) -> None:
    ada = contact(acme, "Ada", notes="old", job_title="Poet")
    king, bob = contact(acme, "King", notes="new"), contact(acme, "Bob")

    found = merge(client, ada, king, bob, preferred_name=king, notes=king, job_title=bob).json()

    assert (found["preferred_name"], found["notes"], found["job_title"]) == ("King", "new", None)


def test_a_name_beats_an_address(acme: Organization, client: ApiClient) -> None:
    found_by_mail = contact(acme, "a@example.com", emails=["a@example.com"])
    Contact.objects.filter(pk=found_by_mail.pk).update(
        preferred_name_source=NameSource.IDENTIFIER_FALLBACK.value,
        creation_source=CreationSource.COMMUNICATION.value,
        review_status="unreviewed",
    )
    ada = contact(acme, "Ada")

    found = merge(client, found_by_mail, ada).json()

    assert (found["preferred_name"], found["preferred_name_source"]) == ("Ada", "manual")
    assert found["review_status"] == "confirmed"


def test_who_sees_the_survivor_does_not_change(acme: Organization, client: ApiClient) -> None:
    alpha = agent(acme)
    hidden, seen = contact(acme, "Ada", access=[]), contact(acme, "Ada", access=[alpha.pk])

    merge(client, hidden, seen)

    assert agent_client(alpha).get("/contacts").json() == []
    assert ContactVisibility.objects.count() == 0


def test_a_second_merge_takes_the_first_along(acme: Organization, client: ApiClient) -> None:
    one, two, three = (contact(acme, name) for name in ("One", "Two", "Three"))

    merge(client, two, three)
    merge(client, one, two)

    assert set(Contact.objects.exclude(pk=one.pk).values_list("merged_into_id", flat=True)) == {one.pk}


def test_nothing_is_merged_when_the_facts_would_be_too_many(acme: Organization, client: ApiClient) -> None:
    ada, king = contact(acme, "Ada"), contact(acme, "King", emails=["king@example.com"])
    for row in (ada, king):
        for number in range(limits.FACTS_PER_KIND_MAX["profile"] - 3):
            ContactFact.objects.create(contact=row, content=f"{row} {number}", kind="profile", origin="user")
    before = all_rows()

    response = merge(client, ada, king)

    assert (response.status_code, response.json()["detail"]["kinds"]) == (409, ["profile"])
    assert all_rows() == before


def test_nothing_is_merged_when_a_list_would_be_too_long(acme: Organization, client: ApiClient) -> None:
    ada = contact(acme, "Ada", emails=[f"a{n}@example.com" for n in range(30)])
    king = contact(acme, "King", emails=[f"k{n}@example.com" for n in range(30)])
    before = all_rows()

    assert merge(client, ada, king).status_code == 409
    assert all_rows() == before


@pytest.mark.parametrize(
    "change",
    [
        {"losing_contact_ids": []},
        {"losing_contact_ids": ["x"]},
        {"losing_contact_ids": [str(uuid4()) for _ in range(limits.MERGE_LOSERS_MAX + 1)]},
        {"losing_contact_ids": ["{survivor}"]},
        {"field_sources": {"emails": "{loser}"}},
        {"field_sources": {"notes": "{bystander}"}},
        {"field_sources": {"notes": None}},
        {"field_sources": []},
    ],
)
def test_bad_merges_are_refused(acme: Organization, client: ApiClient, change: dict[str, Any]) -> None:
    rows = {name: str(contact(acme, name).pk) for name in ("survivor", "loser", "bystander")}
    body = {"losing_contact_ids": [rows["loser"]], "field_sources": {}, **change}
    text = json.dumps(body)
    for name, pk in rows.items():
        text = text.replace(f"{{{name}}}", pk)
    before = all_rows()

    response = client.post(f"/contacts/{rows['survivor']}/merge", json.loads(text))

    assert response.status_code == 422, response.content
    assert all_rows() == before


def test_foreign_and_unknown_contacts_are_not_merged(acme: Organization, client: ApiClient) -> None:
    ada, foreign = contact(acme), contact(organization())
    before = all_rows()

    assert merge(client, ada, foreign).status_code == 404
    assert all_rows() == before


@pytest.mark.django_db(transaction=True)
def test_merges_in_a_circle_leave_one_contact() -> None:
    acme = organization()
    client = admin_client(acme)
    rows = [contact(acme, f"Ada {n}", emails=[f"a{n}@example.com"]) for n in range(3)]
    statuses: list[int] = []

    def run(survivor: Contact, loser: Contact) -> None:
        try:
            statuses.append(merge(client, survivor, loser).status_code)
        finally:
            connection.close()

    pairs = [(rows[n], rows[(n + 1) % 3]) for n in range(3)]
    threads = [threading.Thread(target=run, args=pair) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    alive = Contact.objects.alive()
    assert set(statuses) <= {200, 404}
    assert statuses.count(200) == 3 - alive.count()
    held = {item["value"] for row in alive for item in row.emails}
    assert held == {"a0@example.com", "a1@example.com", "a2@example.com"}
    assert set(ContactIdentifier.objects.values_list("contact_id", flat=True)) == {row.pk for row in alive}
    for row in Contact.objects.filter(merged_into__isnull=False):
        assert row.merged_into in set(alive)


# --- bulk delete


def test_each_contact_of_a_bulk_delete_has_a_result(acme: Organization, client: ApiClient) -> None:
    ada, foreign, missing = contact(acme), contact(organization()), uuid4()
    kept = contact(acme, "Kept")

    answer = client.post("/contacts/bulk-delete", {"contact_ids": [str(missing), str(ada.pk), str(foreign.pk)]})

    gone = {"status": "error", "error": "Contact not found", "error_code": "not_found"}
    assert (answer.status_code, answer.json()) == (
        200,
        {
            "deleted_count": 1,
            "error_count": 2,
            "results": [
                {"contact_id": str(missing), **gone},
                {"contact_id": str(ada.pk), "status": "deleted", "error": None, "error_code": None},
                {"contact_id": str(foreign.pk), **gone},
            ],
        },
    )
    assert set(Contact.objects.values_list("pk", flat=True)) == {foreign.pk, kept.pk}


def test_an_agent_deletes_what_it_sees(acme: Organization) -> None:
    hidden, seen = contact(acme, access=[]), contact(acme)

    ids = [str(hidden.pk), str(seen.pk)]
    answer = agent_client(agent(acme)).post("/contacts/bulk-delete", {"contact_ids": ids})

    assert [one["status"] for one in answer.json()["results"]] == ["error", "deleted"]
    assert Contact.objects.get() == hidden


@pytest.mark.parametrize("ids", [[], ["x"], [str(uuid4()) for _ in range(101)], None, "x"])
def test_bad_bulk_deletes_are_refused(client: ApiClient, ids: Any) -> None:
    assert client.post("/contacts/bulk-delete", {"contact_ids": ids}).status_code == 422
