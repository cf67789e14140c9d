"""The URL fields of the first clients, kept as subscriptions."""

from __future__ import annotations

from typing import Any

import pytest

from common.errors import Invalid
from identities.models import Organization, SigningKey
from tests.factories.identities import admin_client, agent, agent_client, organization
from tests.factories.mail import mailbox_of
from tests.factories.webhooks import HOOK, happen, some_id, subscription
from webhooks.catalog import MESSAGE_EVENTS, TEXT_EVENTS
from webhooks.enums import Selector
from webhooks.models import Dispatch, Subscription
from webhooks.owners import Owner
from webhooks.services.legacy import legacy_urls, set_legacy_url
from webhooks.services.subscriptions import rebind_subscriptions

pytestmark = pytest.mark.django_db


def _mailbox(of: Organization, identity: Any = None) -> Owner:
    return Owner(Selector.MAILBOX, some_id(), of.pk, identity and identity.pk)


def test_a_url_subscribes_to_every_event_of_the_family() -> None:
    acme = organization()
    mailbox = _mailbox(acme)
    number = Owner(Selector.PHONE_NUMBER, some_id(), acme.pk, None)

    set_legacy_url(mailbox, HOOK)
    set_legacy_url(number, HOOK + "/text")

    assert legacy_urls([mailbox.id, number.id, some_id()]) == {mailbox.id: HOOK, number.id: HOOK + "/text"}
    rows = {row.selector_id: row for row in Subscription.objects.active()}
    assert rows[mailbox.id].event_types == list(MESSAGE_EVENTS)
    assert rows[number.id].event_types == list(TEXT_EVENTS)
    assert not SigningKey.objects.exists()


def test_the_row_is_an_ordinary_one_in_the_api() -> None:
    identity = agent()
    mailbox = mailbox_of(identity)
    set_legacy_url(Owner(Selector.MAILBOX, mailbox.pk, identity.organization_id, identity.pk), HOOK)

    (item,) = agent_client(identity).get("/webhooks/subscriptions").json()["subscriptions"]

    assert (item["mailbox_id"], item["owner_identity_id"], item["url"]) == (str(mailbox.pk), str(identity.pk), HOOK)
    assert agent_client(identity).delete(f"/webhooks/subscriptions/{item['id']}").status_code == 204
    assert legacy_urls([mailbox.pk]) == {}


def test_changing_the_url_keeps_the_row_and_changing_the_row_changes_the_url() -> None:
    acme = organization()
    mailbox = _mailbox(acme)
    set_legacy_url(mailbox, HOOK)
    row = Subscription.objects.get()

    set_legacy_url(mailbox, HOOK + "/2")
    assert Subscription.objects.get().pk == row.pk
    admin_client(acme).patch(f"/webhooks/subscriptions/{row.pk}", {"url": HOOK + "/3"})

    assert legacy_urls([mailbox.id]) == {mailbox.id: HOOK + "/3"}


def test_null_unsubscribes_and_cancels_and_may_be_repeated() -> None:
    identity = agent()
    mailbox = _mailbox(identity.organization, identity)
    set_legacy_url(mailbox, HOOK)
    happen(identity, mailbox_id=mailbox.id)

    set_legacy_url(mailbox, None)
    set_legacy_url(mailbox, None)

    assert legacy_urls([mailbox.id]) == {}
    assert Dispatch.objects.get().state == "cancelled"
    assert Subscription.objects.get().status == "deleted"


def test_a_row_that_has_the_url_already_is_taken_over() -> None:
    acme = organization()
    mailbox = _mailbox(acme)
    set_legacy_url(mailbox, HOOK + "/old")
    existing = subscription(None, "message.sent", of=acme, mailbox_id=mailbox.id, url=HOOK, token="t")

    set_legacy_url(mailbox, HOOK)

    row = Subscription.objects.active().get()
    assert (row.pk, row.is_legacy, row.event_types, row.auth_token) == (existing.pk, True, list(MESSAGE_EVENTS), "t")
    assert legacy_urls([mailbox.id]) == {mailbox.id: HOOK}


def test_a_url_that_may_not_be_called_is_refused_by_the_name_of_the_field() -> None:
    mailbox = _mailbox(organization())

    with pytest.raises(Invalid) as refusal:
        set_legacy_url(mailbox, "http://10.0.0.1/")

    assert refusal.value.detail == [
        {"loc": ["body", "webhook_url"], "msg": "The URL must start with https://.", "type": "value_error"}
    ]
    assert not Subscription.objects.exists()


def test_rows_follow_a_mailbox_to_another_identity() -> None:
    acme = organization()
    first, second = agent(acme), agent(acme)
    mailbox = _mailbox(acme, first)
    set_legacy_url(mailbox, HOOK)
    subscription(first, "message.sent", url=HOOK + "/own")

    rebind_subscriptions(Owner(Selector.MAILBOX, mailbox.id, acme.pk, second.pk))

    assert [item["url"] for item in _listed(first)] == [HOOK + "/own"]
    assert [item["url"] for item in _listed(second)] == [HOOK]


def _listed(identity: Any) -> Any:
    return agent_client(identity).get("/webhooks/subscriptions").json()["subscriptions"]
