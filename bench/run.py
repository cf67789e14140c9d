"""All benchmarks, or the named ones: `python bench/run.py [smtp] [api] [latency] [memory] [million]`.

Every figure stands beside a baseline taken in the same run, because absolute times differ between machines and hours.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import latency
import memory
import million
import reads
import smtp

BENCHMARKS: dict[str, Callable[[], None]] = {
    "smtp": smtp.run,
    "api": reads.run,
    "latency": latency.run,
    "memory": memory.run,
    "million": million.run,
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
