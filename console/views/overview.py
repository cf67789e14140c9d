"""The first page, the page of people without an organization, and the switch between organizations."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from common.actor import Actor, ActorKind, bind_actor
from common.errors import NotReady
from console import selectors
from console.approvals import waiting_rows
from console.forms import OrganizationForm
from console.live import go_live
from console.principals import choose_organization, console_page, find_viewer
from identities.models import User
from identities.services.organizations import found_organization
from signup.selectors import list_waiting

_HELD_ROWS = 3


@require_safe
@console_page
def overview(request: Any) -> HttpResponse:
    """How the organization's agents are doing, and what happened last."""
    viewer = request.viewer
    go_live(request)
    return render(
        request,
        "console/overview.html",
        {
            "counts": selectors.count_everything(viewer.principal),
            "agents": selectors.list_agents(viewer.principal)[:5],
            "activity": selectors.latest_activity(viewer.principal),
            "held": waiting_rows(viewer.principal, _HELD_ROWS),
            "waiting": list_waiting(viewer.user),
        },
    )


@require_safe
@console_page
def live(_request: Any) -> HttpResponse:
    """The stream behind pages. In the server's own web process it never comes as far as here (webhooks/live/app.py)."""
    raise NotReady("Live pages need the server's own web process (manage.py serve).")


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def welcome(request: HttpRequest) -> HttpResponse:
    """For a person who belongs to no organization yet: found one, or take an agent that waits."""
    assert isinstance(request.user, User)
    if find_viewer(request) is not None:
        return redirect("console:overview")
    form = OrganizationForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        bind_actor(Actor(ActorKind.USER, request.user.pk, request.user.email))
        organization = found_organization(request.user, form.cleaned_data["name"])
        choose_organization(request, organization.pk)
        messages.success(request, f"{organization.name} is ready.")
        return redirect("console:overview")
    waiting = list_waiting(request.user)
    return render(request, "console/welcome.html", {"form": form, "waiting": waiting})


@login_required
@require_POST
def switch_organization(request: HttpRequest) -> HttpResponse:
    """Look at another organization from now on."""
    if not choose_organization(request, request.POST.get("organization_id", "")):
        messages.error(request, "You are not a member of this organization any more.")
    target = request.POST.get("next", "")
    if url_has_allowed_host_and_scheme(target, allowed_hosts={request.get_host()}, require_https=request.is_secure()):
        return redirect(target)
    return redirect("console:overview")
