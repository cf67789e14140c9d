"""What this app does when an identity moves or goes away."""

from __future__ import annotations

from common.principal import Profile
from identities.channels import Channel
from identities.models import AgentIdentity
from webhooks.services.dispatches import bring_back, put_aside
from webhooks.services.moves import move_events, move_subscriptions
from webhooks.services.subscriptions import release_identity


class WebhooksChannel(Channel):
    """Subscriptions need no provisioning and are not embedded; they end with their identity."""

    def moved(self, identity: AgentIdentity, previous_organization_id: str) -> None:
        move_events(identity, previous_organization_id)
        move_subscriptions(identity)

    def suspended(self, organization_id: str) -> None:
        put_aside(organization_id)

    def resumed(self, organization_id: str) -> None:
        bring_back(organization_id)

    def deleted(self, identity: AgentIdentity, profile: Profile) -> None:
        release_identity(identity, profile)
