"""Agents: the list, a new one, and the way to one."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from common.errors import DomainError
from common.principal import Profile
from console import selectors
from console.forms import NewAgentForm
from console.live import go_live
from console.principals import console_page
from identities.errors import RoleTooLow
from identities.selectors import get_identity
from identities.services.identities import NewIdentity, create_identity


@require_safe
@console_page
def agent_list(request: Any) -> HttpResponse:
    """All agents of the organization."""
    query = request.GET.get("q", "").strip()
    go_live(request)
    agents = selectors.list_agents(request.viewer.principal, query)
    return render(request, "console/agents.html", {"agents": agents, "query": query})


@require_http_methods(["GET", "HEAD", "POST"])
@console_page
def new_agent(request: Any) -> HttpResponse:
    """Create an agent with its mailbox."""
    if not request.viewer.manages:
        raise RoleTooLow
    form = NewAgentForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        new = NewIdentity(
            agent_handle=form.cleaned_data["agent_handle"],
            **({"display_name": name} if (name := form.cleaned_data["display_name"]) else {}),
            description=form.cleaned_data["description"] or None,
        )
        try:
            identity = create_identity(request.viewer.principal, new, Profile.MODERN)
        except DomainError as refusal:
            form.refuse(refusal)
        else:
            messages.success(request, f"@{identity.agent_handle} is ready.")
            return redirect("console:agent", identity.agent_handle)
    return render(request, "console/agent_new.html", {"form": form}, status=422 if form.errors else 200)


@require_safe
@console_page
def agent(request: Any, handle: str) -> HttpResponse:
    """One agent: its mail is what people come for."""
    return redirect("console:mail", get_identity(request.viewer.principal, handle).agent_handle)
