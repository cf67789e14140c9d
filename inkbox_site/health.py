"""Liveness and readiness for load balancers, container runtimes and tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog
from django.db import connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from common import blobs
from common.clock import now
from inkbox_site import queues

# A row that has been due for longer than this means that no worker works; the sweeps run every five seconds.
MAX_QUEUE_AGE_SECONDS = 60

log = structlog.get_logger(__name__)


@require_safe
def healthz(_request: HttpRequest) -> JsonResponse:
    """The process answers. Touches nothing else, so that a slow database does not get a healthy process killed."""
    return JsonResponse({"status": "ok"})


@require_safe
def readyz(_request: HttpRequest) -> JsonResponse:
    """Whether requests can be served: 200 or 503, with the result of each check."""
    checks = {"database": _run(_check_database), "blobs": _run(_check_blobs)}
    for name, probe in queues.age_probes().items():
        checks[f"queue_{name}"] = _run(lambda probe=probe: _check_queue(probe))  # type: ignore[misc]
    is_ready = all(check["status"] == "ok" for check in checks.values())
    body = {"status": "ok" if is_ready else "unavailable", "checks": checks}
    return JsonResponse(body, status=200 if is_ready else 503)


def _run(check: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return {"status": "ok"} | check()
    except Exception as error:
        # The reason goes to the log: this answer is public, and driver errors name hosts and users.
        log.warning("readyz.failed", error=type(error).__name__, exc_info=True)
        return {"status": "failed", "error": type(error).__name__}


def _check_database() -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        cursor.fetchone()
    return {}


def _check_blobs() -> dict[str, Any]:
    blobs.store().check()
    return {}


def _check_queue(probe: queues.Probe) -> dict[str, Any]:
    oldest = probe()
    age = max(0, round((now() - oldest).total_seconds())) if oldest is not None else 0
    return {"oldest_due_seconds": age, "status": "ok" if age < MAX_QUEUE_AGE_SECONDS else "failed"}
