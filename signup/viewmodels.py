"""Small values that travel between the doors and the services."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from identities.models import AgentIdentity
from signup.models import Signup


@dataclass(frozen=True, slots=True)
class VerificationCode:
    """The body of verify."""

    verification_code: str


@dataclass(frozen=True, slots=True)
class Approval:
    """The body of approve."""

    organization_id: str | None = None


@dataclass(frozen=True, slots=True)
class WaitingAgent:
    """An agent as its human sees it before the decision."""

    identity_id: UUID
    agent_handle: str
    display_name: str | None
    email_address: str
    human_email: str
    note_to_human: str
    harness: str
    organization_id: str
    claim_status: str
    created_at: datetime


def waiting_agent(row: Signup, identity: AgentIdentity, address: str) -> WaitingAgent:
    """What a human needs to decide."""
    return WaitingAgent(
        identity_id=identity.pk,
        agent_handle=identity.agent_handle,
        display_name=identity.display_name,
        email_address=address,
        human_email=row.human_email,
        note_to_human=row.note_to_human,
        harness=row.harness,
        organization_id=identity.organization_id,
        claim_status=identity.claim_status,
        created_at=row.created_at,
    )
