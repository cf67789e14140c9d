"""Agents that signed themselves up and name the person who looks."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from common.errors import DomainError
from console.forms import ClaimCodeForm
from console.principals import console_page
from signup.enums import DecidedBy
from signup.models import Signup
from signup.selectors import get_waiting, list_waiting
from signup.services.claiming import approve_agent, reject_agent
from signup.services.verifying import claim_by_code


@require_http_methods(["GET", "HEAD", "POST"])
@console_page
def claim_list(request: Any) -> HttpResponse:
    """Who waits; a POST claims an agent by the code of its mail."""
    form = ClaimCodeForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            row = claim_by_code(request.viewer.user, form.cleaned_data["agent"], form.cleaned_data["code"])
        except DomainError as refusal:
            form.refuse(refusal)
        else:
            return _claimed(request, row)
    context = {"waiting": list_waiting(request.viewer.user), "form": form}
    return render(request, "console/claims.html", context, status=422 if form.errors else 200)


def _claimed(request: Any, row: Signup) -> HttpResponse:
    identity = row.identity
    assert identity is not None
    handle, organization = identity.agent_handle, request.viewer.organization
    if identity.organization_id == organization.pk:
        messages.success(request, f"@{handle} belongs to {organization.name} now.")
        return redirect("console:agent", handle)
    messages.success(request, f"@{handle} is claimed. It belongs to the owner of {row.human_email}.")
    return redirect("console:claims")


@require_POST
@console_page
def decide(request: Any, identity_id: UUID) -> HttpResponse:
    """Approve into the current organization, or remove."""
    viewer = request.viewer
    try:
        if request.POST.get("decision") == "approve":
            row = approve_agent(viewer.user, identity_id, viewer.organization.pk)
            assert row.identity is not None
            messages.success(request, f"@{row.identity.agent_handle} belongs to {viewer.organization.name} now.")
            return redirect("console:agent", row.identity.agent_handle)
        if request.POST.get("decision") == "reject":
            reject_agent(get_waiting(viewer.user, identity_id), DecidedBy.SESSION, viewer.user)
            messages.success(request, "The agent, its mailbox and its key are gone.")
        else:
            messages.error(request, "Choose to approve or to remove the agent.")
    except DomainError as refusal:
        messages.error(request, refusal.message)
    return redirect("console:claims")
