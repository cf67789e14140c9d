"""`manage.py dkim`: keys that sign outgoing mail."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from common.clock import now
from common.errors import DomainError
from mail.dkim import zone_line
from mail.enums import DkimAlgorithm
from mail.models import DkimKey
from mail.services.dkim_keys import activate_dkim_key, create_dkim_key, deactivate_dkim_key

ALGORITHMS = {"rsa": DkimAlgorithm.RSA, "ed25519": DkimAlgorithm.ED25519}


class Command(BaseCommand):
    """Create, list, activate and deactivate DKIM keys."""

    help = "DKIM keys of sending domains. Private keys never leave the database."

    def add_arguments(self, parser: CommandParser) -> None:
        commands = parser.add_subparsers(dest="command", required=True)
        create = commands.add_parser("create", help="make a key and print the DNS record to publish")
        create.add_argument("--domain", required=True)
        create.add_argument("--selector", default="", help="default: the algorithm and the month, such as rsa202601")
        create.add_argument("--algorithm", choices=sorted(ALGORITHMS), default="rsa")
        listing = commands.add_parser("list", help="show all keys with their DNS records")
        listing.add_argument("--domain", default="")
        for name, text in (
            ("activate", "sign with this key instead of the domain's others of its algorithm"),
            ("deactivate", "stop signing with this key"),
        ):
            change = commands.add_parser(name, help=text)
            change.add_argument("--domain", required=True)
            change.add_argument("--selector", required=True)

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the chosen subcommand; refusals become one-line errors."""
        try:
            getattr(self, f"_{options['command']}")(options)
        except DomainError as error:
            raise CommandError(error.message) from None

    def _create(self, options: dict[str, Any]) -> None:
        name = options["algorithm"]
        selector = options["selector"] or f"{name}{now():%Y%m}"
        key = create_dkim_key(options["domain"], selector, ALGORITHMS[name])
        self.stdout.write("Publish this DNS record:\n\n")
        self.stdout.write(zone_line(key.domain, key.selector, key.dns_record))
        if key.is_active:
            self.stdout.write(f"\nMail from {key.domain} is signed with this key from now on.")
        else:
            self.stdout.write(
                f"\n{key.domain} already signs with another {name} key. When the record is visible, run\n"
                f"manage.py dkim activate --domain {key.domain} --selector {key.selector}"
            )

    def _list(self, options: dict[str, Any]) -> None:
        keys = DkimKey.objects.order_by("domain", "algorithm", "pk")
        if options["domain"]:
            keys = keys.filter(domain=options["domain"].lower())
        for key in keys:
            state = "active" if key.is_active else "inactive"
            self.stdout.write(f"{key.domain}  {key.selector}  {key.algorithm}  {state}  {key.created_at:%Y-%m-%d}")
            self.stdout.write(f"    {zone_line(key.domain, key.selector, key.dns_record)}")
        if not keys:
            self.stdout.write("There are no DKIM keys: outgoing mail is not signed.")

    def _activate(self, options: dict[str, Any]) -> None:
        key = activate_dkim_key(options["domain"], options["selector"])
        self.stdout.write(f"Mail from {key.domain} is signed with {key.selector} ({key.algorithm}) from now on.")

    def _deactivate(self, options: dict[str, Any]) -> None:
        key = deactivate_dkim_key(options["domain"], options["selector"])
        self.stdout.write(f"{key.selector} no longer signs mail from {key.domain}.")
