"""Contacts that mail makes by itself (contract contacts-notes.md section 5)."""

from __future__ import annotations

import threading
from typing import Any

import orjson
import pytest
from django.db import connection
from pytest_django import Settings

from contacts import limits
from contacts.enums import IdentifierKind, NameSource
from contacts.models import Contact, ContactIdentifier
from contacts.services.automatic import Stranger, make_contacts, recognize
from identities.models import AgentIdentity, Organization
from mail.models import Mailbox
from mail.services.receiving import accept_batch
from tests.factories.contacts import contact, rule
from tests.factories.identities import admin_client, agent, agent_client, organization
from tests.factories.mail import inbound, mailbox_of, queue, raw_mail, receive, send
from webhooks.models import Event

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def switched_on(settings: Settings) -> None:
    settings.AUTOMATIC_CONTACTS = True


@pytest.fixture
def acme() -> Organization:
    return organization()


@pytest.fixture
def alpha(acme: Organization) -> AgentIdentity:
    return agent(acme, "alpha")


@pytest.fixture
def box(alpha: AgentIdentity) -> Mailbox:
    return mailbox_of(alpha)


def names() -> list[str]:
    return [str(name) for name in Contact.objects.order_by("pk").values_list("preferred_name", flat=True)]


def test_the_first_mail_of_a_stranger_makes_a_contact(acme: Organization, alpha: AgentIdentity, box: Mailbox) -> None:
    receive(box, sender="Ada L. <Ada@Customer.example>")
    receive(box, sender="ada@customer.example")

    row = Contact.objects.get()
    body = admin_client(acme).get(f"/contacts/{row.pk}").json()
    shown = ("preferred_name", "preferred_name_source", "creation_source", "review_status", "is_auto_created")
    assert [body[name] for name in (*shown, "is_confirmed", "preferred_name_locked_at")] == [
        "Ada L.",
        "mail_header",
        "communication",
        "unreviewed",
        True,
        False,
        None,
    ]
    assert body["emails"] == [{"label": None, "value": "Ada@customer.example", "is_primary": False}]
    assert body["created_by_identity_id"] == str(alpha.pk)
    assert [one["id"] for one in agent_client(agent(acme)).get("/contacts/lookup?email=ADA@customer.example").json()]


def test_a_stranger_without_a_name_is_called_by_the_address_until_it_says_one(acme: Organization, box: Mailbox) -> None:
    receive(box, sender="ada@customer.example")
    event = orjson.loads(Event.objects.latest("pk").body)["data"]
    unnamed = Contact.objects.get()

    assert (unnamed.preferred_name, unnamed.preferred_name_source) == ("ada@customer.example", "identifier_fallback")
    # The contact is part of the event that made it; what stands in for its name is not.
    assert event["contacts"] == [
        {
            "id": str(unnamed.pk),
            "name": None,
            "memories": [],
            "bucket": "from",
            "address": "ada@customer.example",
        }
    ]

    receive(box, sender='"mallory@evil.example" <ada@customer.example>')
    assert names() == ["ada@customer.example"]
    receive(box, sender="Ada Lovelace <ada@customer.example>")
    receive(box, sender="Somebody Else <ada@customer.example>")

    assert names() == ["Ada Lovelace"]
    found = admin_client(acme).get("/contacts?q=lovelace").json()
    assert [one["preferred_name_source"] for one in found] == ["mail_header"]


def test_a_name_that_was_chosen_stays(acme: Organization, box: Mailbox) -> None:
    receive(box, sender="ada@customer.example")
    admin_client(acme).patch(f"/contacts/{Contact.objects.get().pk}", {"preferred_name": "Countess"})

    receive(box, sender="Ada Lovelace <ada@customer.example>")

    assert names() == ["Countess"]


@pytest.mark.parametrize(
    "head",
    [
        b"Auto-Submitted: auto-generated\r\n",
        b"List-Id: <news.customer.example>\r\n",
    ],
)
def test_programs_and_lists_are_nobody_to_know(box: Mailbox, head: bytes) -> None:
    receive(box, head + raw_mail(box.email_address))

    assert names() == []


def test_blocked_senders_and_agents_of_the_organization_are_no_strangers(
    acme: Organization, alpha: AgentIdentity, box: Mailbox
) -> None:
    rule(alpha, "ada@customer.example")
    receive(box)
    send(queue(mailbox_of(agent(acme, "bravo")), box.email_address))

    assert names() == []

    send(queue(mailbox_of(agent(organization(), "stranger")), box.email_address))

    assert names() == ["stranger"]


def test_whom_the_organization_knows_needs_no_second_contact(acme: Organization, box: Mailbox) -> None:
    known = contact(acme, "Countess", emails=["ADA@customer.example"], access=[])

    receive(box)
    receive(mailbox_of(agent()))

    # The other organization has its own.
    assert list(Contact.objects.filter(organization=acme)) == [known]
    assert Contact.objects.count() == 2


def test_switched_off_nobody_is_met(settings: Settings, box: Mailbox) -> None:
    settings.AUTOMATIC_CONTACTS = False

    receive(box)

    assert names() == []


def test_one_batch_makes_one_contact_of_each(alpha: AgentIdentity, box: Mailbox) -> None:
    other = mailbox_of(agent(alpha.organization))
    mails = [
        inbound(raw_mail("x@y.example", sender=f"a{number % 3}@customer.example"), box, other) for number in range(9)
    ]

    accept_batch(mails)

    assert sorted(names()) == [f"a{number}@customer.example" for number in range(3)]
    assert ContactIdentifier.objects.count() == 3


def test_an_organization_has_so_many_that_nobody_looked_at(
    monkeypatch: pytest.MonkeyPatch, acme: Organization, box: Mailbox
) -> None:
    monkeypatch.setattr(limits, "AUTOMATIC_UNREVIEWED_MAX", 2)
    for number in range(4):
        receive(box, sender=f"a{number}@customer.example")

    assert names() == ["a0@customer.example", "a1@customer.example"]
    admin_client(acme).patch(f"/contacts/{Contact.objects.first().pk}", {"review_status": "confirmed"})  # type: ignore[union-attr]
    receive(box, sender="a3@customer.example")

    assert names() == ["a0@customer.example", "a1@customer.example", "a3@customer.example"]


def test_merged_and_emptied_contacts_give_up_their_address(acme: Organization, box: Mailbox) -> None:
    receive(box, sender="ada@customer.example")
    first = Contact.objects.get()
    survivor = contact(acme, "Countess")
    client = admin_client(acme)
    assert client.post(f"/contacts/{survivor.pk}/merge", {"losing_contact_ids": [str(first.pk)]}).status_code == 200

    receive(box, sender="ada@customer.example")
    assert Contact.objects.alive().count() == 1

    client.patch(f"/contacts/{survivor.pk}", {"emails": []})
    receive(box, sender="ada@customer.example")

    assert Contact.objects.alive().count() == 2
    assert client.get("/contacts/lookup?email=ada@customer.example").json()[0]["is_auto_created"] is True


def test_calls_and_texts_make_contacts_by_number(acme: Organization, alpha: AgentIdentity) -> None:
    def caller(value: str, name: str | None = None) -> Stranger:
        return Stranger(acme.pk, alpha.pk, IdentifierKind.PHONE, value, name, NameSource.PROVIDER)

    make_contacts(recognize([caller("+14155550100", "Ada"), caller("+14155550101"), caller("anonymous")]))

    assert names() == ["Ada", "+14155550101"]
    assert list(Contact.objects.order_by("pk").values_list("preferred_name_source", flat=True)) == [
        "provider",
        "identifier_fallback",
    ]
    assert recognize([caller("+14155550100")]) == []


@pytest.mark.django_db(transaction=True)
def test_mail_that_arrives_everywhere_at_once_makes_one_contact() -> None:
    acme = organization()
    boxes = [mailbox_of(agent(acme)) for _ in range(6)]
    senders = [f"a{number}@customer.example" for number in range(3)]
    failures: list[Any] = []
    start = threading.Barrier(len(boxes))

    def run(number: int) -> None:
        try:
            order = senders if number % 2 else senders[::-1]
            mails = [inbound(raw_mail("x@y.example", sender=sender), boxes[number]) for sender in order]
            start.wait(10)
            accept_batch(mails)
        except Exception as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(boxes))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert sorted(names()) == senders
    assert ContactIdentifier.objects.count() == 3
