"""Settings of the organization, and its end."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from common.errors import DomainError
from common.principal import Profile
from console.forms import DeleteOrganizationForm, SettingsForm
from console.principals import console_page
from identities.enums import Role
from identities.errors import OwnersOnly, RoleTooLow
from identities.services.organizations import OrganizationChanges, remove_own_organization, update_organization


@require_http_methods(["GET", "HEAD", "POST"])
@console_page
def settings_page(request: Any) -> HttpResponse:
    """Name and client generation; members look."""
    viewer = request.viewer
    row = viewer.organization
    form = SettingsForm(request.POST or None, initial={"name": row.name, "compat_profile": row.compat_profile})
    if request.method == "POST":
        if not viewer.manages:
            raise RoleTooLow
        if form.is_valid():
            changes = OrganizationChanges(form.cleaned_data["name"], Profile(form.cleaned_data["compat_profile"]))
            update_organization(viewer.principal, changes)
            messages.success(request, "Saved.")
            return redirect("console:settings")
    return render(
        request,
        "console/settings.html",
        {"form": form, "is_owner": viewer.role == Role.OWNER},
        status=422 if form.errors else 200,
    )


@require_http_methods(["GET", "HEAD", "POST"])
@console_page
def delete(request: Any) -> HttpResponse:
    """Delete the organization; its name has to be typed."""
    viewer = request.viewer
    if viewer.role != Role.OWNER:
        raise OwnersOnly
    form = DeleteOrganizationForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            remove_own_organization(viewer.principal, form.cleaned_data["confirmation"])
        except DomainError as refusal:
            form.refuse(refusal)
        else:
            messages.success(request, f"{viewer.organization.name} is deleted with everything in it.")
            return redirect("console:overview")
    return render(request, "console/organization_delete.html", {"form": form}, status=422 if form.errors else 200)
