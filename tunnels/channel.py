"""Tunnels in the life of an identity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from common.clock import now
from common.principal import Profile
from identities.channels import Channel, Provision
from identities.enums import Namespace, TlsMode
from identities.models import AgentIdentity
from identities.selectors import holds_global_name
from identities.services.handles import keep_name_without_identity
from tunnels.api.serializers import TunnelOut
from tunnels.enums import TunnelStatus
from tunnels.models import Tunnel


class TunnelChannel(Channel):
    """One tunnel for each identity that holds its handle in the global namespace."""

    key = "tunnel"

    def provision(self, identity: AgentIdentity, request: Provision) -> None:
        if request.tunnel is None or not request.owns_global_name:
            return
        is_edge = request.tunnel.tls_mode == TlsMode.EDGE
        Tunnel.objects.create(
            organization_id=identity.organization_id,
            identity=identity,
            tunnel_name=identity.agent_handle,
            tls_mode=request.tunnel.tls_mode,
            status=(TunnelStatus.ACTIVE if is_edge else TunnelStatus.AWAITING_CERT).value,
        )

    def embed(self, identities: Sequence[AgentIdentity]) -> dict[UUID, dict[str, Any]]:
        rows = Tunnel.objects.alive().filter(identity_id__in=[identity.pk for identity in identities])
        return {row.identity_id: TunnelOut.render(row) for row in rows if row.identity_id is not None}

    def renamed(self, identity: AgentIdentity) -> None:
        if not holds_global_name(identity):
            return
        tunnels = Tunnel.objects.alive().filter(identity=identity)
        tunnels.update(tunnel_name=identity.agent_handle, updated_at=now())
        # The certificate of a passthrough tunnel names the old host.
        tunnels.filter(tls_mode=TlsMode.PASSTHROUGH.value).update(
            status=TunnelStatus.AWAITING_CERT.value, cert_pem=None, cert_fingerprint_sha256=None, cert_expires_at=None
        )

    def moved(self, identity: AgentIdentity, previous_organization_id: str) -> None:
        # Deleted ones too: their rows are the history of the identity.
        Tunnel.objects.filter(identity=identity).update(organization_id=identity.organization_id)

    def deleted(self, identity: AgentIdentity, profile: Profile) -> None:
        tunnel = Tunnel.objects.alive().filter(identity=identity).first()
        if tunnel is None:
            return
        if profile is Profile.SEED:
            keep_name_without_identity(tunnel.tunnel_name, Namespace.TUNNELS, identity)
            tunnel.identity = None
            tunnel.save(update_fields=["identity", "updated_at"])
        else:
            tunnel.status = TunnelStatus.DELETED.value
            tunnel.deleted_at = now()
            tunnel.save(update_fields=["status", "deleted_at", "updated_at"])
