"""The console of an organization that its operator has stopped: to be read, with the reason on every page."""

from __future__ import annotations

import pytest
from django.urls import reverse

from identities.models import AgentIdentity
from identities.services.suspension import resume_organization, suspend_organization
from tests.console.pages import signed_in, text
from tests.factories.identities import agent, organization

pytestmark = pytest.mark.django_db

REASON = "The invoice of <May> is unpaid."


def test_every_page_says_why_and_nothing_can_be_changed() -> None:
    acme = organization()
    agent(acme, "alpha")
    client = signed_in(acme)
    suspend_organization(acme.pk, REASON)

    pages = [text(client.get(reverse(f"console:{name}"))) for name in ("overview", "agents", "keys", "settings")]
    refused = client.post(reverse("console:new_agent"), {"agent_handle": "beta-agent"})
    deleted = client.post(reverse("console:delete_agent", args=["alpha"]), {"confirmation": "alpha"})

    for page in pages:
        assert "This organization is suspended." in page
        assert "The invoice of &lt;May&gt; is unpaid." in page
    assert (refused.status_code, deleted.status_code) == (403, 403)
    assert "is suspended" in text(refused)
    assert list(AgentIdentity.objects.alive().values_list("agent_handle", flat=True)) == ["alpha"]


def test_it_is_over_when_the_operator_says_so() -> None:
    acme = organization()
    client = signed_in(acme)
    suspend_organization(acme.pk, REASON)
    resume_organization(acme.pk)

    page = text(client.get(reverse("console:overview")))
    made = client.post(reverse("console:new_agent"), {"agent_handle": "beta-agent"})

    assert "suspended" not in page
    assert made.status_code == 302
