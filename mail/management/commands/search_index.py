"""`manage.py search_index`: bring the search index up to date, or make it anew."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from mail.services.indexing import index_everything, rebuild_index, request_missing


class Command(BaseCommand):
    """Safe to interrupt and repeat, and to run beside a running server."""

    help = "Index messages that the search index does not have. Searches work meanwhile, on what is indexed."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--rebuild", action="store_true", help="empty the index first and index every message")

    def handle(self, *args: Any, **options: Any) -> None:
        """Request what is missing, then index until nothing waits."""
        requested = rebuild_index() if options["rebuild"] else request_missing()
        indexed = index_everything()
        if options["verbosity"]:
            self.stdout.write(f"{requested} messages requested, {indexed} indexed.")
