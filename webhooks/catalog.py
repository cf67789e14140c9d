"""The event names and their families (contract webhooks.md section 3)."""

from __future__ import annotations

MESSAGE_EVENTS = (
    "message.received",
    "message.sent",
    "message.forwarded",
    "message.delivered",
    "message.bounced",
    "message.failed",
)
TEXT_EVENTS = (
    "text.received",
    "text.sent",
    "text.delivered",
    "text.delivery_failed",
    "text.delivery_unconfirmed",
)
IMESSAGE_EVENTS = (
    "imessage.received",
    "imessage.reaction_received",
    "imessage.sent",
    "imessage.delivered",
    "imessage.delivery_failed",
)
CALL_EVENTS = ("call.ended",)
A2A_EVENTS = ("a2a.task.created", "a2a.task.message", "a2a.task.canceled", "a2a.sent_task.updated")
SLACK_EVENTS = (
    "slack.dm_received",
    "slack.group_dm_received",
    "slack.channel_message_received",
    "slack.mention_received",
    "slack.thread_reply_received",
    "slack.message_updated",
    "slack.message_deleted",
    "slack.reaction_added",
    "slack.reaction_removed",
    "slack.member_joined",
    "slack.member_left",
    "slack.channel_updated",
    "slack.file_shared",
    "slack.file_changed",
    "slack.file_deleted",
    "slack.pin_added",
    "slack.pin_removed",
    "slack.connection_changed",
    "slack.message_sent",
    "slack.message_send_failed",
    "slack.message_send_unknown",
    "slack.interaction",
    "slack.session_stopped",
)
EVENTS = (*MESSAGE_EVENTS, *TEXT_EVENTS, *IMESSAGE_EVENTS, *CALL_EVENTS, *A2A_EVENTS, *SLACK_EVENTS)
EVENT_NAMES = frozenset(EVENTS)

# About the endpoints themselves: in the event log, where their owner reads them, and not sent to endpoints.
CIRCUIT_OPENED = "webhook.circuit_opened"
CIRCUIT_CLOSED = "webhook.circuit_closed"
LOG_EVENTS = (CIRCUIT_OPENED, CIRCUIT_CLOSED)
RECORDED_NAMES = EVENT_NAMES | frozenset(LOG_EVENTS)

# A synchronous callback with its own configuration and its own log rows; never a subscription.
INCOMING_CALL = "phone.incoming_call"

# What the test of a subscription sends; it is no event and stands in no log but that of deliveries.
TEST_EVENT = "webhook.test"

# Families whose payload carries the `contacts` and `agent_identities` lists (section 8).
ENRICHED_FAMILIES = frozenset({"message", "text", "imessage", "call"})
# Families that an unscoped list by `agent_identity_id` shows, whatever the row was created with (section 2.3).
IDENTITY_FAMILIES = frozenset({"imessage", "call", "a2a", "slack"})


def family(event_type: str) -> str:
    """`message` of `message.received`."""
    return event_type.partition(".")[0]


def families(event_types: list[str]) -> frozenset[str]:
    """The distinct families of a subscription's events; more than one makes it a mixed row."""
    return frozenset(family(name) for name in event_types)
