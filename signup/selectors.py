"""Reads."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from uuid import UUID

from common.clock import now
from common.principal import Principal
from identities.enums import ClaimStatus
from identities.handles import normalize_handle
from identities.models import AgentIdentity, User
from identities.services.api_keys import hash_secret
from mail.models import Mailbox
from mail.quotas import SendRestrictions, send_restrictions
from signup import limits
from signup.codes import read_claim_token
from signup.enums import HumanState, SignupState
from signup.errors import SignupNotFound
from signup.models import Signup
from signup.viewmodels import WaitingAgent, waiting_agent


@dataclass(frozen=True, slots=True)
class SignupStatus:
    """What the status route reports."""

    claim_status: str
    human_state: str
    human_email: str
    restrictions: SendRestrictions


def get_own_signup(principal: Principal) -> Signup:
    """The signup that made the calling key's identity. Raises SignupNotFound for every other key."""
    row = Signup.objects.select_related("identity__organization").filter(identity_id=principal.identity_id).first()
    if row is None or principal.identity_id is None:
        raise SignupNotFound
    return row


def find_rejected_signup(key_text: str) -> Signup | None:
    """The signup of a key that went with its rejected agent lately; None unless the whole key is right."""
    key_id, _, secret = key_text.partition(".")
    if "\x00" in key_id:
        return None
    rows = Signup.objects.filter(decided_at__gt=now() - limits.REJECTED_RETENTION, key_hash__isnull=False)
    row = rows.filter(key_id=key_id, state=SignupState.REJECTED).first()
    expected = bytes(row.key_hash) if row is not None and row.key_hash is not None else bytes(32)
    return row if hmac.compare_digest(hash_secret(secret), expected) else None


def describe_signup(row: Signup) -> SignupStatus:
    """Where a signup stands, and what its agent may send."""
    identity = row.identity
    if identity is None:
        identity = AgentIdentity(claim_status=ClaimStatus.REJECTED.value, human_email=row.human_email)
    return SignupStatus(
        claim_status=identity.claim_status,
        human_state=human_state(row.human_email).value,
        human_email=row.human_email,
        restrictions=send_restrictions(identity),
    )


def address_of(identity: AgentIdentity) -> str:
    """The mail address of an agent; empty when it has none (seed profile)."""
    rows = Mailbox.objects.alive().filter(identity=identity)
    return rows.values_list("email_address", flat=True).first() or ""


def human_state(email: str) -> HumanState:
    """Whether the human has an account here, and a proven address."""
    user = User.objects.filter(email=email, is_active=True).only("email_verified_at").first()
    if user is None:
        return HumanState.NO_ACCOUNT
    return HumanState.UNVERIFIED if user.email_verified_at is None else HumanState.VERIFIED


def list_waiting(user: User) -> list[WaitingAgent]:
    """Agents that wait for this person, newest first. Two queries."""
    rows = list(Signup.objects.waiting_for(user).select_related("identity").order_by("-created_at", "-pk"))
    boxes = Mailbox.objects.alive().filter(identity_id__in=[row.identity_id for row in rows])
    addresses = dict(boxes.values_list("identity_id", "email_address"))
    return [
        waiting_agent(row, row.identity, addresses.get(row.identity.pk, "")) for row in rows if row.identity is not None
    ]


def get_waiting(user: User, identity_id: UUID | None) -> Signup:
    """One of them, decided ones included. Raises SignupNotFound."""
    rows = Signup.objects.filter(human_email=user.email.lower(), identity_id=identity_id)
    row = rows.select_related("identity").first() if identity_id and user.email_verified_at else None
    if row is None:
        raise SignupNotFound
    return row


def find_by_agent(name: str) -> Signup | None:
    """The undecided signup of an agent, by its handle or its mail address; None when there is not exactly one."""
    name = normalize_handle(name)
    if "\x00" in name:
        return None
    rows = Signup.objects.pending().select_related("identity__organization")
    if "@" in name:
        box = Mailbox.objects.alive().filter(email_address=name).values_list("identity_id", flat=True)
        rows = rows.filter(identity_id__in=box)
    else:
        rows = rows.filter(identity__agent_handle=name)
    # Handles of the seed profile are those of one organization only.
    found = list(rows[:2])
    return found[0] if len(found) == 1 else None


def find_by_link(token: str) -> Signup | None:
    """The signup behind a link of its newest verification mail; None when the link is forged, old or replaced."""
    found = read_claim_token(token)
    if found is None:
        return None
    row = Signup.objects.select_related("identity").filter(pk=found[0]).first()
    if row is None or row.code_sent_at + limits.CODE_LIFETIME < now():
        return None
    mark = bytes(row.code_hash or b"").hex()[:16]
    return row if hmac.compare_digest(mark, found[1]) else None
