"""Models, one aggregate a module."""

from identities.models.agent import AgentIdentity
from identities.models.api_key import ApiKey
from identities.models.audit import AuditHead, AuditRecord
from identities.models.avatar import Avatar
from identities.models.handle import HandleClaim
from identities.models.idempotency import IdempotencyRecord
from identities.models.invitation import Invitation
from identities.models.organization import Membership, Organization
from identities.models.organization_domain import DomainAffiliation, OrganizationDomain
from identities.models.session_token import SessionToken
from identities.models.signing_key import SigningKey
from identities.models.user import User
from identities.models.visibility import IdentityAccess

__all__ = [
    "AgentIdentity",
    "ApiKey",
    "AuditHead",
    "AuditRecord",
    "Avatar",
    "DomainAffiliation",
    "HandleClaim",
    "IdempotencyRecord",
    "IdentityAccess",
    "Invitation",
    "Membership",
    "Organization",
    "OrganizationDomain",
    "SessionToken",
    "SigningKey",
    "User",
]
