"""Notes in the life of an identity."""

from __future__ import annotations

from common.principal import Profile
from identities.channels import Channel
from identities.models import AgentIdentity
from notes.services.access import drop_grants, move_notes


class NotesChannel(Channel):
    """Nothing to provision or embed."""

    def moved(self, identity: AgentIdentity, previous_organization_id: str) -> None:
        move_notes(identity, previous_organization_id)

    def deleted(self, identity: AgentIdentity, profile: Profile) -> None:
        # Both profiles: a grant is of no use without its identity.
        drop_grants(identity)
