"""Listing a mailbox of a million messages beside one of a thousand (INKBOX_BENCH_ROWS changes the larger number)."""

from __future__ import annotations

import os
import sqlite3
import tempfile
import uuid
from pathlib import Path
from statistics import median

from harness import Server, environment, free_port, manage, running_server
from reads import load

ROWS = int(os.environ.get("INKBOX_BENCH_ROWS", "1000000"))
ROUNDS = 3


def fill(database: Path, mailbox_id: str, rows: int) -> None:
    """Rows written straight into the file: a million sends would take an hour and measure something else."""
    with sqlite3.connect(database) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        thread = connection.execute("SELECT id FROM mail_thread WHERE mailbox_id = ?", (mailbox_id,)).fetchone()[0]
        columns = [row[1] for row in connection.execute("PRAGMA table_info(mail_message)")]
        sample = connection.execute("SELECT * FROM mail_message WHERE mailbox_id = ?", (mailbox_id,)).fetchone()
        template = dict(zip(columns, sample, strict=True))
        names = ", ".join(f'"{column}"' for column in columns)
        sql = f"INSERT INTO mail_message ({names}) VALUES ({', '.join('?' * len(columns))})"

        def row(number: int) -> tuple[object, ...]:
            changed = {
                "id": uuid.uuid4().hex,
                "thread_id": thread,
                "message_id": f"<{number}@bench.example>",
                "dedup_key": uuid.uuid4().hex,
                "created_at": (
                    f"2025-{1 + number % 12:02d}-{1 + number % 28:02d} "
                    f"{number % 24:02d}:{number % 60:02d}:00.{number % 1000000:06d}"
                ),
            }
            return tuple(changed.get(column, template[column]) for column in columns)

        connection.executemany(sql, (row(number) for number in range(rows)))
        connection.execute("ANALYZE")


def prepare(server: Server, handle: str) -> dict[str, str]:
    """A mailbox with one message, which the filled rows copy."""
    identity = server.call("POST", "/api/v1/identities", {"agent_handle": handle})
    address = identity["email_address"]
    body = {"recipients": {"to": ["someone@elsewhere.example"]}, "subject": "Sample", "body_text": "Sample text."}
    server.call("POST", f"/api/v1/mail/mailboxes/{address}/messages", body)
    return {"address": address, "id": identity["mailbox"]["id"].replace("-", "")}


def run() -> None:
    """First page, and a page in the middle reached by a cursor."""
    with tempfile.TemporaryDirectory(prefix="inkbox-bench-") as folder:
        data_dir = Path(folder)
        manage(environment(data_dir, free_port(), free_port()), "migrate", "--verbosity", "0")
        with running_server(data_dir) as server:
            small, large = prepare(server, "small-box"), prepare(server, "large-box")
        fill(data_dir / "inkbox.sqlite3", small["id"], 1000)
        fill(data_dir / "inkbox.sqlite3", large["id"], ROWS)
        with running_server(data_dir) as server:
            paths = {}
            for name, box in (("small", small), ("large", large)):
                first = f"/api/v1/mail/mailboxes/{box['address']}/messages?limit=50"
                cursor = None
                for _ in range(5):
                    page = server.call("GET", first + (f"&cursor={cursor}" if cursor else ""))
                    cursor = page["next_cursor"]
                paths[name] = (first, f"{first}&cursor={cursor}", f"{first}&direction=outbound")
            rates: dict[tuple[str, int], list[float]] = {(name, n): [] for name in paths for n in range(3)}
            for _ in range(ROUNDS):
                for (name, number), found in rates.items():
                    found.append(load(server, paths[name][number]))
    for number, label in enumerate(("first page", "sixth page by cursor", "first page, outbound only")):
        times = median(rates["small", number]) / median(rates["large", number])
        print(f"   {label:<27} {times:8.2f} times the cost of a mailbox of 1,000   (target 1.30, {ROWS:,} rows)")
