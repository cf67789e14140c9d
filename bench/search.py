"""Search in a mailbox of 100,000 messages, beside the plainest list (INKBOX_BENCH_SEARCH_ROWS changes the number)."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from http.client import HTTPConnection
from itertools import accumulate, pairwise
from pathlib import Path
from random import Random
from urllib.parse import quote, urlsplit

from harness import ROOT, Server, environment, free_port, manage, percentile, running_server

ROWS = int(os.environ.get("INKBOX_BENCH_SEARCH_ROWS", "100000"))
WORDS, ROUNDS = 30_000, 5
# Word n occurs in proportion to 1/n, as in a language.
WEIGHTS = list(accumulate(1 / (number + 1) for number in range(WORDS)))


def vocabulary() -> list[str]:
    """Made-up words, the same in every process."""
    random = Random(1)
    return ["".join(random.choices("abcdefghijklmnopqrstuvwxyz", k=random.randint(2, 10))) for _ in range(WORDS)]


def fill(mailbox_id: str, rows: int) -> None:
    """Messages of about 1 KB through the services that store and index; in a process with the server's settings."""
    import django

    django.setup()
    from django.db import transaction

    from common.bulk import insert_rows
    from mail.models import Message, MessageContent, Thread
    from mail.services.indexing import index_everything, request_indexing

    random, words = Random(2), vocabulary()
    thread = Thread.objects.filter(mailbox_id=mailbox_id).first()
    sample = Message.objects.filter(mailbox_id=mailbox_id).first()
    assert thread is not None
    assert sample is not None
    for start in range(0, rows, 1000):
        messages, contents = [], []
        for number in range(start, min(rows, start + 1000)):
            message = Message(
                mailbox_id=sample.mailbox_id,
                thread=thread,
                direction="inbound",
                status="received",
                message_id=f"<{number}@bench.example>",
                from_address=f"{words[number % 500]}@{words[number % 90]}.example",
                to_addresses=sample.to_addresses,
                subject=" ".join(random.choices(words, cum_weights=WEIGHTS, k=5)),
                dedup_key=f"{number:064x}",
            )
            text = " ".join(random.choices(words, cum_weights=WEIGHTS, k=20 + int(random.expovariate(1 / 120))))
            messages.append(message)
            contents.append(MessageContent(message=message, body_text=text))
        with transaction.atomic():
            insert_rows(Message, messages)
            insert_rows(MessageContent, contents)
            request_indexing(messages)
        index_everything()


def queries() -> dict[str, list[str]]:
    """Kinds of searches, several of each."""
    words, random = vocabulary(), Random(3)
    frequent, rare = words[:20], words[5000:5040]
    return {
        "one frequent word": [f"{word} " for word in frequent],
        "one rare word": [f"{word} " for word in rare],
        "two words": [f"{random.choice(frequent)} {random.choice(rare)} " for _ in range(20)],
        "a beginning (3 letters)": [word[:3] for word in rare if len(word) > 3],
        "a phrase": [f'"{a} {b}"' for a, b in pairwise(frequent)],
        "word, sender, exclusion": [f"{word} from:{words[3]} -{words[1]}" for word in frequent],
    }


def timed(connection: HTTPConnection, server: Server, path: str) -> float:
    """Milliseconds of one request."""
    started = time.perf_counter()
    connection.request("GET", path, headers={"X-API-Key": server.api_key})
    answer = connection.getresponse()
    answer.read()
    if answer.status != 200:
        raise RuntimeError(f"{answer.status} for {path}")
    return (time.perf_counter() - started) * 1000


def run() -> None:
    """Fill, then time each kind of search; the list is asked for in between."""
    with tempfile.TemporaryDirectory(prefix="inkbox-bench-") as folder:
        data_dir = Path(folder)
        env = environment(data_dir, free_port(), free_port())
        manage(env, "migrate", "--verbosity", "0")
        with running_server(data_dir) as server:
            box = server.call("POST", "/api/v1/identities", {"agent_handle": "search-box"})["mailbox"]
            body = {"recipients": {"to": ["someone@elsewhere.example"]}, "subject": "Sample", "body_text": "Sample."}
            server.call("POST", f"/api/v1/mail/mailboxes/{box['id']}/messages", body)
        started = time.perf_counter()
        filling = {**env, "DJANGO_SETTINGS_MODULE": "inkbox_site.settings", "PYTHONPATH": str(ROOT)}
        subprocess.run([sys.executable, "bench/search.py", box["id"], str(ROWS)], cwd=ROOT, env=filling, check=True)
        seconds = time.perf_counter() - started
        size = (data_dir / "inkbox.sqlite3").stat().st_size / 1e6
        print(f"   {ROWS:,} messages written and indexed in {seconds:.0f} s, database of {size:.0f} MB")
        with running_server(data_dir) as server:
            measure(server, f"/api/v1/mail/mailboxes/{box['email_address']}")


def measure(server: Server, base: str) -> None:
    """Print p50 and p95 of every kind, and p95 of all in times the list's."""
    address = urlsplit(server.base_url)
    connection = HTTPConnection(str(address.hostname), address.port)
    kinds = queries()
    lists: list[float] = []
    times: dict[str, list[float]] = {kind: [] for kind in kinds}
    for _ in range(ROUNDS):
        for kind, texts in kinds.items():
            for text in texts:
                lists.append(timed(connection, server, f"{base}/messages?limit=50"))
                times[kind].append(timed(connection, server, f"{base}/search?limit=50&q={quote(text)}"))
    print(f"   {'list of 50':<27} p50 {percentile(lists, 0.5):7.1f} ms   p95 {percentile(lists, 0.95):7.1f} ms")
    for kind, found in times.items():
        print(f"   {kind:<27} p50 {percentile(found, 0.5):7.1f} ms   p95 {percentile(found, 0.95):7.1f} ms")
    everything = [value for found in times.values() for value in found]
    p95 = percentile(everything, 0.95)
    print(f"   {'all searches':<27} p50 {percentile(everything, 0.5):7.1f} ms   p95 {p95:7.1f} ms   (target 50)")
    print(f"   p95 of searches is {p95 / percentile(lists, 0.95):.1f} times that of the list")


if __name__ == "__main__":
    fill(sys.argv[1], int(sys.argv[2]))
