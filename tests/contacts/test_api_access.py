"""Who sees a contact, as clients until 0.4.20 read and write it (contract contacts-notes.md sections 2.3, 4.1, 4.3)."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from common.principal import Profile
from contacts.enums import Decision
from contacts.models import Contact, ContactVisibility
from contacts.visibility import EVERYTHING, NOTHING, Decisions, Sight, sight_of
from identities.models import AgentIdentity, Organization
from identities.services.identities import delete_identity
from identities.services.moves import move_identity
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


@pytest.fixture
def alpha(acme: Organization) -> AgentIdentity:
    return agent(acme, "alpha")


@pytest.fixture
def bravo(acme: Organization) -> AgentIdentity:
    return agent(acme, "bravo")


def seen(row: Contact, *identities: AgentIdentity) -> list[bool]:
    answers = []
    for identity in identities:
        key = agent_client(identity)
        status = key.get(f"/contacts/{row.pk}").status_code
        assert status in (200, 404)
        assert (len(key.get("/contacts").json()) == 1) is (status == 200)
        assert (len(key.get("/contacts/lookup?email=ada@example.com").json()) == 1) is (status == 200)
        answers.append(status == 200)
    return answers


def granted(client: ApiClient, row: Contact) -> list[str | None]:
    rows = client.get(f"/contacts/{row.pk}/access").json()
    assert rows == client.get(f"/contacts/{row.pk}").json()["access"]
    return [one["identity_id"] for one in rows]


def ada(of: Organization, **fields: Any) -> Contact:
    return contact(of, "Ada", emails=["ada@example.com"], **fields)


def test_without_a_list_everybody_sees_a_contact(acme: Organization, client: ApiClient, alpha: AgentIdentity) -> None:
    row = ada(acme)

    assert granted(client, row) == [None]
    assert seen(row, alpha) == [True]


def test_with_an_empty_list_no_agent_sees_it(acme: Organization, client: ApiClient, alpha: AgentIdentity) -> None:
    row = ada(acme, access=[])

    assert granted(client, row) == []
    assert seen(row, alpha) == [False]


def test_with_a_list_those_see_it(
    acme: Organization, client: ApiClient, alpha: AgentIdentity, bravo: AgentIdentity
) -> None:
    row = ada(acme, access=[alpha.pk])

    assert granted(client, row) == [str(alpha.pk)]
    assert seen(row, alpha, bravo) == [True, False]


def test_an_agent_never_loses_sight_of_what_it_makes(alpha: AgentIdentity, bravo: AgentIdentity) -> None:
    found = agent_client(alpha).post("/contacts", {"given_name": "Ada", "access_identity_ids": [str(bravo.pk)]}).json()

    assert [one["identity_id"] for one in found["access"]] == sorted([str(alpha.pk), str(bravo.pk)])


def test_unknown_and_foreign_identities_are_refused(client: ApiClient, alpha: AgentIdentity) -> None:
    other = agent()
    before = all_rows()

    response = client.post("/contacts", {"given_name": "Ada", "access_identity_ids": [str(alpha.pk), str(other.pk)]})

    assert response.status_code == 404
    assert all_rows() == before


def test_revoking_from_all_keeps_everybody_else(
    acme: Organization, client: ApiClient, alpha: AgentIdentity, bravo: AgentIdentity
) -> None:
    row = ada(acme)

    assert client.delete(f"/contacts/{row.pk}/access/{alpha.pk}").status_code == 204

    later = agent(acme)
    assert granted(client, row) == [str(bravo.pk)]
    assert seen(row, alpha, bravo, later) == [False, True, False]
    assert client.delete(f"/contacts/{row.pk}/access/{alpha.pk}").status_code == 404
    assert client.delete(f"/contacts/{row.pk}/access/{bravo.pk}").status_code == 204
    assert granted(client, row) == []


def test_granting(acme: Organization, client: ApiClient, alpha: AgentIdentity, bravo: AgentIdentity) -> None:
    row = ada(acme, access=[bravo.pk])
    path = f"/contacts/{row.pk}/access"

    made = client.post(path, {"identity_id": str(alpha.pk)})

    assert (made.status_code, made.json()["identity_id"]) == (201, str(alpha.pk))
    assert sorted(granted(client, row), key=str) == sorted([str(alpha.pk), str(bravo.pk)])
    again = client.post(path, {"identity_id": str(alpha.pk)})
    assert (again.status_code, type(again.json()["detail"])) == (409, str)


def test_granting_to_all_and_then_to_one(acme: Organization, client: ApiClient, alpha: AgentIdentity) -> None:
    row = ada(acme, access=[])
    path = f"/contacts/{row.pk}/access"

    made = client.post(path, {"identity_id": None})
    again = client.post(path, {"identity_id": None})

    assert (made.status_code, made.json()["identity_id"]) == (201, None)
    assert (again.status_code, again.json()) == (201, made.json())
    assert seen(row, alpha) == [True]
    before = all_rows()
    refused = client.post(path, {"identity_id": str(alpha.pk)})
    assert refused.status_code == 409
    assert refused.json()["detail"]["error"] == "redundant_grant"
    assert isinstance(refused.json()["detail"]["detail"], str)
    assert all_rows() == before


def test_a_grant_names_somebody(acme: Organization, client: ApiClient) -> None:
    row = ada(acme, access=[])
    before = all_rows()

    answers = [
        client.post(f"/contacts/{row.pk}/access", {}),
        client.post(f"/contacts/{row.pk}/access", {"identity_id": "alpha"}),
        client.post(f"/contacts/{row.pk}/access", {"identity_id": str(agent().pk)}),
        client.delete(f"/contacts/{row.pk}/access/alpha"),
    ]

    assert [answer.status_code for answer in answers] == [422, 422, 404, 404]
    assert all_rows()["contacts.Contact"] == before["contacts.Contact"]


def test_what_one_agent_is_blocked_from_everybody_else_sees(
    acme: Organization, client: ApiClient, alpha: AgentIdentity, bravo: AgentIdentity
) -> None:
    row = ada(acme)
    ContactVisibility.objects.create(contact=row, identity=alpha, profile=Decision.BLOCK.value)

    assert granted(client, row) == [str(bravo.pk)]
    assert seen(row, alpha, bravo, agent(acme)) == [False, True, True]
    assert client.post(f"/contacts/{row.pk}/access", {"identity_id": str(alpha.pk)}).status_code == 201
    assert client.delete(f"/contacts/{row.pk}/access/{bravo.pk}").status_code == 204
    assert seen(row, alpha, bravo) == [True, False]


def test_an_agent_gives_up_its_own_access_only(
    acme: Organization, client: ApiClient, alpha: AgentIdentity, bravo: AgentIdentity
) -> None:
    row = ada(acme)
    before = all_rows()

    refused = agent_client(alpha).delete(f"/contacts/{row.pk}/access/{bravo.pk}")
    assert refused.status_code == 403
    assert all_rows()["contacts.Contact"] == before["contacts.Contact"]

    assert agent_client(alpha).delete(f"/contacts/{row.pk}/access/{alpha.pk}").status_code == 204
    assert seen(row, alpha, bravo) == [False, True]


def test_what_is_hidden_is_absent_and_cannot_be_replaced(acme: Organization, alpha: AgentIdentity) -> None:
    row = ada(acme, phones=["+14155550100"])
    ContactVisibility.objects.create(
        contact=row, identity=alpha, email=Decision.BLOCK.value, memories=Decision.BLOCK.value
    )
    key = agent_client(alpha)

    found = key.get(f"/contacts/{row.pk}").json()

    assert (found["emails"], len(found["phones"]), found["memory_count"]) == ([], 1, None)
    for query in ("email=ada@example.com", "email_contains=ada", "email_domain=example.com"):
        assert key.get(f"/contacts/lookup?{query}").json() == []
    assert len(key.get("/contacts/lookup?phone_contains=415").json()) == 1
    before = all_rows()
    assert key.patch(f"/contacts/{row.pk}", {"emails": []}).status_code == 403
    assert all_rows()["contacts.Contact"] == before["contacts.Contact"]
    assert key.patch(f"/contacts/{row.pk}", {"phones": []}).status_code == 200


def test_decisions_end_with_their_identity(acme: Organization, client: ApiClient, alpha: AgentIdentity) -> None:
    row = ada(acme, access=[alpha.pk])

    delete_identity(alpha, Profile.MODERN)

    assert ContactVisibility.objects.count() == 0
    assert granted(client, row) == []


def test_an_address_book_that_an_agent_made_for_itself_follows_it(client: ApiClient, acme: Organization) -> None:
    own = organization(is_provisional=True)
    identity = agent(own)
    row = ada(own)

    move_identity(identity, acme)

    assert granted(client, row) == [None]
    assert len(client.get("/contacts/lookup?email=ada@example.com").json()) == 1


def test_an_address_book_of_others_stays(client: ApiClient, alpha: AgentIdentity, acme: Organization) -> None:
    row = ada(acme, access=[alpha.pk])

    move_identity(alpha, organization())

    assert granted(client, row) == []
    assert seen(row, alpha) == [False]


@pytest.mark.django_db(transaction=True)
def test_grants_and_revocations_at_the_same_time_leave_one_clear_state() -> None:
    acme = organization()
    identities = [agent(acme) for _ in range(4)]
    row = ada(acme)
    client = admin_client(acme)
    statuses: list[int] = []

    def revoke(identity: AgentIdentity) -> None:
        try:
            statuses.append(client.delete(f"/contacts/{row.pk}/access/{identity.pk}").status_code)
        finally:
            connection.close()

    threads = [threading.Thread(target=revoke, args=(identity,)) for identity in identities for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(statuses) == [204] * 4 + [404] * 4
    assert granted(client, row) == []
    assert Contact.objects.get().revision == 4


_DECISIONS = st.sampled_from([d.value for d in Decision])


@given(st.builds(Decisions, _DECISIONS, _DECISIONS, _DECISIONS, _DECISIONS), _DECISIONS, _DECISIONS)
def test_nothing_is_visible_without_the_profile(own: Decisions, profile: str, memories: str) -> None:
    found = sight_of(Decisions(profile, memories), own)

    expected = own.profile if own.profile != "inherit" else profile
    assert found.profile is (expected != "block")
    if not found.profile:
        assert found == NOTHING


def test_without_decisions_everything_is_visible() -> None:
    assert sight_of(Decisions(), Decisions()) == EVERYTHING
    assert sight_of(Decisions(memories="block"), Decisions(phone="block")) == Sight(memories=False, phone=False)
    assert sight_of(Decisions(memories="block"), Decisions(memories="allow")) == EVERYTHING
