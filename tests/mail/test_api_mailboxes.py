"""Mailboxes over REST: their shape, and the ways to name one (contract mail.md sections 1.3 and 2)."""

from __future__ import annotations

import pytest
import time_machine

from common.clock import now
from common.principal import Profile
from identities.channels import MailboxOptions
from identities.enums import FilterMode
from mail.models import Mailbox
from tests.factories.identities import admin_client, agent, agent_client, organization
from tests.factories.mail import mailbox_of, receive

pytestmark = pytest.mark.django_db


@time_machine.travel("2026-05-04T09:12:44.102Z", tick=False)
def test_a_mailbox_has_every_field_of_every_generation() -> None:
    acme = organization()
    identity = agent(
        acme,
        "billing-bot",
        display_name="Billing Bot",
        mail_filter_mode=FilterMode.WHITELIST.value,
        mail_outbound_filter_mode=FilterMode.WHITELIST.value,
    )
    box = mailbox_of(identity)
    Mailbox.objects.filter(pk=box.pk).update(
        storage_used_bytes=734_003,
        storage_limit_bytes=2_147_483_648,
        signature_html="<p>Billing Bot</p>",
        signature_text="Billing Bot",
        signature_enabled=True,
    )

    response = admin_client(acme).get("/mail/mailboxes/billing-bot@mail.localhost")

    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json"
    assert response.json() == {
        "id": str(box.pk),
        "email_address": "billing-bot@mail.localhost",
        "sending_domain": "mail.localhost",
        "display_name": "Billing Bot",
        "status": "active",
        "webhook_url": None,
        "agent_identity_id": str(identity.pk),
        "filter_mode": "whitelist",
        "inbound_filter_mode": "blacklist",
        "outbound_filter_mode": "whitelist",
        "filter_mode_change_notice": None,
        "storage_used_bytes": 734_003,
        "storage_limit_bytes": 2_147_483_648,
        "signature_html": "<p>Billing Bot</p>",
        "signature_text": "Billing Bot",
        "signature_enabled": True,
        "approval_required": False,
        "sending_paused_at": None,
        "sending_paused_reason": None,
        "created_at": "2026-05-04T09:12:44.102000Z",
        "updated_at": "2026-05-04T09:12:44.102000Z",
    }


def test_the_list_has_the_same_objects_newest_first() -> None:
    acme = organization()
    first, second = mailbox_of(agent(acme)), mailbox_of(agent(acme))
    agent(organization())
    client = admin_client(acme)

    body = client.get("/mail/mailboxes").json()

    assert [row["id"] for row in body] == [str(second.pk), str(first.pk)]
    assert body[1] == client.get(f"/mail/mailboxes/{first.email_address}").json()


def test_an_agent_key_lists_its_own_mailbox_only() -> None:
    acme = organization()
    identity = agent(acme, "alpha")
    agent(acme, "bravo")

    body = agent_client(identity).get("/mail/mailboxes").json()

    assert [row["email_address"] for row in body] == ["alpha@mail.localhost"]


def test_an_organization_without_mailboxes_has_an_empty_list() -> None:
    assert admin_client().get("/mail/mailboxes").json() == []


@pytest.mark.parametrize(
    "name",
    [
        "billing-bot@mail.localhost",
        "Billing-Bot@MAIL.localhost",
        "billing-bot%40mail.localhost",
        "billing-bot",
        "BILLING-BOT",
        "{id}",
        "{ID}",
        "billing-bot@mail.localhost/",
        "{id}/",
    ],
)
@pytest.mark.parametrize("prefix", ["", "/compat/0.3"])
def test_a_mailbox_goes_by_address_id_or_local_part(name: str, prefix: str) -> None:
    identity = agent(handle="billing-bot")
    box = mailbox_of(identity)
    path = name.format(id=box.pk, ID=str(box.pk).upper())
    client = agent_client(identity, prefix=prefix)

    response = client.get(f"/mail/mailboxes/{path}")

    assert (response.status_code, response.json()["id"]) == (200, str(box.pk))
    assert client.get(f"/mail/mailboxes/{path.rstrip('/')}/messages").status_code == 200
    assert client.get(f"/mail/mailboxes/{path.rstrip('/')}/threads/").status_code == 200


def test_a_handle_that_reads_like_an_id_is_still_a_local_part() -> None:
    identity = agent(handle="deadbeefdeadbeefdeadbeefdeadbeef")

    response = agent_client(identity).get("/mail/mailboxes/deadbeefdeadbeefdeadbeefdeadbeef")

    assert response.status_code == 200


@pytest.mark.parametrize(
    "name",
    [
        "nobody",
        "nobody@mail.localhost",
        "billing-bot@elsewhere.example",
        "00000000-0000-7000-8000-000000000000",
        "@",
        "%20",
        "a%00b",
        "a%00b@mail.localhost",
        "%FF%FE",
        "\u00fc@mail.localhost",
        "x" * 3000,
    ],
)
def test_any_other_name_is_not_found(name: str) -> None:
    identity = agent(handle="billing-bot")

    response = agent_client(identity).get(f"/mail/mailboxes/{name}")

    assert (response.status_code, response.json()) == (404, {"detail": "Mailbox not found"})


def test_a_deleted_mailbox_is_not_found_and_not_listed() -> None:
    acme = organization()
    box = mailbox_of(agent(acme))
    message = receive(box)
    Mailbox.objects.filter(pk=box.pk).update(deleted_at=now())
    client = admin_client(acme)

    assert client.get("/mail/mailboxes").json() == []
    for path in ("", "/messages", f"/messages/{message.pk}", "/threads", "/threads/folders"):
        assert client.get(f"/mail/mailboxes/{box.pk}{path}").status_code == 404, path


def test_a_standalone_mailbox_has_no_identity_and_the_default_modes() -> None:
    acme = organization()
    box = mailbox_of(agent(acme, profile=Profile.SEED, mailbox=MailboxOptions()))
    Mailbox.objects.filter(pk=box.pk).update(identity=None)

    body = admin_client(acme).get(f"/mail/mailboxes/{box.pk}").json()

    assert (body["agent_identity_id"], body["display_name"]) == (None, None)
    assert (body["filter_mode"], body["inbound_filter_mode"], body["outbound_filter_mode"]) == ("blacklist",) * 3
