"""Values of this app."""

from __future__ import annotations

from enum import StrEnum


class SignupState(StrEnum):
    """What the human has decided so far."""

    PENDING = "pending"
    CLAIMED = "claimed"
    REJECTED = "rejected"


class DecidedBy(StrEnum):
    """How the human decided."""

    CODE = "code"
    LINK = "link"
    SESSION = "session"


class HumanState(StrEnum):
    """Wire enum: whether the human has an account here."""

    NO_ACCOUNT = "human_no_account"
    UNVERIFIED = "human_account_unverified"
    VERIFIED = "human_account_verified"
