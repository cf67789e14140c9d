"""Refusals of this app. Details are plain strings: older clients show them as they are."""

from __future__ import annotations

from common.errors import Conflict, Forbidden, Gone, Invalid, NotFound, RateLimited, Unauthenticated
from signup import limits


class _SlowDown(RateLimited):
    """Rate limits of this app, without a code."""

    code = None


class SignupNotFound(NotFound):
    """The key was not made by a signup, or no such agent waits for this human."""

    def __init__(self) -> None:
        super().__init__("Signup not found")


class WrongCode(Unauthenticated):
    """Not the code that was mailed."""

    def __init__(self) -> None:
        super().__init__("This is not the verification code. Ask your human for the code of the newest mail.")


class CodeRefused(Invalid):
    """One message for every reason, so that nobody learns which agents exist or wait."""

    def __init__(self) -> None:
        super().__init__(
            "This code does not claim that agent. Take both from the newest mail; a code works for 48 hours and five "
            "tries. Your agent can ask for a new one."
        )


class CodeExpired(Gone):
    """Older than 48 hours."""

    def __init__(self) -> None:
        super().__init__("This verification code has expired. Request a new one with resend-verification.")


class TooManyTries(_SlowDown):
    """Five wrong codes; only a new code helps."""

    def __init__(self) -> None:
        super().__init__("Too many wrong codes. Request a new one with resend-verification.")


class ResendTooSoon(_SlowDown):
    """Within five minutes of the previous mail."""

    def __init__(self, seconds: int) -> None:
        minutes = int(limits.RESEND_COOLDOWN.total_seconds() // 60)
        super().__init__(
            f"A verification mail was sent less than {minutes} minutes ago. Wait {seconds} seconds.",
            retry_after=seconds,
        )


class TooManyUnclaimed(_SlowDown):
    """The human has not decided about earlier agents. Suites look for "unclaimed agents"."""

    def __init__(self) -> None:
        super().__init__(
            "This human has too many unclaimed agents. Ask them to approve or reject the earlier ones first."
        )


class TooManySignups(_SlowDown):
    """Too many registrations from one address."""

    def __init__(self, seconds: int | None) -> None:
        super().__init__(f"Too many agents signed up from your address. Wait {seconds} seconds.", retry_after=seconds)


class AlreadyClaimed(Conflict):
    """Somebody vouched for the agent already."""

    def __init__(self) -> None:
        super().__init__("This agent is claimed already.")


class NotOrganizationAdmin(Forbidden):
    """The human may not add agents to the organization they named."""

    def __init__(self) -> None:
        super().__init__("You are not an owner or admin of this organization. Choose one of yours.")


class OrganizationAmbiguous(Invalid):
    """The human manages several organizations and named none."""

    def __init__(self) -> None:
        super().__init__(
            "You manage several organizations. Name the one the agent joins.", loc=("body", "organization_id")
        )
