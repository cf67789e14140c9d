"""Merge contacts into one (contract contacts-notes.md section 3.2), and delete many."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db import transaction

from common.errors import Invalid
from common.principal import Principal
from contacts import limits
from contacts.content import LISTS
from contacts.enums import NameSource
from contacts.errors import ContactNotFound, MergeTooLarge
from contacts.identifiers import email_key
from contacts.models import Contact, ContactFact, ContactVisibility
from contacts.services.contacts import confirm, refresh_names, write_identifiers
from contacts.services.facts import check_room
from identities.models import Organization
from identities.roles import require_manager

SCALARS = (
    "preferred_name",
    "name_prefix",
    "given_name",
    "middle_name",
    "family_name",
    "name_suffix",
    "company_name",
    "job_title",
    "birthday",
    "notes",
)
_MOST = {
    "emails": limits.EMAILS_MAX,
    "phones": limits.PHONES_MAX,
    "websites": limits.WEBSITES_MAX,
    "dates": limits.DATES_MAX,
    "addresses": limits.ADDRESSES_MAX,
    "custom_fields": limits.CUSTOM_FIELDS_MAX,
}


def merge_contacts(
    principal: Principal, survivor: Contact, losing_ids: Sequence[UUID], sources: Mapping[str, UUID]
) -> Contact:
    """Move what the losers hold to the survivor, all of it or nothing; losers are gone from every read afterwards.

    `sources` names the contact that a text field is taken from; other fields stay, and empty ones are filled. Who sees
    the survivor does not change. Raises RoleTooLow 403, Invalid 422, ContactNotFound 404 (also when one of them was
    merged or deleted meanwhile), MergeTooLarge and TooManyFacts 409.
    """
    require_manager(principal)
    _check(survivor, losing_ids, sources)
    with transaction.atomic():
        _wait_for_other_merges(principal)
        rows = _lock(principal, [survivor.pk, *losing_ids])
        survivor, losers = rows[survivor.pk], [rows[pk] for pk in losing_ids]
        _merge_scalars(survivor, losers, {name: rows[pk] for name, pk in sources.items()})
        for name in LISTS:
            setattr(survivor, name, _merged_list(name, [survivor, *losers]))
        _move_facts(survivor, losers)
        confirm(survivor, principal)
        refresh_names(survivor)
        survivor.save()
        _retire(survivor, losers)
        write_identifiers(survivor)
    return survivor


def delete_contacts(principal: Principal, ids: Iterable[UUID]) -> list[tuple[UUID, bool]]:
    """Delete what the caller sees of these; whether each one was there, in order."""
    wanted = list(ids)
    with transaction.atomic():
        _wait_for_other_merges(principal)
        rows = Contact.objects.visible_to(principal).filter(pk__in=wanted)
        found = set(rows.select_for_update(of=("self",)).order_by("pk").values_list("pk", flat=True))
        Contact.objects.filter(pk__in=found).delete()
    return [(pk, pk in found) for pk in wanted]


def _check(survivor: Contact, losing_ids: Sequence[UUID], sources: Mapping[str, UUID]) -> None:
    if survivor.pk in losing_ids:
        raise Invalid(
            "A contact cannot be merged into itself. Take it out of the list.", loc=("body", "losing_contact_ids")
        )
    for name, pk in sources.items():
        if name not in SCALARS:
            raise Invalid(f"Choose from: {', '.join(SCALARS)}.", loc=("body", "field_sources", name))
        if pk != survivor.pk and pk not in losing_ids:
            raise Invalid("Name a contact that takes part in the merge.", loc=("body", "field_sources", name))


def _wait_for_other_merges(principal: Principal) -> None:
    """One at a time in each organization. What was merged into a loser before is written too, and deleted with it: no
    order of locks is right for rows that only the ones locked lead to.
    """
    Organization.objects.select_for_update(no_key=True).filter(pk=principal.organization_id).first()


def _lock(principal: Principal, ids: Sequence[UUID]) -> dict[UUID, Contact]:
    """All of them, in the order of their ids, as others lock them who change several."""
    rows = Contact.objects.visible_to(principal).select_for_update(of=("self",)).filter(pk__in=ids).order_by("pk")
    found = {row.pk: row for row in rows}
    if len(found) != len(set(ids)):
        raise ContactNotFound
    return found


def _merge_scalars(survivor: Contact, losers: Sequence[Contact], chosen: Mapping[str, Contact]) -> None:
    # Read before anything is written: a source may be the survivor itself.
    values: dict[str, Any] = {}
    for name in SCALARS:
        source = chosen.get(name)
        if name == "preferred_name":
            source = source or _best_named(survivor, losers)
            values |= {
                "preferred_name": source.preferred_name,
                "preferred_name_source": source.preferred_name_source,
                "preferred_name_locked_at": source.preferred_name_locked_at,
            }
        elif source is not None:
            values[name] = getattr(source, name)
        else:
            values[name] = next((v for row in (survivor, *losers) if (v := getattr(row, name))), None)
    for name, value in values.items():
        setattr(survivor, name, value)


def _best_named(survivor: Contact, losers: Sequence[Contact]) -> Contact:
    """The survivor, unless it is called by its address and one of the others has a name."""
    rows = (survivor, *losers)
    return next((row for row in rows if row.preferred_name_source != NameSource.IDENTIFIER_FALLBACK), survivor)


_KEYS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "emails": lambda item: email_key(item["value"]),
    "phones": lambda item: item["value_e164"],
    "websites": lambda item: item["url"],
    "dates": lambda item: (item["label"], item["date"]),
    "addresses": lambda item: tuple(sorted((key, value or "") for key, value in item.items() if key != "label")),
    "custom_fields": lambda item: (item["label"], item["value"]),
}


def _merged_list(name: str, rows: Sequence[Contact]) -> list[dict[str, Any]]:
    """Items of all, each once; of several primary ones the first. Raises MergeTooLarge."""
    merged: dict[Any, dict[str, Any]] = {}
    primary: Any = None
    for row in rows:
        for item in getattr(row, name):
            key = _KEYS[name](item)
            kept = merged.setdefault(key, {**item})
            kept["label"] = kept["label"] or item["label"]
            if primary is None and item.get("is_primary"):
                primary = key
    for key, item in merged.items():
        if "is_primary" in item:
            item["is_primary"] = key == primary
    if len(merged) > _MOST[name]:
        raise MergeTooLarge(name, _MOST[name])
    return list(merged.values())


def _move_facts(survivor: Contact, losers: Sequence[Contact]) -> None:
    """The facts of all; the same sentence once. Raises TooManyFacts."""
    contact_ids = [survivor.pk, *(row.pk for row in losers)]
    known: set[tuple[str, str]] = set()
    repeated: list[UUID] = []
    facts = ContactFact.objects.filter(contact_id__in=contact_ids).order_by("-updated_at", "-pk")
    # The survivor's own first, so that what goes is what the losers repeat.
    for fact in sorted(facts, key=lambda fact: fact.contact_id != survivor.pk):
        key = (fact.kind, fact.content.casefold())
        if key in known:
            repeated.append(fact.pk)
        known.add(key)
    ContactFact.objects.filter(pk__in=repeated).delete()
    ContactFact.objects.filter(contact__in=losers).update(contact=survivor)
    check_room(survivor)


def _retire(survivor: Contact, losers: Sequence[Contact]) -> None:
    """Losers stay as rows that say where they went; nothing is found by them."""
    ids = [row.pk for row in losers]
    ContactVisibility.objects.filter(contact_id__in=ids).delete()
    for row in losers:
        row.identifiers.all().delete()
    # Those that had gone into a loser before have gone into the survivor now.
    Contact.objects.filter(merged_into_id__in=ids).update(merged_into=survivor)
    empty: dict[str, Any] = {name: [] for name in LISTS}
    Contact.objects.filter(pk__in=ids).update(merged_into=survivor, notes=None, search_text="", **empty)
