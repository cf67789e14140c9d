"""Grant and revoke access of identities to secrets (contract vault.md 4.5)."""

from __future__ import annotations

from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from common.bulk import insert_rows
from common.db import again_when_undone, batches
from common.principal import Principal
from identities.channels import EVERY_SECRET, InitialSecrets
from identities.errors import IdentityNotFound
from identities.models import AgentIdentity
from identities.roles import require_manager
from vault import limits
from vault.enums import VaultAction
from vault.errors import AccessExists, AccessNotFound, AgentManagesOwnAccessOnly, SecretNotFound
from vault.models import SecretAccess, Vault, VaultSecret
from vault.selectors import get_access
from vault.services.audit import record_initial_grant, record_vault_use
from vault.services.locking import lock_vault


@again_when_undone
def grant_access(principal: Principal, secret: VaultSecret, identity_id: UUID) -> SecretAccess:
    """Let an identity read a secret. An agent that grants itself what it has gets the rule that is there.

    Raises RoleTooLow and AgentManagesOwnAccessOnly 403, IdentityNotFound, SecretNotFound 404, AccessExists 409.
    """
    if principal.is_agent:
        if identity_id != principal.identity_id:
            raise AgentManagesOwnAccessOnly
        return get_access(secret, identity_id)
    require_manager(principal)
    with transaction.atomic():
        lock_vault(secret.vault)
        lock_identity(principal, identity_id)
        _lock_secret(principal, secret)
        rule = SecretAccess(vault_secret=secret, identity_id=identity_id)
        try:
            with transaction.atomic():
                rule.save(force_insert=True)
        except IntegrityError:
            raise AccessExists from None
        record_vault_use(
            principal, secret.vault, VaultAction.ACCESS_GRANTED, secret_id=secret.pk, identity_id=identity_id
        )
    return rule


@again_when_undone
def revoke_access(principal: Principal, secret: VaultSecret, identity_id: UUID | None) -> None:
    """End the access of an identity. Raises RoleTooLow and AgentManagesOwnAccessOnly 403, AccessNotFound 404."""
    if not principal.is_agent:
        require_manager(principal)
    elif identity_id != principal.identity_id:
        raise AgentManagesOwnAccessOnly
    with transaction.atomic():
        lock_vault(secret.vault)
        if not SecretAccess.objects.filter(vault_secret=secret, identity_id=identity_id).delete()[0]:
            raise AccessNotFound
        record_vault_use(
            principal, secret.vault, VaultAction.ACCESS_REVOKED, secret_id=secret.pk, identity_id=identity_id
        )


def grant_to_new_identity(identity: AgentIdentity, wanted: InitialSecrets) -> None:
    """What identity create asked for, in its transaction. Raises SecretNotFound when one of the ids is unknown."""
    vault = Vault.objects.filter(organization_id=identity.organization_id).first()
    if vault is not None:
        lock_vault(vault)
    rows: QuerySet[VaultSecret] = VaultSecret.objects.filter(vault__organization_id=identity.organization_id)
    if wanted != EVERY_SECRET:
        rows = rows.filter(pk__in=wanted)
    # Locked, so that none is deleted before its rule is there.
    ids = list(rows.select_for_update(of=("self",), no_key=True).order_by("pk").values_list("pk", flat=True))
    if wanted != EVERY_SECRET and len(ids) != len(set(wanted)):
        raise SecretNotFound
    for batch in batches(ids, limits.GRANT_BATCH):
        insert_rows(SecretAccess, [SecretAccess(vault_secret_id=pk, identity_id=identity.pk) for pk in batch])
    if vault is not None and ids:
        record_initial_grant(vault, identity, len(ids))


def end_access(identity: AgentIdentity) -> None:
    """The identity is gone, or in another organization. The secrets stay."""
    SecretAccess.objects.filter(identity=identity).delete()


def lock_identity(principal: Principal, identity_id: UUID) -> None:
    """For an identity about to get a rule. Raises IdentityNotFound when it was deleted meanwhile."""
    # Deleting or moving the identity waits, and then removes the rule; NO KEY: mail refers to it meanwhile.
    rows = AgentIdentity.objects.visible_to(principal).select_for_update(no_key=True)
    if not rows.filter(pk=identity_id).exists():
        raise IdentityNotFound


def _lock_secret(principal: Principal, secret: VaultSecret) -> None:
    rows = VaultSecret.objects.visible_to(principal).select_for_update(of=("self",), no_key=True)
    if not rows.filter(pk=secret.pk).exists():
        raise SecretNotFound
