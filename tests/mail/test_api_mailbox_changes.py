"""Changing mailboxes (contract mail.md section 2.4)."""

from __future__ import annotations

from typing import Any

import pytest

from common.principal import Profile
from identities.channels import MailboxOptions
from identities.enums import Role
from identities.models import AgentIdentity
from mail.models import Mailbox
from mail.raw import load_raw
from tests.factories.contacts import rule
from tests.factories.identities import (
    ApiClient,
    admin_client,
    agent,
    agent_client,
    organization,
    session_client,
    unclaimed_agent,
)
from tests.factories.mail import mailbox_of, queue, receive
from tests.identities.rows import all_rows
from webhooks.catalog import MESSAGE_EVENTS
from webhooks.models import Dispatch, Subscription

pytestmark = pytest.mark.django_db

PATH = "/mail/mailboxes/billing-bot@mail.localhost"
HOOK = "https://hooks.example.com/in"


@pytest.fixture
def identity() -> AgentIdentity:
    return agent(handle="billing-bot", display_name="Billing Bot")


@pytest.fixture
def box(identity: AgentIdentity) -> Mailbox:
    return mailbox_of(identity)


@pytest.fixture
def client(identity: AgentIdentity) -> ApiClient:
    return admin_client(identity.organization)


@pytest.fixture
def standalone() -> Mailbox:
    box = mailbox_of(agent(handle="loner", profile=Profile.SEED, mailbox=MailboxOptions()))
    Mailbox.objects.filter(pk=box.pk).update(identity=None)
    box.refresh_from_db()
    return box


def test_an_empty_change_answers_with_the_mailbox(box: Mailbox, client: ApiClient) -> None:
    before = all_rows()

    bodies: list[Any] = [None, {}]
    for body in bodies:
        response = client.patch(PATH, body)

        assert (response.status_code, response.json()) == (200, client.get(PATH).json())
    assert all_rows() == before


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"email_address": "x@mail.localhost"}, "email_address"),
        ({"storage_limit_bytes": 1}, "storage_limit_bytes"),
        ({"display_name": "New", "mail_filter_mode": "whitelist"}, "mail_filter_mode"),
        ({"display_name": ""}, "display_name"),
        ({"display_name": "x" * 256}, "display_name"),
        ({"display_name": "A\r\nBcc: eve@evil.example"}, "display_name"),
        ({"display_name": 7}, "display_name"),
        ({"filter_mode": "greylist"}, "filter_mode"),
        ({"filter_mode": None}, "filter_mode"),
        ({"webhook_url": "http://hooks.example.com/in"}, "webhook_url"),
        ({"webhook_url": ""}, "webhook_url"),
        ({"webhook_url": "https://user:pw@hooks.example.com/"}, "webhook_url"),
        ({"signature_html": "x" * 16_385}, "signature_html"),
        ({"signature_text": "x" * 16_385}, "signature_text"),
        ({"signature_text": "a\x00b"}, "signature_text"),
        ({"signature_html": '<img src="logo.png">'}, "signature_html"),
        ({"signature_html": ["x"]}, "signature_html"),
        ({"signature_enabled": "yes"}, "signature_enabled"),
        ({"signature_enabled": None}, "signature_enabled"),
    ],
)
def test_a_bad_change_is_refused_as_a_whole(box: Mailbox, client: ApiClient, body: dict[str, Any], field: str) -> None:
    before = all_rows()

    response = client.patch(PATH, {"signature_text": "Ada", **body})

    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == ["body", field]
    assert all_rows() == before


# --- what is kept on the identity


@pytest.mark.parametrize("name", ["Accounts", None])
def test_the_display_name_is_that_of_the_identity(box: Mailbox, client: ApiClient, name: str | None) -> None:
    response = client.patch(PATH, {"display_name": name})

    assert (response.status_code, response.json()["display_name"]) == (200, name)
    assert client.get("/identities/billing-bot").json()["display_name"] == name
    raw = load_raw(queue(mailbox_of(box.identity), "ada@x.example").content)  # type: ignore[arg-type]
    assert (b"From: Accounts <" in raw) is (name == "Accounts")
    assert (b"From: billing-bot <" in raw) is (name is None)


# Modes before the change (inbound, outbound), the mode written, and the rules that it makes redundant.
NOTICES = [
    (("blacklist", "blacklist"), "whitelist", ("block", 3)),
    (("whitelist", "whitelist"), "blacklist", ("allow", 2)),
    (("whitelist", "blacklist"), "blacklist", ("allow", 2)),
    (("whitelist", "blacklist"), "whitelist", ("block", 3)),
    (("blacklist", "blacklist"), "blacklist", None),
    (("whitelist", "whitelist"), "whitelist", None),
]


@pytest.mark.parametrize(("before", "mode", "redundant"), NOTICES)
def test_a_change_of_mode_says_which_rules_lose_their_effect(
    identity: AgentIdentity, client: ApiClient, before: tuple[str, str], mode: str, redundant: tuple[str, int] | None
) -> None:
    for number in range(3):
        rule(identity, f"b{number}.example")
    for target in ("a.example", "ada@b.example"):
        rule(identity, target, action="allow")
    rule(identity, "paused.example", status="paused")
    rule(agent(identity.organization))
    identity.mail_inbound_filter_mode, identity.mail_outbound_filter_mode = before
    identity.save()

    response = client.patch(PATH, {"filter_mode": mode})

    body = response.json()
    notice = redundant and {
        "new_filter_mode": mode,
        "redundant_rule_action": redundant[0],
        "redundant_rule_count": redundant[1],
    }
    assert (response.status_code, body["filter_mode_change_notice"]) == (200, notice)
    assert (body["filter_mode"], body["inbound_filter_mode"], body["outbound_filter_mode"]) == (mode,) * 3
    of_identity = client.get("/identities/billing-bot").json()
    assert (of_identity["mail_inbound_filter_mode"], of_identity["mail_outbound_filter_mode"]) == (mode, mode)
    assert of_identity["mailbox"]["filter_mode_change_notice"] is None
    assert client.get(PATH).json()["filter_mode_change_notice"] is None
    assert len(client.get(f"{PATH}/contact-rules").json()) == 6


def test_modes_written_on_the_identity_show_on_the_mailbox(box: Mailbox, client: ApiClient) -> None:
    client.patch("/identities/billing-bot", {"mail_inbound_filter_mode": "whitelist"})

    body = client.get(PATH).json()
    assert (body["filter_mode"], body["inbound_filter_mode"], body["outbound_filter_mode"]) == (
        "blacklist",
        "whitelist",
        "blacklist",
    )
    assert receive(box).is_blocked
    client.patch(PATH, {"filter_mode": "blacklist"})
    assert not receive(box).is_blocked


def test_an_agent_changes_everything_but_the_mode(identity: AgentIdentity, box: Mailbox) -> None:
    own = agent_client(identity)
    changes = {"display_name": "Me", "webhook_url": HOOK, "signature_text": "Me", "signature_enabled": True}
    assert own.patch(PATH, changes).status_code == 200
    before = all_rows()

    refused = own.patch(PATH, {"display_name": "You", "filter_mode": "whitelist"})

    assert (refused.status_code, isinstance(refused.json()["detail"], str)) == (403, True)
    assert all_rows() == before


def test_an_unclaimed_agent_sets_no_webhook() -> None:
    newcomer = unclaimed_agent(handle="newcomer")
    own = agent_client(newcomer)
    before = all_rows()

    assert own.patch("/mail/mailboxes/newcomer", {"webhook_url": HOOK}).status_code == 403
    assert all_rows() == before
    assert own.patch("/mail/mailboxes/newcomer", {"signature_text": "Me"}).status_code == 200


def test_a_plain_member_changes_nothing(identity: AgentIdentity, box: Mailbox) -> None:
    member = session_client(identity.organization, Role.MEMBER)
    before = all_rows()

    assert member.patch(PATH, {"signature_text": "Me"}).status_code == 403
    assert all_rows() == before


@pytest.mark.parametrize("body", [{"display_name": "New"}, {"filter_mode": "whitelist"}])
def test_without_an_identity_there_is_nowhere_to_keep_it(standalone: Mailbox, body: dict[str, str]) -> None:
    client = admin_client(standalone.organization)
    before = all_rows()

    response = client.patch(f"/mail/mailboxes/{standalone.pk}", {**body, "signature_text": "Me"})

    assert response.status_code == 409
    assert all_rows() == before
    changed = client.patch(f"/mail/mailboxes/{standalone.pk}", {"signature_text": "Me", "webhook_url": HOOK})
    assert (changed.status_code, changed.json()["webhook_url"]) == (200, HOOK)


# --- webhook URL


def test_the_webhook_url_is_a_subscription_to_all_mail_events(box: Mailbox, client: ApiClient) -> None:
    response = client.patch(PATH, {"webhook_url": HOOK})

    assert (response.status_code, response.json()["webhook_url"]) == (200, HOOK)
    row = Subscription.objects.active().get()
    assert (row.mailbox_id, row.identity_id, row.is_legacy, row.event_types) == (
        box.pk,
        box.identity_id,
        True,
        list(MESSAGE_EVENTS),
    )
    receive(box)
    assert Dispatch.objects.get().subscription_id == row.pk
    assert client.patch(PATH, {"webhook_url": f"{HOOK}/2"}).json()["webhook_url"] == f"{HOOK}/2"
    assert client.patch(PATH, {"display_name": "New"}).json()["webhook_url"] == f"{HOOK}/2"
    assert client.patch(PATH, {"webhook_url": None}).json()["webhook_url"] is None
    assert not Subscription.objects.active().exists()


# --- signature


def test_html_brings_its_text(box: Mailbox, client: ApiClient) -> None:
    html = '<p onclick="x()">Billing Bot<br>Example <b>Org</b></p><script>1</script>'

    body = client.patch(PATH, {"signature_html": html, "signature_enabled": True}).json()

    assert body["signature_html"] == "<p>Billing Bot<br>Example <b>Org</b></p>"
    assert body["signature_text"] == "Billing Bot\nExample Org"
    assert body["signature_enabled"] is True
    assert client.get(PATH).json() == body
    raw = load_raw(queue(Mailbox.objects.get(pk=box.pk), "ada@x.example").content)
    assert b"Example Org" in raw


@pytest.mark.parametrize(
    ("changes", "html", "text"),
    [
        ({"signature_html": "<p>New</p>"}, "<p>New</p>", "New"),
        ({"signature_html": "<p>New</p>", "signature_text": "Mine"}, "<p>New</p>", "Mine"),
        ({"signature_html": "<p>New</p>", "signature_text": None}, "<p>New</p>", None),
        ({"signature_html": None}, None, "Old"),
        ({"signature_html": "<script>1</script>"}, None, "Old"),
        ({"signature_text": None}, "<p>Old</p>", None),
        ({"signature_text": "  "}, "<p>Old</p>", None),
        ({"signature_text": "x" * 16_384}, "<p>Old</p>", "x" * 16_384),
        ({"signature_html": None, "signature_text": None}, None, None),
        ({"signature_enabled": False}, "<p>Old</p>", "Old"),
    ],
)
def test_each_field_of_a_signature_by_itself(
    box: Mailbox, client: ApiClient, changes: dict[str, Any], html: str | None, text: str | None
) -> None:
    client.patch(PATH, {"signature_html": "<p>Old</p>", "signature_enabled": True})

    body = client.patch(PATH, changes).json()

    assert (body["signature_html"], body["signature_text"]) == (html, text)
    assert body["signature_enabled"] is changes.get("signature_enabled", True)


def test_a_deleted_mailbox_is_not_changed(identity: AgentIdentity, box: Mailbox, client: ApiClient) -> None:
    client.delete(PATH)
    before = all_rows()

    assert client.patch(PATH, {"signature_text": "Me"}).status_code == 404
    assert all_rows() == before


def test_mailboxes_of_others_are_not_found() -> None:
    acme = organization()
    box, sibling = mailbox_of(agent(acme)), agent(acme)
    clients = [agent_client(sibling), admin_client()]
    before = all_rows()

    for other in clients:
        assert other.patch(f"/mail/mailboxes/{box.pk}", {"signature_text": "Me"}).status_code == 404
    assert all_rows() == before
