"""Prometheus metrics: requests by view and status class, queue depths at scrape time."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, Iterator
from functools import lru_cache

import structlog
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from common.api.context import client_address
from common.clock import now
from inkbox_site import queues

REQUESTS = Counter("inkbox_http_requests", "Answered requests.", ["view", "method", "status"])
LATENCY = Histogram(
    "inkbox_http_request_seconds",
    "Time from the first middleware to the last, without waiting for a thread.",
    ["view"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))

log = structlog.get_logger(__name__)


class QueueCollector(Collector):
    """Reads the queues when somebody asks, so that an idle server does not count rows all day."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Depth and age of each queue; nothing when the database is away (the scrape itself must not fail)."""
        depth = GaugeMetricFamily("inkbox_queue_due_rows", "Rows that are due.", labels=["queue"])
        age = GaugeMetricFamily("inkbox_queue_oldest_due_seconds", "Age of the longest waiting row.", labels=["queue"])
        try:
            for name, count in queues.depths().items():
                depth.add_metric([name], count)
            for name, probe in queues.age_probes().items():
                oldest = probe()
                age.add_metric([name], (now() - oldest).total_seconds() if oldest is not None else 0)
        except Exception:
            log.warning("metrics.queues_unreadable", exc_info=True)
            return
        yield depth
        yield age

    def describe(self) -> list[GaugeMetricFamily]:
        """Empty: otherwise registering would query the database while the process starts."""
        return []


REGISTRY.register(QueueCollector())


@lru_cache(maxsize=4096)
def _series(view: str, method: str, status_class: int) -> tuple[Counter, Histogram]:
    return REQUESTS.labels(view, method, f"{status_class}xx"), LATENCY.labels(view)


class MetricsMiddleware:
    """Counts and times every request under the name of its view, never under its path."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        started = time.perf_counter()
        response = self.get_response(request)
        match = request.resolver_match
        view = match.view_name if match is not None and match.view_name else "none"
        # Any token is a valid method (RFC 9110), so unknown ones share a label.
        method = request.method if request.method in _METHODS else "other"
        answered, seconds = _series(view, method or "", response.status_code // 100)
        answered.inc()
        seconds.observe(time.perf_counter() - started)
        return response


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Text for Prometheus: for this machine always, for others only with INKBOX_METRICS=1."""
    if not settings.METRICS_ENABLED and not _is_loopback(client_address(request)):
        raise Http404
    return HttpResponse(generate_latest(REGISTRY), content_type=CONTENT_TYPE_LATEST)


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
