"""Threading: an answer in a mailbox of 10,000 messages beside one in an empty mailbox; reading a long thread."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

from harness import ROOT, environment, free_port, manage, percentile, running_server

ROWS, ANSWERS, ROUNDS = 10_000, 100, 40


def raw_mail(recipient: str, number: str, parent: str | None) -> bytes:
    """A short message, which may answer another."""
    answers = f"In-Reply-To: <{parent}@bench.example>\r\n" if parent else ""
    return (
        f"From: ada@bench.example\r\nTo: {recipient}\r\nSubject: Threads\r\nMessage-ID: <{number}@bench.example>\r\n"
        f"{answers}Date: Mon, 04 May 2026 10:01:12 +0000\r\n\r\nSome text.\r\n"
    ).encode()


def measure(small: str, large: str) -> None:
    """Run with the server's settings: milliseconds a message for answers into both mailboxes."""
    import django

    django.setup()
    from mail.mime.parse import parse_mail
    from mail.models import Mailbox
    from mail.raw import store_raw
    from mail.services.receiving import InboundMail, accept_batch

    def deliver(box: Mailbox, numbers: range, label: str, parent: str | None) -> float:
        mails = []
        for number in numbers:
            raw = raw_mail(box.email_address, f"{label}{number}", parent)
            mails.append(InboundMail(parse_mail(raw), store_raw(raw), len(raw), (box.pk,)))
        started = time.perf_counter()
        for start in range(0, len(mails), 50):
            accept_batch(mails[start : start + 50])
        return (time.perf_counter() - started) / len(mails) * 1000

    boxes = {name: Mailbox.objects.get(pk=pk) for name, pk in (("small", small), ("large", large))}
    deliver(boxes["large"], range(1), "root", None)
    deliver(boxes["large"], range(ROWS), "fill", "root0")
    times: dict[str, list[float]] = {"small": [], "large": []}
    for round_number in range(ROUNDS):
        # In turn: what comes first pays for what the round before left to be written.
        for name, box in sorted(boxes.items(), reverse=round_number % 2 == 0):
            label = f"{name}{round_number}-"
            deliver(box, range(1), f"{label}root", None)
            times[name].append(deliver(box, range(ANSWERS), label, f"{label}root0"))
    empty, full = median(times["small"]), median(times["large"])
    print(f"   an answer, nearly empty mailbox  {empty:6.2f} ms")
    print(f"   an answer, {ROWS:,} messages       {full:6.2f} ms   ratio {full / empty:.2f} (target 1.20)", flush=True)


def run() -> None:
    """Measure arrival in a process of its own, then reading over HTTP."""
    with tempfile.TemporaryDirectory(prefix="inkbox-bench-") as folder:
        data_dir = Path(folder)
        env = environment(data_dir, free_port(), free_port())
        manage(env, "migrate", "--verbosity", "0")
        with running_server(data_dir) as server:
            handles = ("small-box", "large-box")
            boxes = [server.call("POST", "/api/v1/identities", {"agent_handle": h})["mailbox"] for h in handles]
        own = {**env, "DJANGO_SETTINGS_MODULE": "inkbox_site.settings", "PYTHONPATH": str(ROOT)}
        ids = [box["id"] for box in boxes]
        subprocess.run([sys.executable, "bench/threads.py", *ids], cwd=ROOT, env=own, check=True)
        with running_server(data_dir) as server:
            base = f"/api/v1/mail/mailboxes/{ids[1]}/threads"
            threads = server.call("GET", f"{base}?limit=100")["items"]
            longest = max(threads, key=lambda thread: thread["message_count"])
            address = urlsplit(server.base_url)
            connection = HTTPConnection(str(address.hostname), address.port)
            before = server.rss_mb()
            for name, query in (("detail", ""), ("newest 50", "?limit=50"), ("transcript", "/text")):
                times, size = [], 0
                for _ in range(10):
                    started = time.perf_counter()
                    path = f"{base}/{longest['id']}{query}"
                    connection.request("GET", path, headers={"X-API-Key": server.api_key})
                    size = len(connection.getresponse().read())
                    times.append((time.perf_counter() - started) * 1000)
                p50 = percentile(times, 0.5)
                print(f"   thread of {longest['message_count']:,}, {name:<12} {p50:7.1f} ms, {size / 1000:7.1f} KB")
            print(f"   memory of the server after it     +{server.rss_mb() - before:5.1f} MB")


if __name__ == "__main__":
    measure(*sys.argv[1:3])
