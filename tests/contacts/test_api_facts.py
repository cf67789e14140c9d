"""Facts over REST (contract contacts-notes.md section 3.3)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
import time_machine

from contacts import limits
from contacts.enums import Decision, FactKind
from contacts.models import Contact, ContactFact, ContactFactCitation, ContactVisibility
from identities.models import AgentIdentity, Organization
from mail.models import Message
from tests.factories.contacts import contact
from tests.factories.identities import ApiClient, admin_client, agent, agent_client, organization
from tests.factories.mail import mailbox_of, receive
from tests.identities.rows import all_rows

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


@pytest.fixture
def acme() -> Organization:
    return organization()


@pytest.fixture
def client(acme: Organization) -> ApiClient:
    return admin_client(acme)


@pytest.fixture
def ada(acme: Organization) -> Contact:
    return contact(acme, "Ada")


def generated(of: Contact, content: str, kind: str = "context", **fields: Any) -> ContactFact:
    return ContactFact.objects.create(
        contact=of, content=content, kind=kind, origin="generated", confidence=Decimal("0.85"), **fields
    )


def contents(client: ApiClient, path: str) -> list[str]:
    return [one["content"] for one in client.get(path).json()]


@time_machine.travel(NOON, tick=False)
def test_a_fact_written_by_hand(client: ApiClient, ada: Contact) -> None:
    response = client.post(f"/contacts/{ada.pk}/facts", {"content": " Likes tea ", "kind": "preference"})

    fact = ContactFact.objects.get()
    assert response.status_code == 201
    assert response.json() == {
        "id": str(fact.pk),
        "contact_id": str(ada.pk),
        "content": "Likes tea",
        "kind": "preference",
        "origin": "user",
        "confidence": None,
        "locked_at": None,
        "expires_at": None,
        "citations": [],
        "created_at": "2026-05-04T12:00:00Z",
        "updated_at": "2026-05-04T12:00:00Z",
    }
    assert client.get(f"/contacts/{ada.pk}/facts/{fact.pk}").json() == response.json()
    found = client.get(f"/contacts/{ada.pk}").json()
    assert found["memory_count"] == 1
    assert found["latest_memory"] == {
        "id": str(fact.pk),
        "content": "Likes tea",
        "updated_at": "2026-05-04T12:00:00Z",
    }


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"content": "x"},
        {"kind": "profile"},
        {"content": " ", "kind": "profile"},
        {"content": "x" * (limits.FACT_MAX_CHARS + 1), "kind": "profile"},
        {"content": "x", "kind": "rumour"},
        {"content": "x", "kind": "profile", "citations": [{"source_type": "email", "source_id": str(uuid4())}]},
        {"content": "x", "kind": "profile", "citations": [{"source_type": "book", "source_id": str(uuid4())}]},
    ],
)
def test_bad_facts_are_refused(client: ApiClient, ada: Contact, body: dict[str, Any]) -> None:
    before = all_rows()

    assert client.post(f"/contacts/{ada.pk}/facts", body).status_code == 422
    assert all_rows() == before


def test_expired_context_is_hidden_unless_it_is_locked_or_asked_for(client: ApiClient, ada: Contact) -> None:
    past = datetime.now(UTC) - timedelta(days=1)
    generated(ada, "expired", expires_at=past)
    generated(ada, "locked", expires_at=past, locked_at=past)
    generated(ada, "later", expires_at=datetime.now(UTC) + timedelta(days=1))
    generated(ada, "other kind", "profile", expires_at=past)
    path = f"/contacts/{ada.pk}/facts"

    assert contents(client, path) == ["other kind", "later", "locked"]
    assert contents(client, f"{path}?include_expired=true") == ["other kind", "later", "locked", "expired"]
    assert client.get(f"/contacts/{ada.pk}").json()["memory_count"] == 3


def test_an_edited_fact_belongs_to_a_person(client: ApiClient, ada: Contact) -> None:
    past = datetime.now(UTC) - timedelta(days=1)
    fact = generated(ada, "Old words", expires_at=past)
    ContactFactCitation.objects.create(fact=fact, source_type="email", source_id=uuid4())
    path = f"/contacts/{ada.pk}/facts/{fact.pk}"

    found = client.patch(path, {"kind": "profile"}).json()
    assert (found["origin"], found["expires_at"], found["kind"]) == ("user", None, "profile")
    assert (found["confidence"], len(found["citations"])) == ("0.850", 1)

    found = client.patch(path, {"content": "New words"}).json()
    assert (found["content"], found["confidence"], found["citations"]) == ("New words", None, [])
    assert contents(client, f"/contacts/{ada.pk}/facts") == ["New words"]
    assert client.patch(path, {}).status_code == 422


def test_deleting_says_what_is_left(client: ApiClient, ada: Contact) -> None:
    first = client.post(f"/contacts/{ada.pk}/facts", {"content": "one", "kind": "profile"}).json()
    second = client.post(f"/contacts/{ada.pk}/facts", {"content": "two", "kind": "profile"}).json()

    answer = client.delete(f"/contacts/{ada.pk}/facts/{second['id']}")

    assert (answer.status_code, answer.json()) == (
        200,
        {
            "deleted_fact_id": second["id"],
            "memory_count": 1,
            "latest_memory": {"id": first["id"], "content": "one", "updated_at": first["updated_at"]},
        },
    )
    assert client.delete(f"/contacts/{ada.pk}/facts/{second['id']}").status_code == 404
    answer = client.delete(f"/contacts/{ada.pk}/facts/{first['id']}")
    assert (answer.json()["memory_count"], answer.json()["latest_memory"]) == (0, None)


def test_facts_end_at_the_limit_of_their_kind(client: ApiClient, ada: Contact) -> None:
    most = limits.FACTS_PER_KIND_MAX["profile"]
    for number in range(most):
        generated(ada, f"fact {number}", "profile")
    other = generated(ada, "a preference", "preference")
    before = all_rows()

    refused = client.post(f"/contacts/{ada.pk}/facts", {"content": "one more", "kind": "profile"})
    moved = client.patch(f"/contacts/{ada.pk}/facts/{other.pk}", {"kind": "profile"})

    for answer in (refused, moved):
        assert answer.status_code == 409
        assert answer.json()["detail"]["error"] == "contact_fact_limit"
        assert answer.json()["detail"]["kinds"] == ["profile"]
        assert f"profile (at most {most})" in answer.json()["detail"]["message"]
    assert all_rows() == before


def test_facts_end_at_the_limit_of_all(client: ApiClient, ada: Contact) -> None:
    for kind in FactKind:
        for number in range(limits.FACTS_PER_KIND_MAX[kind.value] - (kind is FactKind.CONTEXT) * 10):
            generated(ada, f"{kind} {number}", kind.value)
    assert ContactFact.objects.count() == limits.FACTS_TOTAL_MAX

    answer = client.post(f"/contacts/{ada.pk}/facts", {"content": "one more", "kind": "context"})

    assert (answer.status_code, answer.json()["detail"]["kinds"]) == (409, ["total"])


def test_a_fact_is_found_at_its_own_contact_only(acme: Organization, client: ApiClient, ada: Contact) -> None:
    fact, bob = generated(ada, "x"), contact(acme, "Bob")

    for path in (f"/contacts/{bob.pk}/facts/{fact.pk}", f"/contacts/{ada.pk}/facts/x"):
        assert client.get(path).status_code == 404
        assert client.patch(path, {"content": "y"}).status_code == 404
        assert client.delete(path).status_code == 404
    assert ContactFact.objects.get().content == "x"


def test_memories_can_be_hidden_from_an_agent(acme: Organization, ada: Contact) -> None:
    fact, alpha, bravo = generated(ada, "x"), agent(acme), agent(acme)
    ContactVisibility.objects.create(contact=ada, identity=alpha, memories=Decision.BLOCK.value)

    for identity, status, count in ((alpha, 404, None), (bravo, 200, 1)):
        key = agent_client(identity)
        assert key.get(f"/contacts/{ada.pk}/facts").status_code == status
        assert key.get(f"/contacts/{ada.pk}/facts/{fact.pk}").status_code == status
        assert key.get(f"/contacts/{ada.pk}").json()["memory_count"] == count


# --- citations


@pytest.fixture
def alpha(acme: Organization) -> AgentIdentity:
    return agent(acme, "alpha")


def test_a_citation_leads_to_its_message_as_long_as_it_can_be_read(
    acme: Organization, client: ApiClient, ada: Contact, alpha: AgentIdentity
) -> None:
    message = receive(mailbox_of(alpha))
    body = {
        "content": "Likes tea",
        "kind": "preference",
        "citations": [{"source_type": "email", "source_id": str(message.pk), "source_locator": {"line": 3}}],
    }

    made = client.post(f"/contacts/{ada.pk}/facts", body).json()

    citation = ContactFactCitation.objects.get()
    path = f"/contacts/{ada.pk}/facts/{made['id']}/citations/{citation.pk}"
    available = {
        "source_type": "email",
        "availability": "available",
        "source_id": str(message.pk),
        "source_url": f"/api/v1{path}",
        "source_locator": {"line": 3},
    }
    assert made["citations"] == [available]
    for key in (client, agent_client(alpha)):
        assert key.get(f"/contacts/{ada.pk}/facts").json()[0]["citations"] == [available]
        assert key.get(path).json() == {
            "source_type": "email",
            "source_id": str(message.pk),
            "source_locator": {"line": 3},
            "source_url": f"/api/v1/mail/mailboxes/alpha@mail.localhost/messages/{message.pk}",
        }
    sibling = agent_client(agent(acme))
    hidden = {
        "source_type": "email",
        "availability": "source_unavailable_to_caller",
        "source_id": None,
        "source_url": None,
        "source_locator": None,
    }
    assert sibling.get(f"/contacts/{ada.pk}/facts").json()[0]["citations"] == [hidden]
    assert sibling.get(path).status_code == 404

    Message.objects.update(deleted_at=datetime.now(UTC))

    assert client.get(f"/contacts/{ada.pk}/facts").json()[0]["citations"] == [{**hidden, "availability": "purged"}]
    assert client.get(path).status_code == 404
    assert client.get(path[:-1] + "x").status_code == 404


def test_messages_of_others_cannot_be_cited(client: ApiClient, ada: Contact) -> None:
    message = receive(mailbox_of(agent()))
    citation = {"source_type": "email", "source_id": str(message.pk)}

    answer = client.post(f"/contacts/{ada.pk}/facts", {"content": "x", "kind": "profile", "citations": [citation]})

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", "citations", 0, "source_id"]
    assert ContactFact.objects.count() == 0
