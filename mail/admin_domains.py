"""Admin page of sending domains: what they publish, what was found, and what an operator may do about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from common.errors import DomainError
from common.principal import Principal
from identities.admin_base import ServiceAdmin
from mail.domain_names import parse_new_domain
from mail.domain_rendering import RecordReport, record_reports, zone_file
from mail.domain_states import DomainStatus
from mail.models import SendingDomain
from mail.services.sending_domains import (
    DEFAULT_MAIL_FROM,
    NewDomain,
    parse_mail_from,
    register_domain,
    request_domain_deletion,
    restore_domain,
    rotate_domain_keys,
    set_default_domain,
    verify_domain,
)

# Each check may take 12 seconds, and a page has a minute.
_CHECKS_AT_ONCE = 5


class SendingDomainForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    """A registration on behalf of an organization."""

    def clean_domain(self) -> str:
        """The name as it is stored. Raises ValidationError for one that cannot be registered."""
        name = _clean(parse_new_domain, self.cleaned_data["domain"])
        live = SendingDomain.objects.filter(domain=name, organization=self.cleaned_data.get("organization"))
        if live.exclude(status=DomainStatus.FAILED.value).exists():
            raise ValidationError("The organization has registered this domain already.")
        return name

    def clean_mail_from_subdomain(self) -> str:
        """One label."""
        return _clean(parse_mail_from, self.cleaned_data["mail_from_subdomain"])


@admin.register(SendingDomain)
class SendingDomainAdmin(ServiceAdmin):
    """Domains of organizations. Everything but a registration is done with the actions of the list."""

    form = SendingDomainForm
    list_display: ClassVar[list[str]] = [
        "domain",
        "organization",
        "status",
        "is_default",
        "is_receiving",
        "verified_at",
        "last_checked_at",
    ]
    list_filter: ClassVar[list[Any]] = ["status", "is_default", "is_owned", "created_at"]
    list_select_related: ClassVar[list[str]] = ["organization"]
    search_fields: ClassVar[list[str]] = ["domain", "organization__id", "organization__name"]
    autocomplete_fields: ClassVar[list[str]] = ["organization"]
    ordering: ClassVar[list[str]] = ["-created_at"]
    actions: ClassVar[list[str]] = ["check_now", "rotate_keys", "make_default", "request_deletion", "undo_deletion"]
    noun = "domains"
    entered: ClassVar[list[str]] = ["organization", "domain", "mail_from_subdomain"]
    fields: ClassVar[list[str]] = [
        *entered,
        "id",
        "status",
        "failure_reason",
        "is_default",
        "is_owned",
        "is_receiving",
        "has_return_path",
        "records_shown",
        "zone_file_shown",
        "created_at",
        "verified_at",
        "last_checked_at",
        "next_check_at",
        "window_ends_at",
        "rotation_ends_at",
        "purge_at",
    ]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"mail_from_subdomain": DEFAULT_MAIL_FROM, **super().get_changeform_initial_data(request)}

    def make(self, who: Principal, entered: SendingDomain) -> SendingDomain:
        return register_domain(who, NewDomain(entered.domain, entered.mail_from_subdomain)).row

    def outcome(self, row: SendingDomain) -> str:
        now = SendingDomain.objects.filter(pk=row.pk).first()
        return f"{now.status}. {now.failure_reason}".strip() if now is not None else "deleted."

    @admin.display(description="DNS records")
    def records_shown(self, row: SendingDomain) -> SafeString:
        """What to publish, what was found and what to do."""
        return format_html(
            "<table><thead><tr><th>Purpose</th><th>State</th><th>Type</th><th>Name</th><th>Found</th><th>To do</th>"
            "</tr></thead><tbody>{}</tbody></table>",
            format_html_join(
                "",
                "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
                (_cells(report) for report in record_reports(row)),
            ),
        )

    @admin.display(description="Zone file")
    def zone_file_shown(self, row: SendingDomain) -> SafeString:
        """To copy."""
        return format_html('<pre class="whitespace-pre-wrap break-words">{}</pre>', zone_file(record_reports(row)))

    @admin.action(description="Check DNS now", permissions=["manage"])
    def check_now(self, request: HttpRequest, rows: QuerySet[SendingDomain]) -> None:
        """A few at a time; the others are checked by the worker."""
        self.each(request, rows, verify_domain, most=_CHECKS_AT_ONCE)

    @admin.action(description="Replace DKIM keys", permissions=["manage"])
    def rotate_keys(self, request: HttpRequest, rows: QuerySet[SendingDomain]) -> None:
        """Make new keys; the page of the domain shows the records to publish."""
        self.each(request, rows, rotate_domain_keys)

    @admin.action(description="Make default of the organization", permissions=["manage"])
    def make_default(self, request: HttpRequest, rows: QuerySet[SendingDomain]) -> None:
        """New mailboxes get this domain."""
        self.each(request, rows, lambda who, row: set_default_domain(who, row.public_id))

    @admin.action(description="Delete in 24 hours", permissions=["manage"])
    def request_deletion(self, request: HttpRequest, rows: QuerySet[SendingDomain]) -> None:
        """Refused while mailboxes are on the domain."""
        self.each(request, rows, request_domain_deletion)

    @admin.action(description="Undo deletion", permissions=["manage"])
    def undo_deletion(self, request: HttpRequest, rows: QuerySet[SendingDomain]) -> None:
        """What was deleted less than a day ago is as before."""
        self.each(request, rows, restore_domain)


def _clean(parse: Callable[[str], str], raw: str) -> str:
    try:
        return parse(raw)
    except DomainError as error:
        raise ValidationError(error.message) from None


def _cells(report: RecordReport) -> tuple[str, ...]:
    record, verdict = report.record, report.verdict
    purpose = record.purpose.value if record.is_required else f"{record.purpose.value} (advised)"
    return purpose, verdict.state.value, record.type, record.name, "\n".join(verdict.found) or "-", verdict.remedy
