"""The page of what passed between a contact and an agent."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from contacts.models import Contact
from identities.enums import Role
from identities.models import AgentIdentity, Organization
from mail.models import Mailbox
from tests.console.pages import signed_in, text
from tests.factories.contacts import contact
from tests.factories.identities import agent, organization
from tests.factories.mail import mailbox_of, queue, raw_mail, receive

pytestmark = pytest.mark.django_db

ADA = "ada@customer.example"


@pytest.fixture
def acme() -> Organization:
    return organization("Acme")


@pytest.fixture
def ada(acme: Organization) -> Contact:
    return contact(acme, "Ada", emails=[ADA])


def page_of(row: Contact) -> str:
    return reverse("console:contact_mail", args=[row.pk])


def boxes(acme: Organization, *handles: str) -> list[tuple[AgentIdentity, Mailbox]]:
    agents = [agent(acme, handle) for handle in handles]
    return [(identity, mailbox_of(identity)) for identity in agents]


def from_ada(box: Mailbox, subject: str) -> Any:
    return receive(box, raw_mail(box.email_address, sender=ADA, subject=subject))


def test_received_and_sent_mail_links_to_its_threads(acme: Organization, ada: Contact) -> None:
    [(billing, box)] = boxes(acme, "billing")
    message = from_ada(box, "Invoice <4417>")
    queue(box, ADA, subject="Your order")
    receive(box, raw_mail(box.email_address, sender="bob@elsewhere.example", subject="Of somebody else"))

    page = text(signed_in(acme, Role.MEMBER).get(page_of(ada)))

    assert "Invoice &lt;4417&gt;" in page
    assert page.index("Your order") < page.index("Invoice &lt;4417&gt;")
    assert reverse("console:thread", args=[billing.agent_handle, message.thread_id]) in page
    assert "Of somebody else" not in page
    # With one agent there is nothing to choose.
    assert '<select name="agent"' not in page


def test_the_agent_with_the_last_mail_comes_first_and_another_can_be_chosen(acme: Organization, ada: Contact) -> None:
    (_, first), (_, second) = boxes(acme, "billing", "support")
    from_ada(first, "To billing")
    from_ada(second, "To support")
    client = signed_in(acme)

    newest = text(client.get(page_of(ada)))
    chosen = text(client.get(page_of(ada), {"agent": "billing"}))

    assert "To support" in newest
    assert "To billing" not in newest
    assert "To billing" in chosen
    assert "To support" not in chosen


def test_older_mail_is_on_the_next_page(acme: Organization, ada: Contact, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.views.contact_mail.PAGE_ROWS", 2)
    [(_, box)] = boxes(acme, "billing")
    for number in range(3):
        from_ada(box, f"Number {number}")
    client = signed_in(acme)

    page = text(client.get(page_of(ada)))
    [query] = [part.split('"')[0] for part in page.split('rel="next" href="')[1:]]
    older = text(client.get(page_of(ada) + query.replace("&amp;", "&")))

    assert ("Number 2" in page, "Number 1" in page, "Number 0" in page) == (True, True, False)
    assert ("Number 1" in older, "Number 0" in older) == (False, True)


def test_agents_of_others_and_broken_cursors_are_refused(acme: Organization, ada: Contact) -> None:
    agent(organization("Other"), "foreign")
    agent(acme, "billing")
    client = signed_in(acme)

    assert client.get(page_of(ada), {"agent": "foreign"}).status_code == 404
    assert client.get(page_of(ada), {"agent": "billing", "cursor": "nonsense"}).status_code == 422


@pytest.mark.parametrize(("emails", "says"), [([ADA], "No mail yet"), ([], "No address yet")])
def test_without_mail_the_page_says_why(acme: Organization, emails: list[str], says: str) -> None:
    agent(acme, "billing")

    assert says in text(signed_in(acme).get(page_of(contact(acme, "Ada", emails=emails))))


def test_the_number_of_queries_does_not_grow(acme: Organization, ada: Contact) -> None:
    (_, first), (_, second) = boxes(acme, "billing", "support")
    client = signed_in(acme)

    def queries() -> int:
        with CaptureQueriesContext(connection) as found:
            client.get(page_of(ada))
        return len(found)

    from_ada(first, "One")
    queries()
    few = queries()
    for number in range(5):
        from_ada(second, f"Number {number}")
    assert queries() == few
