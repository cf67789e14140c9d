"""Admin pages of what holds mail back: the suppression lists, and exchanges between agents."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from identities.admin_base import Admin, ReadOnlyAdmin
from mail.addresses import normalize_address, parse_recipient
from mail.enums import SuppressionReason, SuppressionSource
from mail.models import Exchange, Suppression


class SuppressionForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    """A manual entry."""

    def clean_address(self) -> str:
        """The address as lookups compare it."""
        address = parse_recipient(self.cleaned_data["address"])
        if address is None:
            raise ValidationError("This is not an email address. Enter a bare address such as ada@example.com.")
        return normalize_address(address)


@admin.register(Suppression)
class SuppressionAdmin(Admin):
    """Addresses nothing is sent to. Without an organization an entry counts for everybody."""

    form = SuppressionForm
    list_display: ClassVar[list[str]] = ["address", "organization", "reason", "source", "created_at", "expires_at"]
    list_filter: ClassVar[list[Any]] = [
        "reason",
        "source",
        ("organization", admin.EmptyFieldListFilter),
        "created_at",
        "expires_at",
    ]
    list_select_related: ClassVar[list[str]] = ["organization"]
    search_fields: ClassVar[list[str]] = ["address", "organization__id"]
    autocomplete_fields: ClassVar[list[str]] = ["organization"]
    fields: ClassVar[list[str]] = [
        "organization",
        "address",
        "detail",
        "expires_at",
        "reason",
        "source",
        "message",
        "created_at",
    ]
    readonly_fields: ClassVar[list[str]] = ["reason", "source", "message", "created_at"]
    ordering: ClassVar[list[str]] = ["-created_at"]

    def get_readonly_fields(self, request: HttpRequest, obj: Suppression | None = None) -> list[str]:
        """Whom an entry is about never changes; remove it and add another."""
        return self.readonly_fields if obj is None else ["organization", "address", *self.readonly_fields]

    def save_model(self, request: HttpRequest, obj: Suppression, form: Any, change: bool) -> None:
        """An entry made here is the operator's."""
        if not change:
            obj.reason, obj.source = SuppressionReason.MANUAL.value, SuppressionSource.OPERATOR.value
        obj.save()


@admin.register(Exchange)
class ExchangeAdmin(ReadOnlyAdmin):
    """How much mailboxes of this server write to each other, and which pairs are paused."""

    list_display: ClassVar[list[str]] = ["mailbox", "peer", "level", "counted_at", "paused_until"]
    list_filter: ClassVar[list[Any]] = [("paused_until", admin.EmptyFieldListFilter), "counted_at"]
    list_select_related: ClassVar[list[str]] = ["mailbox"]
    search_fields: ClassVar[list[str]] = ["mailbox__email_address", "peer"]
    ordering: ClassVar[list[str]] = ["-counted_at"]
