"""The bare minimum of sending webhooks: httpx posts one body to one URL; signs nothing and stores nothing.

python bench/post_loop.py URL POSTS CONNECTIONS BYTES   ->   JSON {"seconds", "succeeded"}
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

import httpx


async def main() -> None:
    """Run the load and print the figures."""
    url, total, connections, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    body = b"x" * size
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
    succeeded = 0

    async def worker(client: httpx.AsyncClient, count: int) -> None:
        nonlocal succeeded
        for _ in range(count):
            answer = await client.post(url, content=body, headers={"Content-Type": "application/json"})
            succeeded += answer.status_code == 200

    async with httpx.AsyncClient(limits=limits, timeout=10, trust_env=False) as client:
        started = time.perf_counter()
        await asyncio.gather(*(worker(client, total // connections) for _ in range(connections)))
        seconds = time.perf_counter() - started
    print(json.dumps({"seconds": seconds, "succeeded": succeeded}))


if __name__ == "__main__":
    asyncio.run(main())
