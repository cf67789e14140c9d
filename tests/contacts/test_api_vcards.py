"""Import and export over REST (contract contacts-notes.md section 3.1)."""

from __future__ import annotations

from typing import Any

import pytest
import vobject
from hypothesis import given, settings
from hypothesis import strategies as st

from contacts.enums import Decision
from contacts.models import Contact, ContactIdentifier, ContactVisibility
from contacts.vcards.lines import split_cards
from contacts.vcards.reading import read_card
from contacts.vcards.writing import write_card
from identities.models import Organization
from tests.factories.contacts import contact
from tests.factories.identities import Answer, ApiClient, admin_client, agent, agent_client, organization
from tests.identities.rows import all_rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme() -> Organization:
    return organization()


@pytest.fixture
def client(acme: Organization) -> ApiClient:
    return admin_client(acme)


def send(client: ApiClient, raw: bytes | str, content_type: str = "text/vcard; charset=utf-8") -> Answer:
    body = raw.encode() if isinstance(raw, str) else raw
    answer: Answer = client._client.post(
        "/api/v1/contacts/import", body, content_type=content_type, headers=client._headers
    )
    return answer


def card(*lines: str) -> str:
    return "\r\n".join(["BEGIN:VCARD", "VERSION:4.0", *lines, "END:VCARD", ""])


def outcomes(answer: Answer) -> list[tuple[str, str | None]]:
    assert answer.status_code == 200, answer.content
    body = answer.json()
    assert [one["index"] for one in body["results"]] == list(range(len(body["results"])))
    assert body["created_count"] + body["error_count"] == len(body["results"])
    return [(one["status"], (one["contact"] or {}).get("preferred_name")) for one in body["results"]]


def test_each_card_has_a_result_of_its_own(acme: Organization, client: ApiClient) -> None:
    old = contact(acme, "Old", emails=["old@example.com"])
    text = (
        card("FN:Ada", "EMAIL;PREF=1:ada@example.com")
        + card("NOTE:nobody")
        + card("FN:Again", "EMAIL:ADA@example.com")
        + card("FN:Known", "EMAIL:OLD@example.com")
        + card("ORG:Engines")
        + "BEGIN:VCARD\r\nFN:Cut off"
    )

    answer = send(client, text)

    assert outcomes(answer) == [
        ("created", "Ada"),
        ("error", None),
        ("conflict", None),
        ("conflict", None),
        ("created", "Engines"),
        ("error", None),
    ]
    results = answer.json()["results"]
    ada = Contact.objects.get(preferred_name="Ada")
    assert [one["conflicting_contact_id"] for one in results] == [None, None, str(ada.pk), str(old.pk), None, None]
    assert all(results[number]["error"] for number in (1, 2, 3, 5))
    assert (results[0]["contact"]["creation_source"], results[0]["contact"]["preferred_name_source"]) == (
        "vcard",
        "vcard",
    )
    assert [one["identity_id"] for one in results[0]["contact"]["access"]] == [None]
    assert set(Contact.objects.values_list("preferred_name", flat=True)) == {"Ada", "Engines", "Old"}
    assert ContactIdentifier.objects.count() == 2


def test_importing_twice_stores_once(client: ApiClient) -> None:
    text = card("FN:Ada", "EMAIL:a@example.com") + card("FN:Bob", "UID:bob-1") + card("FN:Bob again", "UID:bob-1")

    assert [status for status, _ in outcomes(send(client, text))] == ["created", "created", "conflict"]
    assert [status for status, _ in outcomes(send(client, text))] == ["conflict"] * 3
    assert Contact.objects.count() == 2


def test_what_was_exported_conflicts_with_itself(acme: Organization, client: ApiClient) -> None:
    row = contact(acme, "Ada")

    answer = send(client, client.get(f"/contacts/{row.pk}.vcf").content)

    assert outcomes(answer) == [("conflict", None)]
    assert answer.json()["results"][0]["conflicting_contact_id"] == str(row.pk)


def test_conflicts_tell_nothing_of_contacts_that_are_hidden(acme: Organization) -> None:
    contact(acme, "Hidden", emails=["a@example.com"], access=[])
    contact(organization(), "Foreign", emails=["a@example.com"])
    identity = agent(acme)

    answer = send(agent_client(identity), card("FN:Ada", "EMAIL:a@example.com"), "text/x-vcard")

    assert outcomes(answer) == [("created", "Ada")]
    assert answer.json()["results"][0]["contact"]["created_by_identity_id"] == str(identity.pk)


def test_warnings_name_what_was_left_out(client: ApiClient) -> None:
    answer = send(client, card("FN:Ada", "EMAIL:nonsense", "TEL:+14155550100"))

    (result,) = answer.json()["results"]
    assert (result["status"], result["warnings"]) == ("created", ["EMAIL: not an address."])
    assert result["contact"]["phones"][0]["value_e164"] == "+14155550100"


@pytest.mark.parametrize(
    ("raw", "content_type", "status"),
    [
        (card("FN:Ada"), "application/json", 415),
        (card("FN:Ada"), "text/plain", 415),
        (card("FN:Ada"), "text/directory", 415),
        (card("FN:Jörg").encode("latin-1"), "text/vcard", 400),
        (card("FN:Ada").encode("utf-16"), "text/vcard", 400),
        ("\r\n", "text/vcard", 422),
        ("no card", "text/vcard", 422),
        ("BEGIN:VCARD\nFN:Ada\n", "text/vcard", 422),
        (card("FN:Ada") * 1001, "text/vcard", 413),
        (card("FN:Ada", "PHOTO:" + "A" * 5 * 1024 * 1024), "text/vcard", 413),
    ],
)
def test_files_that_are_refused_as_a_whole(client: ApiClient, raw: str | bytes, content_type: str, status: int) -> None:
    before = all_rows()

    answer = send(client, raw, content_type)

    assert answer.status_code == status, answer.content[:200]
    assert all_rows() == before


def test_a_byte_order_mark_is_no_part_of_the_first_card(client: ApiClient) -> None:
    assert outcomes(send(client, "\ufeff" + card("FN:Ada"))) == [("created", "Ada")]


# --- export


def test_a_card_holds_what_the_contact_holds(acme: Organization, client: ApiClient) -> None:
    body = {
        "preferred_name": "Ada, Countess; of\\Lovelace",
        "given_name": "Ada",
        "family_name": "Lovelace",
        "birthday": "1815-12-10",
        "company_name": "Engines, Ltd",
        "notes": "Über\nviele Zeilen " + "ä" * 100,
        "emails": [{"label": "work", "value": "ada@example.com", "is_primary": True}, {"value": "b@example.com"}],
        "phones": [{"label": "School", "value_e164": "+14155550100"}],
        "websites": [{"url": "https://ada.example/?a=1,2;3"}],
        "dates": [{"label": "anniversary", "date": "1835-07-08"}, {"label": "First program", "date": "1843-09-01"}],
        "addresses": [{"label": "home", "street": "St James's Square", "city": "London", "country": "GB"}],
        "custom_fields": [{"label": "Favourite", "value": "a;b"}],
    }
    made = client.post("/contacts", body).json()

    answer = client.get(f"/contacts/{made['id']}.vcf", Accept="text/vcard")

    text = answer.content.decode()
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/vcard; charset=utf-8"
    assert answer.headers["Content-Disposition"].startswith("attachment; filename=")
    assert text.startswith(f"BEGIN:VCARD\r\nVERSION:4.0\r\nUID:urn:uuid:{made['id']}\r\n")
    assert text.endswith("END:VCARD\r\n")
    assert "\n" not in text.replace("\r\n", "")
    assert all(len(line.encode()) <= 75 for line in text.split("\r\n"))
    # Another program reads it.
    other = vobject.readOne(text)
    assert (other.fn.value, other.version.value, other.org.value) == (body["preferred_name"], "4.0", ["Engines, Ltd"])
    assert other.note.value == body["notes"]
    # And so do we.
    Contact.objects.all().delete()
    again = send(client, text).json()["results"][0]["contact"]
    same = [*body, "name_prefix", "job_title"]
    assert {name: again[name] for name in same} == {name: made[name] for name in same}


def test_several_cards_come_in_the_order_asked_for(acme: Organization, client: ApiClient) -> None:
    rows = [contact(acme, name) for name in ("Ada", "Bob", "Carl")]
    ids = [str(rows[number].pk) for number in (2, 0, 2)]

    answer = client.post("/contacts/vcard-export", {"contact_ids": ids})

    found = answer.json()
    assert (answer.status_code, found["contact_count"]) == (200, 2)
    assert found["content_type"] == "text/vcard; charset=utf-8"
    assert [one.fn.value for one in vobject.readComponents(found["vcard"])] == ["Carl", "Ada"]


@pytest.mark.parametrize("ids", [[], ["x"], [str(number) for number in range(26)], None])
def test_bad_lists_of_contacts_are_refused(client: ApiClient, ids: Any) -> None:
    assert client.post("/contacts/vcard-export", {"contact_ids": ids}).status_code == 422


def test_an_export_is_of_all_or_of_none(acme: Organization, client: ApiClient) -> None:
    mine, other = contact(acme), contact(organization())

    answer = client.post("/contacts/vcard-export", {"contact_ids": [str(mine.pk), str(other.pk)]})

    assert (answer.status_code, answer.json()) == (404, {"detail": "Contact not found"})


def test_cards_leave_out_what_is_hidden(acme: Organization) -> None:
    identity = agent(acme)
    row = contact(acme, "Ada", emails=["a@example.com"], phones=["+14155550100"])
    ContactVisibility.objects.create(contact=row, identity=identity, email=Decision.BLOCK.value)
    key = agent_client(identity)

    for text in (
        key.get(f"/contacts/{row.pk}.vcf").content.decode(),
        key.post("/contacts/vcard-export", {"contact_ids": [str(row.pk)]}).json()["vcard"],
    ):
        assert "EMAIL" not in text
        assert "+14155550100" in text


_LINE = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=80)


@settings(max_examples=50)
@given(_LINE, _LINE, st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=200))
def test_whatever_is_written_is_read_again(name: str, company: str, notes: str) -> None:
    emails = [{"label": "School", "value": "a@b.c", "is_primary": False}]
    row = Contact(preferred_name=name, company_name=company, notes=notes.strip(), emails=emails)
    body = {field.name: getattr(row, field.attname) for field in Contact._meta.concrete_fields}

    (raw,) = split_cards(write_card({**body, "updated_at": row.created_at}))
    found = read_card(raw, None).fields

    assert (found["preferred_name"], found["company_name"]) == (name, company)
    assert (found.get("notes") or "") == notes.strip()
    assert found["emails"] == emails
