"""Moving an identity to another organization with everything that is its own."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps

from common.principal import Profile
from contacts.models import ContactRule
from identities.errors import HandleUnavailable, IdentityNotFound
from identities.models import AgentIdentity, ApiKey, HandleClaim
from identities.services.identities import delete_identity
from identities.services.moves import move_identity
from mail.models import Mailbox, SandboxMail
from tests.factories.identities import ApiClient, admin_client, agent, agent_client, agent_key, organization
from tests.factories.mail import mailbox_of, receive
from tests.factories.webhooks import happen, subscription
from tests.identities.rows import all_rows
from tunnels.models import Tunnel
from webhooks.models import DeliveryAttempt, Event, EventLog, EventStream, Subscription

pytestmark = pytest.mark.django_db


def _rows_of(organization_id: str) -> dict[str, int]:
    """How many rows of every model name this organization."""
    counts = {}
    for model in apps.get_models():
        names = {field.name for field in model._meta.get_fields()}
        for name in names & {"organization", "organization_id"}:
            found = model._default_manager.filter(**{name: organization_id}).count()
            if found:
                counts[model._meta.label] = found
    return counts


def test_everything_follows_and_goes_on_working() -> None:
    before, after = organization(), organization()
    alpha = agent(before, "alpha")
    key = agent_key(alpha)
    admin_client(before).post("/identities/alpha/signing-key")
    row = subscription(alpha)
    message = receive(mailbox_of(alpha))
    SandboxMail.objects.create(message=message, organization_id=before.pk, envelope_from="a@example.com")
    ContactRule.objects.create(
        organization=before, identity=alpha, channel="mail", action="block", match_type="domain", match_target="x.test"
    )
    DeliveryAttempt.objects.create(
        organization=before,
        identity=alpha,
        subscription=row,
        event_type="message.received",
        url=row.url,
        request_id="r",
    )

    moved = move_identity(alpha, after)

    assert moved.organization_id == after.pk
    # The organization keeps its own key and its logs.
    assert _rows_of(before.pk) == {
        "identities.ApiKey": 1,
        "identities.AuditHead": 1,
        "identities.AuditRecord": 2,
        "webhooks.EventLog": 1,
    }
    assert ApiClient(key).get("/whoami").json()["organization_id"] == after.pk
    assert ApiClient(key).get("/identities/alpha").json()["mailbox"]["email_address"] == "alpha@mail.localhost"
    assert admin_client(after).get("/identities/alpha").status_code == 200
    assert admin_client(before).get("/identities/alpha").status_code == 404
    assert agent_client(moved).get(f"/webhooks/subscriptions/{row.pk}").status_code == 200
    for model in (ContactRule, Mailbox, Tunnel, Subscription, Event, DeliveryAttempt, HandleClaim, SandboxMail):
        owners = set(model._default_manager.values_list("organization_id", flat=True))
        assert owners == {after.pk}


def test_readers_of_the_identity_go_on_where_they_were() -> None:
    before, after = organization(), organization()
    alpha = agent(before)
    seen = happen(alpha)
    # The other organization's host has a clock that is behind.
    EventLog.objects.filter(pk=before.pk).update(last_position=seen.position + 5_000_000_000)

    later = happen(move_identity(alpha, after))

    assert later.position == seen.position + 5_000_000_001
    assert later.seq == seen.seq + 1
    assert Event.objects.get(pk=seen.pk).position == seen.position
    assert EventStream.objects.get(pk=alpha.pk).organization_id == after.pk


def test_a_taken_handle_refuses_the_move() -> None:
    after = organization()
    agent(after, "alpha", profile=Profile.SEED)
    alpha = agent(organization(), "alpha", profile=Profile.SEED)
    agent_key(alpha)
    before = all_rows()

    with pytest.raises(HandleUnavailable):
        move_identity(alpha, after)

    assert all_rows() == before


def test_a_move_repeated_changes_nothing() -> None:
    alpha, after = agent(), organization()
    move_identity(alpha, after)
    before = all_rows()

    assert move_identity(alpha, after).organization_id == after.pk
    assert all_rows() == before


def test_a_deleted_identity_does_not_move() -> None:
    alpha = agent()
    delete_identity(alpha, Profile.MODERN)

    with pytest.raises(IdentityNotFound):
        move_identity(alpha, organization())


def test_siblings_and_keys_of_the_organization_stay() -> None:
    before = organization()
    alpha, bravo = agent(before), agent(before)
    client = admin_client(before)
    happen(bravo)

    move_identity(alpha, organization())

    assert [row["id"] for row in client.get("/identities").json()] == [str(bravo.pk)]
    assert ApiKey.objects.get(scoped_identity=None).organization_id == before.pk
    assert AgentIdentity.objects.get(pk=bravo.pk).organization_id == before.pk
    assert Event.objects.get().organization_id == before.pk


def test_what_is_queued_is_delivered_after_the_move(django_capture_on_commit_callbacks: Any) -> None:
    alpha = agent()
    row = subscription(alpha)
    event = happen(alpha)

    move_identity(alpha, organization())

    assert row.dispatches.get().event_id == event.pk
    assert row.dispatches.get().state == "pending"
