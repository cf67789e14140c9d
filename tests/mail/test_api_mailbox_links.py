"""Mailboxes as things of their own: create, delete, link, unlink (contract mail.md 2.1, 2.5; identities.md 8)."""

from __future__ import annotations

import threading
from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from common.principal import Profile
from identities.channels import MailboxOptions
from identities.models import AgentIdentity, HandleClaim, Organization
from mail.models import Mailbox
from mail.selectors import receiving_mailbox_id
from tests.factories.domains import sending_domain
from tests.factories.identities import ApiClient, admin_client, agent, agent_client, organization
from tests.factories.mail import mailbox_of, receive
from tests.factories.webhooks import HOOK, subscription
from tests.identities.rows import all_rows
from webhooks.models import Event, Subscription

pytestmark = pytest.mark.django_db

SEED = "/compat/0.3"
NOBODY = "00000000-0000-7000-8000-000000000000"


@pytest.fixture
def acme() -> Organization:
    return organization()


@pytest.fixture(params=["", SEED], ids=["modern", "seed"])
def client(request: pytest.FixtureRequest, acme: Organization) -> ApiClient:
    return admin_client(acme, prefix=request.param)


def seed_agent(of: Organization, handle: str, *, with_mailbox: bool = True) -> AgentIdentity:
    return agent(of, handle, profile=Profile.SEED, mailbox=MailboxOptions() if with_mailbox else None)


# --- create


def test_an_identity_without_mailbox_gets_one(acme: Organization, client: ApiClient) -> None:
    alpha = seed_agent(acme, "alpha", with_mailbox=False)

    body = {"agent_handle": "@alpha", "display_name": "Ms Alpha", "email_local_part": "Sales.Desk"}
    response = client.post("/mail/mailboxes", body)

    made = response.json()
    assert response.status_code == 201
    assert (made["email_address"], made["display_name"]) == ("sales.desk@mail.localhost", "Ms Alpha")
    assert made["agent_identity_id"] == str(alpha.pk)
    assert made == client.get("/mail/mailboxes/sales.desk").json()
    of_identity = client.get("/identities/alpha").json()
    assert (of_identity["email_address"], of_identity["display_name"]) == ("sales.desk@mail.localhost", "Ms Alpha")
    assert receiving_mailbox_id("sales.desk@mail.localhost") == UUID(made["id"])
    assert HandleClaim.objects.get(pk="sales.desk").identity_id == alpha.pk


def test_without_a_local_part_the_address_is_the_handle(acme: Organization, client: ApiClient) -> None:
    seed_agent(acme, "alpha", with_mailbox=False)

    made = client.post("/mail/mailboxes", {"agent_handle": "alpha", "filter_mode": "whitelist"}).json()

    assert made["email_address"] == "alpha@mail.localhost"
    assert (made["inbound_filter_mode"], made["outbound_filter_mode"]) == ("whitelist", "whitelist")
    assert made["display_name"] == "alpha"


def test_an_unused_mailbox_that_came_with_the_identity_takes_the_new_address(acme: Organization) -> None:
    """What a client of 0.3.1 does against the modern profile: create an identity, then its mailbox."""
    client = admin_client(acme)
    came_with_it = client.post("/identities", {"agent_handle": "alpha"}).json()["mailbox"]

    made = client.post("/mail/mailboxes", {"agent_handle": "alpha", "email_local_part": "sales"})

    assert made.status_code == 201
    assert (made.json()["id"], made.json()["email_address"]) == (came_with_it["id"], "sales@mail.localhost")
    assert client.get("/mail/mailboxes/alpha").status_code == 404
    assert receiving_mailbox_id("alpha@mail.localhost") is None
    before = all_rows()
    assert client.post("/mail/mailboxes", {"agent_handle": "alpha", "email_local_part": "other"}).status_code == 409
    assert all_rows() == before


@pytest.mark.parametrize("use", ["message", "deleted message", "signature", "webhook", "asked for", "linked"])
def test_a_mailbox_in_use_is_not_replaced(acme: Organization, use: str) -> None:
    client = admin_client(acme)
    body = {"agent_handle": "alpha", **({"mailbox": {"email_local_part": "alpha"}} if use == "asked for" else {})}
    box = Mailbox.objects.get(pk=client.post("/identities", body).json()["mailbox"]["id"])
    if "message" in use:
        message = receive(box)
        if use == "deleted message":
            client.delete(f"/mail/mailboxes/{box.pk}/messages/{message.pk}")
    elif use == "signature":
        client.patch("/mail/mailboxes/alpha", {"signature_text": "A"})
    elif use == "webhook":
        client.patch("/mail/mailboxes/alpha", {"webhook_url": HOOK})
    elif use == "linked":
        client.delete("/identities/alpha/mailbox")
        client.post("/identities/alpha/mailbox", {"mailbox_id": str(box.pk)})
    before = all_rows()

    response = client.post("/mail/mailboxes", {"agent_handle": "alpha", "email_local_part": "sales"})

    assert (response.status_code, isinstance(response.json()["detail"], str)) == (409, True)
    assert all_rows() == before


def test_a_mailbox_on_a_domain_of_the_organization(acme: Organization, client: ApiClient) -> None:
    domain = sending_domain(acme, "acme.example")
    seed_agent(acme, "alpha", with_mailbox=False)
    seed_agent(acme, "bravo", with_mailbox=False)

    on_domain = client.post(
        "/mail/mailboxes",
        {"agent_handle": "alpha", "email_local_part": "sales", "sending_domain_id": f"sending_domain_{domain.pk}"},
    )
    on_platform = client.post("/mail/mailboxes", {"agent_handle": "bravo", "sending_domain_id": None})

    assert on_domain.json()["email_address"] == "sales@acme.example"
    assert on_platform.json()["email_address"] == "bravo@mail.localhost"


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({}, 422, "agent_handle"),
        ({"agent_handle": None}, 422, "agent_handle"),
        ({"agent_handle": "nobody"}, 404, None),
        ({"agent_handle": "alpha", "email_local_part": "-x"}, 422, "email_local_part"),
        ({"agent_handle": "alpha", "email_local_part": "a..b"}, 422, "email_local_part"),
        ({"agent_handle": "alpha", "email_local_part": "x" * 65}, 422, "email_local_part"),
        ({"agent_handle": "alpha", "email_local_part": "a@b"}, 422, "email_local_part"),
        ({"agent_handle": "alpha", "email_local_part": "postmaster"}, 409, None),
        ({"agent_handle": "alpha", "email_local_part": "bravo"}, 409, None),
        ({"agent_handle": "alpha", "display_name": ""}, 422, "display_name"),
        ({"agent_handle": "alpha", "display_name": "x" * 256}, 422, "display_name"),
        ({"agent_handle": "alpha", "filter_mode": "grey"}, 422, "filter_mode"),
        ({"agent_handle": "alpha", "sending_domain_id": f"sending_domain_{NOBODY}"}, 404, None),
        ({"agent_handle": "alpha", "sending_domain_id": "sending_domain_x"}, 404, None),
    ],
)
def test_a_mailbox_that_cannot_be_made_leaves_nothing_behind(
    acme: Organization, client: ApiClient, body: dict[str, Any], status: int, field: str | None
) -> None:
    seed_agent(acme, "alpha", with_mailbox=False)
    agent(organization(), "bravo")
    before = all_rows()

    response = client.post("/mail/mailboxes", body)

    assert response.status_code == status, response.content
    if field is not None:
        assert response.json()["detail"][0]["loc"] == ["body", field]
    assert all_rows() == before


# --- delete


def test_a_deleted_mailbox_is_gone_and_its_identity_stays(acme: Organization, client: ApiClient) -> None:
    alpha = agent(acme, "alpha")
    box = mailbox_of(alpha)
    client.patch("/mail/mailboxes/alpha", {"webhook_url": HOOK})
    of_identity = subscription(alpha)

    response = client.delete("/mail/mailboxes/alpha")

    assert (response.status_code, response.content) == (204, b"")
    assert client.delete("/mail/mailboxes/alpha").status_code == 404
    assert client.get(f"/mail/mailboxes/{box.pk}").status_code == 404
    assert receiving_mailbox_id("alpha@mail.localhost") is None
    body = client.get("/identities/alpha").json()
    assert (body["mailbox"], body["email_address"]) == (None, None)
    assert list(Subscription.objects.active()) == [of_identity]
    assert Mailbox.objects.filter(pk=box.pk).exists()


def test_after_a_deletion_the_identity_gets_its_address_back(acme: Organization, client: ApiClient) -> None:
    agent(acme, "alpha")
    client.delete("/mail/mailboxes/alpha")

    made = client.post("/mail/mailboxes", {"agent_handle": "alpha"})

    assert (made.status_code, made.json()["email_address"]) == (201, "alpha@mail.localhost")


# --- link and unlink


def test_unlinking_leaves_a_mailbox_that_receives(acme: Organization, client: ApiClient) -> None:
    alpha = agent(acme, "alpha")
    box = mailbox_of(alpha)
    client.patch("/mail/mailboxes/alpha", {"webhook_url": HOOK})

    response = client.delete("/identities/alpha/mailbox")

    assert (response.status_code, response.content) == (204, b"")
    assert client.get("/identities/alpha").json()["mailbox"] is None
    body = client.get(f"/mail/mailboxes/{box.pk}").json()
    assert (body["agent_identity_id"], body["webhook_url"]) == (None, HOOK)
    assert agent_client(alpha).get(f"/mail/mailboxes/{box.pk}").status_code == 404
    receive(box)
    assert Event.objects.get().identity_id is None
    assert Subscription.objects.active().get().identity_id is None
    before = all_rows()
    assert client.delete("/identities/alpha/mailbox").status_code == 404
    assert all_rows() == before


def test_linking_gives_the_mailbox_and_its_subscriptions_to_the_identity(acme: Organization, client: ApiClient) -> None:
    agent(acme, "alpha")
    bravo = seed_agent(acme, "bravo", with_mailbox=False)
    client.patch("/mail/mailboxes/alpha", {"webhook_url": HOOK})
    box = mailbox_of(AgentIdentity.objects.get(agent_handle="alpha"))
    client.delete("/identities/alpha/mailbox")

    response = client.post("/identities/@bravo/mailbox", {"mailbox_id": str(box.pk)})

    assert response.status_code == 200
    body = response.json()
    assert (body["agent_handle"], body["email_address"]) == ("bravo", "alpha@mail.localhost")
    assert body["mailbox"]["agent_identity_id"] == str(bravo.pk)
    assert Subscription.objects.active().get().identity_id == bravo.pk
    assert agent_client(bravo).get(f"/mail/mailboxes/{box.pk}").status_code == 200
    before = all_rows()
    again = client.post("/identities/bravo/mailbox", {"mailbox_id": str(box.pk)})
    assert (again.status_code, again.json()) == (200, body)
    assert all_rows() == before


def test_a_mailbox_of_another_identity_moves_in_the_seed_profile_only(acme: Organization) -> None:
    alpha, bravo = seed_agent(acme, "alpha"), seed_agent(acme, "bravo", with_mailbox=False)
    box = mailbox_of(alpha)
    body = {"mailbox_id": str(box.pk)}
    before = all_rows()

    refused = admin_client(acme).post("/identities/bravo/mailbox", body)

    assert (refused.status_code, isinstance(refused.json()["detail"], str)) == (409, True)
    # The key is new; everything else is as it was.
    assert {**all_rows(), "identities.ApiKey": []} == {**before, "identities.ApiKey": []}
    moved = admin_client(acme, prefix=SEED).post("/identities/bravo/mailbox", body)
    assert moved.status_code == 200
    box.refresh_from_db()
    assert box.identity_id == bravo.pk


def test_an_identity_has_one_mailbox(acme: Organization, client: ApiClient) -> None:
    agent(acme, "alpha")
    agent(acme, "bravo")
    box = mailbox_of(AgentIdentity.objects.get(agent_handle="alpha"))
    client.delete("/identities/alpha/mailbox")
    before = all_rows()

    response = client.post("/identities/bravo/mailbox", {"mailbox_id": str(box.pk)})

    assert (response.status_code, isinstance(response.json()["detail"], str)) == (409, True)
    assert all_rows() == before


def test_what_cannot_be_linked(acme: Organization, client: ApiClient) -> None:
    seed_agent(acme, "alpha", with_mailbox=False)
    foreign = mailbox_of(agent(organization()))
    deleted = mailbox_of(agent(acme, "bravo"))
    client.delete("/mail/mailboxes/bravo")
    before = all_rows()

    answers = [
        client.post("/identities/alpha/mailbox", body)
        for body in ({}, {"mailbox_id": "alpha"}, *({"mailbox_id": str(pk)} for pk in (NOBODY, foreign.pk, deleted.pk)))
    ]
    unknown = client.post("/identities/nobody/mailbox", {"mailbox_id": str(foreign.pk)})

    assert [answer.status_code for answer in answers] == [422, 422, 404, 404, 404]
    assert unknown.status_code == 404
    assert all_rows() == before


def test_the_name_of_an_unlinked_mailbox_outlives_its_identity(acme: Organization, client: ApiClient) -> None:
    agent(acme, "alpha")
    box = mailbox_of(AgentIdentity.objects.get(agent_handle="alpha"))
    client.delete("/identities/alpha/mailbox")

    replaced = client.post("/mail/mailboxes", {"agent_handle": "alpha"})
    client.delete("/identities/alpha")

    # The handle's address is in use, so the new mailbox got another one.
    assert (replaced.status_code, replaced.json()["email_address"] == box.email_address) == (201, False)
    assert receiving_mailbox_id("alpha@mail.localhost") == box.pk
    claim = HandleClaim.objects.get(pk="alpha")
    assert (claim.identity_id, claim.released_at) == (None, None)
    assert client.post("/identities", {"agent_handle": "other", "mailbox": {"display_name": "x"}}).status_code == 201
    client.delete(f"/mail/mailboxes/{box.pk}")
    assert HandleClaim.objects.get(pk="alpha").released_at is not None
    assert client.post("/identities", {"agent_handle": "alpha"}).status_code == 201


def test_a_mailbox_that_moved_keeps_its_name_until_its_new_identity_goes(acme: Organization) -> None:
    client = admin_client(acme)
    agent(acme, "alpha")
    bravo = seed_agent(acme, "bravo", with_mailbox=False)
    box = mailbox_of(AgentIdentity.objects.get(agent_handle="alpha"))
    client.delete("/identities/alpha/mailbox")
    client.post("/identities/bravo/mailbox", {"mailbox_id": str(box.pk)})

    client.delete("/identities/alpha")
    claim = HandleClaim.objects.get(pk="alpha")
    assert (claim.identity_id, claim.released_at) == (bravo.pk, None)

    client.delete("/identities/bravo")
    assert HandleClaim.objects.get(pk="alpha").released_at is not None


def test_a_name_held_by_nobody_goes_to_the_identity_that_links_it(acme: Organization) -> None:
    seed = admin_client(acme, prefix=SEED)
    seed_agent(acme, "alpha")
    bravo = seed_agent(acme, "bravo", with_mailbox=False)
    box = mailbox_of(AgentIdentity.objects.get(agent_handle="alpha"))
    seed.delete("/identities/alpha")
    assert HandleClaim.objects.get(pk="alpha").identity_id is None

    seed.post("/identities/bravo/mailbox", {"mailbox_id": str(box.pk)})

    assert HandleClaim.objects.get(pk="alpha").identity_id == bravo.pk


@pytest.mark.django_db(transaction=True)
def test_two_identities_that_race_for_a_mailbox_share_nothing() -> None:
    acme = organization()
    for handle in ("bravo", "charlie"):
        seed_agent(acme, handle, with_mailbox=False)
    box = mailbox_of(agent(acme, "alpha"))
    key = admin_client(acme)._headers["X-API-Key"]
    ApiClient(key).delete("/identities/alpha/mailbox")
    together = threading.Barrier(2)
    statuses: dict[str, int] = {}

    def run(handle: str) -> None:
        try:
            together.wait(10)
            answer = ApiClient(key).post(f"/identities/{handle}/mailbox", {"mailbox_id": str(box.pk)})
            statuses[handle] = answer.status_code
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(handle,)) for handle in ("bravo", "charlie")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    winner = next(handle for handle, status in statuses.items() if status == 200)
    assert sorted(statuses.values()) == [200, 409]
    box.refresh_from_db()
    assert box.identity is not None
    assert box.identity.agent_handle == winner
