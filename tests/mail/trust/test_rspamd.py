"""rspamd behind a URL: what it is asked, what its answers mean, and what happens when it has none."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from mail.trust.rspamd import Rspamd
from mail.trust.verdicts import Arrival, SpamVerdict

ARRIVAL = Arrival("203.0.113.5", "mx.evil.example", "x@evil.example\r\nX: injected")
ANSWER = {
    "action": "add header",
    "score": 8.1,
    "required_score": 15,
    "symbols": {
        "BAD_URL": {"score": 6.5},
        "R_SPF_ALLOW": {"score": -0.2},
        "HTML": {"score": 1.8},
        "NONE": {"score": 0},
    },
}


class Scanner:
    """A server that answers every scan with `reply` and keeps what it was asked."""

    def __init__(self) -> None:
        self.reply: Callable[[], tuple[int, bytes]] = lambda: (200, json.dumps(ANSWER).encode())
        self.asked: list[tuple[str, dict[str, str], bytes]] = []
        scanner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                scanner.asked.append((self.path, dict(self.headers), body))
                status, content = scanner.reply()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                with contextlib.suppress(ConnectionError):  # one that did not wait for the answer
                    self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()


@pytest.fixture
def scanner() -> Iterator[Scanner]:
    made = Scanner()
    yield made
    made.server.shutdown()
    made.server.server_close()


def scored(url: str, *, threshold: float = 0, seconds: float = 5) -> SpamVerdict | None:
    async def ask() -> SpamVerdict | None:
        rspamd = Rspamd(url, seconds=seconds, threshold=threshold)
        try:
            return await rspamd.score(b"Subject: x\r\n\r\nhi\r\n", ARRIVAL, ["a@mail.localhost", "b@mail.localhost"])
        finally:
            await rspamd.close()

    return asyncio.run(ask())


def test_a_scan(scanner: Scanner) -> None:
    found = scored(scanner.url)

    ((path, headers, body),) = scanner.asked
    assert found == SpamVerdict(
        "rspamd", 8.1, 15, is_spam=True, reasons=("6.5: BAD_URL", "1.8: HTML", "-0.2: R_SPF_ALLOW")
    )
    assert (path, body) == ("/checkv2", b"Subject: x\r\n\r\nhi\r\n")
    assert headers["IP"] == "203.0.113.5"
    assert headers["Helo"] == "mx.evil.example"
    assert headers["From"] == "x@evil.exampleX: injected"
    assert headers["Rcpt"] == "a@mail.localhost,b@mail.localhost"
    assert "X" not in headers


@pytest.mark.parametrize(
    ("action", "threshold", "is_spam"),
    [
        ("no action", 0, False),
        ("greylist", 0, False),
        ("soft reject", 0, False),
        ("add header", 0, True),
        ("rewrite subject", 0, True),
        ("reject", 0, True),
        ("no action", 8, True),
        ("reject", 9, False),
    ],
)
def test_what_is_spam(scanner: Scanner, action: str, threshold: float, is_spam: bool) -> None:
    scanner.reply = lambda: (200, json.dumps({**ANSWER, "action": action}).encode())

    found = scored(scanner.url, threshold=threshold)

    assert found is not None
    assert found.is_spam is is_spam


@pytest.mark.parametrize(
    "answer",
    [
        (500, b"{}"),
        (200, b""),
        (200, b"no json"),
        (200, b"[]"),
        (200, b"{}"),
        (200, b'{"score": NaN}'),
        (200, b'{"score": "much"}'),
        (200, b'{"score": 1, "symbols": [1]}'),
        (200, b'{"score": 1, "symbols": {"A": {"score": null}}}'),
        (200, b"[" * 100_000),
    ],
)
def test_an_unusable_answer_is_no_score(scanner: Scanner, answer: tuple[int, bytes]) -> None:
    scanner.reply = lambda: answer

    assert scored(scanner.url) is None


def test_a_scanner_that_is_away_or_slow_is_no_score(scanner: Scanner) -> None:
    def slow() -> tuple[int, bytes]:
        time.sleep(2)
        return 200, b"{}"

    scanner.reply = slow
    started = time.monotonic()

    assert scored(scanner.url, seconds=0.2) is None
    assert scored("http://127.0.0.1:1") is None
    assert time.monotonic() - started < 2
