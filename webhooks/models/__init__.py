"""Models, one aggregate a module."""

from webhooks.models.delivery import DeliveryAttempt, Dispatch
from webhooks.models.event import Event, EventStream
from webhooks.models.subscription import Subscription

__all__ = ["DeliveryAttempt", "Dispatch", "Event", "EventStream", "Subscription"]
