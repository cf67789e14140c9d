"""Files that nobody should send, and things that happen at the same time: clear results, nothing half done."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from django.db import connection

from contacts.models import Contact, ContactFact, ContactIdentifier, ContactVisibility
from tests.contacts.test_api_vcards import card, outcomes, send
from tests.factories.contacts import contact
from tests.factories.identities import admin_client, agent, organization


def together(calls: Sequence[Callable[[], Any]]) -> list[int]:
    """Statuses of requests that start at the same moment."""
    statuses: list[int] = []
    start = threading.Barrier(len(calls))

    def run(call: Callable[[], Any]) -> None:
        try:
            start.wait(10)
            statuses.append(call().status_code)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(statuses) == len(calls)
    return sorted(statuses)


@pytest.mark.django_db
def test_a_file_of_broken_cards_keeps_what_can_be_read_of_it() -> None:
    client = admin_client(organization())
    text = (
        card("FN:" + "Long " * 200, "EMAIL:long@example.com")
        + "BEGIN:VCARD\r\nVERSION:2.1\r\nFN;CHARSET=ISO-8859-1;ENCODING=QUOTED-PRINTABLE:J=F6rg\r\nEND:VCARD\r\n"
        + "BEGIN:VCARD\r\nVERSION:2.1\r\nFN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:=FF=FE\r\nTEL:1\r\nEND:VCARD\r\n"
        + card("FN:Huge", "NOTE:" + "x" * 4_900_000)
        + card("FN:First", "UID:same")
        + card("FN:Second", "UID:same")
        + card("FN:Third", "UID:" + "u" * 1000, "EMAIL:" + "a" * 1000 + "@example.com")
        + card("FN:\x00", "ORG:")
        + "BEGIN:VCARD\r\nFN:Open\r\n"
        + card("FN:Last")
    )

    answer = send(client, text)

    found = outcomes(answer)
    assert [status for status, _ in found] == [
        *["created"] * 2,
        found[2][0],
        *["created"] * 2,
        "conflict",
        "created",
        "error",
        "error",
        "created",
    ]
    names = [name for _, name in found]
    assert names[1] == "Jörg"
    assert names[3:5] == ["Huge", "First"]
    assert len(names[0] or "") <= 255
    results = answer.json()["results"]
    assert results[5]["conflicting_contact_id"] == results[4]["contact"]["id"]
    assert all(one["error"] for one in results if one["status"] != "created")
    assert results[3]["warnings"]
    assert results[6]["contact"]["emails"] == []
    made = [one["contact"]["id"] for one in results if one["contact"] is not None]
    assert {str(pk) for pk in Contact.objects.values_list("pk", flat=True)} == set(made)


@pytest.mark.django_db(transaction=True)
def test_the_same_file_twice_at_once_is_stored_once() -> None:
    client = admin_client(organization())
    text = card("FN:Ada", "EMAIL:ada@example.com") + card("FN:Bob", "UID:bob-1") + card("FN:Cleo", "TEL:+14155550100")

    assert together([lambda: send(client, text)] * 4) == [200] * 4
    assert sorted(str(row.preferred_name) for row in Contact.objects.all()) == ["Ada", "Bob", "Cleo"]
    assert ContactIdentifier.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_of_two_merges_of_one_contact_one_gets_it_whole() -> None:
    acme = organization()
    client = admin_client(acme)
    loser = contact(acme, "Loser", emails=["l@example.com"], phones=["+14155550100"])
    ContactFact.objects.create(contact=loser, content="Likes tea", kind="profile", origin="user")
    survivors = [contact(acme, f"Survivor {number}") for number in range(3)]

    def merge(row: Contact) -> Any:
        return client.post(f"/contacts/{row.pk}/merge", {"losing_contact_ids": [str(loser.pk)]})

    statuses = together([lambda row=row: merge(row) for row in survivors])  # type: ignore[misc]

    assert statuses == [200, 404, 404]
    loser.refresh_from_db()
    assert loser.merged_into is not None
    assert set(ContactIdentifier.objects.values_list("contact_id", flat=True)) == {loser.merged_into_id}
    assert ContactFact.objects.get().contact_id == loser.merged_into_id
    assert [row.pk for row in Contact.objects.alive() if row.emails] == [loser.merged_into_id]


@pytest.mark.django_db(transaction=True)
def test_merging_and_changing_at_once_loses_nothing() -> None:
    acme = organization()
    client = admin_client(acme)
    survivor, loser = contact(acme, "Ada", emails=["a@example.com"]), contact(acme, "Augusta", emails=["b@example.com"])

    def change() -> Any:
        return client.patch(f"/contacts/{loser.pk}", {"emails": [{"value": "c@example.com"}]})

    def merge() -> Any:
        return client.post(f"/contacts/{survivor.pk}/merge", {"losing_contact_ids": [str(loser.pk)]})

    statuses = together([change, merge])

    survivor.refresh_from_db()
    last = "c@example.com" if statuses == [200, 200] else "b@example.com"
    assert statuses in ([200, 200], [200, 404])
    assert [item["value"] for item in survivor.emails] == ["a@example.com", last]
    assert set(ContactIdentifier.objects.values_list("value", flat=True)) == {"a@example.com", last}


@pytest.mark.django_db(transaction=True)
def test_grants_revocations_and_permissions_at_once_leave_one_state() -> None:
    acme = organization()
    client = admin_client(acme)
    alpha, bravo = agent(acme, "alpha"), agent(acme, "bravo")
    row = contact(acme, "Ada", emails=["a@example.com"], access=[alpha.pk])

    def grant(identity_id: Any) -> Any:
        return client.post(f"/contacts/{row.pk}/access", {"identity_id": identity_id and str(identity_id)})

    def permit() -> Any:
        return client.patch(f"/identities/bravo/contacts/{row.pk}/permissions", {"profile": True, "memories": False})

    statuses = together(
        [
            lambda: grant(bravo.pk),
            lambda: grant(bravo.pk),
            lambda: client.delete(f"/contacts/{row.pk}/access/{alpha.pk}"),
            permit,
        ]
    )

    # Whoever comes first: of what grants bravo, at most one request is late.
    assert set(statuses) <= {200, 201, 204, 409}
    assert statuses.count(204) == 1
    assert list(ContactVisibility.objects.values_list("identity", "profile")) == [(bravo.pk, "allow")]
    assert [one["identity_id"] for one in client.get(f"/contacts/{row.pk}/access").json()] == [str(bravo.pk)]
    assert Contact.objects.get().revision == 4 - statuses.count(409)
