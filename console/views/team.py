"""People of the organization: members, roles, invitations, and the page behind the link of an invitation."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from common import ratelimit
from common.actor import Actor, ActorKind, bind_actor
from common.api.context import client_address
from common.clock import now
from common.errors import Conflict, DomainError, Forbidden
from console.accounts import INVITATION_KEY
from console.forms import InvitationForm
from console.principals import choose_organization, console_page
from console.team import list_invitations, list_team
from identities.enums import Role
from identities.errors import RoleTooLow
from identities.models import User
from identities.services.invitations import accept_invitation, find_invitation, invite_person, revoke_invitation
from identities.services.team import change_role, leave_organization, remove_member

_TRIES_PER_MINUTE = 30


@require_http_methods(["GET", "HEAD", "POST"])
@console_page
def team(request: Any) -> HttpResponse:
    """Members and open invitations; a POST invites."""
    viewer = request.viewer
    form = InvitationForm(Role(viewer.role), request.POST or None)
    if request.method == "POST":
        if not viewer.manages:
            raise RoleTooLow
        if form.is_valid():
            try:
                row = invite_person(viewer.principal, form.cleaned_data["email"], Role(form.cleaned_data["role"]))
            except DomainError as refusal:
                form.refuse(refusal)
            else:
                messages.success(request, f"An invitation is on its way to {row.email}.")
                return redirect("console:team")
    context = {
        "members": list_team(viewer),
        "invitations": list_invitations(viewer),
        "form": form,
        "now": now(),
    }
    return render(request, "console/team.html", context, status=422 if form.errors else 200)


@require_POST
@console_page
def member(request: Any, user_id: str) -> HttpResponse:
    """Change the role of a member, or remove them."""
    viewer = request.viewer
    try:
        if request.POST.get("remove"):
            remove_member(viewer.principal, user_id)
            messages.success(request, "The person is not a member any more.")
        elif (role := request.POST.get("role", "")) in set(Role):
            row = change_role(viewer.principal, user_id, Role(role))
            messages.success(request, f"{row.user.email} is {'a' if role == Role.MEMBER else 'an'} {role} now.")
        else:
            messages.error(request, "Choose a role.")
    except Conflict as refusal:
        messages.error(request, refusal.message)
    return redirect("console:team")


@require_POST
@console_page
def leave(request: Any) -> HttpResponse:
    """Leave the organization."""
    viewer = request.viewer
    try:
        leave_organization(viewer.principal)
    except Conflict as refusal:
        messages.error(request, refusal.message)
        return redirect("console:team")
    messages.success(request, f"You have left {viewer.organization.name}.")
    return redirect("console:overview")


@require_POST
@console_page
def revoke(request: Any, invitation_id: UUID) -> HttpResponse:
    """Take an invitation back."""
    revoke_invitation(request.viewer.principal, invitation_id)
    messages.success(request, "The invitation does not work any more.")
    return redirect("console:team")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """What the link of an invitation shows. Looking changes nothing; only a signed-in person accepts."""
    try:
        ratelimit.hit("invitation", client_address(request), _TRIES_PER_MINUTE)
        row = find_invitation(token)
    except DomainError as refusal:
        return render(request, "console/invitation.html", {"refusal": refusal}, status=refusal.status)
    user = request.user if isinstance(request.user, User) else None
    if user is None:
        # Registration may be closed to everybody else, and verifying an address takes several requests.
        request.session[INVITATION_KEY] = token
        if request.method == "POST":
            return redirect_to_login(reverse("console:invitation", args=[token]))
    elif request.method == "POST":
        bind_actor(Actor(ActorKind.USER, user.pk, user.email))
        try:
            membership = accept_invitation(user, token)
        except Forbidden as refusal:
            return render(request, "console/invitation.html", {"refusal": refusal, "user": user}, status=403)
        request.session.pop(INVITATION_KEY, None)
        choose_organization(request, membership.organization_id)
        messages.success(request, f"Welcome to {membership.organization.name}.")
        return redirect("console:overview")
    is_other = user is not None and user.email.lower() != row.email
    return render(request, "console/invitation.html", {"invitation": row, "is_other": is_other})
