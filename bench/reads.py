"""API reads: one message, and a list of fifty, beside bare Django JSON views on the same server.

Two baselines: a view that answers a few bytes, and one that answers the same body as the measured route (a list of
fifty is 38 kB, which costs something to encode and to send, whoever does it).
"""

from __future__ import annotations

import json
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
    with running_server(with_bare_views=True) as server:
        box = server.call("POST", "/api/v1/identities", {"agent_handle": "load-box"})["mailbox"]
        smtp_load(server.smtp_port, box["email_address"])
        base = f"/api/v1/mail/mailboxes/{box['email_address']}/messages"
        page = server.call("GET", f"{base}?limit=50")
        one = [f"{base}/{row['id']}" for row in page["items"]]
        for path in one:
            server.call("GET", path)  # marks it read, so that the measured requests only read
        for name, body in (("one", server.call("GET", one[0])), ("list", page)):
            (server.data_dir / f"bare-{name}.json").write_text(json.dumps(body))
        paths = {
            "bare": ["/bare"],
            "bare-one": ["/bare/one"],
            "bare-list": ["/bare/list"],
            "one": one,
            "list": [f"{base}?limit=50"],
        }
        figures: dict[str, list[float]] = {name: [] for name in paths}
        for _ in range(ROUNDS):
            for name, urls in paths.items():
                figures[name].append(load(server, *urls))
    found = {name: median(rates) for name, rates in figures.items()}
    print(f"   bare Django JSON view, 16 bytes      {found['bare']:8.0f} requests/s")
    for name, label in (("one", "GET one message"), ("list", "GET list of 50")):
        print(f"   bare Django JSON view, body of {name:<5} {found[f'bare-{name}']:8.0f} requests/s")
        print(
            f"   {label:<36} {found[name]:8.0f} requests/s   ratio {found[name] / found['bare']:.2f}, "
            f"same body {found[name] / found[f'bare-{name}']:.2f} (target 0.50)"
        )
