"""From registration to verification, degradation, rotation and deletion, with DNS in memory."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine

from common.clock import now
from common.dns import DnsOutcome
from common.errors import Forbidden, Invalid, QuotaExceeded, RateLimited
from common.principal import Principal, Scope
from identities.models import Organization
from mail import limits
from mail.domain_states import DomainStatus
from mail.errors import DefaultDomainUnavailable, SendingDomainInUse, SendingDomainNotFound, SendingDomainStateWrong
from mail.models import DkimKey, SendingDomain
from mail.services import domain_checks, domain_keys, sending_domains
from mail.services.dkim_keys import sign_for_domain
from mail.services.domain_checks import check_domain, close_windows, domain_records, due_domains, wake_due_domains
from mail.services.domain_keys import NewKey, keys_of
from mail.services.sending_domains import (
    NewDomain,
    purge_domains,
    register_domain,
    request_domain_deletion,
    restore_domain,
    rotate_domain_keys,
    set_default_domain,
    verify_domain,
)
from tests.factories.dns import FakeDns
from tests.factories.domains import sending_domain
from tests.factories.identities import admin_principal, agent, organization

pytestmark = pytest.mark.django_db

NAME = "mail.acme.org"
START = "2026-03-01T12:00:00+00:00"
MESSAGE = b"From: a@mail.acme.org\r\nSubject: Hello\r\n\r\nHi\r\n"


def _register(of: Organization | None = None, name: str = NAME) -> SendingDomain:
    return register_domain(admin_principal(of or organization()), NewDomain(name)).row


def _publish(row: SendingDomain, *purposes: str) -> None:
    """Put the domain's records (all, or those of some purposes) into DNS."""
    for record in domain_records(row, keys_of(row)):
        if not purposes or record.purpose.value in purposes:
            FakeDns.publish(record.name, record.type, record.value)


def _check(row: SendingDomain) -> SendingDomain:
    assert check_domain(row.pk, is_forced=True)
    return SendingDomain.objects.get(pk=row.pk)


def _verified(of: Organization | None = None, name: str = NAME) -> SendingDomain:
    row = _register(of, name)
    _publish(row)
    row = _check(row)
    assert row.status == "verified"
    return row


def _selectors(signed: bytes) -> list[str]:
    return [part.split(";")[0] for part in signed.decode().split("s=")[1:] if part.startswith("ib")]


def _key(row: SendingDomain, algorithm: str, index: int = -1) -> DkimKey:
    return list(DkimKey.objects.filter(sending_domain=row, algorithm=algorithm).order_by("pk"))[index]


# --- Registration -----------------------------------------------------------------------------------------------


def test_a_registration_has_a_token_and_two_keys_that_do_not_sign() -> None:
    acme = organization()

    done = register_domain(admin_principal(acme), NewDomain("Mail.ACME.org."))

    assert done.is_new
    assert (done.row.domain, done.row.status, done.row.is_owned) == (NAME, "not_started", False)
    assert len(done.row.ownership_token) == 40
    assert done.row.window_ends_at - done.row.created_at == timedelta(hours=72)
    assert [(key.algorithm, key.is_active) for key in keys_of(done.row)] == [
        ("rsa-sha256", False),
        ("ed25519-sha256", False),
    ]
    assert sign_for_domain(MESSAGE, NAME) == MESSAGE


def test_registering_again_returns_what_is_there() -> None:
    acme = organization()
    first = _register(acme)

    again = register_domain(admin_principal(acme), NewDomain(NAME))

    assert (again.row, again.is_new) == (first, False)
    assert SendingDomain.objects.count() == 1
    assert DkimKey.objects.count() == 2


def test_of_two_registrations_at_once_one_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    acme = organization()
    generate = domain_keys.generate_pair
    made: list[SendingDomain] = []

    def meanwhile() -> list[NewKey]:
        if not made:
            made.append(sending_domain(acme, NAME, DomainStatus.NOT_STARTED))
        return generate()

    monkeypatch.setattr(sending_domains, "generate_pair", meanwhile)

    done = register_domain(admin_principal(acme), NewDomain(NAME))

    assert (done.row, done.is_new) == (made[0], False)
    assert SendingDomain.objects.count() == 1
    assert not DkimKey.objects.exists()


def test_after_a_failure_registering_starts_over() -> None:
    acme = organization()
    failed = _register(acme)
    SendingDomain.objects.filter(pk=failed.pk).update(status="failed")

    again = register_domain(admin_principal(acme), NewDomain(NAME))

    assert again.is_new
    assert list(SendingDomain.objects.all()) == [again.row]
    assert again.row.ownership_token != failed.ownership_token


@pytest.mark.parametrize(
    ("new", "loc"),
    [
        (NewDomain("com"), ("body", "domain")),
        (NewDomain(NAME, "two.labels"), ("body", "mail_from_subdomain")),
        (NewDomain(NAME, "inkbox-ownership"), ("body", "mail_from_subdomain")),
    ],
)
def test_a_bad_registration_writes_nothing(new: NewDomain, loc: tuple[str, ...]) -> None:
    with pytest.raises(Invalid) as refusal:
        register_domain(admin_principal(organization()), new)

    assert refusal.value.loc == loc
    assert not SendingDomain.objects.exists()
    assert not DkimKey.objects.exists()


def test_an_organization_has_so_many_domains(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "DOMAINS_PER_ORGANIZATION", 1)
    acme = organization()
    _register(acme)

    with pytest.raises(QuotaExceeded):
        _register(acme, "second.acme.org")

    assert SendingDomain.objects.count() == 1


@pytest.mark.parametrize("scope", [Scope.AGENT, Scope.UNCLAIMED, Scope.SESSION])
def test_only_managers_change_domains(scope: Scope) -> None:
    acme = organization()
    row = _verified(acme)
    caller = Principal(scope=scope, organization_id=acme.pk, role="member")
    before = SendingDomain.objects.values().get()
    writes: list[Any] = [
        lambda: register_domain(caller, NewDomain("other.acme.org")),
        lambda: verify_domain(caller, row),
        lambda: rotate_domain_keys(caller, row),
        lambda: set_default_domain(caller, NAME),
        lambda: request_domain_deletion(caller, row),
        lambda: restore_domain(caller, row),
    ]

    for write in writes:
        with pytest.raises(Forbidden):
            write()

    assert SendingDomain.objects.values().get() == before


# --- Verification -----------------------------------------------------------------------------------------------


def test_the_way_to_verified() -> None:
    row = _register()
    statuses = [row.status]

    row = _check(row)
    statuses.append(row.status)
    assert "does not exist" in row.failure_reason
    _publish(row, "ownership")
    row = _check(row)
    statuses.append(row.status)
    assert row.is_owned
    FakeDns.publish(NAME, "TXT", "v=spf1 -all")
    row = _check(row)
    statuses.append(row.status)
    assert "a:mx.server.example" in row.failure_reason
    _publish(row, "spf", "dkim")
    row = _check(row)
    statuses.append(row.status)

    assert statuses == ["not_started", "awaiting_ownership", "pending", "dns_invalid", "verified"]
    assert row.verified_at is not None
    assert (row.failure_reason, row.is_receiving, row.has_return_path) == ("", False, False)
    _publish(row)
    row = _check(row)
    assert (row.is_receiving, row.has_return_path) == (True, True)


def test_both_keys_sign_once_their_records_are_visible() -> None:
    row = _register()
    _publish(row)
    ed = _key(row, "ed25519-sha256")
    FakeDns.withdraw(f"{ed.selector}._domainkey.{NAME}", "TXT")

    row = _check(row)
    only_rsa = _selectors(sign_for_domain(MESSAGE, NAME))
    _publish(row)
    row = _check(row)
    both = _selectors(sign_for_domain(MESSAGE, NAME))
    FakeDns.withdraw(f"{ed.selector}._domainkey.{NAME}", "TXT")
    row = _check(row)

    rsa = _key(row, "rsa-sha256")
    assert only_rsa == [rsa.selector]
    assert sorted(both) == sorted([rsa.selector, ed.selector])
    assert _selectors(sign_for_domain(MESSAGE, NAME)) == [rsa.selector]
    assert row.status == "verified"


def test_servers_that_fail_decide_nothing() -> None:
    row = _register()
    _publish(row)
    FakeDns.broken[f"inkbox-ownership.{NAME}"] = DnsOutcome.TIMEOUT
    assert _check(row).status == "not_started"
    FakeDns.broken.clear()
    FakeDns.broken[NAME] = DnsOutcome.SERVFAIL
    assert _check(row).status == "pending"
    FakeDns.broken.clear()
    assert _check(row).status == "verified"
    for outcome in (DnsOutcome.SERVFAIL, DnsOutcome.TIMEOUT):
        FakeDns.broken[NAME] = outcome
        FakeDns.broken[f"inkbox-ownership.{NAME}"] = outcome
        for _ in range(3):
            row = _check(row)

    assert (row.status, row.failed_checks, row.is_receiving) == ("verified", 0, True)


def test_ownership_that_disappears_before_verification_frees_the_name() -> None:
    row = _register()
    _publish(row, "ownership")
    row = _check(row)
    FakeDns.withdraw(f"inkbox-ownership.{NAME}", "TXT")

    row = _check(row)

    assert (row.status, row.is_owned) == ("awaiting_ownership", False)


@pytest.mark.parametrize("gone", ["spf", "dkim", "ownership"])
def test_a_verified_domain_degrades_when_two_checks_say_so_and_recovers(gone: str) -> None:
    row = _verified()
    verified_at = row.verified_at
    for record in domain_records(row, keys_of(row)):
        if record.purpose.value == gone:
            FakeDns.withdraw(record.name, record.type)

    first = _check(row)
    second = _check(row)
    third = _check(row)
    _publish(row)
    recovered = _check(row)

    assert [first.status, second.status, third.status] == ["verified", "degraded", "degraded"]
    assert first.next_check_at - now() < timedelta(minutes=11)
    assert second.failure_reason
    assert second.is_owned
    assert (recovered.status, recovered.failure_reason, recovered.verified_at) == ("verified", "", verified_at)


def test_one_bad_check_between_good_ones_changes_nothing() -> None:
    row = _verified()
    for _ in range(3):
        FakeDns.withdraw(NAME, "TXT")
        assert _check(row).failed_checks == 1
        _publish(row)
        row = _check(row)

    assert (row.status, row.failed_checks) == ("verified", 0)


def test_a_moved_mx_record_is_noticed_without_a_change_of_state() -> None:
    row = _verified()
    FakeDns.publish(NAME, "MX", "10 aspmx.elsewhere.example")

    row = _check(row)

    assert (row.status, row.is_receiving, row.has_return_path) == ("verified", False, True)


# --- Who holds a name -------------------------------------------------------------------------------------------


def test_a_claim_without_proof_blocks_nobody() -> None:
    squatter = _check(_register())
    owner = _verified()

    assert (squatter.status, owner.status, owner.is_owned) == ("awaiting_ownership", "verified", True)


def test_a_held_name_cannot_be_taken_while_its_record_is_there() -> None:
    holder = _verified()
    claim = _register()
    FakeDns.publish(
        f"inkbox-ownership.{NAME}",
        "TXT",
        f"inkbox-ownership={holder.ownership_token}",
        f"inkbox-ownership={claim.ownership_token}",
    )

    claim = _check(claim)
    holder = _check(holder)

    assert (claim.status, claim.is_owned) == ("not_started", False)
    assert claim.failure_reason == domain_checks.HELD_BY_ANOTHER
    assert (holder.status, holder.is_owned) == ("verified", True)


def test_a_name_changes_hands_after_the_holder_was_found_gone() -> None:
    holder = _verified()
    claim = _register()
    _publish(claim)

    assert not _check(claim).is_owned
    holder.refresh_from_db()
    assert holder.next_check_at <= now()
    assert _check(holder).status == "verified"
    assert _check(holder).status == "degraded"
    claim = _check(claim)
    holder.refresh_from_db()

    assert (claim.status, claim.is_owned) == ("verified", True)
    assert (holder.status, holder.is_owned, holder.failure_reason) == ("failed", False, domain_checks.LOST)
    assert not DkimKey.objects.filter(sending_domain=holder, is_active=True).exists()
    assert set(_selectors(sign_for_domain(MESSAGE, NAME))) == {key.selector for key in keys_of(claim)}


@pytest.mark.parametrize("status", [DomainStatus.DEGRADED, DomainStatus.PENDING_DELETION, DomainStatus.PENDING])
def test_a_holder_that_does_not_send_and_has_no_record_gives_way_at_once(status: DomainStatus) -> None:
    holder = sending_domain(organization(), NAME, status, is_owned=True)
    claim = _register()
    _publish(claim)

    claim = _check(claim)
    holder.refresh_from_db()

    assert (claim.status, holder.status) == ("verified", "failed")


# --- The window, the queue, the lease ---------------------------------------------------------------------------


def test_the_window_closes_after_72_hours_and_the_row_goes_after_a_week() -> None:
    with time_machine.travel(START, tick=False) as clock:
        row = _check(_register())
        clock.shift(timedelta(hours=71, minutes=59))
        assert close_windows() == 0
        clock.shift(timedelta(minutes=1))
        assert close_windows() == 1
        row.refresh_from_db()
        assert (row.status, row.failure_reason) == ("failed", domain_checks.WINDOW_OVER)
        assert not check_domain(row.pk, is_forced=True)
        clock.shift(timedelta(days=7, seconds=-1))
        assert purge_domains(now()) == 0
        clock.shift(timedelta(seconds=1))
        assert purge_domains(now()) == 1

    assert not SendingDomain.objects.exists()
    assert not DkimKey.objects.exists()


def test_a_verified_domain_outlives_the_window() -> None:
    with time_machine.travel(START, tick=False) as clock:
        row = _verified()
        clock.shift(timedelta(days=30))

        assert close_windows() == purge_domains(now()) == 0

    row.refresh_from_db()
    assert row.status == "verified"


def test_checks_come_due_quickly_at_first_and_seldom_later() -> None:
    with time_machine.travel(START, tick=False) as clock:
        row = _register()
        assert due_domains(10) == [row.pk]
        _check(row)
        assert due_domains(10) == []
        clock.shift(timedelta(seconds=30))
        assert due_domains(10) == [row.pk]
        clock.shift(timedelta(hours=12))
        assert wake_due_domains() == 1
        row = _check(row)
        assert row.next_check_at - now() == timedelta(hours=1)
        _publish(row)
        row = _check(row)
        assert row.next_check_at - now() == timedelta(hours=6)
        assert not check_domain(row.pk)


def test_a_check_of_a_dead_process_is_taken_over_and_its_answer_is_refused() -> None:
    with time_machine.travel(START, tick=False) as clock:
        row = _register()
        _publish(row)
        dead = domain_checks._claim(row.pk, is_forced=False)
        assert dead is not None
        assert dead.checking_until is not None
        assert not check_domain(row.pk, is_forced=True)
        clock.shift(limits.DOMAIN_CHECK_LEASE + timedelta(seconds=1))
        assert due_domains(10) == [row.pk]

        row = _check(row)
        late = domain_checks._settle(row.pk, dead.checking_until, domain_checks.Examination())

    assert not late
    row.refresh_from_db()
    assert row.status == "verified"


def test_a_pending_domain_says_that_it_is_being_verified() -> None:
    row = _register()
    _publish(row, "ownership")
    row = _check(row)

    claimed = domain_checks._claim(row.pk, is_forced=True)

    assert claimed is not None
    assert SendingDomain.objects.get(pk=row.pk).status == "verifying"


def test_a_deletion_during_a_check_stands() -> None:
    row = _register()
    _publish(row)
    claimed = domain_checks._claim(row.pk, is_forced=True)
    assert claimed is not None
    assert claimed.checking_until is not None
    found = domain_checks.examine(FakeDns(), domain_records(row, keys_of(row)))
    request_domain_deletion(admin_principal(row.organization), row)

    assert domain_checks._settle(row.pk, claimed.checking_until, found)

    row.refresh_from_db()
    assert (row.status, row.is_owned) == ("pending_deletion", False)


def test_checks_on_demand_are_limited() -> None:
    row = _register()
    caller = admin_principal(row.organization)
    for _ in range(limits.DOMAIN_CHECKS_PER_MINUTE):
        verify_domain(caller, row)

    with pytest.raises(RateLimited):
        verify_domain(caller, row)


# --- Rotation ---------------------------------------------------------------------------------------------------


def test_a_rotation_overlaps() -> None:
    with time_machine.travel(START, tick=False) as clock:
        row = _verified()
        caller = admin_principal(row.organization)
        old = [key.selector for key in keys_of(row)]

        row = rotate_domain_keys(caller, row)
        new = [key.selector for key in keys_of(row)][2:]
        assert row.status == "pending_dkim_rotation"
        assert set(_selectors(sign_for_domain(MESSAGE, NAME))) == set(old)
        clock.shift(timedelta(hours=1))
        row = _check(row)
        assert row.status == "pending_dkim_rotation"
        assert set(_selectors(sign_for_domain(MESSAGE, NAME))) == set(old)

        _publish(row)
        row = _check(row)
        assert (row.status, row.rotation_ends_at) == ("verified", None)
        assert set(_selectors(sign_for_domain(MESSAGE, NAME))) == set(new)
        assert [key.retire_at for key in keys_of(row)[:2]] == [now() + timedelta(days=7)] * 2

        clock.shift(timedelta(days=7, seconds=-1))
        purge_domains(now())
        assert len(keys_of(row)) == 4
        clock.shift(timedelta(seconds=1))
        purge_domains(now())
        assert [key.selector for key in keys_of(row)] == new
        for selector in old:
            FakeDns.withdraw(f"{selector}._domainkey.{NAME}", "TXT")
        assert _check(row).status == "verified"


def test_a_rotation_that_is_never_published_is_given_up() -> None:
    with time_machine.travel(START, tick=False) as clock:
        row = _verified()
        old = [key.selector for key in keys_of(row)]
        rotate_domain_keys(admin_principal(row.organization), row)
        clock.shift(timedelta(hours=72))

        row = _check(row)

    assert (row.status, row.failure_reason) == ("verified", domain_checks.ROTATION_OVER)
    assert [key.selector for key in keys_of(row)] == old
    assert set(_selectors(sign_for_domain(MESSAGE, NAME))) == set(old)


def test_a_rotation_survives_a_degradation() -> None:
    row = _verified()
    row = rotate_domain_keys(admin_principal(row.organization), row)
    FakeDns.withdraw(NAME, "TXT")
    _check(row)
    assert _check(row).status == "degraded"
    _publish(row, "spf")
    row = _check(row)
    assert row.status == "pending_dkim_rotation"

    _publish(row)

    assert _check(row).status == "verified"


def test_during_a_rotation_the_new_key_alone_suffices() -> None:
    row = _verified()
    old = keys_of(row)
    row = rotate_domain_keys(admin_principal(row.organization), row)
    _publish(row)
    for key in old:
        FakeDns.withdraw(f"{key.selector}._domainkey.{NAME}", "TXT")

    row = _check(row)

    assert row.status == "verified"
    assert set(_selectors(sign_for_domain(MESSAGE, NAME))) == {key.selector for key in keys_of(row)[2:]}


@pytest.mark.parametrize("status", [status for status in DomainStatus if status is not DomainStatus.VERIFIED])
def test_keys_are_replaced_in_verified_domains_only(status: DomainStatus) -> None:
    acme = organization()
    row = sending_domain(acme, NAME, status)

    with pytest.raises(SendingDomainStateWrong):
        rotate_domain_keys(admin_principal(acme), row)

    row.refresh_from_db()
    assert row.status == status.value
    assert not DkimKey.objects.exists()


# --- Default, deletion, restoration -----------------------------------------------------------------------------


def test_the_default_is_one_and_can_be_cleared() -> None:
    acme = organization()
    caller = admin_principal(acme)
    one, two = sending_domain(acme, "one.acme.org"), sending_domain(acme, "two.acme.org")

    assert set_default_domain(caller, "ONE.acme.org") == "one.acme.org"
    assert set_default_domain(caller, "ONE.acme.org") == "one.acme.org"
    assert set_default_domain(caller, two.public_id) == "two.acme.org"
    one.refresh_from_db()
    two.refresh_from_db()
    assert (one.is_default, two.is_default) == (False, True)
    assert set_default_domain(caller, "Mail.Localhost") is None
    assert not SendingDomain.objects.filter(is_default=True).exists()


@pytest.mark.parametrize("status", [status for status in DomainStatus if status is not DomainStatus.VERIFIED])
def test_only_a_verified_domain_becomes_the_default(status: DomainStatus) -> None:
    acme = organization()
    sending_domain(acme, "old.acme.org", is_default=True)
    sending_domain(acme, NAME, status)

    with pytest.raises(DefaultDomainUnavailable) as refusal:
        set_default_domain(admin_principal(acme), NAME)

    assert refusal.value.detail["error"] == "default_domain_unavailable"
    assert SendingDomain.objects.get(is_default=True).domain == "old.acme.org"


def test_the_default_of_others_is_not_found() -> None:
    sending_domain(organization(), NAME)

    with pytest.raises(SendingDomainNotFound):
        set_default_domain(admin_principal(organization()), NAME)


@pytest.mark.parametrize(
    "status", [s for s in DomainStatus if s not in (DomainStatus.FAILED, DomainStatus.PENDING_DELETION)]
)
def test_a_deletion_can_be_undone_for_a_day(status: DomainStatus) -> None:
    with time_machine.travel(START, tick=False) as clock:
        acme = organization()
        caller = admin_principal(acme)
        row = sending_domain(acme, NAME, status, is_default=True)

        request_domain_deletion(caller, row)
        row.refresh_from_db()
        assert (row.status, row.is_default) == ("pending_deletion", False)
        clock.shift(timedelta(hours=23))
        request_domain_deletion(caller, row)
        assert purge_domains(now()) == 0
        row = restore_domain(caller, row)
        assert row.status == ("pending" if status is DomainStatus.VERIFYING else status.value)
        assert row.purge_at is None
        clock.shift(timedelta(days=2))
        assert purge_domains(now()) == 0

        request_domain_deletion(caller, row)
        clock.shift(timedelta(hours=24))
        assert purge_domains(now()) == 1
        assert not SendingDomain.objects.exists()


def test_a_failed_domain_is_deleted_at_once() -> None:
    acme = organization()
    row = sending_domain(acme, NAME, DomainStatus.FAILED)

    request_domain_deletion(admin_principal(acme), row)

    assert not SendingDomain.objects.exists()


def test_a_domain_with_mailboxes_stays() -> None:
    acme = organization()
    row = sending_domain(acme, NAME, is_default=True)
    agent(acme)
    agent(acme)

    with pytest.raises(SendingDomainInUse) as refusal:
        request_domain_deletion(admin_principal(acme), row)

    assert refusal.value.detail["mailbox_count"] == 2
    row.refresh_from_db()
    assert (row.status, row.is_default) == ("verified", True)


def test_nothing_to_restore_and_nothing_to_verify() -> None:
    acme = organization()
    caller = admin_principal(acme)
    live = sending_domain(acme, NAME)
    deleted = sending_domain(acme, "b.acme.org", DomainStatus.PENDING_DELETION)
    failed = sending_domain(acme, "c.acme.org", DomainStatus.FAILED)

    with pytest.raises(SendingDomainStateWrong):
        restore_domain(caller, live)
    for row in (deleted, failed):
        with pytest.raises(SendingDomainStateWrong):
            verify_domain(caller, row)
    assert FakeDns.asked == []
