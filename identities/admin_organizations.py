"""Django admin of organizations: their limits, and whether they may go on at all."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from unfold.decorators import action, display

from identities.admin_base import Admin, Inline, only_these
from identities.models import Membership, Organization
from identities.services.organizations import delete_organization
from identities.services.suspension import (
    ALLOWANCE_FIELDS,
    change_allowances,
    resume_organization,
    suspend_organization,
)


class MembershipInline(Inline):
    """Who belongs to an organization, or where a person belongs."""

    model = Membership
    autocomplete_fields: ClassVar[list[str]] = ["user", "organization"]
    fields: ClassVar[list[str]] = ["user", "organization", "role", "created_at"]
    readonly_fields: ClassVar[list[str]] = ["created_at"]


class SuspendedFilter(admin.SimpleListFilter):
    """Those that may go on, and those that may not."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("active", "active"), ("suspended", "suspended")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Organization]) -> QuerySet[Organization]:
        if self.value() is None:
            return queryset
        return queryset.filter(suspended_at__isnull=self.value() == "active")


@admin.register(Organization)
class OrganizationAdmin(Admin):
    """Tenants. Deleting one deletes everything in it."""

    list_display: ClassVar[list[str]] = ["name", "id", "state", "compat_profile", "is_provisional", "created_at"]
    list_filter: ClassVar[list[Any]] = [SuspendedFilter, "compat_profile", "is_provisional"]
    search_fields: ClassVar[list[str]] = ["name", "id"]
    fieldsets = (
        (None, {"fields": ("id", "name", "compat_profile", "is_provisional", "created_at", "updated_at")}),
        ("State", {"fields": ("suspended_at", "suspension_reason")}),
        (
            "Limits",
            {
                "fields": ALLOWANCE_FIELDS,
                "description": "They go before those of the server, at once. The size of a mailbox is on its own page.",
            },
        ),
    )
    readonly_fields: ClassVar[list[str]] = [
        "id",
        "is_provisional",
        "created_at",
        "updated_at",
        "suspended_at",
        "suspension_reason",
    ]
    inlines: ClassVar[list[Any]] = [MembershipInline]
    actions_detail: ClassVar[list[str]] = ["suspend_or_resume"]

    @display(description="State", label={"active": "success", "suspended": "danger"})  # type: ignore[untyped-decorator]
    def state(self, row: Organization) -> str:
        return "suspended" if row.is_suspended else "active"

    def get_fieldsets(self, request: HttpRequest, obj: Organization | None = None) -> Any:
        """A new one has no limits yet, so that every change of them is in its audit log."""
        return self.fieldsets if obj is not None else self.fieldsets[:1]

    def save_model(self, request: HttpRequest, obj: Organization, form: Any, change: bool) -> None:
        if change:
            change_allowances(obj.pk, {name: form.cleaned_data[name] for name in ALLOWANCE_FIELDS})
        # The state is not the form's: somebody may be suspending it just now.
        obj.save(update_fields=["name", "compat_profile", "updated_at"] if change else None)

    @action(  # type: ignore[untyped-decorator]
        description="Suspend or resume", url_path="suspension", permissions=["change"], icon="block"
    )
    def suspend_or_resume(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for the reason, then stop it; or let it go on."""
        row = get_object_or_404(Organization, pk=object_id)
        back = reverse("admin:identities_organization_change", args=[row.pk])
        if request.method != "POST":
            title = f"{'Resume' if row.is_suspended else 'Suspend'} {row.name}"
            shared = self.admin_site.each_context(request)
            context = {**shared, "title": title, "organization": row, "back": back}
            return render(request, "admin/operations/suspend.html", context)
        if "reason" in request.POST:
            suspend_organization(row.pk, request.POST["reason"])
            messages.success(request, f"{row.name} is suspended.")
        else:
            resume_organization(row.pk)
            messages.success(request, f"{row.name} goes on.")
        return redirect(back)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        return only_these(objs, self.opts.verbose_name_plural)

    def delete_model(self, request: HttpRequest, obj: Organization) -> None:
        delete_organization(obj.pk)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Organization]) -> None:
        for organization in queryset:
            delete_organization(organization.pk)
