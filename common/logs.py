"""Structured logs: key=value lines on a terminal or pipe, JSON when asked for. Ids only: no bodies, addresses, keys."""

from __future__ import annotations

import logging
import re
import sys
from typing import Any

import structlog

_AUTH_HASH = re.compile(r"(/vault/keys/).+")


class WithoutRefusedHandshakes(logging.Filter):
    """uvicorn calls a WebSocket that was answered with an HTTP error an error of the application."""

    def filter(self, record: logging.LogRecord) -> bool:
        return "without completing handshake" not in record.getMessage()


class WithoutAuthHashes(logging.Filter):
    """Django logs the path of a request that failed here, and one route of the vault has an auth hash in it."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(_AUTH_HASH.sub(r"\1...", a) if isinstance(a, str) else a for a in record.args)
        return True


def config(form: str, level: str) -> dict[str, Any]:
    """A logging dictConfig. `form` is auto, text or json; auto means text, coloured only on a terminal."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    if form == "json":
        final: list[Any] = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:
        # Plain tracebacks: the fancy ones print local variables, which would put keys and mail into the log.
        final = [
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
        ]
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "structured": {
                "()": structlog.stdlib.ProcessorFormatter,
                "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *final],
                "foreign_pre_chain": shared,
            }
        },
        "filters": {"handshakes": {"()": WithoutRefusedHandshakes}, "auth_hashes": {"()": WithoutAuthHashes}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "structured"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "uvicorn.error": {"filters": ["handshakes"]},
            # Only failures: Django would log the path of every refused request, and paths hold addresses.
            "django.request": {"level": "ERROR", "filters": ["auth_hashes"]},
            # Libraries that log what the user sent: only their warnings are wanted.
            **{
                name: {"level": "WARNING"}
                for name in ("httpx", "httpcore", "mail.log", "asyncio", "uvicorn.access", "dkim", "urllib3")
            },
        },
    }
