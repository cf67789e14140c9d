"""The admin page of sending domains."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from identities.models import User
from mail.domain_states import DomainStatus
from mail.models import DkimKey, SendingDomain
from mail.services.domain_checks import check_domain, domain_records
from mail.services.domain_keys import keys_of
from mail.services.sending_domains import NewDomain, register_domain
from tests.factories.dns import FakeDns
from tests.factories.domains import sending_domain
from tests.factories.identities import admin_principal, agent, organization

pytestmark = pytest.mark.django_db

NAME = "mail.acme.org"
PAGE = "/admin/mail/sendingdomain/"


@pytest.fixture
def operator() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("op@example.org", "password"))
    return client


def _verified() -> SendingDomain:
    row = register_domain(admin_principal(organization()), NewDomain(NAME)).row
    for record in domain_records(row, keys_of(row)):
        FakeDns.publish(record.name, record.type, record.value)
    check_domain(row.pk)
    row.refresh_from_db()
    return row


def _act(client: Client, action: str, *rows: SendingDomain) -> str:
    """Run an action of the list and return the page that follows."""
    body = {"action": action, "_selected_action": [str(row.pk) for row in rows]}
    answer = client.post(PAGE, body, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_domain_is_registered_for_an_organization(operator: Client) -> None:
    acme = organization()

    answer = operator.post(
        f"{PAGE}add/", {"organization": acme.pk, "domain": "Mail.ACME.org", "mail_from_subdomain": "post"}
    )

    assert answer.status_code == 302
    row = SendingDomain.objects.get()
    assert (row.domain, row.organization_id, row.mail_from_subdomain) == (NAME, acme.pk, "post")
    assert DkimKey.objects.filter(sending_domain=row).count() == 2


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"domain": "co.uk"}, "is a public suffix"),
        ({"domain": "taken.acme.org"}, "registered this domain already"),
        ({"mail_from_subdomain": "two.labels"}, "Send one label"),
    ],
)
def test_a_bad_registration_says_why(operator: Client, fields: dict[str, str], text: str) -> None:
    acme = organization()
    sending_domain(acme, "taken.acme.org")
    body: dict[str, Any] = {"organization": acme.pk, "domain": NAME, "mail_from_subdomain": "bounces", **fields}

    answer = operator.post(f"{PAGE}add/", body)

    assert answer.status_code == 200
    assert text in answer.content.decode()
    assert SendingDomain.objects.count() == 1
    assert not DkimKey.objects.exists()


def test_pages_show_records_and_never_private_keys(operator: Client) -> None:
    row = _verified()
    FakeDns.publish(NAME, "TXT", "v=spf1 <script>alert(1)</script> -all")
    check_domain(row.pk, is_forced=True)

    listing = operator.get(PAGE).content.decode()
    page = operator.get(f"{PAGE}{row.pk}/change/").content.decode()

    assert NAME in listing
    assert f"inkbox-ownership={row.ownership_token}" in page
    assert "is no SPF mechanism" in page
    assert "<script>alert(1)" not in page
    assert "PRIVATE KEY" not in page
    assert operator.get(f"{PAGE}{row.pk}/delete/").status_code == 403


def test_a_change_form_changes_nothing(operator: Client) -> None:
    row = _verified()

    operator.post(f"{PAGE}{row.pk}/change/", {"domain": "other.acme.org", "status": "failed"})

    row.refresh_from_db()
    assert (row.domain, row.status) == (NAME, "verified")


def test_actions_run_the_services(operator: Client) -> None:
    row = _verified()

    assert f"{NAME}: verified." in _act(operator, "check_now", row)
    _act(operator, "make_default", row)
    row.refresh_from_db()
    assert row.is_default
    assert f"{NAME}: pending_dkim_rotation." in _act(operator, "rotate_keys", row)
    assert DkimKey.objects.filter(sending_domain=row).count() == 4
    assert f"{NAME}: pending_deletion." in _act(operator, "request_deletion", row)
    assert f"{NAME}: pending_dkim_rotation." in _act(operator, "undo_deletion", row)
    row.refresh_from_db()
    assert (row.status, row.is_default) == ("pending_dkim_rotation", False)


def test_one_refusal_does_not_stop_the_others(operator: Client) -> None:
    acme = organization()
    used = sending_domain(acme, "used.acme.org", is_default=True)
    agent(acme)
    free = sending_domain(acme, "free.acme.org")
    failed = sending_domain(acme, "failed.acme.org", DomainStatus.FAILED)

    page = _act(operator, "request_deletion", used, free, failed)

    assert "used.acme.org: 1 mailbox is on used.acme.org." in page
    assert "free.acme.org: pending_deletion." in page
    assert "failed.acme.org: deleted." in page
    used.refresh_from_db()
    assert used.status == "verified"


def test_only_a_few_domains_are_checked_at_once(operator: Client) -> None:
    acme = organization()
    rows = [sending_domain(acme) for _ in range(6)]

    page = _act(operator, "check_now", *rows)

    assert "Choose at most 5 domains" in page
    assert FakeDns.asked == []


def test_staff_without_the_permission_may_not_act() -> None:
    row = sending_domain(organization(), NAME)
    client = Client()
    client.force_login(User.objects.create_user("staff@example.org", "password", is_staff=True))

    answer = client.post(PAGE, {"action": "request_deletion", "_selected_action": [str(row.pk)]})

    assert answer.status_code == 403
    row.refresh_from_db()
    assert row.status == "verified"


def test_the_list_needs_few_queries(operator: Client, django_assert_max_num_queries: Any) -> None:
    for _ in range(20):
        sending_domain(organization())
    operator.get(PAGE)

    with django_assert_max_num_queries(8):
        operator.get(PAGE)
