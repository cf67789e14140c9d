"""Two contacts or more become one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from common.errors import DomainError
from console.contact_selectors import ContactQuery, contact_lines, parse_ids, search_contacts, similar_contacts
from console.principals import console_page
from contacts import limits
from contacts.contact_selectors import get_contacts
from contacts.models import Contact
from contacts.services.merging import SCALARS, merge_contacts
from identities.errors import RoleTooLow

_MOST = limits.MERGE_LOSERS_MAX + 1
_CANDIDATES = 20
_LABELS = {
    "preferred_name": "Shown as",
    "name_prefix": "Title before the name",
    "given_name": "First name",
    "middle_name": "Middle name",
    "family_name": "Last name",
    "name_suffix": "After the name",
    "company_name": "Company",
    "job_title": "Position",
    "birthday": "Birthday",
    "notes": "Notes",
}


@dataclass(frozen=True, slots=True)
class Choice:
    """A text field in which the contacts differ: each value once, with the first contact that has it."""

    name: str
    label: str
    options: list[tuple[UUID, Any]]
    chosen: UUID


@require_http_methods(["GET", "HEAD", "POST"])
@console_page
def merge(request: Any) -> HttpResponse:
    """Choose what becomes one, which contact stays, and what it is called; a POST does it."""
    if not request.viewer.manages:
        raise RoleTooLow
    principal = request.viewer.principal
    source = request.POST if request.method == "POST" else request.GET
    ids = parse_ids(source.getlist("contact"), _MOST)
    contacts = get_contacts(principal, ids)
    if request.method != "POST":
        return _page(request, contacts)
    survivor = next((row for row in contacts if str(row.pk) == request.POST.get("survivor")), None)
    if survivor is None or len(contacts) < 2:
        return _page(request, contacts, refusal="Choose at least two contacts, and the one that stays.")
    taken = {name: parse_ids([request.POST.get(f"take-{name}", "")], 1) for name in SCALARS}
    sources = {name: found[0] for name, found in taken.items() if found}
    try:
        merged = merge_contacts(principal, survivor, [pk for pk in ids if pk != survivor.pk], sources)
    except DomainError as refusal:
        return _page(request, contacts, refusal=refusal.message)
    messages.success(request, f"{len(contacts)} contacts are one now: {merged.preferred_name}.")
    return redirect("console:contact", merged.pk)


def _page(request: Any, contacts: Sequence[Contact], refusal: str = "") -> HttpResponse:
    principal = request.viewer.principal
    query = request.GET.get("q", "").strip()
    candidates: Sequence[Contact] = []
    if query and len(contacts) < _MOST:
        found = search_contacts(principal, ContactQuery(text=query[: limits.QUERY_MAX_CHARS].replace("\x00", "")), None)
        candidates = list(found.exclude(pk__in=[row.pk for row in contacts])[:_CANDIDATES])
    elif len(contacts) == 1:
        candidates = similar_contacts(principal, contacts[0], _CANDIDATES)
    context = {
        "lines": contact_lines(contacts),
        "choices": _choices(contacts),
        "survivor": request.POST.get("survivor") or (str(contacts[0].pk) if contacts else ""),
        "query": query,
        "candidates": contact_lines(candidates),
        "can_add": len(contacts) < _MOST,
        "refusal": refusal,
    }
    return render(request, "console/contacts_merge.html", context, status=422 if refusal else 200)


def _choices(contacts: Sequence[Contact]) -> list[Choice]:
    """Fields with more than one value among them; the first one is proposed."""
    found = []
    for name in SCALARS:
        values: dict[Any, UUID] = {}
        for row in contacts:
            if value := getattr(row, name):
                values.setdefault(value, row.pk)
        if len(values) > 1:
            options = [(pk, value) for value, pk in values.items()]
            found.append(Choice(name, _LABELS[name], options, options[0][0]))
    return found
