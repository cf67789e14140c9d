"""API reads: one message, and a list of fifty, beside a bare Django JSON view on the same server."""

from __future__ import annotations

from statistics import median
from urllib.parse import urlsplit

from harness import Server, rate, running_server
from smtp import load as smtp_load

CONNECTIONS, REQUESTS, ROUNDS = 4, 2000, 3


def load(server: Server, *paths: str) -> float:
    """Requests a second that were answered with 200."""
    port = urlsplit(server.base_url).port
    return rate(
        "http_load.py", REQUESTS, "127.0.0.1", str(port), str(CONNECTIONS), str(REQUESTS), server.api_key, *paths
    )


def run() -> None:
    """Alternate the three, print the medians."""
    with running_server() as server:
        box = server.call("POST", "/api/v1/identities", {"agent_handle": "load-box"})["mailbox"]
        smtp_load(server.smtp_port, box["email_address"])
        base = f"/api/v1/mail/mailboxes/{box['email_address']}/messages"
        page = server.call("GET", f"{base}?limit=50")
        one = [f"{base}/{row['id']}" for row in page["items"]]
        for path in one:
            server.call("GET", path)  # marks it read, so that the measured requests only read
        figures: dict[str, list[float]] = {"bare": [], "one": [], "list": []}
        for _ in range(ROUNDS):
            figures["bare"].append(load(server, "/healthz"))
            figures["one"].append(load(server, *one))
            figures["list"].append(load(server, f"{base}?limit=50"))
    bare = median(figures["bare"])
    print(f"   bare Django JSON view       {bare:8.0f} requests/s")
    for name, label in (("one", "GET one message"), ("list", "GET list of 50")):
        found = median(figures[name])
        print(f"   {label:<27} {found:8.0f} requests/s   ratio {found / bare:.2f} (target 0.50)")
