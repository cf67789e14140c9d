"""What facts rest on. The sources belong to apps above this one, which name how to find them.

`settings.CONTACT_SOURCES` maps a source type to the dotted path of a function with the shape of `SourceFinder`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol, cast
from uuid import UUID

from django.conf import settings
from django.utils.module_loading import import_string

from common.principal import Principal
from contacts.enums import Availability


@dataclass(frozen=True, slots=True)
class Source:
    """A source that still exists in the caller's organization. `url` is where it is read, None when that is not
    for the caller."""

    url: str | None


class SourceFinder(Protocol):
    """Finds many sources of one type with a fixed number of queries."""

    def __call__(self, principal: Principal, ids: Collection[UUID], /) -> Mapping[UUID, Source]:
        """Only those that exist in the caller's organization."""
        ...


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the caller can read a source, and where."""

    availability: Availability
    url: str | None = None


@lru_cache(maxsize=16)
def _finder(path: str) -> SourceFinder:
    return cast("SourceFinder", import_string(path))


def judge_sources(principal: Principal, wanted: Collection[tuple[str, UUID]]) -> dict[tuple[str, UUID], Verdict]:
    """The verdict on each (source type, id)."""
    by_type: dict[str, set[UUID]] = defaultdict(set)
    for kind, pk in wanted:
        by_type[kind].add(pk)
    verdicts = {key: Verdict(Availability.PURGED) for key in wanted}
    for kind, ids in by_type.items():
        path = settings.CONTACT_SOURCES.get(kind)
        if path is None:
            continue
        for pk, source in _finder(path)(principal, ids).items():
            can_read = source.url is not None
            verdicts[kind, pk] = Verdict(Availability.AVAILABLE if can_read else Availability.HIDDEN, source.url)
    return verdicts
