"""The smtp role: mail from the world."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from django.conf import settings

from inkbox_site.processes.roles import address_refused

if TYPE_CHECKING:
    from mail.ingress.server import SmtpServer


class SmtpRole:
    """The SMTP server in its own thread."""

    name = "smtp"

    def __init__(self) -> None:
        self._server: SmtpServer | None = None

    def start(self, on_death: Callable[[str], None]) -> None:
        """Listen. Raises CannotStart when the port cannot be had."""
        # Imported here: a process without this role does not need the mail parser in memory.
        from mail.ingress.server import SmtpServer

        server = SmtpServer(settings.SMTP_HOST, settings.SMTP_PORT)
        try:
            server.start()
        except OSError as error:
            raise address_refused(error, settings.SMTP_HOST, settings.SMTP_PORT, variable="INKBOX_SMTP") from None
        self._server = server

    def lines(self) -> list[tuple[str, str]]:
        assert self._server is not None
        host, port = self._server.address
        tls = "with STARTTLS" if settings.SMTP_TLS_CERT else "without TLS"
        return [("SMTP", f"{host}:{port} {tls}, for addresses at {settings.MAIL_DOMAIN}")]

    def expect_stop(self) -> None:
        """Nothing: it is the first to stop."""

    def stop(self, timeout: float) -> None:
        if self._server is not None:
            self._server.stop(timeout)
