"""`manage.py doctor`: what is wrong with this installation, and what to do about it."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand

from inkbox_site.diagnosis import diagnose
from inkbox_site.findings import FAIL, OK, WARN, Finding


class Command(BaseCommand):
    """Exit code 1 when something fails; warnings leave it 0."""

    help = "Examine database, broker, disk, ports, names and certificates, and say what to do."
    # Its own findings include the system checks; failing before it starts would hide the rest.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", dest="as_json", help="Print one JSON object.")

    def handle(self, *args: Any, as_json: bool, **options: Any) -> None:
        findings = diagnose()
        if as_json:
            healthy = not any(f.status == FAIL for f in findings)
            self.stdout.write(json.dumps({"ok": healthy, "findings": [asdict(f) for f in findings]}))
        else:
            for finding in findings:
                self._print(finding)
        if any(f.status == FAIL for f in findings):
            sys.exit(1)

    def _print(self, finding: Finding) -> None:
        style = {OK: self.style.SUCCESS, WARN: self.style.WARNING, FAIL: self.style.ERROR}[finding.status]
        self.stdout.write(f"{style(f'{finding.status:<4}')}  {finding.subject:<14}  {finding.message}")
        if finding.remedy:
            self.stdout.write(f"{'':22}{finding.remedy}")
