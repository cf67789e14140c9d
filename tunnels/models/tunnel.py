"""Tunnels: the public host name of an identity."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Q

from common.clock import now
from common.ids import uuid7
from common.principal import Principal
from common.scoped import IdentityRows
from identities.enums import TlsMode
from identities.models import AgentIdentity, Organization
from tunnels.enums import TunnelStatus

_ALIVE = ~Q(status=TunnelStatus.DELETED.value)


class TunnelQuerySet(IdentityRows["Tunnel"]):
    """Reads."""

    def alive(self) -> Self:
        """Without deleted ones."""
        return self.filter(_ALIVE)

    def visible_to(self, principal: Principal) -> Self:
        """Those that are not deleted."""
        return super().visible_to(principal).alive()


class Tunnel(models.Model):
    """A name in the tunnel zone and how its TLS ends. Deleted rows stay for the record."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="tunnels")
    identity = models.ForeignKey(AgentIdentity, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    tunnel_name = models.CharField(max_length=63)
    tls_mode = models.CharField(
        max_length=16, choices=[(m.value, m.value) for m in TlsMode], default=TlsMode.EDGE.value
    )
    status = models.CharField(max_length=16, choices=[(s.value, s.value) for s in TunnelStatus])
    cert_pem = models.TextField(null=True, blank=True)
    cert_fingerprint_sha256 = models.CharField(max_length=64, null=True, blank=True)
    cert_expires_at = models.DateTimeField(null=True, blank=True)
    last_connected_at = models.DateTimeField(null=True, blank=True)
    last_connected_ip_addr = models.GenericIPAddressField(null=True, blank=True)
    last_disconnected_at = models.DateTimeField(null=True, blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(default=now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = TunnelQuerySet.as_manager()

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["tunnel_name"], condition=_ALIVE, name="tunnel_name_unique"),
            models.UniqueConstraint(fields=["identity"], condition=_ALIVE, name="tunnel_one_per_identity"),
            models.CheckConstraint(
                condition=Q(status=TunnelStatus.DELETED.value, deleted_at__isnull=False)
                | (_ALIVE & Q(deleted_at__isnull=True)),
                name="tunnel_deleted_has_time",
            ),
        ]

    def __str__(self) -> str:
        return self.tunnel_name

    @property
    def zone(self) -> str:
        """Read when rendered, so that a changed zone shows at once."""
        return str(settings.TUNNEL_ZONE)

    @property
    def public_host(self) -> str:
        return f"{self.tunnel_name}.{self.zone}"
