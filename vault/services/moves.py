"""An identity moves to another organization, as a claimed agent does."""

from __future__ import annotations

from django.db import IntegrityError, transaction

from identities.models import AgentIdentity, Organization
from vault.models import Vault, VaultAuditEntry
from vault.services.access import end_access


def move_access(identity: AgentIdentity, previous_organization_id: str) -> None:
    """The vault of a provisional organization follows its last identity, unless the new organization has one.

    Two vaults cannot be merged: each has its own salt and key (contract vault.md section 3). In any other case the
    identity leaves its access behind; secrets belong to the organization.
    """
    if _takes_vault_along(identity, previous_organization_id):
        vault = Vault.objects.select_for_update().filter(organization_id=previous_organization_id).first()
        if vault is not None and _hand_over(vault, identity.organization_id):
            return
    end_access(identity)


def _takes_vault_along(identity: AgentIdentity, previous_organization_id: str) -> bool:
    is_provisional = Organization.objects.filter(pk=previous_organization_id, is_provisional=True).exists()
    others = AgentIdentity.objects.alive().filter(organization_id=previous_organization_id).exclude(pk=identity.pk)
    return is_provisional and not others.exists()


def _hand_over(vault: Vault, organization_id: str) -> bool:
    """False when the organization has a vault, which stays the only one."""
    vault.organization_id = organization_id
    try:
        with transaction.atomic():
            vault.save(update_fields=["organization"])
    except IntegrityError:
        return False
    VaultAuditEntry.objects.all().follow_vault(vault.pk, organization_id)
    return True
