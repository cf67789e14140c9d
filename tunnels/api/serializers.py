"""What a tunnel looks like on the wire (contract identities.md section 3, embedded tunnel)."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from common.api.outputs import OutputSerializer
from identities.enums import TlsMode
from tunnels.enums import TunnelStatus


class TunnelOut(OutputSerializer):
    """The full public tunnel: clients 0.4.x parse all of it, later ones a summary."""

    id = serializers.UUIDField()
    organization_id = serializers.CharField()
    agent_identity_id = serializers.UUIDField(allow_null=True, source="identity_id")
    tunnel_name = serializers.CharField()
    public_host = serializers.CharField()
    zone = serializers.CharField()
    tls_mode = serializers.ChoiceField(choices=[m.value for m in TlsMode])
    status = serializers.ChoiceField(choices=[s.value for s in TunnelStatus])
    cert_pem = serializers.CharField(allow_null=True)
    cert_fingerprint_sha256 = serializers.CharField(allow_null=True)
    cert_expires_at = serializers.DateTimeField(allow_null=True)
    last_connected_at = serializers.DateTimeField(allow_null=True)
    last_connected_ip_addr = serializers.CharField(allow_null=True)
    last_disconnected_at = serializers.DateTimeField(allow_null=True)
    currently_connected = serializers.BooleanField()
    metadata = serializers.DictField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()

    @staticmethod
    def get_currently_connected(_: Any) -> bool:
        return False
