"""Open identities to other agents, and close them again (contract identities.md section 9).

Writers lock the target first, so the two kinds of rows never meet.
"""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.db.models import Q

from common.errors import Invalid
from common.principal import Principal
from identities.enums import AuditAction
from identities.errors import (
    AccessNotFound,
    AlreadyVisible,
    IdentityNotFound,
    RedundantAccess,
    ViewerNotFound,
)
from identities.models import AgentIdentity, IdentityAccess
from identities.roles import require_manager
from identities.services.audit import identity_target, record_audit

_EVERY_AGENT = "every agent"


def open_identity(principal: Principal, target: AgentIdentity, viewer_id: UUID | None) -> IdentityAccess:
    """Let one identity of the organization look at the target; without one, every agent, instead of those so far.

    Opening to everybody again returns the row that is there. Raises RoleTooLow 403, Invalid 422 for the target itself,
    IdentityNotFound and ViewerNotFound 404, RedundantAccess and AlreadyVisible 409.
    """
    require_manager(principal)
    if viewer_id == target.pk:
        raise Invalid("An identity always sees itself. Name another one.", loc=("body", "viewer_identity_id"))
    with transaction.atomic():
        locked = _lock(principal, target.pk, viewer_id)
        rows = IdentityAccess.objects.filter(target=target)
        wildcard = rows.filter(viewer__isnull=True).first()
        if viewer_id is None:
            if wildcard is not None:
                return wildcard
            rows.delete()
        elif wildcard is not None:
            raise RedundantAccess
        elif rows.filter(viewer_id=viewer_id).exists():
            raise AlreadyVisible
        row = IdentityAccess.objects.create(target=target, viewer_id=viewer_id)
        viewer = f"@{locked[viewer_id].agent_handle}" if viewer_id is not None else _EVERY_AGENT
        record_audit(target.organization_id, AuditAction.IDENTITY_OPENED, identity_target(target), {"viewer": viewer})
    return row


def close_identity(principal: Principal, target: AgentIdentity, viewer_id: UUID | None) -> None:
    """Take the look at the target from one viewer; without one, from everybody who was never named.

    Raises RoleTooLow 403, IdentityNotFound and AccessNotFound 404.
    """
    require_manager(principal)
    with transaction.atomic():
        _lock(principal, target.pk, None)
        row = IdentityAccess.objects.select_related("viewer").filter(target=target, viewer_id=viewer_id).first()
        if row is None:
            raise AccessNotFound
        row.delete()
        viewer = f"@{row.viewer.agent_handle}" if row.viewer is not None else _EVERY_AGENT
        record_audit(target.organization_id, AuditAction.IDENTITY_CLOSED, identity_target(target), {"viewer": viewer})


def drop_access(identity: AgentIdentity) -> None:
    """The identity is being deleted or moves: it looks at nobody any more, and nobody at it.

    A target whose last viewer goes is seen by no agent, as if it had never been opened.
    """
    IdentityAccess.objects.filter(Q(target=identity) | Q(viewer=identity)).delete()


def _lock(principal: Principal, target_id: UUID, viewer_id: UUID | None) -> dict[UUID, AgentIdentity]:
    """Neither is deleted or moved until the end of the transaction, nor is anything here changed for the target."""
    ids = [target_id] if viewer_id is None else [target_id, viewer_id]
    # NO KEY: mail that is being received refers to the identity and goes on meanwhile.
    rows = AgentIdentity.objects.visible_to(principal).select_for_update(no_key=True).filter(pk__in=ids)
    found = {row.pk: row for row in rows.order_by("pk")}
    if target_id not in found:
        raise IdentityNotFound
    if viewer_id is not None and viewer_id not in found:
        raise ViewerNotFound
    return found
