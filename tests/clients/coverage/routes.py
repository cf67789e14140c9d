"""Asks a live server for every route that the newest client uses.

A route counts as answered when the server has it: whatever it says about the
dummy request (201, 422, a 404 for an unknown id) is the business of other tests.
"""

from __future__ import annotations

import json
import re
import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import httpx

from tests.clients.environments import CACHE

BASELINE = Path(__file__).with_name("answered_routes.txt")
REPORT = CACHE / "coverage.json"

_API = "/api/v1/"
# Fixed values for placeholders that are not ids.
_FIXED = {
    "{number}": "+15005550006",
    "{domain}": "coverage.example",
    "{ts}": "1700000000.000100",
    "{index}": "1",
    "{auth_hash}": "0" * 64,
}
# Reads first: writes and deletions must not take away what the reads ask for.
_ORDER = ("GET", "POST", "PUT", "PATCH", "DELETE")


class Outcome(StrEnum):
    """What a server does with a route."""

    ANSWERED = "answered"
    MISSING = "missing"  # no such path, or not with this method
    NOT_IMPLEMENTED = "not_implemented"  # known and planned
    BROKEN = "broken"  # the server failed


@dataclass(frozen=True)
class Route:
    """A method and a path template, as in ``GET /api/v1/notes/{id}``."""

    method: str
    template: str

    @classmethod
    def parse(cls, line: str) -> Route:
        method, _, template = line.partition(" ")
        return cls(method, template)

    @property
    def area(self) -> str:
        """First word of the path, with the identity's sub-resources kept apart."""
        if not self.template.startswith(_API):
            return "root"
        parts = self.template.removeprefix(_API).split("/")
        if parts[0] == "identities" and len(parts) > 2:
            return f"identities/{parts[2]}"
        return parts[0]

    def __str__(self) -> str:
        return f"{self.method} {self.template}"


@dataclass(frozen=True)
class Probe:
    """One answer of the server."""

    route: str
    area: str
    status: int
    outcome: Outcome


@dataclass(frozen=True)
class Samples:
    """Rows that exist on the server, so that more than a lookup is asked of it.

    ``ids`` maps a path segment to the id that follows it, as in ``messages``.
    """

    handle: str
    email: str
    ids: dict[str, str] = field(default_factory=dict)


def recorded_routes(recording: dict[str, Any]) -> list[Route]:
    """Return the distinct routes of a recording, without addresses the server hands out."""
    lines = {entry["http"] for entry in recording["requests"]}
    routes = [Route.parse(line) for line in lines]
    return sorted(
        (route for route in routes if route.template.startswith("/")),
        key=lambda route: (_ORDER.index(route.method), route.template),
    )


def create_samples(client: httpx.Client) -> Samples:
    """Create an identity and a message where the server can, else return names of nothing."""
    handle = f"coverage-{uuid.uuid4().hex[:8]}"
    samples = Samples(handle, f"{handle}@mail.localhost")
    created = client.post(f"{_API}identities/", json={"agent_handle": handle})
    if not created.is_success:
        return samples
    identity = created.json()
    samples = Samples(handle, identity["email_address"])
    if tunnel := identity.get("tunnel"):
        samples.ids["tunnels"] = tunnel["id"]
    sent = client.post(
        f"{_API}mail/mailboxes/{samples.email}/messages",
        json={"recipients": {"to": [samples.email]}, "subject": "Coverage", "body_text": "hi"},
    )
    if sent.is_success:
        message = sent.json()
        samples.ids["messages"] = message["id"]
        samples.ids["threads"] = message["thread_id"]
    return samples


def probe_routes(client: httpx.Client, routes: Iterable[Route], samples: Samples) -> list[Probe]:
    return [_probe(client, route, samples) for route in routes]


def answered(probes: Iterable[Probe]) -> set[str]:
    return {probe.route for probe in probes if probe.outcome is Outcome.ANSWERED}


def read_baseline(path: Path = BASELINE) -> set[str]:
    return {line for line in path.read_text().splitlines() if line}


def write_baseline(routes: Iterable[str], path: Path = BASELINE) -> None:
    path.write_text("".join(f"{route}\n" for route in sorted(routes)))


def write_report(probes: Sequence[Probe], path: Path = REPORT) -> None:
    path.write_text(json.dumps([asdict(probe) for probe in probes], indent=1) + "\n")


def read_report(path: Path = REPORT) -> list[Probe]:
    rows = json.loads(path.read_text())
    return [Probe(**row | {"outcome": Outcome(row["outcome"])}) for row in rows]


def summary_table(probes: Sequence[Probe]) -> str:
    """Return one line for each area, then the total."""
    columns = list(Outcome)
    counts = {area: Counter[Outcome]() for area in sorted({probe.area for probe in probes})}
    for probe in probes:
        counts[probe.area][probe.outcome] += 1
    total = sum(counts.values(), Counter[Outcome]())
    width = max(len(area) for area in [*counts, "total"])
    lines = [" ".join([f"{'area':{width}}", *(f"{name:>15}" for name in columns)])]
    for area, count in [*counts.items(), ("total", total)]:
        lines.append(" ".join([f"{area:{width}}", *(f"{count[name]:>15}" for name in columns)]))
    return "\n".join(lines)


def classify(response: httpx.Response) -> Outcome:
    """Tell whether the server has the route that produced this response."""
    if response.status_code == 404 and _error_code(response) in (None, "route_not_found"):
        # A 404 without the server's own envelope never reached a view.
        return Outcome.MISSING
    if response.status_code == 405:
        return Outcome.MISSING
    if response.status_code == 501:
        return Outcome.NOT_IMPLEMENTED
    if response.status_code == 500:
        return Outcome.BROKEN
    return Outcome.ANSWERED


def _probe(client: httpx.Client, route: Route, samples: Samples) -> Probe:
    body: dict[str, Any] | None = {} if route.method in ("POST", "PUT", "PATCH") else None
    try:
        response = client.request(route.method, _path(route, samples), json=body)
    except httpx.TransportError:
        # The connection was dropped, or no answer came in time.
        return Probe(str(route), route.area, 0, Outcome.BROKEN)
    return Probe(str(route), route.area, response.status_code, classify(response))


def _path(route: Route, samples: Samples) -> str:
    # A deletion gets names of nothing: the samples serve the routes after it.
    real = route.method != "DELETE"
    segments = route.template.split("/")
    for position, segment in enumerate(segments):
        before = segments[position - 1]
        if segment == "{handle}":
            segments[position] = samples.handle if real else "coverage-nobody"
        elif segment == "{email}":
            segments[position] = samples.email if real else "coverage-nobody@mail.localhost"
        elif "{id}" in segment:
            known = samples.ids.get(before) if real else None
            segments[position] = segment.replace("{id}", known or str(uuid.uuid4()))
        else:
            segments[position] = _FIXED.get(segment, re.sub(r"[{}]", "", segment))
    return "/".join(segments)


def _error_code(response: httpx.Response) -> str | None:
    """Return the code in an error envelope, ``""`` for a plain text, ``None`` for no envelope."""
    try:
        detail = response.json()["detail"]
    except (ValueError, KeyError, TypeError):
        return None
    if isinstance(detail, dict):
        return str(detail.get("error", ""))
    return ""
