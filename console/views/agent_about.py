"""An agent in one look, its name, and how to pause and delete it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST

from common.errors import DomainError
from console.agent_forms import AboutForm, DeleteAgentForm
from console.principals import console_page
from console.views.agent_pages import render_agent_page
from identities.domain_selectors import get_affiliation
from identities.enums import IdentityStatus
from identities.models import AgentIdentity
from identities.selectors import get_identity, get_managed_identity, organization_profile
from identities.services.identities import IdentityChanges, delete_identity, update_identity
from mail.models import Mailbox
from mail.services.bounce_brake import resume_sending


@require_http_methods(["GET", "HEAD", "POST"])
@console_page
def about(request: Any, handle: str) -> HttpResponse:
    """What an agent is; a POST changes its name and description."""
    if request.method != "POST":
        return _page(request, get_identity(request.viewer.principal, handle))
    identity = get_managed_identity(request.viewer.principal, handle)
    form = AboutForm(request.POST)
    if form.is_valid():
        changes = IdentityChanges(
            display_name=form.cleaned_data["display_name"] or None, description=form.cleaned_data["description"] or None
        )
        try:
            _change(request, identity, changes)
        except DomainError as refusal:
            form.refuse(refusal)
        else:
            messages.success(request, "Saved.")
            return redirect("console:agent_about", handle)
    return _page(request, identity, form=form, status=422)


@require_POST
@console_page
def change_status(request: Any, handle: str) -> HttpResponse:
    """Pause or resume."""
    identity = get_managed_identity(request.viewer.principal, handle)
    wanted = IdentityStatus.PAUSED if request.POST.get("status") == IdentityStatus.PAUSED else IdentityStatus.ACTIVE
    _change(request, identity, IdentityChanges(status=wanted.value))
    is_paused = wanted is IdentityStatus.PAUSED
    messages.success(
        request,
        "Paused: it sends nothing until you resume it. Mail that comes in is kept."
        if is_paused
        else "Resumed: it may send again.",
    )
    return redirect("console:agent_about", handle)


@require_POST
@console_page
def resume_mailbox(request: Any, handle: str) -> HttpResponse:
    """Let the mailbox send again after the bounce brake."""
    principal = request.viewer.principal
    identity = get_managed_identity(principal, handle)
    mailbox = Mailbox.objects.visible_to(principal).filter(identity=identity).first()
    if mailbox is not None:
        resume_sending(principal, mailbox)
        messages.success(request, "Sending is resumed; what waited goes out now.")
    return redirect("console:agent_about", handle)


@require_POST
@console_page
def delete_agent(request: Any, handle: str) -> HttpResponse:
    """Delete, when the handle was typed."""
    principal = request.viewer.principal
    identity = get_managed_identity(principal, handle)
    form = DeleteAgentForm(identity.agent_handle, request.POST)
    if not form.is_valid():
        return _page(request, identity, delete_form=form, status=422)
    delete_identity(identity, organization_profile(principal))
    messages.success(request, f"@{identity.agent_handle} is deleted, and its keys are revoked.")
    return redirect("console:agents")


def _change(request: Any, identity: AgentIdentity, changes: IdentityChanges) -> None:
    principal = request.viewer.principal
    update_identity(principal, identity, changes, organization_profile(principal))


def _page(
    request: Any,
    identity: AgentIdentity,
    *,
    form: AboutForm | None = None,
    delete_form: DeleteAgentForm | None = None,
    status: int = 200,
) -> HttpResponse:
    initial = {"display_name": identity.display_name or "", "description": identity.description or ""}
    context = {
        "form": form or AboutForm(initial=initial),
        "delete_form": delete_form or DeleteAgentForm(identity.agent_handle),
        "shown": get_affiliation(identity),
    }
    return render_agent_page(request, identity, "console/agent_about.html", context, status=status)
