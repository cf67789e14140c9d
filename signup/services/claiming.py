"""A human vouches for an agent, or disowns it: by code, by the link of the mail, or signed in."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from common.actor import Actor, ActorKind
from common.clock import now
from common.principal import Profile
from identities.enums import AuditAction, ClaimStatus, Role
from identities.models import AgentIdentity, ApiKey, Membership, Organization, User
from identities.services.audit import Target, identity_target, record_audit
from identities.services.identities import delete_identity
from identities.services.moves import move_identity
from identities.services.organizations import delete_organization
from signup.enums import DecidedBy, SignupState
from signup.errors import AlreadyClaimed, NotOrganizationAdmin, OrganizationAmbiguous, SignupNotFound
from signup.models import Signup
from signup.selectors import get_waiting
from signup.services.mails import send_claimed_mail, send_rejected_mail
from signup.services.registering import remove_provisional_organization

_MANAGERS = (Role.OWNER.value, Role.ADMIN.value)


def claim_agent(row: Signup, by: DecidedBy, holder: User | None = None) -> Signup:
    """The holder of the code or link vouches for the agent. Of two that try at once, one does; the other finds it done.
    `holder` is who it was, when somebody is signed in.

    The agent moves to the human's organization when they have exactly one; else it keeps its own, which becomes
    theirs, now or when they register. Raises AlreadyClaimed when it was rejected meanwhile.
    """
    with transaction.atomic():
        locked = _decide(row, SignupState.CLAIMED, by, holder)
        if locked is None:
            return _decided(row)
        user = User.objects.filter(email=locked.human_email, email_verified_at__isnull=False, is_active=True).first()
        managed = _managed_organizations(user) if user is not None else []
        _join(locked, managed[0] if len(managed) == 1 else None, user)
        send_claimed_mail(locked)
        _record(locked, AuditAction.CLAIM_APPROVED)
    return locked


def approve_agent(user: User, identity_id: UUID | None, organization_id: str | None) -> Signup:
    """A signed-in human takes the agent into one of their organizations.

    Raises SignupNotFound 404, AlreadyClaimed 409, NotOrganizationAdmin 403, OrganizationAmbiguous 422,
    HandleUnavailable 409.
    """
    row = get_waiting(user, identity_id)
    with transaction.atomic():
        managed = _managed_organizations(user)
        target = next((o for o in managed if o.pk == organization_id), None)
        if organization_id is not None and target is None:
            raise NotOrganizationAdmin
        if organization_id is None and len(managed) > 1:
            raise OrganizationAmbiguous
        locked = _decide(row, SignupState.CLAIMED, DecidedBy.SESSION, user)
        if locked is None:
            raise AlreadyClaimed
        _join(locked, target or (managed[0] if managed else None), user)
        send_claimed_mail(locked)
        _record(locked, AuditAction.CLAIM_APPROVED)
    return locked


def reject_agent(row: Signup, by: DecidedBy, user: User | None = None) -> Signup:
    """Remove the agent with everything it made; its key may only ask for its status from now on.

    Raises AlreadyClaimed: an agent that somebody vouched for is deleted like any other.
    """
    with transaction.atomic():
        locked = _decide(row, SignupState.REJECTED, by, user)
        if locked is None:
            if _decided(row).state == SignupState.REJECTED:
                return row
            raise AlreadyClaimed
        identity = locked.identity
        assert identity is not None
        send_rejected_mail(locked)
        if not identity.organization.is_provisional:
            _record(locked, AuditAction.CLAIM_REJECTED)
        locked.key_hash = ApiKey.objects.values_list("secret_hash", flat=True).get(pk=locked.key_id)
        locked.identity = None
        locked.note_to_human = ""
        locked.save(update_fields=["key_hash", "identity", "note_to_human"])
        _remove(identity)
    return locked


def adopt_organizations(user: User) -> list[Organization]:
    """Give a person who just proved their address the organizations of the agents they vouched for before."""
    if user.email_verified_at is None:
        return []
    with transaction.atomic():
        claimed = Signup.objects.filter(human_email=user.email.lower(), state=SignupState.CLAIMED)
        waiting = Organization.objects.filter(identities__signup__in=claimed, is_provisional=True).distinct()
        found = list(waiting.order_by("pk"))
        for organization in found:
            _own(organization, user)
    return found


def _record(row: Signup, action: AuditAction) -> None:
    """To the log of the organization that the agent belongs to now. Whoever has the code or link, and is not signed in,
    acts as its human."""
    assert row.identity is not None
    human = None if row.decided_by_user_id else Actor(ActorKind.USER, label=row.human_email)
    details = {"decided_by": row.decided_by}
    record_audit(row.identity.organization_id, action, identity_target(row.identity), details, actor=human)


def _decide(row: Signup, state: SignupState, by: DecidedBy, user: User | None = None) -> Signup | None:
    """The locked row with the decision written, or None when it was decided before."""
    locked = Signup.objects.select_for_update(of=("self",)).filter(pk=row.pk, state=SignupState.PENDING).first()
    if locked is None:
        return None
    identity = AgentIdentity.objects.alive().select_for_update(of=("self",)).filter(signup=locked).first()
    if identity is None:
        raise SignupNotFound
    locked.identity = identity
    locked.state, locked.decided_by, locked.decided_at = state.value, by.value, now()
    locked.decided_by_user_id = user.pk if user is not None else ""
    locked.code_hash = None
    locked.save()
    return locked


def _decided(row: Signup) -> Signup:
    current = Signup.objects.select_related("identity").filter(pk=row.pk).first()
    if current is None:
        raise SignupNotFound
    return current


def _join(row: Signup, target: Organization | None, user: User | None) -> None:
    """Claimed from now on, in the organization given, or in its own, which gets an owner if there is one."""
    identity = row.identity
    assert identity is not None
    previous = identity.organization
    AgentIdentity.objects.filter(pk=identity.pk).update(claim_status=ClaimStatus.CLAIMED.value, updated_at=now())
    identity.claim_status = ClaimStatus.CLAIMED.value
    if target is not None and target.pk != previous.pk:
        row.identity = move_identity(identity, target)
        remove_provisional_organization(previous.pk)
    elif user is not None:
        _own(previous, user)


def _own(organization: Organization, user: User) -> None:
    _, is_new = Membership.objects.get_or_create(
        user=user, organization=organization, defaults={"role": Role.OWNER.value}
    )
    Organization.objects.filter(pk=organization.pk).update(is_provisional=False, updated_at=now())
    if is_new:
        details = {"role": Role.OWNER.value}
        record_audit(organization.pk, AuditAction.MEMBER_JOINED, Target(user.pk, user.email), details)


def _managed_organizations(user: User) -> list[Organization]:
    rows = Organization.objects.filter(memberships__user=user, memberships__role__in=_MANAGERS)
    return list(rows.order_by("created_at", "pk"))


def _remove(identity: AgentIdentity) -> None:
    if identity.organization.is_provisional:
        delete_organization(identity.organization_id)
    else:
        delete_identity(identity, Profile.MODERN)
