"""A cheap SMTP client that keeps several sessions busy; runs in a process of its own.

python bench/smtp_load.py HOST PORT RECIPIENT SESSIONS MESSAGES BYTES   ->   JSON {"seconds", "succeeded"}
"""

from __future__ import annotations

import asyncio
import json
import sys
import time


def message(number: int, size: int, recipient: str) -> bytes:
    """A plain text message of about `size` bytes with a Message-ID of its own."""
    head = (
        f"From: Load <load@bench.example>\r\nTo: {recipient}\r\nSubject: Message {number}\r\n"
        f"Message-ID: <{number}.{time.time_ns()}@bench.example>\r\nDate: Mon, 04 May 2026 10:01:12 +0000\r\n"
        "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
    ).encode()
    line = b"The quick brown fox jumps over the lazy dog while the agent answers.\r\n"
    return head + line * max(1, (size - len(head)) // len(line)) + b".\r\n"


async def replies(reader: asyncio.StreamReader, count: int) -> list[bytes]:
    """The last lines of `count` replies."""
    found = []
    while len(found) < count:
        line = await reader.readuntil(b"\n")
        if line[3:4] == b" ":
            found.append(line)
    return found


async def session(host: str, port: int, recipient: str, numbers: range, size: int) -> int:
    """Send messages one after the other; returns how many were accepted."""
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(b"EHLO bench.example\r\n")
    await replies(reader, 2)
    envelope = f"MAIL FROM:<load@bench.example>\r\nRCPT TO:<{recipient}>\r\nDATA\r\n".encode()
    accepted = 0
    for number in numbers:
        content = message(number, size, recipient)
        writer.write(envelope)
        await replies(reader, 3)
        writer.write(content)
        accepted += (await replies(reader, 1))[0].startswith(b"250")
    writer.write(b"QUIT\r\n")
    writer.close()
    return accepted


async def main() -> None:
    """Run the load and print the figures."""
    host, port, recipient = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    sessions, total, size = (int(value) for value in sys.argv[4:7])
    share = total // sessions
    started = time.perf_counter()
    accepted = await asyncio.gather(
        *(session(host, port, recipient, range(n * share, (n + 1) * share), size) for n in range(sessions))
    )
    print(json.dumps({"seconds": time.perf_counter() - started, "succeeded": sum(accepted)}))


if __name__ == "__main__":
    asyncio.run(main())
