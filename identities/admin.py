"""Django admin of this app. Hashes and sealed secrets are no form fields and appear nowhere."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin as BaseGroupAdmin
from django.contrib.auth.admin import UserAdmin as BaseUserAdmin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from common.principal import Profile
from identities import admin_audit, admin_domains, admin_organizations, admin_sessions, admin_visibility  # noqa: F401  (importing registers)
from identities.admin_base import Admin, ReadOnlyAdmin, only_these, operator
from identities.admin_organizations import MembershipInline
from identities.enums import KeyStatus
from identities.models import (
    AgentIdentity,
    ApiKey,
    HandleClaim,
    IdempotencyRecord,
    Membership,
    SigningKey,
    User,
)
from identities.services.api_keys import revoke_api_key
from identities.services.identities import IdentityChanges, delete_identity, update_identity

admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(BaseGroupAdmin, Admin):
    """Permission groups of operators."""


@admin.register(User)
class UserAdmin(BaseUserAdmin, Admin):  # type: ignore[type-arg]  # Django's class takes no argument at run time
    """People. They sign in with their email address."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    ordering = ("-created_at",)
    list_display = ("email", "name", "is_active", "is_staff", "created_at")
    list_filter = ("is_active", "is_staff", "is_superuser")
    search_fields = ("email", "name", "id")
    readonly_fields = ("id", "created_at", "last_login")
    inlines = (MembershipInline,)
    fieldsets = (
        (None, {"fields": ("id", "email", "name", "password")}),
        ("Console", {"fields": ("email_verified_at", "token_epoch")}),
        ("Operator", {"fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")}),
        ("Dates", {"fields": ("last_login", "created_at")}),
    )
    add_fieldsets = ((None, {"classes": ("wide",), "fields": ("email", "name", "password1", "password2")}),)


@admin.register(Membership)
class MembershipAdmin(Admin):
    """Who belongs where."""

    list_display: ClassVar[list[str]] = ["user", "organization", "role", "created_at"]
    list_filter: ClassVar[list[str]] = ["role"]
    list_select_related: ClassVar[list[str]] = ["user", "organization"]
    search_fields: ClassVar[list[str]] = ["user__email", "organization__name", "organization__id"]
    autocomplete_fields: ClassVar[list[str]] = ["user", "organization"]
    readonly_fields: ClassVar[list[str]] = ["created_at"]


@admin.register(AgentIdentity)
class AgentIdentityAdmin(Admin):
    """Identities. They are created by the API, which gives them their channels; deleting one removes those too."""

    list_display: ClassVar[list[str]] = ["agent_handle", "organization", "status", "claim_status", "created_at"]
    list_filter: ClassVar[list[str]] = ["status", "claim_status", "mail_inbound_filter_mode"]
    list_select_related: ClassVar[list[str]] = ["organization"]
    search_fields: ClassVar[list[str]] = ["agent_handle", "display_name", "id", "organization__id"]
    fieldsets = (
        (None, {"fields": ("id", "organization", "agent_handle", "status", "display_name", "description")}),
        ("Claim", {"fields": ("claim_status", "human_email")}),
        ("Mail rules", {"fields": ("mail_filter_mode", "mail_inbound_filter_mode", "mail_outbound_filter_mode")}),
        ("Dates", {"fields": ("created_at", "updated_at")}),
    )
    _writable = frozenset({"status", "display_name", "description"})

    def get_queryset(self, request: HttpRequest) -> QuerySet[AgentIdentity]:
        rows: QuerySet[AgentIdentity] = super().get_queryset(request)
        return rows.filter(deleted_at__isnull=True)

    def get_readonly_fields(self, request: HttpRequest, obj: AgentIdentity | None = None) -> list[str]:
        shown = [name for _, options in self.fieldsets for name in options["fields"]]
        return [name for name in shown if name not in self._writable]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: AgentIdentity, form: Any, change: bool) -> None:
        changes = IdentityChanges(**{name: form.cleaned_data[name] for name in form.changed_data})
        update_identity(operator(obj.organization_id), obj, changes, Profile.MODERN)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        return only_these(objs, self.opts.verbose_name_plural)

    def delete_model(self, request: HttpRequest, obj: AgentIdentity) -> None:
        delete_identity(obj, Profile.MODERN)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[AgentIdentity]) -> None:
        for identity in queryset:
            delete_identity(identity, Profile.MODERN)


class KeyStatusFilter(admin.SimpleListFilter):
    """The status of a key is derived from its times, so the filter is too."""

    title = "status"
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(status.value, status.value) for status in KeyStatus]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> QuerySet[ApiKey]:
        if self.value() is None:
            return queryset
        return queryset.filter(revoked_at__isnull=self.value() == KeyStatus.ACTIVE)


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin):
    """API keys. The text of a new key could not be shown here safely, so they are minted elsewhere."""

    list_display: ClassVar[list[str]] = ["display_prefix", "label", "organization", "scoped_identity", "key_status"]
    list_filter: ClassVar[list[Any]] = [KeyStatusFilter, "creator_type"]
    list_select_related: ClassVar[list[str]] = ["organization", "scoped_identity"]
    search_fields: ClassVar[list[str]] = ["id", "label", "organization__id", "scoped_identity__agent_handle"]
    exclude: ClassVar[list[str]] = ["secret_hash"]
    actions: ClassVar[list[str]] = ["revoke_keys"]

    @display(description="Status", label={"active": "success", "revoked": "danger"})  # type: ignore[untyped-decorator]
    def key_status(self, row: ApiKey) -> str:
        return row.status

    @admin.action(description="Revoke the selected keys", permissions=["revoke"])
    def revoke_keys(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        for key in queryset:
            revoke_api_key(operator(key.organization_id), key.pk)
        messages.success(request, "The selected keys are revoked.")

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Whoever could delete a key may revoke it."""
        return request.user.has_perm("identities.delete_apikey")


@admin.register(SigningKey)
class SigningKeyAdmin(ReadOnlyAdmin):
    """Which identities and organizations have a webhook signing key."""

    list_display: ClassVar[list[str]] = ["id", "organization", "identity", "created_at"]
    list_select_related: ClassVar[list[str]] = ["organization", "identity"]
    search_fields: ClassVar[list[str]] = ["organization__id", "organization__name", "identity__agent_handle"]
    exclude: ClassVar[list[str]] = ["sealed_secret"]


@admin.register(HandleClaim)
class HandleClaimAdmin(ReadOnlyAdmin):
    """Who holds which name, and since when a released one waits."""

    list_display: ClassVar[list[str]] = ["name", "namespace", "organization", "identity", "claimed_at", "released_at"]
    list_filter: ClassVar[list[str]] = ["namespace"]
    list_select_related: ClassVar[list[str]] = ["organization", "identity"]
    search_fields: ClassVar[list[str]] = ["name", "organization__id"]


@admin.register(IdempotencyRecord)
class IdempotencyRecordAdmin(ReadOnlyAdmin):
    """Remembered sends."""

    list_display: ClassVar[list[str]] = ["id", "organization", "operation", "state", "response_status", "created_at"]
    list_filter: ClassVar[list[str]] = ["state", "operation"]
    list_select_related: ClassVar[list[str]] = ["organization"]
    search_fields: ClassVar[list[str]] = ["key", "resource_id", "organization__id"]
    exclude: ClassVar[list[str]] = ["body_hash", "response_body"]
