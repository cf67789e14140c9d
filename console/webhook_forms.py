"""Forms of webhook subscriptions and deliveries. Their values pass the same checks as the bodies of the API."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django import forms
from rest_framework.exceptions import ValidationError as ShapeRefused

from common.http import MAX_URL_CHARS
from common.unset import UNSET
from console.forms import ConsoleForm
from webhooks.api.serializers import AuthTokenField, ContextConfigField
from webhooks.catalog import (
    A2A_EVENTS,
    CALL_EVENTS,
    EVENTS,
    IMESSAGE_EVENTS,
    MESSAGE_EVENTS,
    SLACK_EVENTS,
    TEST_EVENT,
    TEXT_EVENTS,
)
from webhooks.context import CLASSES
from webhooks.enums import Selector
from webhooks.models import Subscription
from webhooks.services.replays import EventRange
from webhooks.services.subscriptions import NewSubscription, SubscriptionChanges

EVENT_GROUPS = (
    ("Mail", MESSAGE_EVENTS),
    ("Texts", TEXT_EVENTS),
    ("iMessage", IMESSAGE_EVENTS),
    ("Calls", CALL_EVENTS),
    ("Agent to agent", A2A_EVENTS),
    ("Slack", SLACK_EVENTS),
)
# What a subscription made for a mailbox or number takes (contract webhooks.md 2.2).
_GROUPS_OF = {Selector.MAILBOX: EVENT_GROUPS[:1], Selector.PHONE_NUMBER: EVENT_GROUPS[1:2]}
_CONTEXT_LABELS = {"email": "Mail", "texts": "Texts", "calls": "Calls"}
_MODES = [("", "None"), ("count", "The last … items"), ("window", "The last … hours")]
_AMOUNT_KEYS = {"count": "count", "window": "hours"}
_MAX_POSITION = 2**53 - 1


class SubscriptionForm(ConsoleForm):
    """Where events are sent, which, and with what besides."""

    url = forms.CharField(
        max_length=MAX_URL_CHARS,
        label="URL",
        widget=forms.TextInput(
            attrs={"placeholder": "https://example.com/hooks/inkbox", "inputmode": "url", "autocomplete": "off"}
        ),
        help_text="Gets a signed POST for each event.",
    )
    event_types = forms.MultipleChoiceField(
        choices=[(name, name) for name in EVENTS],
        label="Events",
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Choose at least one event."},
    )
    auth_token = forms.CharField(
        required=False,
        strip=False,
        label="Bearer token",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="Sent in the Authorization header, for receivers that want one.",
    )
    forget_token = forms.BooleanField(required=False, label="Send no token any more")
    standard_webhooks = forms.BooleanField(
        required=False, label="Also send the headers of the Standard Webhooks specification"
    )

    def __init__(self, data: Any = None, *, row: Subscription | None = None) -> None:
        super().__init__(data, initial=None if row is None else _initial(row))
        self.groups = EVENT_GROUPS if row is None else _GROUPS_OF.get(row.selector, EVENT_GROUPS)
        if row is None or not row.has_auth_token:
            del self.fields["forget_token"]
        else:
            self.fields["auth_token"].help_text = "One is set. Leave this empty to keep it."
        for name in CLASSES:
            self.fields[f"context_{name}_mode"] = forms.ChoiceField(
                choices=_MODES, required=False, label=_CONTEXT_LABELS[name]
            )
            self.fields[f"context_{name}_amount"] = forms.IntegerField(
                min_value=1, required=False, label=f"{_CONTEXT_LABELS[name]}: how many"
            )

    @property
    def main_fields(self) -> list[forms.BoundField]:
        """Those in the order of the page, without events and context."""
        names = ("auth_token", "forget_token", "standard_webhooks")
        return [self[name] for name in names if name in self.fields]

    @property
    def context_fields(self) -> list[tuple[forms.BoundField, forms.BoundField]]:
        """Mode and amount of each class."""
        return [(self[f"context_{name}_mode"], self[f"context_{name}_amount"]) for name in CLASSES]

    @property
    def has_context(self) -> bool:
        """Whether any of it is set or wrong, and so is shown."""
        return any(mode.value() or mode.errors or amount.errors for mode, amount in self.context_fields)

    @property
    def event_groups(self) -> list[tuple[str, list[tuple[str, bool]]]]:
        """The catalog by channel, each event with whether it is chosen."""
        chosen = set(self["event_types"].value() or ())
        return [(label, [(name, name in chosen) for name in names]) for label, names in self.groups]

    def clean_auth_token(self) -> str | None:
        text: str = self.cleaned_data["auth_token"]
        if not text:
            return None
        try:
            return str(AuthTokenField().run_validation(text))
        except ShapeRefused as refusal:
            raise forms.ValidationError(_texts(refusal)) from None

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        config: dict[str, Any] = {}
        for name in CLASSES:
            mode, amount = data.get(f"context_{name}_mode"), data.get(f"context_{name}_amount")
            config[name] = {"mode": mode, _AMOUNT_KEYS[mode]: amount} if mode in _AMOUNT_KEYS else None
            try:
                ContextConfigField().to_internal_value({name: config[name]})
            except ShapeRefused as refusal:
                if f"context_{name}_amount" not in self.errors:
                    self.add_error(f"context_{name}_amount", _texts(refusal))
        data["context_config"] = config if any(config.values()) else None
        return data

    def as_new(self, identity_id: UUID) -> NewSubscription:
        """The body of create."""
        data = self.cleaned_data
        return NewSubscription(
            url=data["url"],
            event_types=data["event_types"],
            agent_identity_id=identity_id,
            context_config=data["context_config"],
            auth_token=data["auth_token"],
            standard_webhooks=data["standard_webhooks"],
        )

    def as_changes(self, row: Subscription) -> SubscriptionChanges:
        """The body of update: only what differs, because a new URL or token also forgives the endpoint its failures."""
        data = self.cleaned_data
        token = None if data.get("forget_token") else data["auth_token"] or UNSET
        return SubscriptionChanges(
            url=UNSET if data["url"] == row.url else data["url"],
            event_types=UNSET if set(data["event_types"]) == set(row.event_types) else data["event_types"],
            context_config=UNSET if data["context_config"] == row.context_config else data["context_config"],
            auth_token=token,
            standard_webhooks=UNSET
            if data["standard_webhooks"] == row.standard_webhooks
            else data["standard_webhooks"],
        )


def _initial(row: Subscription) -> dict[str, Any]:
    values: dict[str, Any] = {
        "url": row.url,
        "event_types": row.event_types,
        "standard_webhooks": row.standard_webhooks,
    }
    for name, config in (row.context_config or {}).items():
        if config is not None:
            values[f"context_{name}_mode"] = config["mode"]
            values[f"context_{name}_amount"] = config[_AMOUNT_KEYS[config["mode"]]]
    return values


def _texts(refusal: ShapeRefused) -> list[str]:
    """The sentences of a refusal of the API, whatever it hangs them on."""
    detail = refusal.detail
    if isinstance(detail, dict):
        detail = [text for texts in detail.values() for text in (texts if isinstance(texts, list) else [texts])]
    return [str(text) for text in (detail if isinstance(detail, list) else [detail])]


class DeliveryFilterForm(forms.Form):
    """Narrows the delivery log."""

    event_type = forms.ChoiceField(
        choices=[("", "Any event"), *((name, name) for name in (*EVENTS, TEST_EVENT))],
        required=False,
        widget=forms.Select(attrs={"aria-label": "Event"}),
    )
    outcome = forms.ChoiceField(
        choices=[("", "Any outcome"), ("delivered", "Delivered"), ("failed", "Failed")],
        required=False,
        widget=forms.Select(attrs={"aria-label": "Outcome"}),
    )

    def __init__(self, data: Any) -> None:
        super().__init__(data, auto_id="filter_%s")

    @property
    def success(self) -> bool | None:
        """As the log is asked."""
        return {"delivered": True, "failed": False}.get(self.cleaned_data.get("outcome", ""))


class RedeliverForm(ConsoleForm):
    """A range of events to send again."""

    since = forms.DateTimeField(
        required=False,
        label="From",
        widget=forms.DateTimeInput(format="%Y-%m-%dT%H:%M", attrs={"type": "datetime-local"}),
        help_text="UTC. Empty: from the oldest event that is kept.",
    )
    until = forms.DateTimeField(
        required=False,
        label="To",
        widget=forms.DateTimeInput(format="%Y-%m-%dT%H:%M", attrs={"type": "datetime-local"}),
        help_text="UTC. Empty: to the newest.",
    )
    only_failed = forms.BooleanField(required=False, label="Leave out what was delivered")
    after = forms.IntegerField(
        required=False, min_value=0, max_value=_MAX_POSITION, widget=forms.HiddenInput(), initial=0
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        since, until = data.get("since"), data.get("until")
        if isinstance(since, datetime) and isinstance(until, datetime) and since > until:
            self.add_error("until", "This is before the start of the range.")
        return data

    def as_range(self) -> EventRange:
        """The body of redeliver."""
        data = self.cleaned_data
        return EventRange(
            after=data["after"] or 0, since=data["since"], until=data["until"], only_failed=data["only_failed"]
        )
