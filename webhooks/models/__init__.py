"""Models, one aggregate a module."""

from webhooks.models.delivery import DeliveryAttempt, Dispatch
from webhooks.models.event import Event, EventLog, EventStream
from webhooks.models.subscription import EndpointHealth, Subscription

__all__ = ["DeliveryAttempt", "Dispatch", "EndpointHealth", "Event", "EventLog", "EventStream", "Subscription"]
