"""The timeline of an identity with a contact (contract contacts-notes.md section 3.4)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from common.api.pagination import Cursor
from contacts.correspondence import ChannelPage, ChannelRequest, Item
from contacts.models import Contact, ContactVisibility
from identities.models import AgentIdentity, Organization
from mail.models import Correspondent, Mailbox, Message
from tests.factories.contacts import contact, rule
from tests.factories.identities import ApiClient, admin_client, agent, agent_client, organization
from tests.factories.mail import mailbox_of, queue, receive, send
from tests.factories.mail import principal_of as caller_of

pytestmark = pytest.mark.django_db

ADA = "ada@customer.example"
START = datetime(2026, 5, 4, 10, tzinfo=UTC)


@pytest.fixture
def acme() -> Organization:
    return organization()


@pytest.fixture
def alpha(acme: Organization) -> AgentIdentity:
    return agent(acme, "alpha")


@pytest.fixture
def box(alpha: AgentIdentity) -> Mailbox:
    return mailbox_of(alpha)


@pytest.fixture
def ada(acme: Organization) -> Contact:
    return contact(acme, "Ada", emails=["Ada@Customer.example", "ada@home.example"])


@pytest.fixture
def client(alpha: AgentIdentity) -> ApiClient:
    return agent_client(alpha)


@pytest.fixture
def moments() -> Iterator[Any]:
    with time_machine.travel(START, tick=False) as clock:
        yield clock


def path(row: Contact, query: str = "") -> str:
    return f"/contacts/{row.pk}/correspondence{query}"


def page(client: ApiClient, row: Contact, query: str = "") -> Any:
    answer = client.get(path(row, query))
    assert answer.status_code == 200, answer.content
    return answer.json()


def subjects(body: Any) -> list[str]:
    return [item["subject"] for item in body["items"]]


def test_an_item_has_every_field_of_the_contract(
    alpha: AgentIdentity, box: Mailbox, ada: Contact, client: ApiClient, moments: Any
) -> None:
    message = receive(box, cc="bob@elsewhere.example", attachments=(("a.pdf", "application/pdf", b"%PDF"),))

    assert page(client, ada) == {
        "contact_id": str(ada.pk),
        "identity_id": str(alpha.pk),
        "items": [
            {
                "channel": "email",
                "source_id": str(message.pk),
                "direction": "inbound",
                "occurred_at": "2026-05-04T10:00:00Z",
                "identity_id": str(alpha.pk),
                "status": "received",
                "detail_url": f"/api/v1/mail/mailboxes/alpha@mail.localhost/messages/{message.pk}",
                "mailbox_email": "alpha@mail.localhost",
                "thread_id": str(message.thread_id),
                "from_address": "ada@customer.example",
                "to_addresses": ["alpha@mail.localhost"],
                "cc_addresses": ["bob@elsewhere.example"],
                "bcc_addresses": [],
                "subject": "Invoice 4417",
                "snippet": "Hi, the total looks off by 20.",
                "attachments": [{"filename": "a.pdf", "content_type": "application/pdf", "size": 4}],
                "body_text": None,
                "body_truncated": False,
                "content_unavailable": False,
            }
        ],
        "channels": [
            {"channel": "email", "status": "available", "returned": 1},
            {"channel": "sms", "status": "no_resource", "returned": 0},
            {"channel": "imessage", "status": "no_resource", "returned": 0},
            {"channel": "calls", "status": "no_resource", "returned": 0},
        ],
        "next_cursor": None,
    }


def test_both_directions_and_every_address_in_time(box: Mailbox, ada: Contact, client: ApiClient, moments: Any) -> None:
    receive(box, sender="ADA@customer.example", subject="one")
    moments.shift(60)
    queue(box, "ada@home.example", subject="two", cc=[ADA])
    moments.shift(60)
    queue(box, "bob@elsewhere.example", subject="three", bcc=["Ada@Home.example"])
    receive(box, sender="bob@elsewhere.example", cc=ADA, subject="from somebody else")
    receive(mailbox_of(agent(box.organization)), sender=ADA, subject="to somebody else")

    found = page(client, ada)

    # A message to both addresses of the contact is one item.
    assert subjects(found) == ["three", "two", "one"]
    assert [item["direction"] for item in found["items"]] == ["outbound", "outbound", "inbound"]
    assert found["items"][0]["bcc_addresses"] == ["Ada@home.example"]
    assert subjects(page(client, ada, "?order=asc")) == ["one", "two", "three"]


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_pages_follow_each_other_even_within_one_moment(
    box: Mailbox, ada: Contact, client: ApiClient, moments: Any, order: str
) -> None:
    for number in range(7):
        receive(box, subject=f"{number}")
        if number % 3 == 2:
            moments.shift(1)

    found: list[str] = []
    cursor = ""
    pages = 0
    while True:
        body = page(client, ada, f"?order={order}&email_limit=2&limit_per_channel=50{cursor}")
        found += subjects(body)
        pages += 1
        if body["next_cursor"] is None:
            break
        cursor = f"&cursor={body['next_cursor']}"

    expected = [str(number) for number in range(7)]
    assert found == (expected if order == "asc" else expected[::-1])
    assert pages == 4


def test_filters(box: Mailbox, ada: Contact, client: ApiClient, moments: Any) -> None:
    for number in range(4):
        receive(box, subject=f"{number}")
        moments.shift(60)

    def at(minutes: int) -> str:
        return (START + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")

    assert subjects(page(client, ada, f"?after={at(1)}&before={at(3)}")) == ["2", "1"]
    assert subjects(page(client, ada, "?limit_per_channel=1")) == ["3"]


def test_how_much_of_the_text(box: Mailbox, ada: Contact, client: ApiClient) -> None:
    receive(box, text="Plain words.\n", html="<p>Formatted words.</p>")
    html_only = receive(box, text=" ", html="<p>Only <b>formatted</b>.</p>")
    Message.objects.filter(pk=html_only.pk).update(snippet="Only formatted.")

    def texts(mode: str) -> list[Any]:
        items = page(client, ada, f"?content={mode}")["items"]
        return [[item["snippet"], item["body_text"]] for item in items]

    assert texts("metadata") == [[None, None], [None, None]]
    assert texts("preview") == [["Only formatted.", None], ["Plain words.", None]]
    full = texts("full")
    assert [one[1].strip() for one in full] == ["Only formatted.", "Plain words."]


def test_long_texts_end_somewhere_and_say_so(
    monkeypatch: pytest.MonkeyPatch, box: Mailbox, ada: Contact, client: ApiClient
) -> None:
    monkeypatch.setattr("mail.limits.CORRESPONDENCE_TEXT_CHARS", 5)
    receive(box, text="123456789\n")

    (item,) = page(client, ada, "?content=full")["items"]

    assert (item["body_text"], item["body_truncated"]) == ("12345", True)


def test_what_failed_is_shown_when_it_is_asked_for(box: Mailbox, ada: Contact, client: ApiClient) -> None:
    for status in ("failed", "bounced", "queued"):
        message = queue(box, ADA, subject=status)
        Message.objects.filter(pk=message.pk).update(status=status)
    held = queue(box, ADA, subject="held")
    Message.objects.filter(pk=held.pk).update(approval_state="pending")

    assert subjects(page(client, ada)) == ["queued"]
    assert sorted(subjects(page(client, ada, "?include_failed=true"))) == ["bounced", "failed", "held", "queued"]


def test_blocked_mail_is_seen_by_people_only(
    acme: Organization, alpha: AgentIdentity, box: Mailbox, ada: Contact
) -> None:
    rule(alpha, ADA)
    receive(box)

    assert page(agent_client(alpha), ada)["items"] == []
    assert len(page(admin_client(acme), ada, f"?identity_id={alpha.pk}")["items"]) == 1


def test_deleted_mail_is_gone(box: Mailbox, ada: Contact, client: ApiClient) -> None:
    message = receive(box)

    assert client.call("DELETE", f"/mail/mailboxes/{box.pk}/messages/{message.pk}").status_code == 204

    assert page(client, ada)["items"] == []


def test_whose_correspondence(acme: Organization, alpha: AgentIdentity, box: Mailbox, ada: Contact) -> None:
    receive(box)
    bravo, foreign = agent(acme, "bravo"), agent()
    people = admin_client(acme)

    assert people.get(path(ada)).status_code == 422
    assert people.get(path(ada)).json()["detail"][0]["loc"] == ["query", "identity_id"]
    assert len(page(people, ada, f"?identity_id={alpha.pk}")["items"]) == 1
    assert page(people, ada, f"?identity_id={bravo.pk}")["items"] == []
    for other in (foreign.pk, uuid4()):
        assert people.get(path(ada, f"?identity_id={other}")).status_code == 404
    assert agent_client(bravo).get(path(ada, f"?identity_id={alpha.pk}")).status_code == 404
    assert page(agent_client(bravo), ada)["items"] == []
    assert admin_client(organization()).get(path(ada, f"?identity_id={alpha.pk}")).status_code == 404


@pytest.mark.parametrize(
    ("decisions", "status", "channel"),
    [
        ({"profile": "block"}, 404, None),
        ({"email": "block"}, 200, "no_identifier"),
        ({"phone": "block"}, 200, "available"),
    ],
)
def test_what_is_hidden_leads_to_nothing(
    alpha: AgentIdentity, box: Mailbox, ada: Contact, decisions: Any, status: int, channel: str | None
) -> None:
    receive(box)
    ContactVisibility.objects.create(contact=ada, identity=alpha, **decisions)

    answer = agent_client(alpha).get(path(ada))

    assert answer.status_code == status
    if channel is not None:
        assert answer.json()["channels"][0]["status"] == channel


def test_channels_may_be_joined_or_repeated_and_only_those_are_answered(
    box: Mailbox, ada: Contact, client: ApiClient
) -> None:
    def channels(query: str) -> list[str]:
        return [one["channel"] for one in page(client, ada, query)["channels"]]

    assert channels("?channels=calls,email") == ["calls", "email"]
    assert channels("?channels=calls&channels=email&channels=calls") == ["calls", "email"]
    assert channels("?channels=email,slack") == ["email", "slack"]
    assert "slack" not in channels("")


@pytest.mark.parametrize(
    "query",
    [
        "?channels=fax",
        "?channels=",
        "?limit_per_channel=0",
        "?limit_per_channel=101",
        "?email_limit=x",
        "?order=up",
        "?content=all",
        "?transcripts=some",
        "?after=yesterday",
        "?cursor=x",
        "?include_failed=maybe",
        "?identity_id=1",
    ],
)
def test_bad_queries_are_refused(ada: Contact, client: ApiClient, query: str) -> None:
    answer = client.get(path(ada, query))

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"][0] == "query"


# --- other channels


def texts_of_every_hour(request: ChannelRequest) -> ChannelPage:
    """A channel with a text each half hour, as a phone app would provide one."""
    moments = [START + timedelta(minutes=30 + 60 * number) for number in range(3)]
    items = [
        Item(UUID(int=number), "inbound", at, "received", None, {"text": f"text {number}", "to": request.addresses})
        for number, at in enumerate(moments)
    ]
    if request.start is not None:
        start: Cursor = request.start
        items = [one for one in items if one.place < (start.at, start.id)]
    items = sorted(items, key=lambda one: one.place, reverse=True)
    return ChannelPage(items[: request.limit], has_more=len(items) > request.limit)


def broken(_request: ChannelRequest) -> ChannelPage:
    Correspondent.objects.get(pk=-1)
    raise AssertionError("not reached")


def nothing(_request: ChannelRequest) -> None:
    return None


def test_channels_are_one_timeline_whatever_their_limits(
    settings: Settings, box: Mailbox, ada: Contact, client: ApiClient, acme: Organization, moments: Any
) -> None:
    settings.CONTACT_CORRESPONDENCE = {
        **settings.CONTACT_CORRESPONDENCE,
        "sms": f"{__name__}.texts_of_every_hour",
        "calls": f"{__name__}.nothing",
    }
    client.patch(f"/contacts/{ada.pk}", {"phones": [{"value_e164": "+14155550100"}]})
    for number in range(4):
        receive(box, subject=f"mail {number}")
        moments.shift(3600)

    first = page(client, ada, "?email_limit=2&sms_limit=3")
    rest = page(client, ada, f"?email_limit=2&sms_limit=3&cursor={first['next_cursor']}")

    def names(body: Any) -> list[str]:
        return [item.get("subject") or item["text"] for item in body["items"]]

    # The page ends where the mail that was asked for ends: older texts wait for the older mail.
    assert names(first) == ["mail 3", "text 2", "mail 2"]
    assert names(rest) == ["text 1", "mail 1", "text 0", "mail 0"]
    assert first["channels"][:2] == [
        {"channel": "email", "status": "available", "returned": 2},
        {"channel": "sms", "status": "available", "returned": 1},
    ]
    assert first["items"][1]["to"] == ["+14155550100"]
    assert rest["next_cursor"] is None


def test_a_channel_that_fails_takes_nothing_along(
    settings: Settings, box: Mailbox, ada: Contact, client: ApiClient
) -> None:
    settings.CONTACT_CORRESPONDENCE = {
        "email": "mail.correspondence.read_mail",
        "sms": f"{__name__}.broken",
        "calls": f"{__name__}.nothing",
    }
    client.patch(f"/contacts/{ada.pk}", {"phones": [{"value_e164": "+14155550100"}]})
    receive(box)

    found = page(client, ada)

    assert [one["status"] for one in found["channels"]] == ["available", "unavailable", "no_resource", "no_resource"]
    assert len(found["items"]) == 1


# --- the index


def test_edited_recipients_are_the_ones_that_count(box: Mailbox, ada: Contact, client: ApiClient) -> None:
    from mail.services.correspondents import note_other_recipients

    message = queue(box, ADA)
    message.to_addresses = ["bob@elsewhere.example"]
    note_other_recipients(message)

    assert list(Correspondent.objects.values_list("address", flat=True)) == ["bob@elsewhere.example"]


def test_a_list_of_recipients_ends_somewhere(monkeypatch: pytest.MonkeyPatch, box: Mailbox) -> None:
    monkeypatch.setattr("mail.limits.CORRESPONDENTS_MAX", 2)

    queue(box, ADA, cc=["b@x.example", "c@x.example"])

    assert Correspondent.objects.count() == 2


def test_the_number_of_messages_does_not_change_the_number_of_queries(
    acme: Organization, alpha: AgentIdentity, box: Mailbox, ada: Contact, client: ApiClient
) -> None:
    clients = [client, admin_client(acme)]
    query = f"?content=full&identity_id={alpha.pk}"
    for one in clients:
        one.get("/contacts")  # the first use of a key is written down

    def cost(one: ApiClient) -> int:
        with CaptureQueriesContext(connection) as queries:
            page(one, ada, query)
        return len(queries)

    receive(box)
    few = [cost(one) for one in clients]
    for _ in range(19):
        receive(box)

    assert [cost(one) for one in clients] == few
    # The key, contact, identity or decisions, savepoint (two), mailbox, places, messages, texts.
    assert max(few) <= 10


def test_local_mail_is_in_both_timelines(acme: Organization, box: Mailbox) -> None:
    other = organization()
    peer = mailbox_of(agent(other, "peer"))
    peers = contact(acme, "Peer", emails=["peer@mail.localhost"])
    alphas = contact(other, "Alpha", emails=["alpha@mail.localhost"])

    send(queue(box, "peer@mail.localhost", subject="Across"))

    assert caller_of(peer).organization_id == other.pk
    assert subjects(page(admin_client(acme), peers, f"?identity_id={box.identity_id}")) == ["Across"]
    assert subjects(page(admin_client(other), alphas, f"?identity_id={peer.identity_id}")) == ["Across"]
