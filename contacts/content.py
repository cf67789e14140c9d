"""What a contact holds, checked and in the spelling that is stored (contract contacts-notes.md section 2.2). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import date
from typing import Any
from urllib.parse import urlsplit

from common.errors import Invalid
from common.unset import UNSET, Unset
from contacts.identifiers import canonical_email, email_key, is_e164

Item = Mapping[str, Any]
Items = list[dict[str, Any]]

LISTS = ("emails", "phones", "websites", "dates", "addresses", "custom_fields")
ADDRESS_PARTS = ("street", "city", "region", "postal", "country")


@dataclass(frozen=True, slots=True)
class ContactFields:
    """The body of a contact write; UNSET means not sent. None clears a text, and empties a list."""

    preferred_name: str | Unset | None = UNSET
    name_prefix: str | Unset | None = UNSET
    given_name: str | Unset | None = UNSET
    middle_name: str | Unset | None = UNSET
    family_name: str | Unset | None = UNSET
    name_suffix: str | Unset | None = UNSET
    company_name: str | Unset | None = UNSET
    job_title: str | Unset | None = UNSET
    birthday: date | Unset | None = UNSET
    notes: str | Unset | None = UNSET
    emails: list[Any] | Unset | None = UNSET
    phones: list[Any] | Unset | None = UNSET
    websites: list[Any] | Unset | None = UNSET
    dates: list[Any] | Unset | None = UNSET
    addresses: list[Any] | Unset | None = UNSET
    custom_fields: list[Any] | Unset | None = UNSET
    review_status: str | Unset = UNSET

    def sent(self) -> dict[str, Any]:
        """What was sent, as it is stored: lists checked and completed, empty texts as None. Raises Invalid."""
        found: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if value is UNSET:
                continue
            found[field.name] = CLEAN[field.name](value or []) if field.name in CLEAN else (value or None)
        return found


def clean_emails(items: Iterable[Item]) -> Items:
    """Raises Invalid for what is no address, an address that occurs twice, and a second primary one."""
    found: Items = []
    seen: set[str] = set()
    for index, item in enumerate(items):
        value = canonical_email(item["value"])
        if value is None:
            raise _bad("emails", index, "value", "This is not an email address. Send a bare one like ada@example.com.")
        key = email_key(value)
        if key in seen:
            raise _bad("emails", index, "value", "This contact has the address twice. Send it once.")
        seen.add(key)
        found.append({"label": item.get("label"), "value": value, "is_primary": bool(item.get("is_primary"))})
    return _with_one_primary("emails", found)


def clean_phones(items: Iterable[Item]) -> Items:
    """Raises Invalid for numbers that are not in E.164, a number that occurs twice, and a second primary one."""
    found: Items = []
    seen: set[str] = set()
    for index, item in enumerate(items):
        value = item["value_e164"].strip()
        if not is_e164(value):
            raise _bad("phones", index, "value_e164", "Send the number in E.164, such as +14155550100.")
        if value in seen:
            raise _bad("phones", index, "value_e164", "This contact has the number twice. Send it once.")
        seen.add(value)
        found.append({"label": item.get("label"), "value_e164": value, "is_primary": bool(item.get("is_primary"))})
    return _with_one_primary("phones", found)


def clean_websites(items: Iterable[Item]) -> Items:
    """Raises Invalid for what is no http or https URL."""
    found: Items = []
    for index, item in enumerate(items):
        if not is_web_url(item["url"]):
            raise _bad("websites", index, "url", "Send a URL with http:// or https://.")
        found.append({"label": item.get("label"), "url": item["url"]})
    return found


def clean_dates(items: Iterable[Item]) -> Items:
    """Dates as `YYYY-MM-DD`."""
    return [{"label": item.get("label"), "date": item["date"].isoformat()} for item in items]


def clean_addresses(items: Iterable[Item]) -> Items:
    """Raises Invalid for an address without any part."""
    found: Items = []
    for index, item in enumerate(items):
        parts = {name: item.get(name) or None for name in ADDRESS_PARTS}
        if not any(parts.values()):
            raise Invalid("Fill at least one part of the address.", loc=("body", "addresses", index))
        found.append({"label": item.get("label"), **parts})
    return found


def clean_custom_fields(items: Iterable[Item]) -> Items:
    """Label and value."""
    return [{"label": item["label"], "value": item["value"]} for item in items]


CLEAN = {
    "emails": clean_emails,
    "phones": clean_phones,
    "websites": clean_websites,
    "dates": clean_dates,
    "addresses": clean_addresses,
    "custom_fields": clean_custom_fields,
}


def is_web_url(raw: str) -> bool:
    """Whether the text is an absolute http or https URL."""
    if not raw.isprintable() or " " in raw:
        return False
    try:
        parts = urlsplit(raw)
        return parts.scheme.lower() in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False


def _with_one_primary(name: str, items: Items) -> Items:
    primaries = [index for index, item in enumerate(items) if item["is_primary"]]
    if len(primaries) > 1:
        raise _bad(name, primaries[1], "is_primary", "Only one item of a list is the primary one.")
    return items


def _bad(name: str, index: int, field: str, message: str) -> Invalid:
    return Invalid(message, loc=("body", name, index, field))
