"""Access to secrets in the life of an identity."""

from __future__ import annotations

from common.principal import Profile
from identities.channels import Channel, Provision
from identities.models import AgentIdentity
from vault.services.access import end_access, grant_to_new_identity
from vault.services.moves import move_access


class VaultChannel(Channel):
    """Nothing to embed. Secrets belong to the organization and outlive the identities that read them."""

    def provision(self, identity: AgentIdentity, request: Provision) -> None:
        if request.vault_secret_ids:
            grant_to_new_identity(identity, request.vault_secret_ids)

    def moved(self, identity: AgentIdentity, previous_organization_id: str) -> None:
        move_access(identity, previous_organization_id)

    def deleted(self, identity: AgentIdentity, profile: Profile) -> None:
        end_access(identity)
