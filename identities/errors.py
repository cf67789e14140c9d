"""Refusals of this app."""

from __future__ import annotations

from common.errors import (
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    QuotaExceeded,
    TooLarge,
    Unauthenticated,
    UnsupportedMedia,
)
from identities.enums import Namespace
from identities.limits import AVATAR_MAX_BYTES


class IdentityNotFound(NotFound):
    """No such identity for this caller."""

    def __init__(self) -> None:
        super().__init__("Identity not found")


class AvatarNotFound(NotFound):
    """The identity has no picture."""

    def __init__(self) -> None:
        super().__init__("This identity has no avatar")


class AvatarTooLarge(TooLarge):
    """More bytes than a picture needs."""

    def __init__(self) -> None:
        super().__init__(f"The picture is larger than {AVATAR_MAX_BYTES // 2**20} MB. Send a smaller one.")


class AvatarTooManyPixels(TooLarge):
    """Few bytes may still be very many pixels."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"The picture has more than {limit // 10**6} megapixels. Send a smaller one.")


class AvatarNotAnImage(UnsupportedMedia):
    """What was sent cannot be decoded."""

    def __init__(self) -> None:
        super().__init__("This is no picture that can be read. Send a JPEG, PNG, GIF or WebP file.")


class ViewerNotFound(NotFound):
    """The identity that should see another one is unknown."""

    def __init__(self) -> None:
        super().__init__("There is no identity with this viewer_identity_id")


class AccessNotFound(NotFound):
    """The viewer was never let in, or not by name."""

    def __init__(self) -> None:
        super().__init__("This identity is not open to that viewer")


class AlreadyVisible(Conflict):
    """The viewer was let in before. A plain string, which every client generation shows."""

    def __init__(self) -> None:
        super().__init__("This identity is open to that viewer already.")


class RedundantAccess(Conflict):
    """A viewer is named while every agent sees the identity; clients recognize the code and show `detail`."""

    code = "redundant_grant"

    def __init__(self) -> None:
        text = "Every agent of the organization sees this identity. End that first, with DELETE .../access/*."
        super().__init__(text, detail=text)


class ApiKeyNotFound(NotFound):
    """No such key for this caller."""

    def __init__(self) -> None:
        super().__init__("API key not found")


class SessionTokenNotFound(NotFound):
    """The caller has no such token, or it has ended."""

    def __init__(self) -> None:
        super().__init__("Session token not found")


class BadCredential(Unauthenticated):
    """One message for every reason, so that nothing can be probed."""

    def __init__(self) -> None:
        super().__init__("This API key or token is not valid. Check that it is complete, not revoked and not expired.")


class HandleUnavailable(Conflict):
    """The handle is taken in the global namespace; clients recognize the code and the namespace."""

    code = "agent_handle_unavailable"

    def __init__(self, handle: str, namespace: Namespace) -> None:
        super().__init__(
            f"The handle {handle!r} is unavailable: the name is already in use. Choose another.",
            blocking_namespace=namespace.value,
        )


class HandleInvalid(Invalid):
    """Breaks the handle syntax."""

    def __init__(self, message: str) -> None:
        super().__init__(message, loc=("body", "agent_handle"))


class RoleTooLow(Forbidden):
    """A member tries what only owners and admins of the organization do."""

    def __init__(self) -> None:
        super().__init__("Only owners and admins of the organization may do this. Ask one of them.")


class StatusInvalid(Invalid):
    """A status that cannot be written; old clients show a plain string best."""

    def __init__(self) -> None:
        super().__init__("An identity is either active or paused. To remove it, delete it.")


class IdentityPaused(Forbidden):
    """Outbound work of a paused identity."""

    code = "identity_paused"

    def __init__(self) -> None:
        super().__init__("This identity is paused. Set its status to active before sending.")


class IdempotencyKeyReused(Conflict):
    """Same key, other body."""

    code = "idempotency_key_reused"

    def __init__(self) -> None:
        super().__init__("This Idempotency-Key was used for a different request. Use a new key.")


class IdempotencyInProgress(Conflict):
    """Same key, still running: clients retry."""

    code = "idempotency_in_progress"

    def __init__(self) -> None:
        super().__init__("A request with this Idempotency-Key is still running. Try again in a moment.")


class AlreadyAccepted(Conflict):
    """Same key again without `Prefer: idempotency-replay`: older clients get a refusal instead of the stored answer."""

    code = "idempotency_key_used"

    def __init__(self) -> None:
        super().__init__("A request with this Idempotency-Key was already accepted. Nothing was sent again.")


class OwnersOnly(Forbidden):
    """An admin tries what only owners do."""

    def __init__(self) -> None:
        super().__init__("Only an owner may do this: admins neither make owners nor change them.")


class LastOwner(Conflict):
    """An organization without an owner could never be managed again."""

    def __init__(self) -> None:
        super().__init__("This is the last owner. Make somebody else an owner first, or delete the organization.")


class MemberNotFound(NotFound):
    """No such person in the organization of the caller."""

    def __init__(self) -> None:
        super().__init__("Member not found")


class OrganizationNotFound(NotFound):
    """No such organization for this caller."""

    def __init__(self) -> None:
        super().__init__("Organization not found")


class OrganizationSuspended(Forbidden):
    """The operator has stopped the organization."""

    code = "organization_suspended"

    def __init__(self, reason: str) -> None:
        why = f" {reason.rstrip('.')}." if reason else ""
        super().__init__(f"This organization is suspended.{why} The operator of this server can resume it.")


class AlreadyMember(Conflict):
    """Nobody is invited to where they are."""

    def __init__(self, email: str) -> None:
        super().__init__(f"{email} is a member already. Change the role in the list of members.")


class TooManyInvitations(Conflict):
    """A bound on what one organization can have others mailed."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"{limit} invitations are open. Revoke some first.")


class InvitationNotFound(NotFound):
    """Unknown or revoked."""

    def __init__(self) -> None:
        super().__init__("This invitation does not exist, or it was taken back. Ask for a new one.")


class InvitationExpired(Gone):
    """Used, or too old."""

    def __init__(self) -> None:
        super().__init__("This invitation was used already or has expired. Ask for a new one.")


class InvitationForAnother(Forbidden):
    """The signed-in person has not proven to own the invited address."""

    def __init__(self) -> None:
        super().__init__("This invitation is for another address. Sign in with the address that it was sent to.")


class ConfirmationWrong(Invalid):
    """A deletion is confirmed by typing the name."""

    def __init__(self) -> None:
        super().__init__("Type the name of the organization exactly as it is shown.", loc=("body", "confirmation"))


class OrganizationDomainNotFound(NotFound):
    """No such claim on a domain for this caller."""

    def __init__(self) -> None:
        super().__init__("Organization domain not found")


class OrganizationDomainReleased(Conflict):
    """A claim that was given up proves nothing any more."""

    code = "organization_domain_released"

    def __init__(self, domain: str) -> None:
        super().__init__(f"{domain} was released. Claim it again.", state="released")


class TooManyOrganizationDomains(QuotaExceeded):
    """A bound on what one organization can have others' name servers asked for."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"An organization has at most {limit} domains. Delete one first.")
