"""Grants: which agents may see a note, and what becomes of them when an identity goes (contract section 6)."""

from __future__ import annotations

from uuid import UUID

from django.db import IntegrityError, transaction

from common.principal import Principal
from identities.enums import AuditAction
from identities.errors import RoleTooLow
from identities.models import AgentIdentity, ApiKey
from identities.roles import require_manager
from identities.services.audit import Target, record_audit
from notes.errors import AlreadyGranted, GrantNotFound, PeerGrant
from notes.models import Note, NoteAccess
from notes.services.notes import lock_identity, lock_note


def grant_access(principal: Principal, row_id: str, identity_id: UUID) -> NoteAccess:
    """Let an identity of the organization see a note.

    Raises RoleTooLow 403, NoteNotFound and IdentityNotFound 404, AlreadyGranted 409.
    """
    require_manager(principal)
    with transaction.atomic():
        identity = lock_identity(principal, identity_id)
        note = lock_note(principal, row_id)
        try:
            with transaction.atomic():
                grant = NoteAccess.objects.create(note=note, identity=identity)
        except IntegrityError:
            raise AlreadyGranted from None
        _record(AuditAction.NOTE_OPENED, note, identity)
    return grant


def revoke_access(principal: Principal, note: Note, identity_id: UUID) -> None:
    """End an identity's access to a visible note, the writer's included. An agent key may end its own.

    Raises PeerGrant and RoleTooLow 403, GrantNotFound 404, so of two revocations exactly one succeeds.
    """
    if principal.is_agent and identity_id != principal.identity_id:
        raise PeerGrant
    if not (principal.is_agent or principal.manages_organization):
        raise RoleTooLow
    with transaction.atomic():
        grant = NoteAccess.objects.select_related("identity").filter(note=note, identity_id=identity_id).first()
        if grant is None or not NoteAccess.objects.filter(pk=grant.pk).delete()[0]:
            raise GrantNotFound
        _record(AuditAction.NOTE_CLOSED, note, grant.identity)


def _record(action: AuditAction, note: Note, identity: AgentIdentity) -> None:
    # The title is part of the text, which is nobody's business here.
    record_audit(note.organization_id, action, Target(note.pk), {"agent": f"@{identity.agent_handle}"})


def drop_grants(identity: AgentIdentity) -> None:
    """The identity is being deleted: nobody reads with its grants any more. Its notes stay with the organization."""
    NoteAccess.objects.filter(identity=identity).delete()


def move_notes(identity: AgentIdentity, previous_organization_id: str) -> None:
    """The identity has moved: notes that it wrote and shares with no other agent follow, other grants end.

    The caller's transaction has locked the identity, and its keys have moved already.
    """
    keys = ApiKey.objects.filter(scoped_identity=identity).values("pk")
    written = Note.objects.filter(organization_id=previous_organization_id, created_by__in=keys)
    # Locked before looking at their grants: one that is being given now is either seen or comes too late.
    ids = list(
        written.granted_to(identity.pk).select_for_update(of=("self",)).order_by("pk").values_list("pk", flat=True)
    )
    shared = NoteAccess.objects.filter(note_id__in=ids).exclude(identity=identity).values_list("note_id", flat=True)
    alone = set(ids) - set(shared)
    Note.objects.filter(pk__in=alone).update(organization_id=identity.organization_id)
    NoteAccess.objects.filter(identity=identity).exclude(note_id__in=alone).delete()
