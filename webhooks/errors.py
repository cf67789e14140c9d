"""Refusals of this app. Third-party plugins recognize the two conflicts by their wording (contract 2.4)."""

from __future__ import annotations

from uuid import UUID

from common.errors import Conflict, Invalid, NotFound
from webhooks.enums import Selector

_OWNER_NAMES = {Selector.IDENTITY: "Identity", Selector.MAILBOX: "Mailbox", Selector.PHONE_NUMBER: "Phone number"}


class OwnerNotFound(NotFound):
    """The mailbox, number or identity that the subscription is for."""

    def __init__(self, selector: Selector) -> None:
        super().__init__(f"{_OWNER_NAMES[selector]} not found")


class SubscriptionNotFound(NotFound):
    """Unknown, deleted or not visible."""

    def __init__(self) -> None:
        super().__init__("Webhook subscription not found")


class DeliveryNotFound(NotFound):
    """Unknown or not visible."""

    def __init__(self) -> None:
        super().__init__("Webhook delivery not found")


class DuplicateSubscription(Conflict):
    """Same owner, same URL, overlapping events."""

    def __init__(self, existing_id: UUID) -> None:
        super().__init__(
            "An active subscription already exists for this url with overlapping event types. "
            f"Update subscription {existing_id} instead, or use other event types."
        )


class TooManySubscriptions(Conflict):
    """The cap of an owner. The text must not speak of addresses, or clients take it for a duplicate."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"Maximum of {limit} subscriptions reached. Delete one that is no longer needed.")


class MixedNeedsScope(Conflict):
    """Old clients must not change rows they cannot represent."""

    def __init__(self) -> None:
        super().__init__("This subscription mixes event families. Repeat the request with scope=identity to change it.")


class MixingNeedsScope(Invalid):
    """The change would turn a row of one family into a mixed one."""

    def __init__(self) -> None:
        super().__init__(
            "These event types would mix families in one subscription. Repeat the request with scope=identity.",
            loc=("body", "event_types"),
        )


class FamilyRefused(Invalid):
    """A row made for a mailbox or number takes its own family only."""

    def __init__(self, selector: Selector, family: str) -> None:
        super().__init__(
            f"A subscription of a {_OWNER_NAMES[selector].lower()} takes {family}.* events only. "
            "Use agent_identity_id to combine event families.",
            loc=("body", "event_types"),
        )


class ReplayUnavailable(Conflict):
    """The subscription is gone or no longer selects the event."""

    def __init__(self, reason: str) -> None:
        texts = {
            "subscription_inactive": "The webhook subscription of this delivery is not active any more.",
            "event_not_selected": "The webhook subscription no longer selects this event type.",
        }
        super().__init__(texts[reason])


class NotReplayable(Invalid):
    """Incoming-call callbacks and Slack events are answered or dropped when they happen."""

    def __init__(self) -> None:
        super().__init__("Deliveries of this event type cannot be replayed.")
