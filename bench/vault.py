"""Unlock bundle of 1,000 secrets, for an admin key and for an agent, beside a bare view that answers the same body."""

from __future__ import annotations

import base64
import json
import os
import secrets
import time
import uuid
from http.client import HTTPConnection
from statistics import median
from typing import Any
from urllib.parse import urlsplit

from harness import Server, percentile, running_server

SECRETS, ROUNDS = 1000, 40
# A login with notes: about 200 bytes of JSON, nonce and tag.
PAYLOAD_BYTES = 228
TARGET_MS = 100


def material(key_type: str) -> dict[str, str]:
    """A key as clients send it; its content does not matter to the server."""
    return {
        "id": str(uuid.uuid4()),
        "wrapped_org_encryption_key": base64.b64encode(os.urandom(60)).decode(),
        "auth_hash": secrets.token_hex(32),
        "key_type": key_type,
    }


def fill(server: Server) -> str:
    """A vault with secrets; returns the auth hash of its key."""
    key = material("primary")
    recovery = [material("recovery") for _ in range(4)]
    server.call("POST", "/api/v1/vault/initialize", {"vault_key": key, "recovery_keys": recovery})
    for number in range(SECRETS):
        payload = base64.b64encode(os.urandom(PAYLOAD_BYTES)).decode()
        body = {"name": f"Secret {number}", "description": "An account", "secret_type": "login"}
        server.call("POST", "/api/v1/vault/secrets", {**body, "encrypted_payload": payload})
    return key["auth_hash"]


def timed(connection: HTTPConnection, path: str, key: str) -> tuple[float, bytes]:
    """Milliseconds of one request, and its body."""
    started = time.perf_counter()
    connection.request("GET", path, headers={"X-API-Key": key})
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 200:
        raise RuntimeError(f"{answer.status} for {path}")
    return (time.perf_counter() - started) * 1000, body


def run() -> None:
    """Alternate the three, print medians and the 95th percentiles."""
    with running_server(with_bare_views=True) as server:
        unlock = f"/api/v1/vault/unlock?auth_hash={fill(server)}"
        agent = server.call("POST", "/api/v1/identities", {"agent_handle": "vault-box", "vault_secret_ids": "*"})
        made = server.call("POST", "/api/v1/api-keys", {"label": "bench", "scoped_identity_id": agent["id"]})
        address = urlsplit(server.base_url)
        connection = HTTPConnection(str(address.hostname), int(address.port or 80))
        _, content = timed(connection, unlock, server.api_key)
        bundle: dict[str, Any] = json.loads(content)
        if len(bundle["encrypted_secrets"]) != SECRETS:
            raise RuntimeError("The bundle is not complete.")
        (server.data_dir / "bare-bundle.json").write_bytes(content)
        calls = {
            "bare": ("/bare/bundle", server.api_key),
            "admin": (unlock, server.api_key),
            "agent": (unlock, made["api_key"]),
        }
        figures: dict[str, list[float]] = {name: [] for name in calls}
        for _ in range(ROUNDS):
            for name, (path, key) in calls.items():
                figures[name].append(timed(connection, path, key)[0])
    found = {name: median(times) for name, times in figures.items()}
    print(f"   bare Django JSON view, same body ({len(content) / 1e3:.0f} kB)   {found['bare']:6.1f} ms")
    for name, label in (("admin", "unlock with an admin key"), ("agent", "unlock with an agent key")):
        print(
            f"   {label:<42} {found[name]:6.1f} ms   95th percentile {percentile(figures[name], 0.95):.1f}, "
            f"ratio {found[name] / found['bare']:.2f} (target below {TARGET_MS} ms)"
        )
