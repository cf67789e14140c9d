"""Values that go on the wire (contract tunnels.md)."""

from __future__ import annotations

from enum import StrEnum


class TunnelStatus(StrEnum):
    """Passthrough tunnels wait for a certificate; edge tunnels are active from the start."""

    AWAITING_CERT = "awaiting_cert"
    ACTIVE = "active"
    DELETED = "deleted"
