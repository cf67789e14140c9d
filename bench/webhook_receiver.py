"""A receiver that costs little: answers 200 at once, never under /hang, and tells under /stats what it got when.

python bench/webhook_receiver.py   ->   prints its port; runs until it is killed
"""

from __future__ import annotations

import asyncio
import json
import time

_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
# (path, time.monotonic() of arrival): that clock is one for all processes of a machine.
arrivals: list[tuple[str, float]] = []


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection."""
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            arrived = time.monotonic()
            path = head.split(b" ", 2)[1].decode()
            lower = head.lower()
            if b"content-length:" in lower:
                start = lower.index(b"content-length:") + 15
                await reader.readexactly(int(lower[start : lower.index(b"\r\n", start)]))
            if path == "/stats":
                body = json.dumps(arrivals).encode()
                arrivals.clear()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
                continue
            arrivals.append((path, arrived))
            if path.startswith("/hang"):
                await asyncio.sleep(3600)
            writer.write(_OK)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main() -> None:
    """Listen on a free port."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
