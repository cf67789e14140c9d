"""What the audit page shows: rows in words, filters, pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.db.models import Q

from common.actor import ActorKind
from common.principal import Principal
from identities.enums import AuditAction
from identities.models import AuditRecord

ROWS_PER_PAGE = 50
_QUERY_MAX_CHARS = 100
# A page further back than any log is long; a larger number the database would not even compare.
_MAX_SEQ = 2**62

_AREA_NAMES = {"api_key": "API keys", "api_session": "API sessions", "identity": "Agents", "member": "Members"}
_WORDS = {"api_key": "API key", "api_session": "API session", "identity": "Agent"}
_DETAIL_NAMES = {"fields": "changed", "event_types": "events", "is_first": "first key"}


def _area_name(area: str) -> str:
    return _AREA_NAMES.get(area, f"{area.replace('_', ' ').capitalize()}s")


# What acts are about, by the part before the dot.
AREAS = [(area, _area_name(area)) for area in dict.fromkeys(action.value.partition(".")[0] for action in AuditAction)]

ACTORS = [
    (ActorKind.USER.value, "People"),
    (ActorKind.KEY.value, "API keys"),
    (ActorKind.AGENT.value, "Agents"),
    (ActorKind.OPERATOR.value, "Operators"),
    (ActorKind.SYSTEM.value, "The server"),
]


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """The query of the page. Values that mean nothing are left out."""

    area: str = ""
    actor: str = ""
    query: str = ""
    before: int | None = None

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> AuditFilter:
        """From the parameters of the URL."""
        area, actor, before = (query.get(name, "") for name in ("area", "actor", "before"))
        return cls(
            area=area if area in dict(AREAS) else "",
            actor=actor if actor in set(ActorKind) else "",
            query=query.get("q", "").replace("\x00", "").strip()[:_QUERY_MAX_CHARS],
            before=min(int(before), _MAX_SEQ) if before.isascii() and before.isdigit() else None,
        )

    @property
    def is_narrow(self) -> bool:
        """Whether anything is filtered."""
        return bool(self.area or self.actor or self.query)


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One act in words."""

    record: AuditRecord
    title: str
    details: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Rows, newest first, and the query string of the page with older ones."""

    rows: list[AuditRow]
    older: str | None


def audit_page(principal: Principal, wanted: AuditFilter) -> AuditPage:
    """One page of the organization's log. One query."""
    rows = AuditRecord.objects.visible_to(principal).order_by("-seq")
    if wanted.before is not None:
        rows = rows.filter(seq__lt=wanted.before)
    if wanted.area:
        rows = rows.filter(action__startswith=f"{wanted.area}.")
    if wanted.actor:
        rows = rows.filter(actor_kind=wanted.actor)
    if wanted.query:
        named = Q(actor_label__icontains=wanted.query) | Q(target_label__icontains=wanted.query)
        rows = rows.filter(named | Q(target_id=wanted.query) | Q(actor_id=wanted.query))
    found = list(rows[: ROWS_PER_PAGE + 1])
    shown = found[:ROWS_PER_PAGE]
    older = None
    if len(found) > ROWS_PER_PAGE:
        fields = {"area": wanted.area, "actor": wanted.actor, "q": wanted.query, "before": str(shown[-1].seq)}
        older = urlencode({name: value for name, value in fields.items() if value})
    return AuditPage([AuditRow(row, title_of(row.action), _details(row.details)) for row in shown], older)


def title_of(action: str) -> str:
    """`api_key.created` as a person would say it: API key created."""
    area, _, verb = action.partition(".")
    return f"{_WORDS.get(area, area.replace('_', ' ').capitalize())} {verb.replace('_', ' ')}"


def _details(details: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        (_DETAIL_NAMES.get(name, name.replace("_", " ")), _words(value))
        for name, value in details.items()
        if value not in (None, "", [])
    ]


def _words(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
