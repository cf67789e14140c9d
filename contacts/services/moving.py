"""What happens to contacts when an identity moves to another organization."""

from __future__ import annotations

from contacts.models import Contact, ContactIdentifier, ContactVisibility
from identities.models import AgentIdentity, Organization


def move_contacts(identity: AgentIdentity, previous_organization_id: str) -> None:
    """The address book of an organization that an agent made for itself follows the agent.

    That of any other organization is not the agent's: it stays, without what was decided about the agent.
    In the caller's transaction.
    """
    is_own = Organization.objects.filter(pk=previous_organization_id, is_provisional=True).exists()
    has_peers = AgentIdentity.objects.alive().filter(organization_id=previous_organization_id).exists()
    if not is_own or has_peers:
        ContactVisibility.objects.filter(identity=identity).delete()
        return
    rows = Contact.objects.filter(organization_id=previous_organization_id)
    # Locked first: an automatic contact that is being made now is waited for.
    list(rows.select_for_update(no_key=True).order_by("pk").values_list("pk", flat=True))
    rows.update(organization_id=identity.organization_id)
    # The organization may have made a contact of the same address by itself.
    ContactIdentifier.objects.filter(organization_id=previous_organization_id).update(
        organization_id=identity.organization_id, is_automatic=False
    )
