"""Contact rules in the life of an identity."""

from __future__ import annotations

from common.principal import Profile
from contacts.models import ContactRule
from identities.channels import Channel
from identities.models import AgentIdentity


class ContactsChannel(Channel):
    """Nothing to provision or embed; rules end with their identity."""

    def deleted(self, identity: AgentIdentity, profile: Profile) -> None:
        # Both profiles: a rule belongs to an identity here, and an unlinked mailbox has none.
        ContactRule.objects.filter(identity=identity).delete()
