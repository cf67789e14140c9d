"""SMTP ingest: messages accepted and committed a second, beside an aiosmtpd that throws mail away."""

from __future__ import annotations

import subprocess
import sys
import time
from statistics import median

from harness import ROOT, free_port, rate, running_server

SESSIONS, MESSAGES, SIZE_BYTES, ROUNDS = 10, 3000, 4096, 3


def load(port: int, recipient: str) -> float:
    """Messages a second that were answered with 250."""
    numbers = (str(SESSIONS), str(MESSAGES), str(SIZE_BYTES))
    return rate("smtp_load.py", MESSAGES, "127.0.0.1", str(port), recipient, *numbers)


def bare() -> float:
    """The baseline."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "bench/bare_aiosmtpd.py", str(port)], cwd=ROOT)
    try:
        time.sleep(1)
        return load(port, "anyone@bench.example")
    finally:
        process.kill()
        process.wait()


def run() -> None:
    """Alternate baseline and server, print the medians."""
    ours, baseline = [], []
    with running_server() as server:
        box = server.call("POST", "/api/v1/identities", {"agent_handle": "load-box"})["mailbox"]
        for _ in range(ROUNDS):
            baseline.append(bare())
            ours.append(load(server.smtp_port, box["email_address"]))
        stored = server.call("GET", f"/api/v1/mail/mailboxes/{box['id']}")["storage_used_bytes"]
    print(f"   bare aiosmtpd, discarding   {median(baseline):8.0f} messages/s")
    print(f"   accepted and committed      {median(ours):8.0f} messages/s   (target 250)")
    print(f"   ratio                       {median(ours) / median(baseline):8.2f}              (target 0.33)")
    print(f"   stored                      {stored / 1e6:8.1f} MB")
