"""Webhooks of an organization that its operator has stopped."""

from __future__ import annotations

import pytest

from common.clock import now
from identities.services.suspension import resume_organization, suspend_organization
from tests.factories.webhooks import bare_agent, happen, subscription
from webhooks import limits
from webhooks.enums import DispatchState
from webhooks.models import Dispatch
from webhooks.services.dispatches import claim_due, has_due, oldest_sendable_at

pytestmark = pytest.mark.django_db


def claimed() -> list[str | None]:
    return [job.event_id for job in claim_due(10, {}).jobs]


def test_what_is_queued_waits_and_is_posted_when_the_organization_goes_on() -> None:
    identity = bare_agent()
    subscription(identity)
    event = happen(identity)

    suspend_organization(identity.organization_id, "")
    assert (claimed(), has_due(), oldest_sendable_at()) == ([], False, None)

    resume_organization(identity.organization_id)
    assert claimed() == [event.pk]


def test_what_happens_behind_the_suspension_is_put_aside_without_a_try() -> None:
    identity, other = bare_agent(), bare_agent()
    for each in (identity, other):
        subscription(each)
    suspend_organization(identity.organization_id, "")
    happen(identity)
    wanted = happen(other)

    assert claimed() == [wanted.pk]

    row = Dispatch.objects.get(event__identity=identity)
    assert (row.state, row.attempts, row.leased_until) == (DispatchState.PENDING, 0, None)
    assert row.next_attempt_at is not None
    assert row.next_attempt_at > now() + limits.SUSPENDED_RECHECK / 2


def test_what_was_settled_stays_settled() -> None:
    identity = bare_agent()
    subscription(identity)
    happen(identity)
    Dispatch.objects.update(state=DispatchState.SUCCEEDED.value, next_attempt_at=None)

    suspend_organization(identity.organization_id, "")
    resume_organization(identity.organization_id)

    assert Dispatch.objects.get().state == DispatchState.SUCCEEDED
    assert claimed() == []
