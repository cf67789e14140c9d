"""Structured logs: key=value lines on a terminal or pipe, JSON when asked for. Ids only: no bodies, addresses, keys."""

from __future__ import annotations

import sys
from typing import Any

import structlog


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
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "structured"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            # Libraries that log what the user sent: only their warnings are wanted.
            name: {"level": "WARNING"}
            for name in ("httpx", "httpcore", "mail.log", "asyncio", "uvicorn.access", "dkim", "urllib3")
        },
    }
