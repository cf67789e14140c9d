"""Mails to the human. They are queued with the change they speak of, in one transaction (mail/platform_backend.py)."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string

from common.clock import now
from signup import limits
from signup.codes import claim_token
from signup.models import Signup
from signup.selectors import address_of


def send_verification_mail(row: Signup, code: str) -> None:
    """The code, the agent's note, and links to approve or to disown it."""
    assert row.code_hash is not None
    link = f"{settings.PUBLIC_URL}/claim/{claim_token(row.pk, bytes(row.code_hash))}"
    context = {
        "code": code,
        "claim_url": link,
        "hours": int(limits.CODE_LIFETIME.total_seconds() // 3600),
        "sends_per_day": settings.UNCLAIMED_SENDS_PER_DAY,
    }
    _send(row, "verification", "{name} asks you to verify it", context)


def send_claimed_mail(row: Signup) -> None:
    """The agent is verified; in case somebody else did it, the human learns of it."""
    _send(row, "claimed", "{name} is verified", {"console_url": f"{settings.PUBLIC_URL}/"})


def send_rejected_mail(row: Signup) -> None:
    """The agent was disowned and removed."""
    _send(row, "rejected", "{name} was removed", {})


def _send(row: Signup, template: str, subject: str, context: dict[str, Any]) -> None:
    identity = row.identity
    assert identity is not None
    name = _one_line(identity.sender_name)
    context |= {
        "agent_name": name,
        "agent_handle": identity.agent_handle,
        "agent_address": address_of(identity),
        "note": row.note_to_human.strip(),
        "server": settings.PUBLIC_URL,
        "year": now().year,
    }
    mail = EmailMultiAlternatives(
        subject=subject.format(name=name),
        body=render_to_string(f"signup/email/{template}.txt", context).strip() + "\n",
        to=[row.human_email],
        # RFC 3834: no vacation notices in answer, please.
        headers={"Auto-Submitted": "auto-generated"},
    )
    mail.attach_alternative(render_to_string(f"signup/email/{template}.html", context), "text/html")
    mail.send()


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:80] or "An agent"
