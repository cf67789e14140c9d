"""Accept the newly answered routes of the last run into the committed baseline.

    .venv/bin/python -m tests.clients.coverage.update

Run the coverage test first; this reads the report that it left in
``.cache/clients/coverage.json``. The baseline only grows: when a route in it is
no longer answered, nothing is written.
"""

from __future__ import annotations

import sys

from tests.clients.coverage.routes import (
    BASELINE,
    REPORT,
    answered,
    read_baseline,
    read_report,
    write_baseline,
)


def main() -> int:
    if not REPORT.is_file():
        sys.stderr.write(f"{REPORT} is not there. Run tests/clients/test_coverage.py first.\n")
        return 1
    before = read_baseline()
    now = answered(read_report())
    lost = sorted(before - now)
    if lost:
        sys.stderr.write("These routes are no longer answered; nothing was written:\n")
        sys.stderr.writelines(f"  {route}\n" for route in lost)
        return 1
    write_baseline(now)
    sys.stdout.write(f"{BASELINE.name}: {len(before)} routes before, {len(now)} now.\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
