"""What every admin page of the server has in common. Admin is a door: it shows rows and calls services."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline

from common.principal import Principal, Scope


class Admin(ModelAdmin):  # type: ignore[misc]  # unfold has no type hints
    """Defaults: small pages, no count of the whole table."""

    list_per_page = 50
    show_full_result_count = False
    compressed_fields = True
    list_filter_submit = True


class Inline(TabularInline):  # type: ignore[misc]  # unfold has no type hints
    """Rows of a related model on the page of their parent."""

    extra = 0
    tab = True


class ReadOnlyAdmin(Admin):
    """Rows to look at: nothing is added, changed or deleted here."""

    def has_add_permission(self, request: HttpRequest, *_: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def operator(organization_id: str) -> Principal:
    """An operator in Django admin, acting inside one organization with the rights of its administrators."""
    return Principal(scope=Scope.ADMIN, organization_id=organization_id)


def only_these(rows: Any, name: str) -> tuple[list[str], dict[str, int], set[str], list[str]]:
    """For the confirmation page: what is selected, not all that the service removes with it.

    Django would load every message of an organization to list it, and refuse because mail cannot be deleted by hand.
    """
    shown = [str(row) for row in rows]
    return shown, {str(name): len(shown)}, set(), []
