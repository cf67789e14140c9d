"""All benchmarks, or the named ones, such as `python bench/run.py smtp search`.

Every figure stands beside a baseline taken in the same run, because absolute times differ between machines and hours.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import events
import imports
import latency
import memory
import million
import reads
import search
import smtp
import threads

import contacts
import vault
import webhooks

BENCHMARKS: dict[str, Callable[[], None]] = {
    "smtp": smtp.run,
    "api": reads.run,
    "latency": latency.run,
    "webhooks": webhooks.run,
    "events": events.run,
    "memory": memory.run,
    "million": million.run,
    "imports": imports.run,
    "search": search.run,
    "threads": threads.run,
    "vault": vault.run,
    "contacts": contacts.run,
}


def main() -> None:
    """Run what was asked for."""
    names = sys.argv[1:] or list(BENCHMARKS)
    if unknown := set(names) - set(BENCHMARKS):
        sys.exit(f"Unknown benchmark: {', '.join(sorted(unknown))}. Choose from {', '.join(BENCHMARKS)}.")
    for name in names:
        started = time.perf_counter()
        print(f"== {name}")
        BENCHMARKS[name]()
        print(f"   ({time.perf_counter() - started:.0f} s)\n", flush=True)


if __name__ == "__main__":
    main()
