"""Forms of the console. They check shape; what is allowed, services decide."""

from __future__ import annotations

from typing import Any

from django import forms

from common.addresses import ADDRESS_MAX_CHARS
from common.errors import DomainError
from common.principal import Profile
from identities import limits
from identities.enums import Role
from identities.roles import grantable

ROLE_NAMES = {Role.MEMBER: "Member", Role.ADMIN: "Admin", Role.OWNER: "Owner"}


class ConsoleForm(forms.Form):
    """A form that can show the refusal of a service next to the field it speaks of."""

    def refuse(self, refusal: DomainError) -> None:
        """Attach a service's refusal."""
        loc = getattr(refusal, "loc", ())
        field = loc[-1] if loc and loc[-1] in self.fields else None
        self.add_error(str(field) if field else None, refusal.message)


class OneLineField(forms.CharField):
    """Text for one line: it may end up in a header of a mail."""

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        if any(ord(character) < 32 or ord(character) == 127 for character in text):
            raise forms.ValidationError("Remove line breaks and control characters.")
        return text


class OrganizationForm(ConsoleForm):
    """A new organization."""

    name = forms.CharField(max_length=255, label="Name of the organization")


class ClaimCodeForm(ConsoleForm):
    """The code that an agent's human was mailed, typed by whoever has it."""

    agent = OneLineField(
        max_length=ADDRESS_MAX_CHARS,
        label="Handle or address of the agent",
        widget=forms.TextInput({"autocapitalize": "none", "autocomplete": "off", "spellcheck": "false"}),
    )
    code = forms.RegexField(
        r"^\d{6}$",
        label="Code",
        help_text="Six digits, from the mail that asks to verify the agent.",
        error_messages={"invalid": "A code has six digits."},
        widget=forms.TextInput({"inputmode": "numeric", "autocomplete": "one-time-code", "maxlength": "6"}),
    )

    def clean_code(self) -> str:
        """Only digits 0 to 9: other scripts have digits too."""
        code: str = self.cleaned_data["code"]
        if not code.isascii():
            raise forms.ValidationError("A code has six digits.")
        return code


class SettingsForm(ConsoleForm):
    """The settings of an organization."""

    name = forms.CharField(max_length=limits.ORGANIZATION_NAME_MAX_CHARS, label="Name of the organization")
    compat_profile = forms.ChoiceField(
        choices=[(Profile.MODERN.value, "0.4.0 and later"), (Profile.SEED.value, "0.3.1 and earlier")],
        label="Client generation",
        help_text="Where the API differs between generations, callers that do not say which they are get this one.",
    )


class DeleteOrganizationForm(ConsoleForm):
    """Typing the name says that the deletion is meant."""

    confirmation = forms.CharField(
        max_length=limits.ORGANIZATION_NAME_MAX_CHARS,
        label="Name of the organization",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


class InvitationForm(ConsoleForm):
    """Somebody to invite."""

    email = forms.EmailField(max_length=254, label="Email address")
    role = forms.ChoiceField(label="Role")

    def __init__(self, actor: Role, data: Any = None) -> None:
        super().__init__(data)
        self.fields["role"].choices = role_choices(actor)  # type: ignore[attr-defined]


def role_choices(actor: Role) -> list[tuple[str, str]]:
    """The roles that a person of this role may give."""
    return [(role.value, ROLE_NAMES[role]) for role in grantable(actor)]


class NewAgentForm(ConsoleForm):
    """A new agent."""

    agent_handle = forms.CharField(
        max_length=limits.HANDLE_MAX_CHARS,
        label="Handle",
        help_text="Letters a-z, digits and hyphens. It becomes the local part of the agent's address.",
    )
    display_name = OneLineField(
        max_length=limits.DISPLAY_NAME_MAX_CHARS,
        required=False,
        label="Display name",
        help_text="The sender name of its mail. The handle, unless you say otherwise.",
    )
    description = forms.CharField(
        max_length=limits.DESCRIPTION_MAX_CHARS,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        label="What it does",
    )
