"""`manage.py bootstrap`: the first owner, organization and admin key."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.core.validators import EmailValidator

from identities.models import User
from identities.services.organizations import Bootstrap, bootstrap_organization
from inkbox_site.processes.database import prepare_database
from inkbox_site.processes.roles import CannotStart

FIRST_RUN_EMAIL = "owner@localhost"
FIRST_RUN_ORGANIZATION = "My organization"


class Command(BaseCommand):
    """Safe to repeat: what exists is reported, and secrets are shown only when they were just made."""

    help = "Create an owner, an organization and an admin API key, or report the existing ones."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--email", help="Address the owner signs in with.")
        parser.add_argument("--organization", help="Name of the organization.")
        parser.add_argument("--json", action="store_true", dest="as_json", help="Print one JSON object.")
        parser.add_argument("--new-key", action="store_true", help="Mint another admin key.")
        parser.add_argument(
            "--first-run",
            action="store_true",
            help=f"On a server without accounts create {FIRST_RUN_EMAIL}, otherwise do nothing and print nothing.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            prepare_database()
        except CannotStart as error:
            raise CommandError(str(error)) from None
        if options["first_run"]:
            if User.objects.exists():
                return
            options |= {"email": FIRST_RUN_EMAIL, "organization": FIRST_RUN_ORGANIZATION}
        email, name = _checked(options["email"], options["organization"])
        report = _report(bootstrap_organization(email, name, new_key=options["new_key"]))
        self.stdout.write(json.dumps(report) if options["as_json"] else _text(report))


def _checked(email: str | None, organization: str | None) -> tuple[str, str]:
    if not email or not organization or not organization.strip():
        raise CommandError("Give --email and --organization.")
    try:
        EmailValidator(allowlist=["localhost"])(email.strip())
    except ValidationError:
        raise CommandError(f"{email!r} is not an email address.") from None
    return email.strip(), organization.strip()


def _report(made: Bootstrap) -> dict[str, str | None]:
    return {
        "organization_id": made.organization.pk,
        "user_id": made.user.pk,
        "email": made.user.email,
        "password": made.password,
        "api_key": made.api_key,
        "base_url": settings.PUBLIC_URL,
        "console_url": f"{settings.PUBLIC_URL}/",
    }


def _text(report: dict[str, str | None]) -> str:
    kept = "(unchanged; not stored in a form that can be shown)"
    rows = {
        "Console": report["console_url"],
        "Email": report["email"],
        "Password": report["password"] or kept,
        "API key": report["api_key"] or f"{kept[:-1]}; --new-key mints another)",
        "Base URL": report["base_url"],
        "Organization": report["organization_id"],
    }
    lines = [f"  {label:<13} {text}" for label, text in rows.items()]
    if report["password"] or report["api_key"]:
        lines.append("Password and key are shown this once. Keep them.")
    return "\n".join(lines)
