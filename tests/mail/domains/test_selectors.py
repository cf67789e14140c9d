"""Finding a domain, and choosing the one of a new mailbox."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, transaction

from common.unset import UNSET
from identities.channels import MailboxOptions
from mail.addresses import domain_of
from mail.domain_selectors import choose_mailbox_domain, domain_for_sending, get_sending_domain, list_sending_domains
from mail.domain_states import SENDING, DomainStatus
from mail.domains import domains_with_mailboxes, hosted_domains, is_hosted_domain
from mail.errors import AddressTaken, SendingDomainNotFound, SendingDomainNotVerified
from mail.models import Mailbox, SendingDomain
from tests.factories.domains import sending_domain
from tests.factories.identities import admin_principal, agent, organization
from tests.factories.mail import mailbox_of

pytestmark = pytest.mark.django_db

NAME = "mail.example.org"


def _choose(organization_id: str, wanted: Any) -> str:
    with transaction.atomic():
        return choose_mailbox_domain(organization_id, wanted)


@pytest.mark.parametrize("reference", [NAME, "MAIL.Example.ORG.", "{id}"])
def test_a_domain_is_found_by_name_and_by_id(reference: str) -> None:
    acme = organization()
    row = sending_domain(acme, NAME)

    assert get_sending_domain(admin_principal(acme), reference.format(id=row.public_id)) == row


@pytest.mark.parametrize("reference", [NAME, "{id}", "other.example.org", "sending_domain_x", "", "a\x00", "{uuid}"])
def test_what_is_not_the_organizations_is_not_found(reference: str) -> None:
    row = sending_domain(organization(), NAME)

    with pytest.raises(SendingDomainNotFound):
        get_sending_domain(admin_principal(organization()), reference.format(id=row.public_id, uuid=row.pk))


def test_a_live_row_counts_rather_than_a_failed_one_of_the_same_name() -> None:
    acme = organization()
    live = sending_domain(acme, NAME, DomainStatus.PENDING)
    failed = sending_domain(acme, NAME, DomainStatus.FAILED)

    assert get_sending_domain(admin_principal(acme), NAME) == live
    assert list_sending_domains(admin_principal(acme)) == [failed, live]
    assert list_sending_domains(admin_principal(acme), "pending") == [live]


def test_three_ways_to_choose_the_domain_of_a_mailbox() -> None:
    acme = organization()
    default = sending_domain(acme, NAME, is_default=True)
    other = sending_domain(acme, "other.example.org")

    assert _choose(acme.pk, UNSET) == NAME
    assert _choose(acme.pk, None) == "mail.localhost"
    assert _choose(acme.pk, "mail.localhost") == "mail.localhost"
    assert _choose(acme.pk, "other.example.org") == "other.example.org"
    assert _choose(acme.pk, other.public_id) == "other.example.org"
    assert _choose(organization().pk, UNSET) == "mail.localhost"
    default.delete()
    assert _choose(acme.pk, UNSET) == "mail.localhost"


@pytest.mark.parametrize("status", list(DomainStatus))
@pytest.mark.parametrize("by", ["name", "default"])
def test_only_a_verified_domain_gets_mailboxes(status: DomainStatus, by: str) -> None:
    acme = organization()
    sending_domain(acme, NAME, status, is_default=True, failure_reason="The SPF record is missing.")
    wanted = NAME if by == "name" else UNSET

    if status is DomainStatus.VERIFIED:
        assert _choose(acme.pk, wanted) == NAME
        return
    with pytest.raises(SendingDomainNotVerified) as refusal:
        _choose(acme.pk, wanted)

    assert refusal.value.detail["domain"] == NAME
    assert refusal.value.detail["status"] == status.value
    assert "The SPF record is missing." in refusal.value.message


@pytest.mark.parametrize("status", list(DomainStatus))
def test_which_states_send(status: DomainStatus) -> None:
    acme = organization()
    row = sending_domain(acme, NAME, status)

    assert domain_for_sending(acme.pk, "mail.localhost") is None
    if status in SENDING:
        assert domain_for_sending(acme.pk, NAME) == row
        return
    with pytest.raises(SendingDomainNotVerified):
        domain_for_sending(acme.pk, NAME)


def test_a_mailbox_whose_domain_is_gone_sends_nothing() -> None:
    sending_domain(organization(), NAME)

    with pytest.raises(SendingDomainNotVerified) as refusal:
        domain_for_sending(organization().pk, NAME)

    assert refusal.value.detail["status"] == "not registered"


@pytest.mark.parametrize("status", list(DomainStatus))
def test_which_states_receive(status: DomainStatus) -> None:
    sending_domain(organization(), NAME, status)
    receives = status.value in ("verified", "degraded", "pending_dkim_rotation", "pending_deletion")

    assert is_hosted_domain(NAME) is receives
    assert domains_with_mailboxes([NAME, "else.example.net"]) == ({NAME} if receives else set())


def test_a_domain_whose_mx_is_elsewhere_is_not_wholly_ours() -> None:
    sending_domain(organization(), NAME, is_receiving=False)

    assert hosted_domains([NAME, "mail.localhost", "a\x00b"]) == {"mail.localhost"}
    assert domains_with_mailboxes([NAME, "mail.localhost", "a\x00b"]) == {NAME, "mail.localhost"}


def test_an_identity_gets_its_mailbox_on_the_default_domain() -> None:
    acme = organization()
    sending_domain(acme, NAME, is_default=True)

    one = mailbox_of(agent(acme, "billing-bot"))
    two = mailbox_of(agent(acme, "other-bot", mailbox=MailboxOptions(email_local_part="Sales.EU")))
    three = mailbox_of(agent(acme, "third-bot", mailbox=MailboxOptions(sending_domain=None)))

    assert [box.email_address for box in (one, two, three)] == [
        f"billing-bot@{NAME}",
        f"sales.eu@{NAME}",
        "third-bot@mail.localhost",
    ]
    assert domain_of(one.email_address) == one.sending_domain == NAME
    with pytest.raises(AddressTaken):
        agent(acme, "fourth-bot", mailbox=MailboxOptions(email_local_part="sales.eu"))
    assert Mailbox.objects.count() == 3


def test_one_organization_holds_a_name_and_has_one_default() -> None:
    acme, other = organization(), organization()
    sending_domain(acme, NAME, is_default=True)
    claim = sending_domain(other, NAME, DomainStatus.AWAITING_OWNERSHIP)

    with pytest.raises(IntegrityError), transaction.atomic():
        SendingDomain.objects.filter(pk=claim.pk).update(is_owned=True)
    with pytest.raises(IntegrityError), transaction.atomic():
        sending_domain(acme, "second.example.org", is_default=True)
    with pytest.raises(IntegrityError), transaction.atomic():
        sending_domain(acme, NAME, DomainStatus.AWAITING_OWNERSHIP)
    assert SendingDomain.objects.count() == 2
