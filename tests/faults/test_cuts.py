"""Events under fire: the server, its database connections and its Redis connections are cut at random.

Every event reaches its endpoint, and a reader of the log that resumes where it was sees all of them in order.
INKBOX_FAULT_SECONDS is how long it takes (12).
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
import redis

from tests.clients.live_server import LiveServer, WebhookReceiver
from tests.clients.services import is_distributed
from tests.faults.api import Api
from tests.faults.conftest import StartServer
from tests.faults.crashes import RETRY_SECONDS, Load, crash, load, wait_until
from tests.faults.mail_source import Ledger, Mail, MailSource, text_mail
from tests.faults.rows import Rows, check_mail
from tests.faults.test_webhooks import check_deliveries, event_id, is_settled

SECONDS = int(os.environ.get("INKBOX_FAULT_SECONDS", "12"))
# The first repeat of a failed delivery comes after ten seconds, and a circuit may open.
_SETTLE_SECONDS = 120

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300 + 2 * SECONDS)]


def test_every_event_is_delivered_and_read_in_order(start_server: StartServer, receiver: WebhookReceiver) -> None:
    server = start_server()
    rows = Rows(server)
    ledger = Ledger()
    with Api(server) as api:
        identity = api.create_identity("hooked")
        api.subscribe(identity, receiver.url(), "message.received")
    source = MailSource(server, [identity["mailbox"]["email_address"]], ledger)
    read: list[str] = []
    counts: Counter[str] = Counter()

    with load() as running:
        running.add(lambda: source.send(_numbered(running), under_way=running.under_way.set))
        running.add(lambda: _read(server, running, read, len))
        _cut(server, counts)

    wait_until(lambda: is_settled(rows), "every dispatch is settled", _SETTLE_SECONDS)
    _read(server, None, read, lambda _: rows.count("SELECT count(*) FROM webhooks_event"))
    order = [row[0] for row in rows.read("SELECT id FROM webhooks_event ORDER BY position")]
    assert len(order) == len(ledger.acknowledged)
    assert read == order
    late = check_deliveries(rows, receiver.requests())
    check_mail(rows)
    repeats = len(receiver.requests()) - len({event_id(request) for request in receiver.requests()})
    cuts = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
    print(
        f"\n{SECONDS} s of cuts ({cuts}): {len(order)} events, each delivered "
        f"({repeats} repeats, at most {late} places out of order), each read once and in order"
    )


def _numbered(running: Load) -> Iterator[Mail]:
    number = 0
    while not running.is_over.is_set():
        yield text_mail(f"<{number}@customer.example>", f"number {number}")
        number += 1
        time.sleep(0.01)


def _read(server: LiveServer, running: Load | None, read: list[str], wanted: Callable[[list[str]], int]) -> None:
    """Long-poll from where `read` ends, through every failure, until the load is over and `wanted` events are there."""
    headers = {"X-API-Key": server.bootstrap.api_key}
    after = 0
    seen = set(read)
    with httpx.Client(base_url=server.base_url, headers=headers, trust_env=False, timeout=30) as client:
        while (running is not None and not running.is_over.is_set()) or len(read) < wanted(read):
            try:
                answer = client.get("/api/v1/events", params={"after": after, "wait": 2, "limit": 50})
            except httpx.TransportError:
                time.sleep(RETRY_SECONDS)
                continue
            if answer.status_code != 200:
                assert answer.status_code >= 500, answer.text
                time.sleep(RETRY_SECONDS)
                continue
            page = answer.json()
            read += [event["id"] for event in page["events"] if event["id"] not in seen]
            after = page["next_after"]


def _cut(server: LiveServer, counts: Counter[str]) -> None:
    chance = random.SystemRandom()
    cuts: dict[str, Callable[[], None]] = {"servers": lambda: crash(server)}
    if is_distributed():
        cuts |= {
            "database connections": lambda: _cut_database(server),
            "Redis connections": lambda: _cut_redis(server),
        }
    deadline = time.monotonic() + SECONDS
    for name in [*cuts, *(chance.choice(list(cuts)) for _ in range(10_000))]:
        if time.monotonic() > deadline:
            return
        time.sleep(chance.uniform(0.3, 1.2))
        cuts[name]()
        counts[name] += 1


def _cut_database(server: LiveServer) -> None:
    with psycopg.connect(server.environment["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def _cut_redis(server: LiveServer) -> None:
    """Only those of this server's own Redis database: others use the same Redis."""
    url = server.environment["REDIS_URL"]
    number = urlsplit(url).path.strip("/") or "0"
    with redis.Redis.from_url(url) as connection:
        own = connection.client_id()
        for client in connection.client_list():
            if client["db"] == number and int(client["id"]) != own:
                connection.client_kill_filter(_id=client["id"])
