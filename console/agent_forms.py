"""Forms of the pages of one agent."""

from __future__ import annotations

from typing import Any

from django import forms

from console.forms import ConsoleForm, OneLineField
from contacts.enums import MatchType, RuleAction, RuleDirection
from identities import limits
from identities.enums import FilterMode
from mail.limits import ADDRESS_MAX_CHARS, SIGNATURE_MAX_CHARS

ACTIONS = [(RuleAction.ALLOW.value, "Allow"), (RuleAction.BLOCK.value, "Block")]
MATCHES = [(MatchType.EXACT_EMAIL.value, "Address"), (MatchType.DOMAIN.value, "Domain")]
DIRECTIONS = [
    (RuleDirection.BOTH.value, "Received and sent"),
    (RuleDirection.INBOUND.value, "Received only"),
    (RuleDirection.OUTBOUND.value, "Sent only"),
]
_SIDES = [(RuleDirection.INBOUND.value, "Received"), (RuleDirection.OUTBOUND.value, "Sent")]
MODES = [
    (FilterMode.BLACKLIST.value, "Everybody, except who is blocked"),
    (FilterMode.WHITELIST.value, "Nobody, except who is allowed"),
]


class AboutForm(ConsoleForm):
    """What an agent is called and what it does."""

    display_name = OneLineField(
        max_length=limits.DISPLAY_NAME_MAX_CHARS,
        required=False,
        label="Display name",
        help_text="The sender name of its mail. Empty: the handle.",
    )
    description = forms.CharField(
        max_length=limits.DESCRIPTION_MAX_CHARS,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        label="What it does",
    )


class DeleteAgentForm(ConsoleForm):
    """A deletion that cannot happen by accident."""

    confirmation = forms.CharField(label="Handle", widget=forms.TextInput(attrs={"autocomplete": "off"}))

    def __init__(self, handle: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.handle = handle
        self.fields["confirmation"].help_text = "Type the handle of the agent to confirm."

    def clean_confirmation(self) -> str:
        typed: str = self.cleaned_data["confirmation"].strip().removeprefix("@")
        if typed != self.handle:
            raise forms.ValidationError(f"This is not the handle of the agent. Type {self.handle}.")
        return typed


class FilterModesForm(ConsoleForm):
    """Who gets through when no rule says so."""

    inbound = forms.ChoiceField(choices=MODES, label="Receives mail from")
    outbound = forms.ChoiceField(choices=MODES, label="Sends mail to")


class NewRuleForm(ConsoleForm):
    """A contact rule."""

    action = forms.ChoiceField(choices=ACTIONS, label="Action")
    match_type = forms.ChoiceField(choices=MATCHES, label="Matches")
    match_target = OneLineField(
        max_length=ADDRESS_MAX_CHARS,
        label="Address or domain",
        widget=forms.TextInput(attrs={"placeholder": "ada@example.com or example.com", "autocomplete": "off"}),
    )
    direction = forms.ChoiceField(choices=DIRECTIONS, label="For mail that is")


class RuleFilterForm(forms.Form):
    """Narrows the list of rules."""

    q = forms.CharField(required=False, max_length=ADDRESS_MAX_CHARS)
    action = forms.ChoiceField(
        choices=[("", "Any action"), *ACTIONS],
        required=False,
        widget=forms.Select(attrs={"aria-label": "Action of the rules"}),
    )
    direction = forms.ChoiceField(
        choices=[("", "Any direction"), *_SIDES],
        required=False,
        widget=forms.Select(attrs={"aria-label": "Direction of the rules"}),
    )

    def __init__(self, data: Any) -> None:
        super().__init__(data, auto_id="filter_%s")


class SignatureForm(ConsoleForm):
    """What is put below every mail of the agent."""

    signature_enabled = forms.BooleanField(required=False, label="Sign outgoing mail")
    signature_text = forms.CharField(
        max_length=SIGNATURE_MAX_CHARS,
        required=False,
        widget=forms.Textarea(attrs={"rows": 4}),
        label="As text",
        help_text="Empty: made from the HTML.",
    )
    signature_html = forms.CharField(
        max_length=SIGNATURE_MAX_CHARS,
        required=False,
        widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false", "class": "code"}),
        label="As HTML",
        help_text="Text, formatting, links and https images; everything else is removed. Empty: made from the text.",
    )


class NewKeyForm(ConsoleForm):
    """An API key."""

    label = OneLineField(
        max_length=limits.KEY_LABEL_MAX_CHARS, label="Label", help_text="Where it is used, such as “billing worker”."
    )
    description = OneLineField(max_length=limits.KEY_DESCRIPTION_MAX_CHARS, required=False, label="Description")
