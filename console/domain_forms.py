"""Forms of sending domains."""

from __future__ import annotations

from django import forms

from console.forms import ConsoleForm, OneLineField


class NewDomainForm(ConsoleForm):
    """A domain to register."""

    domain = OneLineField(
        max_length=253,
        label="Domain",
        help_text="One that you can add DNS records to, such as mail.example.com.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "inputmode": "url", "spellcheck": "false"}),
    )
    mail_from_subdomain = OneLineField(
        max_length=63,
        required=False,
        label="Label for bounces",
        help_text="The name below the domain that bounces come back to. Empty: bounces.",
    )


class ClaimForm(ConsoleForm):
    """A domain of the organization to prove."""

    domain = OneLineField(
        max_length=253,
        label="Domain",
        help_text="The name that people know you by, such as example.com. You add a TXT record to it.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "inputmode": "url", "spellcheck": "false"}),
    )
