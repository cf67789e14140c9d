"""Contacts and contact rules in the life of an identity."""

from __future__ import annotations

from common.principal import Profile
from contacts.models import ContactRule, ContactVisibility
from contacts.services.moving import move_contacts
from identities.channels import Channel
from identities.models import AgentIdentity


class ContactsChannel(Channel):
    """Nothing to provision or embed; rules and decisions end with their identity, contacts stay."""

    def moved(self, identity: AgentIdentity, previous_organization_id: str) -> None:
        ContactRule.objects.filter(identity=identity).update(organization_id=identity.organization_id)
        move_contacts(identity, previous_organization_id)

    def deleted(self, identity: AgentIdentity, profile: Profile) -> None:
        # Both profiles: a rule belongs to an identity here, and an unlinked mailbox has none.
        ContactRule.objects.filter(identity=identity).delete()
        ContactVisibility.objects.filter(identity=identity).delete()
