"""Admin pages of the domains that organizations claim, and of the agents that show them."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest

from common.errors import DomainError
from common.principal import Principal
from identities.admin_base import ReadOnlyAdmin, ServiceAdmin
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
class OrganizationDomainAdmin(ServiceAdmin):
    """Claims. Everything but a new one is done with the actions of the list."""

    form = OrganizationDomainForm
    list_display: ClassVar[list[str]] = ["domain", "organization", "state", "last_check_result", "valid_until"]
    list_filter: ClassVar[list[Any]] = ["state", "last_check_result", "created_at"]
    list_select_related: ClassVar[list[str]] = ["organization"]
    search_fields: ClassVar[list[str]] = ["domain", "organization__id", "organization__name"]
    autocomplete_fields: ClassVar[list[str]] = ["organization"]
    ordering: ClassVar[list[str]] = ["-created_at"]
    actions: ClassVar[list[str]] = ["check_now", "release"]
    noun = "domains"
    entered: ClassVar[list[str]] = ["organization", "domain"]
    fields: ClassVar[list[str]] = [
        *entered,
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

    def make(self, who: Principal, entered: OrganizationDomain) -> OrganizationDomain:
        return claim_domain(who, entered.domain).row

    def outcome(self, row: OrganizationDomain) -> str:
        row.refresh_from_db()
        return f"{row.state}."

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
        self.each(request, rows, verify_claim, most=_CHECKS_AT_ONCE)

    @admin.action(description="Release", permissions=["manage"])
    def release(self, request: HttpRequest, rows: QuerySet[OrganizationDomain]) -> None:
        """The organization gives it up."""
        self.each(request, rows, release_claim)


@admin.register(DomainAffiliation)
class DomainAffiliationAdmin(ReadOnlyAdmin):
    """Which agent shows which domain."""

    list_display: ClassVar[list[str]] = ["identity", "claim", "created_at"]
    list_select_related: ClassVar[list[str]] = ["identity", "claim"]
    search_fields: ClassVar[list[str]] = ["identity__agent_handle", "claim__domain"]
    fields: ClassVar[list[str]] = ["identity", "claim", "created_at"]
