"""The mailbox that comes and goes with its identity (contract mail.md sections 2.3 and 2.5)."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from common.errors import DomainError
from common.principal import Profile
from identities.channels import MailboxOptions
from identities.errors import HandleUnavailable
from identities.services.identities import delete_identity
from mail.channel import MailChannel, resolve_owner
from mail.errors import AddressTaken, LocalPartMismatch, SendingDomainNotFound
from mail.models import Mailbox
from tests.factories.identities import admin_client, agent, organization
from tests.factories.mail import mailbox_of, principal_of, receive
from tests.identities.rows import all_rows

pytestmark = pytest.mark.django_db


def test_the_address_is_the_handle_on_the_platform_domain() -> None:
    box = mailbox_of(agent(handle="billing-bot"))

    assert (box.email_address, box.sending_domain) == ("billing-bot@mail.localhost", "mail.localhost")
    assert (box.storage_used_bytes, box.storage_limit_bytes, box.signature_enabled) == (0, None, False)


@pytest.mark.parametrize(
    "options", [MailboxOptions(email_local_part="billing-bot"), MailboxOptions(sending_domain=None)]
)
def test_naming_the_only_choice_is_fine(options: MailboxOptions) -> None:
    box = mailbox_of(agent(handle="billing-bot", mailbox=options))

    assert box.email_address == "billing-bot@mail.localhost"


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (MailboxOptions(email_local_part="other"), LocalPartMismatch),
        (MailboxOptions(email_local_part="a..b"), DomainError),
        (MailboxOptions(sending_domain="elsewhere.example"), SendingDomainNotFound),
    ],
)
def test_what_cannot_be_refuses_the_identity_too(options: MailboxOptions, error: type[DomainError]) -> None:
    acme = organization()
    before = all_rows()

    with pytest.raises(error):
        agent(acme, "billing-bot", mailbox=options)

    assert all_rows() == before


def test_older_clients_choose_their_local_part() -> None:
    identity = agent(handle="billing-bot", profile=Profile.SEED, mailbox=MailboxOptions(email_local_part="Sales.Desk"))

    assert mailbox_of(identity).email_address == "sales.desk@mail.localhost"


def test_a_chosen_local_part_is_taken_from_everybody() -> None:
    agent(handle="one", profile=Profile.SEED, mailbox=MailboxOptions(email_local_part="desk"))

    with pytest.raises((HandleUnavailable, AddressTaken)):
        agent(handle="two", profile=Profile.SEED, mailbox=MailboxOptions(email_local_part="desk"))

    assert Mailbox.objects.filter(email_address="desk@mail.localhost").count() == 1


def test_a_handle_that_another_organization_has_gets_a_random_address() -> None:
    agent(organization(), "alpha", profile=Profile.SEED, mailbox=MailboxOptions())

    second = agent(organization(), "alpha", profile=Profile.SEED, mailbox=MailboxOptions())

    assert re.fullmatch(r"[a-z0-9]{12}@mail\.localhost", mailbox_of(second).email_address)


def test_deleting_the_identity_deletes_the_mailbox() -> None:
    acme = organization()
    identity = agent(acme)
    box = mailbox_of(identity)
    receive(box)

    delete_identity(identity, Profile.MODERN)

    box.refresh_from_db()
    assert box.deleted_at is not None
    assert admin_client(acme).get(f"/mail/mailboxes/{box.pk}").status_code == 404


def test_an_older_deletion_leaves_the_mailbox_standing_alone() -> None:
    acme = organization()
    identity = agent(acme, profile=Profile.SEED, mailbox=MailboxOptions())
    box = mailbox_of(identity)

    delete_identity(identity, Profile.SEED)

    box.refresh_from_db()
    assert (box.identity_id, box.deleted_at) == (None, None)
    assert admin_client(acme).get(f"/mail/mailboxes/{box.pk}").status_code == 200


def test_embedding_costs_the_same_for_many() -> None:
    acme = organization()
    identities = [agent(acme) for _ in range(6)]
    channel = MailChannel()

    with CaptureQueriesContext(connection) as one:
        channel.embed(identities[:1])
    with CaptureQueriesContext(connection) as many:
        bodies = channel.embed(identities)

    assert len(one) == len(many)
    assert {body["agent_identity_id"] for body in bodies.values()} == {identity.pk for identity in identities}


def test_the_owner_of_a_mailbox() -> None:
    acme = organization()
    box = mailbox_of(agent(acme))
    own, other = principal_of(box), principal_of(mailbox_of(agent(acme)))

    found = resolve_owner("mailbox", box.pk, own)

    assert found is not None
    assert (found.organization_id, found.identity_id) == (acme.pk, box.identity_id)
    assert resolve_owner("mailbox", box.pk, other) is None
    assert resolve_owner("phone_number", box.pk, own) is None
