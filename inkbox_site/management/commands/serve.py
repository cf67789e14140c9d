"""`manage.py serve`: the server, all of it in one process or one role of it."""

from __future__ import annotations

import logging
import os
import sys
from argparse import ArgumentParser
from contextlib import ExitStack
from typing import Any

import structlog
from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import connections

from inkbox_site.processes.database import only_server, prepare_database
from inkbox_site.processes.roles import CannotStart, Role
from inkbox_site.processes.smtp import SmtpRole
from inkbox_site.processes.supervisor import Supervisor
from inkbox_site.processes.web import WebRole, lingering_threads
from inkbox_site.processes.worker import CeleryBeatRole, CeleryWorkerRole, LocalWorkerRole

ROLES = ("all", "web", "worker", "beat", "smtp", "edge")
_NEEDS_REDIS = "`serve {role}` needs a broker. Set REDIS_URL, or use `serve all`, which includes the {role}."
_NO_EDGE = "The tunnel edge is not part of this release."

log = structlog.get_logger(__name__)


class Command(BaseCommand):
    """Runs until SIGTERM or SIGINT. Exit codes: 0 stopped on request, 1 failed, 2 this role cannot run here."""

    help = "Run the server: everything in one process (all, the default) or one role."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("role", nargs="?", default="all", choices=ROLES)

    def handle(self, *args: Any, role: str, **options: Any) -> None:
        try:
            code = self._serve(role)
        except CannotStart as error:
            self.stderr.write(self.style.ERROR(str(error)))
            code = error.exit_code
        connections.close_all()
        self._exit(code)

    def _serve(self, role: str) -> int:

        roles = roles_for(role)
        supervisor = Supervisor(roles)
        with ExitStack() as stack:
            stack.enter_context(supervisor.signals())
            if role == "all":
                stack.enter_context(only_server())
            for each in roles:
                if isinstance(each, WebRole):
                    # A taken port is reported before the database is touched or mail is accepted.
                    each.reserve()
            applied = prepare_database()
            if supervisor.start():
                self._announce(role, supervisor, applied)
                supervisor.wait()
            if supervisor.dead_role is not None:
                log.error("serve.role_ended", role=supervisor.dead_role)
            supervisor.stop()
        return 1 if supervisor.dead_role is not None else 0

    def _announce(self, role: str, supervisor: Supervisor, applied: list[str]) -> None:
        if applied:
            self._line("Database", f"{len(applied)} migrations applied")
        for label, text in (*supervisor.lines(), *facts(role)):
            self._line(label, text)
        for note in notes(role):
            self.stdout.write(self.style.WARNING(f"Note      {note}"))
        self.stdout.flush()

    def _line(self, label: str, text: str) -> None:
        self.stdout.write(f"{self.style.SUCCESS(f'{label:<9}')} {text}")

    @staticmethod
    def _exit(code: int) -> None:
        if not lingering_threads():
            sys.exit(code)
        # A request or task that would not end: Python would wait for it for ever, and its row is safe without us.
        log.warning("serve.left_behind", threads=len(lingering_threads()))
        sys.stdout.flush()
        logging.shutdown()
        os._exit(code)


def roles_for(role: str) -> list[Role]:
    """The roles of this process, in the order in which they stop: new mail, then requests, then work."""
    if role == "edge":
        raise CannotStart(_NO_EDGE, exit_code=2)
    if role in ("worker", "beat") and not settings.REDIS_URL:
        raise CannotStart(_NEEDS_REDIS.format(role=role), exit_code=2)
    chosen: list[Role] = []
    if role in ("all", "smtp"):
        chosen.append(SmtpRole())
    if role in ("all", "web"):
        chosen.append(WebRole())
    if role in ("all", "beat") and settings.REDIS_URL:
        chosen.append(CeleryBeatRole())
    if role in ("all", "worker"):
        chosen.append(CeleryWorkerRole() if settings.REDIS_URL else LocalWorkerRole())
    return chosen


def facts(role: str) -> list[tuple[str, str]]:
    """What the process works with, beyond its doors."""
    database = "SQLite" if settings.IS_SQLITE else "PostgreSQL"
    broker = "Redis" if settings.REDIS_URL else "no broker"
    profile = "distributed" if settings.REDIS_URL or not settings.IS_SQLITE else "embedded"
    rows = [("Data", str(settings.DATA_DIR)), ("Profile", f"{profile} ({database}, {broker})")]
    if role in ("all", "web", "worker"):
        rows.append(("Mail out", mail_transport()))
    return rows


def notes(role: str) -> list[str]:
    """What an operator should know about this configuration."""
    found = []
    if settings.WEBHOOK_ALLOW_PRIVATE and role in ("all", "web", "worker"):
        found.append(
            "Webhooks may call addresses of this machine and its private network. "
            "Set INKBOX_WEBHOOK_ALLOW_PRIVATE=0 before other people get keys."
        )
    if role in ("web", "smtp") and not settings.REDIS_URL:
        found.append(f"`serve {role}` runs no worker and REDIS_URL is not set, so nothing is sent. Use `serve all`.")
    return found


def mail_transport() -> str:
    """Where mail to other servers goes. Never the setting itself, which may hold a password."""
    # Imported here: a process without this line does not need the transports.
    from mail.providers.registry import parse_transport

    chosen = parse_transport(settings.MAIL_TRANSPORT)
    if chosen.kind == "sandbox":
        return "sandbox: mail to other servers is kept here and not sent"
    if chosen.kind == "mx":
        return "mx: directly to the servers of the recipients"
    return f"smarthost {chosen.server.host}" if chosen.server is not None else f"provider {chosen.esp}"
