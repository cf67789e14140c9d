"""What this app does when an identity goes away."""

from __future__ import annotations

from common.principal import Profile
from identities.channels import Channel
from identities.models import AgentIdentity
from webhooks.services.subscriptions import release_identity


class WebhooksChannel(Channel):
    """Subscriptions need no provisioning and are not embedded; they end with their identity."""

    def deleted(self, identity: AgentIdentity, profile: Profile) -> None:
        release_identity(identity, profile)
