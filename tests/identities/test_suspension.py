"""An organization that its operator has stopped, and what its operator allows it."""

from __future__ import annotations

from typing import Any

import pytest

from common import ratelimit
from identities.allowances import allowances_of
from identities.errors import OrganizationNotFound
from identities.models import AgentIdentity, AuditRecord, Organization
from identities.services.suspension import change_allowances, resume_organization, suspend_organization
from tests.factories.identities import (
    ApiClient,
    admin_client,
    agent,
    agent_client,
    organization,
    session_client,
    unclaimed_agent,
)
from tests.identities.rows import all_rows

pytestmark = pytest.mark.django_db


def clients(of: Organization) -> list[ApiClient]:
    return [
        admin_client(of),
        agent_client(agent(of)),
        agent_client(unclaimed_agent(of)),
        session_client(of),
    ]


def test_every_credential_of_a_suspended_organization_is_refused_with_the_reason() -> None:
    acme = organization()
    callers = clients(acme)
    before = [caller.get("/whoami").status_code for caller in callers]

    suspend_organization(acme.pk, "The invoice of May is unpaid.")

    assert before == [200] * 4
    for caller in callers:
        answer = caller.get("/identities")
        assert answer.status_code == 403
        assert "This organization is suspended. The invoice of May is unpaid." in str(answer.json()["detail"])
    rows = all_rows()
    assert callers[0].post("/identities", {"agent_handle": "new-one"}).status_code == 403
    assert all_rows() == rows


def test_others_go_on_and_a_wrong_secret_learns_nothing() -> None:
    acme, other = organization(), organization()
    caller = admin_client(other)
    wrong = admin_client(acme)
    suspend_organization(acme.pk, "A secret reason")

    wrong._headers["X-API-Key"] = f"{wrong._headers['X-API-Key'].partition('.')[0]}.{'x' * 43}"

    assert caller.get("/identities").status_code == 200
    answer = wrong.get("/identities")
    assert answer.status_code == 401
    assert "secret reason" not in str(answer.json())


def test_resuming_restores_everything() -> None:
    acme = organization()
    callers = clients(acme)
    suspend_organization(acme.pk, "")

    resume_organization(acme.pk)

    assert [caller.get("/whoami").status_code for caller in callers] == [200] * 4


def test_the_audit_log_says_who_was_stopped_and_why() -> None:
    acme = organization()

    suspend_organization(acme.pk, "Spam")
    resume_organization(acme.pk)
    resume_organization(acme.pk)
    change_allowances(acme.pk, {"max_agents": 3, "max_key_requests": None})
    change_allowances(acme.pk, {"max_agents": 3})

    found = AuditRecord.objects.filter(organization_id=acme.pk).order_by("seq").values_list("action", "details")
    assert list(found) == [
        ("organization.suspended", {"reason": "Spam"}),
        ("organization.resumed", {}),
        ("organization.limits_changed", {"max_agents": 3}),
    ]


def test_an_unknown_organization_is_said_to_be_unknown() -> None:
    with pytest.raises(OrganizationNotFound):
        suspend_organization("org_none", "x")
    with pytest.raises(OrganizationNotFound):
        resume_organization("org_none")
    with pytest.raises(OrganizationNotFound):
        change_allowances("org_none", {"max_agents": 1})


def test_the_number_of_agents_is_obeyed() -> None:
    acme = organization()
    caller = admin_client(acme)
    change_allowances(acme.pk, {"max_agents": 1})
    first = caller.post("/identities", {"agent_handle": "first-agent"})

    refused = caller.post("/identities", {"agent_handle": "second-agent"})
    change_allowances(acme.pk, {"max_agents": None})
    allowed = caller.post("/identities", {"agent_handle": "second-agent"})

    assert (first.status_code, refused.status_code, allowed.status_code) == (201, 402, 201)
    assert "may have 1 agents" in str(refused.json()["detail"])
    assert AgentIdentity.objects.alive().filter(organization=acme).count() == 2


def test_the_number_of_requests_is_obeyed_below_and_above_the_limit_of_the_server(settings: Any) -> None:
    settings.RATE_LIMIT_KEY_PER_MINUTE = 3
    tight, wide, usual = organization(), organization(), organization()
    change_allowances(tight.pk, {"max_key_requests": 1})
    change_allowances(wide.pk, {"max_key_requests": 0})

    def answers(of: Organization) -> list[int]:
        caller = admin_client(of)
        ratelimit.forget_all()
        return [caller.get("/whoami").status_code for _ in range(5)]

    assert answers(tight) == [200, 429, 429, 429, 429]
    assert answers(usual) == [200, 200, 200, 429, 429]
    assert answers(wide) == [200] * 5


def test_allowances_of_nobody_are_those_of_the_server() -> None:
    assert allowances_of("org_none") == allowances_of(organization().pk) == (None, None, None, None)
