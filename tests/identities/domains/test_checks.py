"""Claims as time and DNS go on: checks, leases, grace, expiry, two organizations on one name."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import transaction

from common.clock import now
from common.dns import DnsAnswer, DnsOutcome
from identities.domain_claims import ClaimState
from identities.models import OrganizationDomain
from identities.services import domain_claim_checks
from identities.services.domain_claim_checks import check_claim, close_claims, due_claims, wake_due_claims
from identities.services.organization_domains import claim_domain, purge_released_claims, release_claim
from identities.tasks import check_domain, purge_old, sweep_domains
from tests.factories.dns import FakeDns
from tests.factories.identities import admin_client, admin_principal, organization
from tests.factories.organization_domains import domain_claim, publish, withdraw

pytestmark = pytest.mark.django_db(transaction=True)

NAME = "acme.org"


def again(row: OrganizationDomain) -> OrganizationDomain:
    return OrganizationDomain.objects.get(pk=row.pk)


def test_a_claim_lives_through_all_of_it() -> None:
    acme = organization()
    start = now()
    states = []
    with time_machine.travel(start, tick=False) as clock:
        row = claim_domain(admin_principal(acme), NAME).row
        assert due_claims(10) == [row.pk]
        check_claim(row.pk)
        states.append(again(row).state)
        assert again(row).next_check_at == start + timedelta(seconds=30)
        assert not check_claim(row.pk), "not due"
        publish(row)
        clock.shift(timedelta(seconds=31))
        check_claim(row.pk)
        states.append(again(row).state)
        assert again(row).valid_until == now() + timedelta(days=7)
        withdraw(row)
        clock.shift(timedelta(hours=24))
        check_claim(row.pk)
        states.append(again(row).state)
        assert again(row).valid_until == start + timedelta(seconds=31, days=7), "not renewed"
        publish(row)
        clock.shift(timedelta(hours=1))
        check_claim(row.pk)
        states.append(again(row).state)
        withdraw(row)
        clock.shift(timedelta(hours=24))
        check_claim(row.pk)
        clock.shift(timedelta(days=7))
        check_claim(row.pk)
        states.append(again(row).state)
        assert again(row).next_check_at is None
        assert due_claims(10) == []
        publish(row)
        check_claim(row.pk, is_forced=True)
        states.append(again(row).state)
        release_claim(admin_principal(acme), row)
        states.append(again(row).state)
        assert not check_claim(row.pk, is_forced=True)

    assert states == ["pending", "verified", "grace", "verified", "expired", "verified", "released"]
    assert again(row).verified_at == start + timedelta(seconds=31), "the first time stays"


@pytest.mark.parametrize("outcome", [DnsOutcome.SERVFAIL, DnsOutcome.TIMEOUT])
@pytest.mark.parametrize("state", [ClaimState.PENDING, ClaimState.VERIFIED, ClaimState.GRACE])
def test_an_answer_that_says_nothing_changes_nothing(state: ClaimState, outcome: DnsOutcome) -> None:
    row = domain_claim(organization(), NAME, state)
    FakeDns.broken["_inkbox.acme.org"] = outcome

    assert check_claim(row.pk)

    after = again(row)
    assert (after.state, after.last_check_result) == (state.value, "dns_unavailable")
    assert after.valid_until == row.valid_until


def test_a_claim_that_nobody_proves_runs_out() -> None:
    row = claim_domain(admin_principal(organization()), NAME).row

    with time_machine.travel(now() + timedelta(days=7, minutes=1)):
        assert close_claims() == 1
        assert close_claims() == 0

    assert (again(row).state, again(row).next_check_at) == ("pending_expired", None)


@pytest.mark.parametrize("state", [ClaimState.VERIFIED, ClaimState.GRACE])
def test_a_proof_ends_without_dns_too(state: ClaimState) -> None:
    row = domain_claim(organization(), NAME, state)

    with time_machine.travel(now() + timedelta(days=6)):
        assert close_claims() == 1

    assert again(row).state == "expired"
    assert FakeDns.asked == []


def test_what_is_not_late_is_left_alone() -> None:
    for state in ClaimState:
        domain_claim(organization(), NAME, state)

    assert close_claims() == 0


def test_only_some_states_are_looked_at_by_themselves() -> None:
    rows = {state: domain_claim(organization(), NAME, state, next_check_at=now()) for state in ClaimState}

    polled = (ClaimState.PENDING, ClaimState.VERIFIED, ClaimState.GRACE)
    assert set(due_claims(10)) == {rows[state].pk for state in polled}


class Interrupting:
    """DNS that lets something happen while it is asked."""

    def __init__(self, what: Any) -> None:
        self.what = what

    def lookup(self, name: str, kind: str) -> DnsAnswer:
        assert not transaction.get_connection().in_atomic_block
        self.what()
        return FakeDns().lookup(name, kind)


def test_one_looks_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    row = domain_claim(organization(), NAME, ClaimState.PENDING)
    publish(row)
    others: list[bool] = []
    monkeypatch.setattr(
        domain_claim_checks, "dns_client", lambda: Interrupting(lambda: others.append(check_claim(row.pk)))
    )

    assert check_claim(row.pk)
    assert others == [False]
    assert again(row).state == "verified"


def test_an_answer_after_the_release_is_thrown_away(monkeypatch: pytest.MonkeyPatch) -> None:
    acme = organization()
    row = domain_claim(acme, NAME, ClaimState.PENDING)
    publish(row)
    interrupting = Interrupting(lambda: release_claim(admin_principal(acme), row))
    monkeypatch.setattr(domain_claim_checks, "dns_client", lambda: interrupting)

    assert not check_claim(row.pk)

    assert (again(row).state, again(row).verified_at) == ("released", None)


def test_a_lease_that_ran_out_is_taken_over() -> None:
    row = domain_claim(organization(), NAME, ClaimState.PENDING, checking_until=now() + timedelta(seconds=60))
    publish(row)
    assert due_claims(10) == []
    assert not check_claim(row.pk, is_forced=True)

    with time_machine.travel(now() + timedelta(seconds=61)):
        assert due_claims(10) == [row.pk]
        assert check_claim(row.pk)

    assert again(row).state == "verified"


def test_two_organizations_prove_one_name() -> None:
    one, other = organization(), organization()
    mine, theirs = domain_claim(one, NAME, ClaimState.PENDING), domain_claim(other, NAME, ClaimState.PENDING)

    def read(row: OrganizationDomain) -> tuple[str, bool]:
        body = admin_client(row.organization).get(f"/organization-domains/{row.public_id}").json()
        assert body["ownership_conflict"] == ("Another organization" in (body["recovery_action"] or ""))
        return body["state"], body["ownership_conflict"]

    publish(mine)
    check_claim(mine.pk)
    check_claim(theirs.pk)
    alone = read(mine), read(theirs)
    publish(mine, theirs)
    check_claim(theirs.pk, is_forced=True)
    contested = read(mine), read(theirs)
    publish(theirs)
    check_claim(mine.pk, is_forced=True)
    with time_machine.travel(now() + timedelta(days=6, hours=23)):
        check_claim(theirs.pk, is_forced=True)
        check_claim(mine.pk, is_forced=True)
    with time_machine.travel(now() + timedelta(days=7, hours=1)):
        close_claims()
        settled = read(mine), read(theirs)

    # Who has proven nothing does not learn what others have.
    assert alone == (("verified", False), ("pending", False))
    assert contested == (("verified", True), ("verified", True))
    assert settled == (("expired", False), ("verified", False))


def test_the_tasks_find_claims_and_forget_old_ones() -> None:
    acme = organization()
    row = domain_claim(acme, NAME, ClaimState.PENDING)
    publish(row)
    gone = domain_claim(acme, state=ClaimState.RELEASED, released_at=now() - timedelta(days=31))
    kept = domain_claim(acme, state=ClaimState.RELEASED, released_at=now() - timedelta(days=29))

    assert wake_due_claims() == 1
    sweep_domains()
    check_domain(str(row.pk))
    purge_old()

    assert again(row).state == "verified"
    assert set(OrganizationDomain.objects.values_list("pk", flat=True)) == {row.pk, kept.pk}
    assert not OrganizationDomain.objects.filter(pk=gone.pk).exists()
    assert purge_released_claims() == 0
