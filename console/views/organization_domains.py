"""Organization domains: claims on names, the record that proves one, and the agents that show it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from common.errors import DomainError
from common.principal import Principal
from console.agent_choice import AgentChange, change_agent
from console.domain_forms import ClaimForm
from console.organization_domains import describe_claim, find_showing, summarize_claim
from console.principals import console_page
from identities.domain_claims import ClaimState
from identities.domain_selectors import get_affiliation, get_claim, list_claims
from identities.errors import RoleTooLow
from identities.limits import ORGANIZATION_DOMAINS_MAX
from identities.models import AgentIdentity, OrganizationDomain
from identities.services.affiliations import choose_domain, remove_domain
from identities.services.organization_domains import claim_domain, release_claim, verify_claim


@require_http_methods(["GET", "HEAD", "POST"])
@console_page
def claim_list(request: Any) -> HttpResponse:
    """Domains that the organization claims, newest first; a POST claims one."""
    principal = request.viewer.principal
    if request.method == "POST" and not request.viewer.manages:
        raise RoleTooLow
    form = ClaimForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            done = claim_domain(principal, form.cleaned_data["domain"])
        except DomainError as refusal:
            form.refuse(refusal)
        else:
            if done.is_new:
                messages.success(request, f"{done.row.domain} is claimed. Now publish the record.")
            else:
                messages.info(request, f"{done.row.domain} is claimed already, with the same record.")
            return redirect("console:organization_domain", done.row.public_id)
    # All of them: no organization has more.
    rows = list_claims(principal, limit=ORGANIZATION_DOMAINS_MAX, cursor=None).items
    context = {"rows": [summarize_claim(row) for row in rows], "form": form}
    return render(request, "console/organization_domains.html", context, status=422 if form.errors else 200)


@require_safe
@console_page
def claim(request: Any, claim_id: str) -> HttpResponse:
    """One claim. The page asks again while something may change, and gets 204 while nothing has."""
    principal = request.viewer.principal
    row = get_claim(principal, claim_id)
    detail = describe_claim(row)
    context = {"row": row, "detail": detail}
    if "HX-Request" not in request.headers:
        showing = find_showing(principal, row)
        return render(request, "console/organization_domain.html", context | {"showing": showing})
    if request.GET.get("seen") == f"{detail.stamp}-{detail.poll_seconds}":
        return HttpResponse(status=204)
    return render(request, "console/partials/organization_domain_state.html", context)


@require_POST
@console_page
def verify(request: Any, claim_id: str) -> HttpResponse:
    """Look for the record now. Takes up to 3 seconds."""
    principal = request.viewer.principal
    row = _managed(request, claim_id)
    try:
        verify_claim(principal, row)
    except DomainError as refusal:
        messages.error(request, refusal.message)
        return redirect("console:organization_domain", claim_id)
    row = get_claim(principal, claim_id)
    detail = describe_claim(row)
    if detail.is_busy:
        messages.info(request, "DNS is being looked at already. This page shows what comes out.")
    elif row.status is ClaimState.VERIFIED:
        messages.success(request, f"DNS was looked at. {detail.summary.sentence}")
    else:
        messages.info(request, f"DNS was looked at: {detail.found[1]}. {detail.summary.sentence}")
    return redirect("console:organization_domain", claim_id)


@require_POST
@console_page
def release(request: Any, claim_id: str) -> HttpResponse:
    """Give the domain up."""
    row = _managed(request, claim_id)
    release_claim(request.viewer.principal, row)
    messages.success(request, f"{row.domain} is released. No agent shows it any more.")
    return redirect("console:organization_domains")


@require_POST
@console_page
def change_showing(request: Any, claim_id: str) -> HttpResponse:
    """Let an agent show the domain, or no longer."""
    principal = request.viewer.principal
    row = _managed(request, claim_id)
    when = "" if row.is_published else " once it is proven"
    changes = {
        "show": AgentChange(lambda one: choose_domain(principal, one, row), f"{{agent}} shows {row.domain}{when}."),
        "hide": AgentChange(lambda one: _hide(principal, row, one), f"{{agent}} does not show {row.domain} any more."),
    }
    change_agent(request, changes, "Choose which agent shows the domain.")
    return redirect("console:organization_domain", claim_id)


def _hide(principal: Principal, row: OrganizationDomain, identity: AgentIdentity) -> None:
    """Unless another domain was chosen for the agent since the page was loaded."""
    if get_affiliation(identity).domain_claim_id == row.public_id:
        remove_domain(principal, identity)


def _managed(request: Any, claim_id: str) -> OrganizationDomain:
    """The claim, for somebody who may change it. Raises RoleTooLow, OrganizationDomainNotFound."""
    row = get_claim(request.viewer.principal, claim_id)
    if not request.viewer.manages:
        raise RoleTooLow
    return row
