"""What the agent is told. Plain text: clients print it as it is (contract identities.md section 14.1)."""

from __future__ import annotations

from django.conf import settings

from signup import limits
from signup.models import Signup

_PLUGIN_STEPS = {
    "claude-code": "In Claude Code: keep the key in INKBOX_API_KEY and this server's URL in INKBOX_BASE_URL.",
    "codex": "In Codex: keep the key in INKBOX_API_KEY and this server's URL in INKBOX_BASE_URL.",
    "openclaw": "In OpenClaw: set the API key and the base URL in the channel's configuration.",
    "opencode": "In opencode: keep the key in INKBOX_API_KEY and this server's URL in INKBOX_BASE_URL.",
    "hermes": "In Hermes: set the API key and the base URL in the gateway's configuration.",
}
_ANY_STEPS = "Keep the API key where only you can read it; it is not shown again."


def registered_message(row: Signup, sends_per_day: int) -> str:
    """After registration."""
    budget = f"up to {sends_per_day} mails a day" if sends_per_day else "mail"
    steps = _PLUGIN_STEPS.get(row.harness, _ANY_STEPS)
    hours = int(limits.CODE_LIFETIME.total_seconds() // 3600)
    return (
        f"A verification code was mailed to {row.human_email}. Until you are verified you may send {budget}, to this "
        f"address only. Ask your human for the {limits.CODE_DIGITS}-digit code and send it to "
        f"{settings.PUBLIC_URL}/api/v1/agent-signup/verify within {hours} hours, or let them approve you with the link "
        f"in the mail. {steps}"
    )


def claimed_message(row: Signup, sends_per_day: int) -> str:
    """After verification or approval."""
    budget = f"up to {sends_per_day} recipients a day" if sends_per_day else "any number of recipients"
    steps = _PLUGIN_STEPS.get(row.harness, "")
    return f"You are verified: {row.human_email} vouches for you. You may write to anybody, {budget}. {steps}".rstrip()


def resent_message(row: Signup) -> str:
    """After a new code was mailed."""
    return f"A new verification code was mailed to {row.human_email}. Older codes and links no longer work."
