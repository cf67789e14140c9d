"""Contacts over REST (contract contacts-notes.md section 2)."""

from __future__ import annotations

from typing import Any

import pytest
import time_machine

from contacts import limits
from contacts.models import Contact, ContactIdentifier
from identities.models import Organization
from tests.factories.contacts import contact
from tests.factories.identities import ApiClient, admin_client, agent, agent_client, organization
from tests.identities.rows import all_rows

pytestmark = pytest.mark.django_db

ADA = {"given_name": "Ada", "family_name": "Lovelace"}


@pytest.fixture
def acme() -> Organization:
    return organization()


@pytest.fixture
def client(acme: Organization) -> ApiClient:
    return admin_client(acme)


def identifiers(row_id: str) -> list[tuple[str, str, str]]:
    rows = ContactIdentifier.objects.filter(contact_id=row_id).order_by("kind", "value")
    return list(rows.values_list("kind", "value", "domain"))


# --- create


@time_machine.travel("2026-05-04T11:00:00Z", tick=False)
def test_a_new_contact_has_every_field_of_every_generation(acme: Organization, client: ApiClient) -> None:
    body = {
        **ADA,
        "name_prefix": "Countess",
        "middle_name": "King",
        "name_suffix": "I",
        "company_name": "Analytical Engines",
        "job_title": "Mathematician",
        "birthday": "1815-12-10",
        "notes": "  First\nprogrammer ",
        "emails": [{"label": "work", "value": " Ada@Example.COM ", "is_primary": True}, {"value": "ada@home.example"}],
        "phones": [{"label": "mobile", "value_e164": "+14155550100"}],
        "websites": [{"url": "https://ada.example/"}],
        "dates": [{"label": "wedding", "date": "1835-07-08"}],
        "addresses": [{"label": "home", "city": "London", "postal": "SW1Y 4JH", "country": "GB"}],
        "custom_fields": [{"label": "Favourite", "value": "Bernoulli numbers"}],
    }

    response = client.post("/contacts", body)

    row = Contact.objects.get()
    found = response.json()
    assert response.status_code == 201
    (access,) = found.pop("access")
    assert (access["contact_id"], access["identity_id"]) == (str(row.pk), None)
    assert found == {
        **body,
        "id": str(row.pk),
        "organization_id": acme.pk,
        "preferred_name": "Ada Lovelace",
        "emails": [
            {"label": "work", "value": "Ada@example.com", "is_primary": True},
            {"label": None, "value": "ada@home.example", "is_primary": False},
        ],
        "phones": [{"label": "mobile", "value_e164": "+14155550100", "is_primary": False}],
        "websites": [{"label": None, "url": "https://ada.example/"}],
        "addresses": [
            {
                "label": "home",
                "street": None,
                "city": "London",
                "region": None,
                "postal": "SW1Y 4JH",
                "country": "GB",
            }
        ],
        "status": "active",
        "creation_source": "manual",
        "review_status": "confirmed",
        "reviewed_at": None,
        "reviewed_by": None,
        "preferred_name_source": "manual",
        "preferred_name_locked_at": None,
        "created_by_identity_id": None,
        "merged_into_contact_id": None,
        "is_auto_created": False,
        "is_confirmed": True,
        "memory_count": 0,
        "latest_memory": None,
        "slack_accounts": [],
        "created_at": "2026-05-04T11:00:00Z",
        "updated_at": "2026-05-04T11:00:00Z",
    }
    assert identifiers(found["id"]) == [
        ("email", "ada@example.com", "example.com"),
        ("email", "ada@home.example", "home.example"),
        ("phone", "+14155550100", ""),
    ]


@pytest.mark.parametrize(
    ("body", "name", "is_locked"),
    [
        ({"preferred_name": "Countess"}, "Countess", True),
        ({"given_name": "Ada"}, "Ada", False),
        ({"family_name": "Lovelace", "company_name": "Engines"}, "Lovelace", False),
        ({"company_name": "Engines"}, "Engines", False),
    ],
)
def test_the_name_is_put_together_when_none_is_sent(
    client: ApiClient, body: dict[str, str], name: str, is_locked: bool
) -> None:
    found = client.post("/contacts", body).json()

    assert found["preferred_name"] == name
    assert (found["preferred_name_locked_at"] is not None) is is_locked


@pytest.mark.parametrize("body", [{}, {"preferred_name": " ", "notes": "x"}, {"given_name": None, "middle_name": "K"}])
def test_a_contact_without_a_name_is_refused(client: ApiClient, body: dict[str, Any]) -> None:
    response = client.post("/contacts", body)

    assert (response.status_code, Contact.objects.count()) == (400, 0)
    assert "preferred_name" in response.json()["detail"]


_EMAILS = [{"value": f"a{n}@example.com"} for n in range(51)]


@pytest.mark.parametrize(
    ("body", "loc"),
    [
        ({"emails": [{"value": "not an address"}]}, ["emails", 0, "value"]),
        ({"emails": [{"value": "a@b.c"}, {"value": "A@B.C"}]}, ["emails", 1, "value"]),
        ({"emails": [{"label": "work"}]}, ["emails", 0, "value"]),
        ({"emails": [{"value": "a@b.c", "is_primary": 1}]}, ["emails", 0, "is_primary"]),
        (
            {"emails": [{"value": "a@b.c", "is_primary": True}, {"value": "b@b.c", "is_primary": True}]},
            ["emails", 1, "is_primary"],
        ),
        ({"emails": _EMAILS}, ["emails"]),
        ({"emails": "a@b.c"}, ["emails"]),
        ({"emails": ["a@b.c"]}, ["emails", 0]),
        ({"phones": [{"value_e164": "(415) 555-0100"}]}, ["phones", 0, "value_e164"]),
        ({"phones": [{"value_e164": "+9990000000"}]}, ["phones", 0, "value_e164"]),
        ({"phones": [{"value_e164": "+14155550100"}, {"value_e164": "+14155550100"}]}, ["phones", 1, "value_e164"]),
        ({"websites": [{"url": "javascript:alert(1)"}]}, ["websites", 0, "url"]),
        ({"websites": [{"url": "http://[::1"}]}, ["websites", 0, "url"]),
        ({"dates": [{"date": "1815-13-10"}]}, ["dates", 0, "date"]),
        ({"birthday": "10.12.1815"}, ["birthday"]),
        ({"addresses": [{"label": "home"}]}, ["addresses", 0]),
        ({"custom_fields": [{"label": "x"}]}, ["custom_fields", 0, "value"]),
        ({"name_prefix": "x" * 33}, ["name_prefix"]),
        ({"given_name": "x" * 129}, ["given_name"]),
        ({"preferred_name": "x" * 256}, ["preferred_name"]),
        ({"preferred_name": "nul \x00"}, ["preferred_name"]),
        ({"notes": 7}, ["notes"]),
        ({"notes": "x" * (limits.NOTES_MAX_CHARS + 1)}, ["notes"]),
        ({"access_identity_ids": ["nobody"]}, ["access_identity_ids", 0]),
    ],
)
def test_bad_values_are_named(client: ApiClient, body: dict[str, Any], loc: list[Any]) -> None:
    before = all_rows()

    response = client.post("/contacts", {**ADA, **body})

    assert response.status_code == 422, response.content
    assert response.json()["detail"][0]["loc"] == ["body", *loc]
    assert all_rows() == before


def test_an_agent_makes_contacts(acme: Organization) -> None:
    identity = agent(acme)

    found = agent_client(identity).post("/contacts", ADA).json()

    assert found["created_by_identity_id"] == str(identity.pk)


# --- change


def test_a_merge_patch_changes_what_it_names(acme: Organization, client: ApiClient) -> None:
    row = contact(acme, "Countess", emails=["ada@example.com"], phones=["+14155550100"], job_title="Poet", notes="x")

    found = client.patch(
        f"/contacts/{row.pk}", {"job_title": None, "notes": "", "emails": [{"value": "new@example.org"}]}
    ).json()

    assert (found["preferred_name"], found["job_title"], found["notes"]) == ("Countess", None, None)
    assert [one["value"] for one in found["emails"]] == ["new@example.org"]
    assert [one["value_e164"] for one in found["phones"]] == ["+14155550100"]
    assert identifiers(found["id"]) == [("email", "new@example.org", "example.org"), ("phone", "+14155550100", "")]


def test_an_empty_patch_changes_nothing(acme: Organization, client: ApiClient) -> None:
    row = contact(acme)

    response = client.patch(f"/contacts/{row.pk}", {})

    assert response.status_code == 200
    assert Contact.objects.get().updated_at == row.updated_at


def test_null_empties_a_list(acme: Organization, client: ApiClient) -> None:
    row = contact(acme, emails=["ada@example.com"])

    assert client.patch(f"/contacts/{row.pk}", {"emails": None}).json()["emails"] == []
    assert identifiers(str(row.pk)) == []


def test_a_name_that_was_put_together_follows_its_parts(client: ApiClient) -> None:
    row_id = client.post("/contacts", ADA).json()["id"]

    assert client.patch(f"/contacts/{row_id}", {"family_name": "King"}).json()["preferred_name"] == "Ada King"
    assert client.patch(f"/contacts/{row_id}", {"preferred_name": "Countess"}).json()["preferred_name"] == "Countess"
    assert client.patch(f"/contacts/{row_id}", {"family_name": "Byron"}).json()["preferred_name"] == "Countess"
    found = client.patch(f"/contacts/{row_id}", {"preferred_name": None}).json()
    assert (found["preferred_name"], found["preferred_name_locked_at"]) == ("Ada Byron", None)


def test_the_last_name_cannot_be_cleared(acme: Organization, client: ApiClient) -> None:
    row = contact(acme, "Countess")
    before = all_rows()

    response = client.patch(f"/contacts/{row.pk}", {"preferred_name": None, "notes": "x"})

    assert response.status_code == 400
    assert all_rows() == before


@time_machine.travel("2026-05-04T11:00:00Z", tick=False)
def test_reviewing_says_who_and_when(acme: Organization, client: ApiClient) -> None:
    row, identity = contact(acme), agent(acme)

    found = client.patch(f"/contacts/{row.pk}", {"review_status": "unreviewed"}).json()
    assert (found["review_status"], found["is_confirmed"], found["reviewed_at"]) == ("unreviewed", False, None)

    found = agent_client(identity).patch(f"/contacts/{row.pk}", {"review_status": "confirmed"}).json()
    assert (found["is_confirmed"], found["reviewed_at"], found["reviewed_by"]) == (
        True,
        "2026-05-04T11:00:00Z",
        str(identity.pk),
    )


def test_a_deleted_contact_is_gone(acme: Organization, client: ApiClient) -> None:
    row = contact(acme, emails=["ada@example.com"])

    assert client.delete(f"/contacts/{row.pk}").status_code == 204
    assert client.get(f"/contacts/{row.pk}").status_code == 404
    assert client.delete(f"/contacts/{row.pk}").status_code == 404
    assert client.get("/contacts/lookup?email=ada@example.com").json() == []
    assert ContactIdentifier.objects.count() == 0


# --- list


def names(client: ApiClient, query: str) -> list[str]:
    response = client.get(f"/contacts{query}")
    assert response.status_code == 200, response.content
    return [one["preferred_name"] for one in response.json()]


def test_a_list_is_sorted_by_name_or_newest_first(acme: Organization, client: ApiClient) -> None:
    for name in ("bob", "Ada", "Émile", "carl"):
        contact(acme, name)

    assert names(client, "")[:3] == ["Ada", "bob", "carl"]
    assert names(client, "?order=recent") == ["carl", "Émile", "Ada", "bob"]
    assert names(client, "?order=recent&limit=2&offset=1") == ["Émile", "Ada"]
    assert names(client, "?offset=4") == []


def test_q_finds_parts_of_six_fields_and_takes_wildcards_literally(acme: Organization, client: ApiClient) -> None:
    contact(acme, "Ada", notes="likes 100% cotton")
    contact(acme, "Bob", company_name="Cotton & Co", emails=["cotton@example.com"])
    contact(acme, "Carl", emails=["cotton@example.com"], custom_fields=[{"label": "x", "value": "cotton"}])
    contact(acme, "Dora", job_title="STRASSE inspector")

    assert names(client, "?q=COTTON") == ["Ada", "Bob"]
    assert names(client, "?q=100%25") == ["Ada"]
    assert names(client, "?q=1%25") == []
    assert names(client, "?q=_") == []
    assert names(client, "?q=straße") == ["Dora"]
    assert names(client, "?q=") == ["Ada", "Bob", "Carl", "Dora"]


def test_review_states_may_be_repeated_or_joined(acme: Organization, client: ApiClient) -> None:
    contact(acme, "Ada")
    row = contact(acme, "Bob")
    client.patch(f"/contacts/{row.pk}", {"review_status": "unreviewed"})

    assert names(client, "?review_status=unreviewed") == ["Bob"]
    assert names(client, "?review_status=unreviewed&review_status=confirmed") == ["Ada", "Bob"]
    assert names(client, "?review_status=unreviewed,confirmed") == ["Ada", "Bob"]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "offset=-1", "offset=10001", "order=age", "review_status=x", "q=" + "x" * 101]
)
def test_bad_queries_are_refused(client: ApiClient, query: str) -> None:
    response = client.get(f"/contacts?{query}")

    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"][:2] == ["query", query.partition("=")[0]]


# --- look-up


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("email=ADA@example.com", ["Ada"]),
        ("email=ada@example.co", []),
        ("email=%25@example.com", []),
        ("email_contains=EXAMPLE", ["Ada", "Bob"]),
        ("email_contains=%25", []),
        ("email_contains=bob%40mail", ["Bob"]),
        ("email_domain=Example.com", ["Ada"]),
        ("email_domain=@mail.example.com", ["Bob"]),
        ("phone=%2B14155550100", ["Ada"]),
        ("phone=+1 (415) 555-0100", ["Ada"]),
        ("phone=14155550100", []),
        ("phone_contains=555-01", ["Ada"]),
    ],
)
def test_look_up(acme: Organization, client: ApiClient, query: str, found: list[str]) -> None:
    contact(acme, "Ada", emails=["Ada@example.com", "ada@EXAMPLE.org"], phones=["+14155550100"])
    contact(acme, "Bob", emails=["bob@mail.example.com"], phones=["+442079460000"])
    contact(organization(), "Eve", emails=["Ada@example.com"], phones=["+14155550100"])

    response = client.get(f"/contacts/lookup?{query}")

    assert response.status_code == 200
    assert [one["preferred_name"] for one in response.json()] == found


def test_a_name_in_another_script_is_found_by_its_ascii_form(acme: Organization, client: ApiClient) -> None:
    contact(acme, "Jürgen", emails=["j@bücher.example"])

    for query in ("email=J@BÜCHER.example", "email=j@xn--bcher-kva.example", "email_domain=bücher.example"):
        assert len(client.get(f"/contacts/lookup?{query}").json()) == 1, query


@pytest.mark.parametrize(
    "query", ["", "email=a@b.c&phone=%2B14155550100", "email=", "name=ada", "phone_contains=abc", "email_contains=%20"]
)
def test_look_up_takes_exactly_one_filter(client: ApiClient, query: str) -> None:
    assert client.get(f"/contacts/lookup?{query}").status_code == 422
