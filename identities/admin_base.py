"""What every admin page of the server has in common. Admin is a door: it shows rows and calls services."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline

from common.errors import DomainError
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


class ServiceAdmin(Admin):
    """Rows of organizations that only services change: a person enters a few fields, the rest are actions of the list.

    Whoever may change the model may run actions with the permission `manage`.
    """

    entered: ClassVar[list[str]] = []
    noun: ClassVar[str] = "rows"

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return self.entered if obj is None else list(self.fields)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [] if obj is None else list(self.fields)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_manage_permission(self, request: HttpRequest) -> bool:
        """For `permissions` of actions."""
        return bool(self.has_change_permission(request))

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Have a new row made; a known one has nothing to save."""
        if change:
            return
        made = self.make(operator(obj.organization_id), obj)
        # The page goes on with what the service made.
        for field in self.model._meta.concrete_fields:
            setattr(obj, field.attname, getattr(made, field.attname))
        obj._state.adding = False

    def make(self, who: Principal, entered: Any) -> Any:
        """Call the service that makes a row of what was entered."""
        raise NotImplementedError

    def outcome(self, row: Any) -> str:
        """What became of a row, for the message after an action."""
        raise NotImplementedError

    def each(
        self, request: HttpRequest, rows: QuerySet[Any], work: Callable[[Principal, Any], Any], most: int | None = None
    ) -> None:
        """Run a service for each row as its organization; one that refuses does not stop the others."""
        chosen = list(rows.order_by("pk")[: most + 1 if most is not None else None])
        if most is not None and len(chosen) > most:
            self.message_user(request, f"Choose at most {most} {self.noun}.", messages.WARNING)
            return
        for row in chosen:
            try:
                work(operator(row.organization_id), row)
            except DomainError as error:
                self.message_user(request, f"{row}: {error.message}", messages.ERROR)
            else:
                self.message_user(request, f"{row}: {self.outcome(row)}", messages.SUCCESS)


def operator(organization_id: str) -> Principal:
    """An operator in Django admin, acting inside one organization with the rights of its administrators."""
    return Principal(scope=Scope.ADMIN, organization_id=organization_id)


def only_these(rows: Any, name: str) -> tuple[list[str], dict[str, int], set[str], list[str]]:
    """For the confirmation page: what is selected, not all that the service removes with it.

    Django would load every message of an organization to list it, and refuse because mail cannot be deleted by hand.
    """
    shown = [str(row) for row in rows]
    return shown, {str(name): len(shown)}, set(), []
