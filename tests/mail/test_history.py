"""Contacts and history in the events of mail."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

import orjson
import pytest

from common.clock import now
from mail.history import email_history
from mail.models import Message
from tests.factories.identities import agent, organization
from tests.factories.mail import mailbox_of, queue, receive
from tests.factories.webhooks import bare_agent, subscription
from webhooks.context import HistoryRequest, Trigger
from webhooks.enrichment import KnownContact, Peer
from webhooks.models import Dispatch, Event

pytestmark = pytest.mark.django_db

ADA = KnownContact(UUID(int=7), "Ada", ("Likes tea",), ("ada@customer.example",))


def ada_only(peers: Collection[Peer]) -> Mapping[Peer, KnownContact]:
    return {peer: ADA for peer in peers if peer.value == "ada@customer.example"}


def _context(event: Event) -> Any:
    body = Dispatch.objects.get(event=event).body
    assert body is not None
    return orjson.loads(body)["data"]["context"]


def test_contacts_are_listed_with_bucket_and_original_address(settings: Any) -> None:
    settings.WEBHOOK_CONTACT_RESOLVER = f"{__name__}.ada_only"
    box = mailbox_of(agent())

    receive(box, sender="Ada L. <Ada@Customer.Example>", cc="bob@elsewhere.example, ada@customer.example")

    data = orjson.loads(Event.objects.get().body)["data"]
    entry = {"id": str(ADA.id), "name": "Ada", "memories": ["Likes tea"]}
    assert data["contacts"] == [
        {**entry, "bucket": "from", "address": "Ada@customer.example"},
        {**entry, "bucket": "cc", "address": "ada@customer.example"},
    ]


def test_a_paused_or_foreign_agent_is_not_listed() -> None:
    acme = organization()
    box = mailbox_of(agent(acme))
    paused, foreign = mailbox_of(agent(acme, status="paused")), mailbox_of(agent())
    friend = mailbox_of(agent(acme))

    receive(box, cc=f"{paused.email_address}, {foreign.email_address}, {friend.email_address}")

    (entry,) = orjson.loads(Event.objects.get().body)["data"]["agent_identities"]
    assert (entry["bucket"], entry["address"]) == ("cc", friend.email_address)


def test_a_subscription_gets_the_thread_so_far() -> None:
    identity = agent()
    box = mailbox_of(identity)
    subscription(identity, context_config={"email": {"mode": "count", "count": 2}, "texts": None, "calls": None})
    first = receive(box, message_id="<one@x.example>")
    second = receive(box, in_reply_to="<one@x.example>")
    third = receive(box, in_reply_to="<one@x.example>")
    receive(box, subject="Another thread")

    events = list(Event.objects.order_by("seq"))
    blocks = _context(events[2])

    assert _context(events[0])["email"]["items"] == []
    assert [item["id"] for item in blocks["email"]["items"]] == [str(first.pk), str(second.pk)]
    assert orjson.loads(events[2].body)["data"]["message"]["id"] == str(third.pk)
    assert blocks["email"]["items"][0] == {
        "id": str(first.pk),
        "direction": "inbound",
        "from_address": "ada@customer.example",
        "to_addresses": [box.email_address],
        "created_at": blocks["email"]["items"][0]["created_at"],
        "subject": "Invoice 4417",
        "snippet": first.snippet,
        "email_address": box.email_address,
    }
    assert _context(events[3])["email"]["items"] == []


def _request(identity_id: UUID | None, **fields: Any) -> HistoryRequest:
    trigger = Trigger("text.received", "org", identity_id, {}, ADA, now())
    return HistoryRequest(trigger, ADA, fields.get("limit", 10), fields.get("since"))


def test_history_with_a_contact_is_both_directions_and_nobody_else() -> None:
    identity = agent()
    box = mailbox_of(identity)
    inbound = receive(box)
    receive(box, sender="eve@elsewhere.example")
    outbound = queue(box, "ada@customer.example")
    queue(box, "eve@elsewhere.example")

    items = email_history(_request(identity.pk))

    assert items is not None
    assert [item["id"] for item in items] == [inbound.pk, outbound.pk]
    assert [item["id"] for item in email_history(_request(identity.pk, limit=1)) or ()] == [outbound.pk]
    assert email_history(_request(identity.pk, since=now())) == []


def test_blocked_and_deleted_mail_is_no_history() -> None:
    identity = agent()
    box = mailbox_of(identity)
    blocked, deleted = receive(box), receive(box)
    Message.objects.filter(pk=blocked.pk).update(is_blocked=True)
    Message.objects.filter(pk=deleted.pk).update(deleted_at=now())

    assert email_history(_request(identity.pk)) == []


def test_an_identity_without_mailbox_has_no_mail_history() -> None:
    assert email_history(_request(bare_agent().pk)) is None
    assert email_history(_request(None)) is None
