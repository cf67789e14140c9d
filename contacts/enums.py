"""Values that go on the wire (contract mail.md section 8, telephony.md for numbers)."""

from __future__ import annotations

from enum import StrEnum


class RuleChannel(StrEnum):
    """What a rule applies to."""

    MAIL = "mail"
    PHONE = "phone"


class RuleAction(StrEnum):
    """What a rule does with its counterparty."""

    ALLOW = "allow"
    BLOCK = "block"


class MatchType(StrEnum):
    """How `match_target` is compared with an address."""

    EXACT_EMAIL = "exact_email"
    DOMAIN = "domain"
    EXACT_NUMBER = "exact_number"


class RuleDirection(StrEnum):
    """Which side of the conversation a rule covers."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"
    BOTH = "both"


class RuleStatus(StrEnum):
    """A paused rule keeps its slot and is listed, but decides nothing."""

    ACTIVE = "active"
    PAUSED = "paused"


class IdentifierKind(StrEnum):
    """What a contact is found by."""

    EMAIL = "email"
    PHONE = "phone"


class CreationSource(StrEnum):
    """Where a contact came from. Clients refuse values that they do not know."""

    MANUAL = "manual"
    VCARD = "vcard"
    COMMUNICATION = "communication"


class ReviewStatus(StrEnum):
    """Whether a person or agent has looked at a contact that was made automatically."""

    UNREVIEWED = "unreviewed"
    CONFIRMED = "confirmed"


class NameSource(StrEnum):
    """Where `preferred_name` came from."""

    MANUAL = "manual"
    VCARD = "vcard"
    PROVIDER = "provider"
    MAIL_HEADER = "mail_header"
    IDENTIFIER_FALLBACK = "identifier_fallback"


class Decision(StrEnum):
    """What is decided about one part of a contact. In the defaults of a contact, inherit means allow."""

    INHERIT = "inherit"
    ALLOW = "allow"
    BLOCK = "block"


class ContactOrder(StrEnum):
    """How a list of contacts is sorted."""

    NAME = "name"
    RECENT = "recent"


class FactKind(StrEnum):
    """What a fact is about. Generated context expires."""

    PROFILE = "profile"
    PREFERENCE = "preference"
    CONTEXT = "context"


class FactOrigin(StrEnum):
    """Who wrote a fact."""

    GENERATED = "generated"
    USER = "user"


class ImportStatus(StrEnum):
    """What became of one card."""

    CREATED = "created"
    CONFLICT = "conflict"
    ERROR = "error"


class CorrespondenceChannel(StrEnum):
    """Where correspondence with a contact takes place."""

    EMAIL = "email"
    SMS = "sms"
    IMESSAGE = "imessage"
    CALLS = "calls"
    SLACK = "slack"


class CorrespondenceOrder(StrEnum):
    """Oldest or newest first."""

    ASC = "asc"
    DESC = "desc"


class ContentMode(StrEnum):
    """How much of the text of messages is read: none, its beginning, all of it."""

    METADATA = "metadata"
    PREVIEW = "preview"
    FULL = "full"


class TranscriptMode(StrEnum):
    """How much of what was said in calls is read."""

    NONE = "none"
    ABRIDGED = "abridged"
    FULL = "full"


class ChannelStatus(StrEnum):
    """Whether a channel could be read: the contact may not be reachable on it, or the identity may not have it."""

    AVAILABLE = "available"
    NO_IDENTIFIER = "no_identifier"
    NO_RESOURCE = "no_resource"
    UNAVAILABLE = "unavailable"


class Availability(StrEnum):
    """Whether the source of a fact can still be read."""

    AVAILABLE = "available"
    PURGED = "purged"
    HIDDEN = "source_unavailable_to_caller"
