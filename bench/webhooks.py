"""Webhook deliveries: how many a second beside a bare posting loop, and how quick they are while others hang."""

from __future__ import annotations

import json
import smtplib
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from harness import ROOT, Server, environment, percentile, rate, running_server

DELIVERIES, ENDPOINTS, BARE_CONNECTIONS, ROUNDS = 4000, 8, 8, 3
CROWD, HANGING, CROWD_ROUNDS, MESSAGES_PER_SECOND = 1000, 100, 2, 100
_WAIT_SECONDS = 60


@contextmanager
def receiver() -> Iterator[str]:
    """A receiver in a process of its own; its base URL."""
    process = subprocess.Popen(
        [sys.executable, "bench/webhook_receiver.py"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
    finally:
        process.kill()
        process.wait()


def arrivals(url: str) -> list[tuple[str, float]]:
    """What arrived since the last call."""
    with urllib.request.urlopen(f"{url}/stats", timeout=30) as answer:
        found: list[tuple[str, float]] = json.loads(answer.read())
        return found


def subscribe(server: Server, number: int, url: str) -> dict[str, Any]:
    """An identity with one endpoint."""
    identity: dict[str, Any] = server.call("POST", "/api/v1/identities", {"agent_handle": f"load-{number}-box"})
    body = {"url": url, "event_types": ["message.received"], "agent_identity_id": identity["id"]}
    server.call("POST", "/api/v1/webhooks/subscriptions", body)
    return identity


def delivery_rate(folder: Path, url: str) -> tuple[float, int]:
    """Deliveries a second of one process from a full queue, and the size of one body."""
    env = environment(folder, 1, 1)
    queued = subprocess.run(
        [sys.executable, "bench/queue_events.py", str(DELIVERIES)],
        cwd=ROOT,
        env=env,
        check=True,
        capture_output=True,
        text=True,
    )
    arrivals(url)
    seen: list[float] = []
    with running_server(folder):
        deadline = time.monotonic() + _WAIT_SECONDS
        while len(seen) < DELIVERIES:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{len(seen)} of {DELIVERIES} deliveries in {_WAIT_SECONDS} s")
            time.sleep(0.2)
            seen += [at for _, at in arrivals(url)]
    # The server counts as working from its first request on; what it does before is starting.
    return DELIVERIES / (max(seen) - min(seen)), int(queued.stdout)


def run_throughput() -> None:
    """Full queue against bare loop, by turns."""
    own, bare = [], []
    with receiver() as url, tempfile.TemporaryDirectory(prefix="inkbox-bench-") as name:
        folder = Path(name)
        with running_server(folder) as server:
            for number in range(ENDPOINTS):
                subscribe(server, number, f"{url}/fast/{number}")
        for _ in range(ROUNDS):
            found, size = delivery_rate(folder, url)
            own.append(found)
            bare.append(
                rate("post_loop.py", DELIVERIES, f"{url}/bare", str(DELIVERIES), str(BARE_CONNECTIONS), str(size))
            )
    ratio = median(own) / median(bare)
    print(f"   bare httpx posting loop     {median(bare):8.0f} requests/s")
    print(
        f"   deliveries of one worker    {median(own):8.0f} requests/s   (target 500)   ratio {ratio:.2f} (target 0.60)"
    )


def run_crowd() -> None:
    """Many endpoints, some of which hang; mail for all of them at a steady pace."""
    waits: list[float] = []
    with receiver() as url, running_server() as server:
        with ThreadPoolExecutor(4) as pool:
            paths = [f"/hang/{n}" if n % (CROWD // HANGING) == 0 else f"/fast/{n}" for n in range(CROWD)]
            boxes = list(pool.map(lambda n: subscribe(server, n, url + paths[n])["email_address"], range(CROWD)))
        for turn in range(CROWD_ROUNDS):
            arrivals(url)
            accepted = _send(server, boxes, turn)
            healthy = {paths[n]: at for n, at in accepted.items() if paths[n].startswith("/fast")}
            found = _collect(url, set(healthy))
            waits += [(found[path] - at) * 1000 for path, at in healthy.items()]
    print(f"   {CROWD} endpoints, {HANGING} hang: healthy ones, 250 to request")
    print(f"   median                      {percentile(waits, 0.5):8.1f} ms")
    print(f"   95th percentile             {percentile(waits, 0.95):8.1f} ms   (target below 1000)")


def _send(server: Server, boxes: list[str], turn: int) -> dict[int, float]:
    accepted: dict[int, float] = {}
    started = time.monotonic()
    with smtplib.SMTP("127.0.0.1", server.smtp_port) as client:
        for n, box in enumerate(boxes):
            time.sleep(max(0.0, started + n / MESSAGES_PER_SECOND - time.monotonic()))
            text = f"From: a@bench.example\r\nTo: {box}\r\nMessage-ID: <{turn}.{n}@bench.example>\r\n\r\nping\r\n"
            client.sendmail("a@bench.example", [box], text)
            accepted[n] = time.monotonic()
    return accepted


def _collect(url: str, wanted: set[str]) -> dict[str, float]:
    found: dict[str, float] = {}
    deadline = time.monotonic() + _WAIT_SECONDS
    while not wanted <= found.keys():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{len(wanted - found.keys())} healthy endpoints heard nothing for {_WAIT_SECONDS} s")
        for path, at in arrivals(url):
            found.setdefault(path, at)
        time.sleep(0.2)
    return found


def run() -> None:
    """Both."""
    run_throughput()
    run_crowd()
