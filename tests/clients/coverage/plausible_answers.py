"""Answers that let the client's multi-request methods get past their first request.

Only those methods need real content: the identity object, the vault, the
message-import target. Everything else gets one object with empty lists; the
client may fail to parse it, which is fine once its request is out.
"""

from __future__ import annotations

import importlib
import re
from typing import Any
from uuid import UUID

from tests.clients.coverage.dummy_arguments import (
    EMAIL,
    HANDLE,
    ID,
    NUMBER,
    ORGANIZATION,
    VAULT_KEY,
)

# One secret of each kind that has an accessor of its own; the login has the common id.
SECRET_IDS = {
    "login": ID,
    "api_key": UUID("a3c0c1de-0000-4000-8000-00000000c0d1"),
    "key_pair": UUID("a3c0c1de-0000-4000-8000-00000000c0d2"),
    "ssh_key": UUID("a3c0c1de-0000-4000-8000-00000000c0d3"),
}
_PAYLOADS: dict[str, dict[str, Any]] = {
    "login": {
        "username": "agent",
        "password": "secret",
        "totp": {"secret": "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"},
    },
    "api_key": {"api_key": "secret"},
    "key_pair": {"access_key": "agent", "secret_key": "secret"},
    "ssh_key": {"private_key": "secret"},
}

_MOMENT = "2026-01-02T03:04:05+00:00"
_STAMPS = {"id": str(ID), "created_at": _MOMENT, "updated_at": _MOMENT}

_MAILBOX = _STAMPS | {
    "email_address": EMAIL,
    "sending_domain": EMAIL.partition("@")[2],
    "filter_mode": "blacklist",
    "agent_identity_id": str(ID),
    "storage_used_bytes": 0,
}
_NUMBER = _STAMPS | {
    "number": NUMBER,
    "type": "local",
    "status": "active",
    "sms_status": "ready",
    "incoming_call_action": "auto_reject",
    "filter_mode": "blacklist",
}
_TUNNEL = _STAMPS | {
    "tunnel_name": HANDLE,
    "tls_mode": "edge",
    "status": "active",
    "public_host": f"{HANDLE}.tunnels.localhost",
    "zone": "tunnels.localhost",
    "organization_id": ORGANIZATION,
}
_IDENTITY = _STAMPS | {
    "organization_id": ORGANIZATION,
    "agent_handle": HANDLE,
    "display_name": "Coverage",
    "description": None,
    "email_address": EMAIL,
    "imessage_enabled": True,
    "mailbox": _MAILBOX,
    "phone_number": _NUMBER,
    "imessage_number": {"id": str(ID), "number": NUMBER, "type": "dedicated_outbound"},
    "tunnel": _TUNNEL,
}
_WHOAMI = {
    "auth_type": "api_key",
    "auth_subtype": "api_key.agent_scoped.claimed",
    "scope": f"agent_identity:{ID}",
    "organization_id": ORGANIZATION,
}
_RULE = _STAMPS | {"vault_secret_id": str(ID), "identity_id": str(ID)}
_ANYTHING: dict[str, Any] = _STAMPS | {
    "items": [],
    "subscriptions": [],
    "deliveries": [],
    "tunnels": [],
    "has_more": False,
    "next_cursor": None,
    "supports_identity_subscriptions": True,
}


class PlausibleAnswers:
    """Callable for ``RecordingServer``; holds the key material of one imaginary vault."""

    def __init__(self) -> None:
        crypto = importlib.import_module("inkbox.vault.crypto")
        key = crypto.generate_org_encryption_key()
        material = crypto.generate_vault_key_material(VAULT_KEY, ORGANIZATION, key)
        secrets = [
            _STAMPS
            | {
                "id": str(secret_id),
                "name": "coverage",
                "description": None,
                "secret_type": kind,
                "encrypted_payload": crypto.encrypt_payload(key, _PAYLOADS[kind], secret_id=str(secret_id)),
            }
            for kind, secret_id in SECRET_IDS.items()
        ]
        login = secrets[0]
        vault_key = _STAMPS | {"id": str(material.id), "key_type": "primary"}
        info = _STAMPS | {
            "organization_id": ORGANIZATION,
            "key_count": 1,
            "secret_count": 1,
            "recovery_key_count": 4,
        }
        unlock = {
            "wrapped_org_encryption_key": material.wrapped_org_encryption_key,
            "encrypted_secrets": secrets,
        }
        one = r"/[^/]+"
        # First match wins.
        self._table: list[tuple[str, str, Any]] = [
            ("GET", r"/api/whoami", _WHOAMI),
            ("GET", r"/api/v1/identities/", [_IDENTITY]),
            ("POST", r"/api/v1/identities/", _IDENTITY),
            ("GET|PATCH", rf"/api/v1/identities{one}", _IDENTITY),
            ("GET", rf"/api/v1/mail/mailboxes{one}", _MAILBOX),
            ("POST", r"/api/v1/phone/numbers", _NUMBER),
            ("GET", r"/api/v1/vault/info", info),
            ("GET", r"/api/v1/vault/unlock", unlock),
            ("GET", r"/api/v1/vault/keys", [vault_key]),
            ("PUT", r"/api/v1/vault/keys/primary", vault_key),
            ("GET", r"/api/v1/vault/secrets", secrets),
            ("POST", r"/api/v1/vault/secrets", login),
            ("GET|PATCH", rf"/api/v1/vault/secrets{one}", login),
            ("GET", rf"/api/v1/vault/secrets{one}/access", [_RULE]),
            ("POST", rf"/api/v1/vault/secrets{one}/access", _RULE),
        ]

    def __call__(self, method: str, path: str) -> tuple[int, Any]:
        if method == "DELETE":
            return 204, None
        for methods, pattern, body in self._table:
            if method in methods.split("|") and re.fullmatch(pattern, path):
                return 200, body
        return 200, _ANYTHING
