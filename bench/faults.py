"""Two minutes of random kills under load, with counts: `python bench/faults.py`, or with other seconds as argument.

INKBOX_TEST_PROFILE=distributed (with DATABASE_URL and REDIS_URL) also cuts database and Redis connections.
"""

from __future__ import annotations

import os
import subprocess
import sys

from harness import ROOT

_SECONDS = "120"


def main() -> int:
    """Run the fault test for longer than the suite does."""
    seconds = sys.argv[1] if len(sys.argv) > 1 else _SECONDS
    command = [sys.executable, "-m", "pytest", "--no-migrations", "-q", "-s", "tests/faults/test_cuts.py"]
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, "INKBOX_FAULT_SECONDS": seconds}, check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
