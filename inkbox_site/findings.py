"""One line of what `manage.py doctor` reports."""

from __future__ import annotations

from dataclasses import dataclass

OK, WARN, FAIL = "ok", "warn", "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report; `remedy` is empty when there is nothing to do."""

    subject: str
    status: str
    message: str
    remedy: str = ""
