"""A cheap HTTP/1.1 client that keeps several connections busy; runs in a process of its own.

python bench/http_load.py HOST PORT CONNECTIONS REQUESTS API_KEY PATH...   ->   JSON {"seconds", "succeeded"}
"""

from __future__ import annotations

import asyncio
import json
import sys
import time


async def connection(host: str, port: int, requests: list[bytes], count: int) -> int:
    """Send `count` requests one after the other; returns how many were answered with 200."""
    reader, writer = await asyncio.open_connection(host, port)
    answered = 0
    for number in range(count):
        writer.write(requests[number % len(requests)])
        head = await reader.readuntil(b"\r\n\r\n")
        answered += head.startswith(b"HTTP/1.1 200")
        lower = head.lower()
        start = lower.index(b"content-length:") + 15
        await reader.readexactly(int(lower[start : lower.index(b"\r\n", start)]))
    writer.close()
    return answered


async def main() -> None:
    """Run the load and print the figures."""
    host, port, connections, total, key = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
    requests = [
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\nX-API-Key: {key}\r\nAccept: application/json\r\n\r\n".encode()
        for path in sys.argv[6:]
    ]
    started = time.perf_counter()
    done = await asyncio.gather(*(connection(host, port, requests, total // connections) for _ in range(connections)))
    print(json.dumps({"seconds": time.perf_counter() - started, "succeeded": sum(done)}))


if __name__ == "__main__":
    asyncio.run(main())
