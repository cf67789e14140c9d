"""Models, one aggregate a module."""

from identities.models.agent import AgentIdentity
from identities.models.api_key import ApiKey
from identities.models.handle import HandleClaim
from identities.models.idempotency import IdempotencyRecord
from identities.models.organization import Membership, Organization
from identities.models.signing_key import SigningKey
from identities.models.user import User

__all__ = [
    "AgentIdentity",
    "ApiKey",
    "HandleClaim",
    "IdempotencyRecord",
    "Membership",
    "Organization",
    "SigningKey",
    "User",
]
