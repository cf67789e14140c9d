"""Admin pages of the domains that organizations claim, and of the agents that show them."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest

from common.errors import DomainError
from identities.admin_base import Admin, ReadOnlyAdmin, operator
from identities.domain_claims import ClaimState
from identities.models import DomainAffiliation, OrganizationDomain
from identities.services.organization_domains import (
    claim_domain,
    parse_claimed_domain,
    release_claim,
    verify_claim,
)

# Each look may take 3 seconds, and a page has a minute.
_CHECKS_AT_ONCE = 10


class OrganizationDomainForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    """A claim on behalf of an organization."""

    def clean_domain(self) -> str:
        """The name as it is stored. Raises ValidationError for one that cannot be claimed."""
        try:
            name = parse_claimed_domain(self.cleaned_data["domain"])
        except DomainError as error:
            raise ValidationError(error.message) from None
        rows = OrganizationDomain.objects.filter(domain=name, organization=self.cleaned_data.get("organization"))
        if rows.exclude(state=ClaimState.RELEASED.value).exists():
            raise ValidationError("The organization has claimed this domain already.")
        return name


@admin.register(OrganizationDomain)
class OrganizationDomainAdmin(Admin):
    """Claims. Everything but a new one is done with the actions of the list."""

    form = OrganizationDomainForm
    list_display: ClassVar[list[str]] = ["domain", "organization", "state", "last_check_result", "valid_until"]
    list_filter: ClassVar[list[Any]] = ["state", "last_check_result", "created_at"]
    list_select_related: ClassVar[list[str]] = ["organization"]
    search_fields: ClassVar[list[str]] = ["domain", "organization__id", "organization__name"]
    autocomplete_fields: ClassVar[list[str]] = ["organization"]
    ordering: ClassVar[list[str]] = ["-created_at"]
    actions: ClassVar[list[str]] = ["check_now", "release"]
    _claimed: ClassVar[list[str]] = ["organization", "domain"]
    fields: ClassVar[list[str]] = [
        *_claimed,
        "id",
        "state",
        "last_check_result",
        "record_shown",
        "to_do",
        "verified_at",
        "last_checked_at",
        "last_success_at",
        "valid_until",
        "pending_expires_at",
        "next_check_at",
        "released_at",
        "created_at",
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[OrganizationDomain]:
        rows: Any = super().get_queryset(request)
        found: QuerySet[OrganizationDomain] = rows.with_conflicts()
        return found

    def get_fields(self, request: HttpRequest, obj: OrganizationDomain | None = None) -> list[str]:
        return self._claimed if obj is None else self.fields

    def get_readonly_fields(self, request: HttpRequest, obj: OrganizationDomain | None = None) -> list[str]:
        return [] if obj is None else self.fields

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_manage_permission(self, request: HttpRequest) -> bool:
        """Who may change claims may run the actions."""
        return request.user.has_perm("identities.change_organizationdomain")

    def save_model(self, request: HttpRequest, obj: OrganizationDomain, form: Any, change: bool) -> None:
        """Claim it; a known one has nothing to save."""
        if change:
            return
        made = claim_domain(operator(obj.organization_id), obj.domain).row
        # The page goes on with what the service made.
        for field in OrganizationDomain._meta.concrete_fields:
            setattr(obj, field.attname, getattr(made, field.attname))
        obj._state.adding = False

    @admin.display(description="DNS record")
    def record_shown(self, row: OrganizationDomain) -> str:
        """What to publish."""
        record = row.dns_record
        return f'{record["name"]}. IN {record["type"]} "{record["value"]}"'

    @admin.display(description="To do")
    def to_do(self, row: OrganizationDomain) -> str:
        """As the API says it."""
        return row.recovery_action or "-"

    @admin.action(description="Look at DNS now", permissions=["manage"])
    def check_now(self, request: HttpRequest, rows: QuerySet[OrganizationDomain]) -> None:
        """A few at a time; the others are looked at by the worker."""
        chosen = list(rows.order_by("pk")[: _CHECKS_AT_ONCE + 1])
        if len(chosen) > _CHECKS_AT_ONCE:
            self.message_user(request, f"Choose at most {_CHECKS_AT_ONCE} domains.", messages.WARNING)
            return
        self._each(request, chosen, verify_claim)

    @admin.action(description="Release", permissions=["manage"])
    def release(self, request: HttpRequest, rows: QuerySet[OrganizationDomain]) -> None:
        """The organization gives it up."""
        self._each(request, list(rows.order_by("pk")), release_claim)

    def _each(self, request: HttpRequest, rows: list[OrganizationDomain], work: Any) -> None:
        """Run a service for each row as its organization; one that refuses does not stop the others."""
        for row in rows:
            try:
                work(operator(row.organization_id), row)
            except DomainError as error:
                self.message_user(request, f"{row.domain}: {error.message}", messages.ERROR)
                continue
            row.refresh_from_db()
            self.message_user(request, f"{row.domain}: {row.state}.", messages.SUCCESS)


@admin.register(DomainAffiliation)
class DomainAffiliationAdmin(ReadOnlyAdmin):
    """Which agent shows which domain."""

    list_display: ClassVar[list[str]] = ["identity", "claim", "created_at"]
    list_select_related: ClassVar[list[str]] = ["identity", "claim"]
    search_fields: ClassVar[list[str]] = ["identity__agent_handle", "claim__domain"]
    fields: ClassVar[list[str]] = ["identity", "claim", "created_at"]
