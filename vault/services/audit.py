"""The audit log of vaults: written with every read and write, forgotten after the retention time.

Acts of administration are in the organization's audit log too, beside all the others (identities/services/audit.py).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings

from common.actor import current_actor
from common.clock import now
from common.principal import Principal
from identities.enums import AuditAction
from identities.models import AgentIdentity
from identities.services.audit import Target, record_audit
from vault import limits
from vault.enums import VaultAction
from vault.models import Vault, VaultAuditEntry

_ADMINISTRATION = {
    VaultAction.VAULT_INITIALIZED: AuditAction.VAULT_INITIALIZED,
    VaultAction.VAULT_DELETED: AuditAction.VAULT_DELETED,
    VaultAction.KEY_ADDED: AuditAction.VAULT_KEY_ADDED,
    VaultAction.KEY_CHANGED: AuditAction.VAULT_KEY_CHANGED,
    VaultAction.KEY_RECOVERED: AuditAction.VAULT_KEY_RECOVERED,
    VaultAction.KEY_DELETED: AuditAction.VAULT_KEY_DELETED,
    VaultAction.ACCESS_GRANTED: AuditAction.VAULT_ACCESS_GRANTED,
    VaultAction.ACCESS_REVOKED: AuditAction.VAULT_ACCESS_REVOKED,
}


def record_vault_use(principal: Principal, vault: Vault, action: VaultAction, **ids: Any) -> None:
    """One entry. `ids`: secret_id, key_id, identity_id and secret_count, as far as they apply.

    Writes record at the end of their transaction; reads record before they answer, so what was not recorded was not
    handed out.
    """
    VaultAuditEntry.objects.create(
        organization_id=vault.organization_id,
        vault_id=vault.pk,
        action=action.value,
        caller_scope=principal.scope.value,
        caller_id=caller_id(principal),
        caller_identity_id=principal.identity_id,
        **ids,
    )
    if action in _ADMINISTRATION:
        target = ids.get("secret_id") or ids.get("key_id") or vault.pk
        details = {"agent": _handle(ids["identity_id"])} if "identity_id" in ids else None
        # Names of secrets stay out of a log from which nothing is ever removed.
        record_audit(vault.organization_id, _ADMINISTRATION[action], Target(target), details)


def _handle(identity_id: UUID) -> str:
    handle = AgentIdentity.objects.filter(pk=identity_id).values_list("agent_handle", flat=True).first()
    return f"@{handle}" if handle else str(identity_id)


def record_initial_grant(vault: Vault, identity: AgentIdentity, secret_count: int) -> None:
    """A new identity got access while it was created; that is in the organization's audit log already."""
    actor = current_actor()
    VaultAuditEntry.objects.create(
        organization_id=vault.organization_id,
        vault_id=vault.pk,
        action=VaultAction.ACCESS_GRANTED.value,
        caller_scope=actor.kind.value,
        caller_id=actor.id,
        identity_id=identity.pk,
        secret_count=secret_count,
    )


def caller_id(principal: Principal) -> str:
    """The API key or the person."""
    return principal.key_id or principal.user_id or ""


def purge_vault_audit() -> int:
    """Delete in small steps what is older than the retention time; returns the number of rows. 0 days keep all."""
    if not settings.VAULT_AUDIT_DAYS:
        return 0
    old = VaultAuditEntry.objects.filter(created_at__lt=now() - timedelta(days=settings.VAULT_AUDIT_DAYS))
    count = 0
    while ids := _some(old):
        count += VaultAuditEntry.objects.forget(ids)
    return count


def _some(rows: Any) -> list[UUID]:
    return list(rows.values_list("pk", flat=True)[: limits.AUDIT_PURGE_BATCH])
