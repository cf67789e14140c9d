"""Check the hash chains of the audit log."""

from __future__ import annotations

from itertools import islice
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

from identities.audit_protection import is_audit_log_protected
from identities.services.audit import hashes_not_in_log, logged_organizations, verify_chain

_SHOWN_FAULTS = 20


class Command(BaseCommand):
    """Exits 1 when a row was changed, removed or moved."""

    help = (
        "Check that no row of the audit log was changed, removed or moved. Prints the end of each chain: kept "
        "elsewhere, it also shows later whether a whole log was written anew (--expect)."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--organization", help="Check one organization only (its id).")
        parser.add_argument(
            "--expect",
            metavar="HASH",
            action="append",
            default=[],
            help="A hash that was printed before and has to be in the log still. May be given several times.",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        logged = logged_organizations()
        if options["organization"] is not None:
            if options["organization"] not in logged:
                raise CommandError(f"No audit log of {options['organization']}.")
            logged = [options["organization"]]
        faults = sum(self._check(organization_id) for organization_id in logged)
        faults += self._missing(options["expect"])
        if not is_audit_log_protected(connection):
            self.stderr.write("The triggers that protect the log are missing: anybody with SQL can change it.")
            faults += 1
        if faults:
            raise CommandError("The audit log is not what was written.")
        self.stdout.write(f"{len(logged)} logs are intact.")

    def _check(self, organization_id: str) -> int:
        head, faults = verify_chain(organization_id)
        shown = list(islice(faults, _SHOWN_FAULTS))
        for fault in shown:
            self.stderr.write(f"{organization_id} row {fault.seq}: {fault.what}")
        if not shown:
            self.stdout.write(f"{organization_id} {head.seq} {head.hash}")
        return len(shown)

    def _missing(self, expected: list[str]) -> int:
        missing = hashes_not_in_log(expected)
        for value in missing:
            self.stderr.write(f"No row has the hash {value}.")
        return len(missing)
