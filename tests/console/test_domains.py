"""Sending domains in the console."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from common.clock import now
from console.domains import describe_domain
from identities.enums import Role
from identities.models import Organization
from mail import limits
from mail.domain_rendering import record_reports
from mail.domain_states import DomainStatus
from mail.models import DkimKey, Mailbox, SendingDomain
from tests.console.pages import signed_in, text
from tests.factories.dns import FakeDns
from tests.factories.domains import sending_domain
from tests.factories.identities import agent, organization

pytestmark = pytest.mark.django_db

NAME = "mail.acme.example"
HOSTILE = '"><script>alert(1)</script>'


@pytest.fixture(autouse=True)
def internet(settings: Any) -> Iterator[type[FakeDns]]:
    """Fake DNS, and a server name that could be public."""
    settings.DNS_CLIENT = "tests.factories.dns.FakeDns"
    settings.SMTP_HOSTNAME = "mx.server.example"
    FakeDns.clear()
    FakeDns.publish("mx.server.example", "A", "203.0.113.7")
    yield FakeDns
    FakeDns.clear()


@pytest.fixture
def acme() -> Organization:
    return organization("Acme")


def _publish(row: SendingDomain) -> None:
    for report in record_reports(row):
        FakeDns.publish(report.record.name, report.record.type, report.record.value)


def test_a_domain_is_registered_published_checked_and_made_the_default(acme: Organization) -> None:
    client = signed_in(acme)

    response = client.post(reverse("console:domains"), {"domain": "Mail.ACME.example"})
    path = reverse("console:domain", args=[NAME])
    row = SendingDomain.objects.get(organization=acme)
    before = text(client.get(path))
    _publish(row)
    checked = text(client.post(reverse("console:check_domain", args=[NAME]), follow=True))
    client.post(reverse("console:choose_default_domain"), {"domain": NAME})

    row.refresh_from_db()
    assert response.headers["Location"] == path
    assert all(report.record.value.replace('"', "&quot;") in before for report in record_reports(row))
    assert "not checked" in before
    assert "Mail of this domain is sent, signed and received." in checked
    assert (row.status, row.is_default) == ("verified", True)


def test_records_that_are_wrong_show_what_was_found_and_what_to_do(acme: Organization) -> None:
    client = signed_in(acme)
    client.post(reverse("console:domains"), {"domain": NAME})
    row = SendingDomain.objects.get()
    _publish(row)
    FakeDns.publish(NAME, "TXT", f"v=spf1 include:{HOSTILE} -all")

    page = text(client.post(reverse("console:check_domain", args=[NAME]), follow=True))

    spf = next(report for report in record_reports(SendingDomain.objects.get()) if report.record.purpose == "spf")
    assert "wrong" in page
    assert HOSTILE not in page
    assert spf.verdict.remedy
    assert spf.verdict.found


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"domain": "nonsense domain"}, "This is not a domain name."),
        ({"domain": "co.uk"}, "public suffix"),
        ({"domain": ""}, "This field is required."),
        ({"domain": NAME, "mail_from_subdomain": "a.b"}, "Send one label"),
    ],
)
def test_bad_names_are_refused_next_to_their_field(acme: Organization, form: dict[str, str], said: str) -> None:
    response = signed_in(acme).post(reverse("console:domains"), form)

    assert response.status_code == 422
    assert said in text(response)
    assert not SendingDomain.objects.exists()


def test_a_domain_is_deleted_and_restored(acme: Organization) -> None:
    row = sending_domain(acme, NAME)
    client = signed_in(acme)

    page = text(client.post(reverse("console:delete_domain", args=[NAME]), follow=True))
    row.refresh_from_db()
    deleted = (row.status, row.purge_at)
    client.post(reverse("console:restore_domain", args=[NAME]))
    row.refresh_from_db()

    assert "will be deleted in 24 hours" in page
    assert "Undo the deletion" in page
    assert deleted[0] == "pending_deletion"
    assert deleted[1] is not None
    assert abs(deleted[1] - now() - limits.DOMAIN_DELETION_DELAY) < timedelta(minutes=1)
    assert (row.status, row.purge_at) == ("verified", None)


def test_a_domain_in_use_stays(acme: Organization) -> None:
    row = sending_domain(acme, NAME)
    Mailbox.objects.filter(identity=agent(acme)).update(email_address=f"a@{NAME}")

    page = text(signed_in(acme).post(reverse("console:delete_domain", args=[NAME]), follow=True))

    row.refresh_from_db()
    assert row.status == "verified"
    assert "mailbox" in page


def test_what_has_failed_goes_at_once(acme: Organization) -> None:
    sending_domain(acme, NAME, DomainStatus.FAILED)

    response = signed_in(acme).post(reverse("console:delete_domain", args=[NAME]))

    assert response.headers["Location"] == reverse("console:domains")
    assert not SendingDomain.objects.exists()


def test_keys_are_rotated_while_verified_only(acme: Organization) -> None:
    row = sending_domain(acme, NAME)
    client = signed_in(acme)
    path = reverse("console:rotate_domain", args=[NAME])

    client.post(path)
    row.refresh_from_db()
    first = (row.status, DkimKey.objects.filter(sending_domain=row).count())
    page = text(client.post(path, follow=True))

    assert first == ("pending_dkim_rotation", 2)
    assert "no other replacement is under way" in page
    assert DkimKey.objects.filter(sending_domain=row).count() == 2


def test_the_default_is_cleared_and_never_an_unverified_domain(acme: Organization, settings: Any) -> None:
    row = sending_domain(acme, NAME, is_default=True)
    other = sending_domain(acme, "other.acme.example", DomainStatus.PENDING)
    client = signed_in(acme)
    path = reverse("console:choose_default_domain")

    client.post(path, {"domain": other.domain})
    row.refresh_from_db()
    assert row.is_default
    client.post(path, {"domain": settings.MAIL_DOMAIN})

    assert not SendingDomain.objects.filter(is_default=True).exists()


def test_members_and_strangers_change_no_domain(acme: Organization) -> None:
    row = sending_domain(acme, NAME)
    before = SendingDomain.objects.values().get()
    names = ("check_domain", "rotate_domain", "delete_domain", "restore_domain")

    for client, expected in ((signed_in(acme, Role.MEMBER), 403), (signed_in(organization()), 404)):
        for name in names:
            assert client.post(reverse(f"console:{name}", args=[NAME])).status_code == expected, name
        assert client.post(reverse("console:choose_default_domain"), {"domain": NAME}).status_code == expected
    assert signed_in(acme, Role.MEMBER).post(reverse("console:domains"), {"domain": "b.example"}).status_code == 403
    page = text(signed_in(acme, Role.MEMBER).get(reverse("console:domain", args=[NAME])))

    assert SendingDomain.objects.values().get() == before
    assert row.domain in page
    assert "<form method=" not in page.partition('id="main"')[2].partition("</main>")[0]
    assert NAME not in text(signed_in(organization()).get(reverse("console:domains")))


def test_the_page_asks_again_and_is_answered_when_something_changed(acme: Organization) -> None:
    row = sending_domain(acme, NAME, DomainStatus.VERIFYING)
    client = signed_in(acme, Role.MEMBER)
    path = reverse("console:domain", args=[NAME])
    detail = describe_domain(row)
    asks = {"seen": f"{detail.stamp}-{detail.poll_seconds}"}

    whole = text(client.get(path))
    same = client.get(path, asks, headers={"HX-Request": "true"})
    SendingDomain.objects.update(status="verified", verified_at=now())
    changed = client.get(path, asks, headers={"HX-Request": "true"})

    assert 'hx-trigger="every 3s"' in whole
    assert (same.status_code, same.content) == (204, b"")
    assert changed.status_code == 200
    assert "<html" not in text(changed)
    assert "hx-get" not in text(changed)
    assert f'data-announce="{NAME}: verified"' in text(changed)


@pytest.mark.parametrize("status", list(DomainStatus))
def test_every_state_has_a_page(acme: Organization, status: DomainStatus) -> None:
    fields = {"status_before_deletion": "verified"} if status is DomainStatus.PENDING_DELETION else {}
    row = sending_domain(
        acme, NAME, status, failure_reason="It broke." if status is DomainStatus.FAILED else "", **fields
    )
    client = signed_in(acme)
    label = describe_domain(row).summary.label

    for path in (reverse("console:domains"), reverse("console:domain", args=[NAME])):
        page = text(client.get(path))
        assert label in page
        assert describe_domain(row).summary.sentence in page


def test_many_domains_cost_what_one_costs(acme: Organization) -> None:
    client = signed_in(acme)
    path = reverse("console:domains")
    counts = []
    for number in range(2):
        for each in range(4):
            sending_domain(acme, f"d{number}{each}.example")
        client.get(path)
        with CaptureQueriesContext(connection) as queries:
            client.get(path)
        counts.append(len(queries))

    assert counts[0] == counts[1] <= 8
