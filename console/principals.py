"""Who looks at a page, and in which of their organizations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from common.actor import Actor, ActorKind, bind_actor
from common.errors import DomainError, NotFound
from common.principal import Principal, Scope
from identities.errors import OrganizationSuspended
from identities.models import Membership, Organization, User
from identities.services.sessions import ORGANIZATION_KEY

P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Viewer:
    """The person, the organization they chose, and the others they may choose."""

    user: User
    organization: Organization
    role: str
    memberships: tuple[Membership, ...]

    @property
    def principal(self) -> Principal:
        """The same caller that a console session of the API is."""
        return Principal(
            scope=Scope.SESSION, organization_id=self.organization.pk, user_id=self.user.pk, role=self.role
        )

    @property
    def manages(self) -> bool:
        """May change what belongs to the organization."""
        return self.principal.manages_organization


View = Callable[Concatenate[Any, P], HttpResponse]


def console_page(view: View[P]) -> Callable[..., HttpResponse]:
    """Only for members of an organization; the view finds them in `request.viewer`."""

    @login_required
    @wraps(view)
    def page(request: Any, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        viewer = find_viewer(request)
        if viewer is None:
            return redirect("console:welcome")
        request.viewer = viewer
        bind_actor(Actor(ActorKind.USER, viewer.user.pk, viewer.user.email))
        try:
            if viewer.organization.is_suspended and request.method not in ("GET", "HEAD"):
                raise OrganizationSuspended(viewer.organization.suspension_reason)
            response = view(request, *args, **kwargs)
        except NotFound as missing:
            raise Http404(missing.message) from None
        except DomainError as refusal:
            # What a form could have shown, its view has caught; this is somebody without the right to be here.
            response = render(request, "console/refused.html", {"refusal": refusal}, status=refusal.status)
        # Pages show mail and secrets: neither a shared cache nor the back button after sign-out may keep them.
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    return page


def find_viewer(request: HttpRequest) -> Viewer | None:
    """The organization that the session names, else the oldest membership; None without any. One query."""
    assert isinstance(request.user, User)
    rows = Membership.objects.filter(user=request.user).select_related("organization")
    memberships = tuple(rows.order_by("created_at", "pk"))
    chosen = request.session.get(ORGANIZATION_KEY)
    current = next((row for row in memberships if row.organization_id == chosen), None)
    if current is None:
        current = memberships[0] if memberships else None
    if current is None:
        return None
    return Viewer(request.user, current.organization, current.role, memberships)


def choose_organization(request: HttpRequest, organization_id: str) -> bool:
    """Remember the choice in the session; False when the person is no member there."""
    assert isinstance(request.user, User)
    if not Membership.objects.filter(user=request.user, organization_id=organization_id).exists():
        return False
    request.session[ORGANIZATION_KEY] = organization_id
    return True
