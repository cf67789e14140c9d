"""API keys, of the organization and of one agent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from common.errors import DomainError
from console.agent_forms import NewKeyForm
from console.once import Secret, keep_secret, take_secret
from console.paging import Page, paginate
from console.principals import console_page
from console.views.agent_pages import render_agent_page
from identities.enums import CreatorType
from identities.errors import RoleTooLow
from identities.models import AgentIdentity, ApiKey, User
from identities.selectors import get_identity, get_managed_identity
from identities.services.api_keys import NewApiKey, create_api_key, revoke_api_key


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key in a list, and who made it."""

    key: ApiKey
    made_by: str


@require_http_methods(["GET", "HEAD", "POST"])
@console_page
def key_list(request: Any) -> HttpResponse:
    """All keys of the organization; a POST makes an admin key."""
    place = f"keys:{request.viewer.organization.pk}"
    form = NewKeyForm(request.POST if request.method == "POST" else None)
    if request.method == "POST":
        if not request.viewer.manages:
            raise RoleTooLow
        if form.is_valid() and _mint(request, form, None, place):
            return redirect("console:keys")
    context = {**_list(request, ApiKey.objects.visible_to(request.viewer.principal)), "form": form}
    # Last: what fails before leaves the secret where it is.
    context["secret"] = take_secret(request, place)
    return render(request, "console/keys.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@console_page
def agent_keys(request: Any, handle: str) -> HttpResponse:
    """The keys of one agent; a POST makes another."""
    principal = request.viewer.principal
    form = NewKeyForm(request.POST if request.method == "POST" else None)
    identity = (get_managed_identity if request.method == "POST" else get_identity)(principal, handle)
    place = f"keys:{identity.pk}"
    if form.is_valid() and _mint(request, form, identity.pk, place):
        return redirect("console:agent_keys", handle)
    context = {**_list(request, ApiKey.objects.visible_to(principal).filter(scoped_identity=identity)), "form": form}
    context["secret"] = take_secret(request, place)
    return render_agent_page(request, identity, "console/agent_keys.html", context, status=422 if form.errors else 200)


@require_POST
@console_page
def revoke_key(request: Any, key_id: str) -> HttpResponse:
    """Stop a key at once, and go back to the list it was in."""
    principal = request.viewer.principal
    revoke_api_key(principal, key_id)
    messages.success(request, "The key is revoked: calls with it are refused from now on.")
    identity = AgentIdentity.objects.visible_to(principal).filter(agent_handle=request.POST.get("agent", "")).first()
    return redirect("console:agent_keys", identity.agent_handle) if identity is not None else redirect("console:keys")


def _mint(request: Any, form: NewKeyForm, identity_id: UUID | None, place: str) -> bool:
    """Make the key and keep its text for the next page."""
    label, description = form.cleaned_data["label"], form.cleaned_data["description"] or None
    try:
        key, text = create_api_key(request.viewer.principal, NewApiKey(label, description, identity_id))
    except DomainError as refusal:
        form.refuse(refusal)
        return False
    keep_secret(request, place, Secret(f"The key “{key.label}”", text))
    return True


def _list(request: Any, rows: QuerySet[ApiKey]) -> dict[str, Any]:
    """Keys in force, or with `?revoked=1` those that are not. Two queries."""
    is_revoked = request.GET.get("revoked") == "1"
    rows = rows.filter(revoked_at__isnull=not is_revoked).select_related("scoped_identity")
    page = paginate(request, rows.order_by("-created_at", "-pk"))
    return {"page": Page(_with_people(page.rows), page.previous, page.following), "is_revoked": is_revoked}


def _with_people(keys: Iterable[ApiKey]) -> list[KeyRow]:
    keys = list(keys)
    people = dict(User.objects.filter(pk__in={key.created_by for key in keys}).values_list("pk", "email"))
    return [KeyRow(key, people.get(key.created_by, _UNNAMED[CreatorType(key.creator_type)])) for key in keys]


_UNNAMED = {CreatorType.AGENT: "the agent itself", CreatorType.HUMAN: "the operator"}
