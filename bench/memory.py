"""Idle memory of the whole server in one process."""

from __future__ import annotations

import time

from harness import running_server


def run() -> None:
    """Resident memory a few seconds after start, and after the first requests."""
    with running_server() as server:
        time.sleep(6)
        print(f"   idle                        {server.rss_mb():8.0f} MB   (target below 200)")
        for _ in range(200):
            server.call("GET", "/api/v1/identities")
        server.call("GET", "/api/whoami")
        print(f"   after 200 requests          {server.rss_mb():8.0f} MB")
