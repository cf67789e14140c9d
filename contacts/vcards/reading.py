"""What a card says, as a contact holds it. What does not fit is left out and named, the rest of the card is kept."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from contacts import limits
from contacts.content import is_web_url
from contacts.enums import NameSource
from contacts.identifiers import canonical_email, email_key, to_e164
from contacts.vcards.lines import CardBroken, Property, RawCard, properties, split_value, unescape

_DATE = re.compile(r"(\d{4})-?(\d{2})-?(\d{2})(?:[T ].*)?")
_PARTIAL_DATE = re.compile(r"--?[0-9-]{2,7}(?:[T ].*)?|\d{4}(?:-\d{2})?")
# How Apple marks labels of its own: _$!<HomePage>!$_
_APPLE_LABEL = re.compile(r"_\$!<(.*)>!\$_", re.DOTALL)
# Types that say nothing to a person.
_MUTE_TYPES = frozenset({"internet", "pref", "voice", "x400", "text", "uri", "parcel", "postal", "dom", "intl"})
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_WARNINGS_MAX = 20


@dataclass(slots=True)
class CardContent:
    """A card as fields of a contact, in the spelling that is stored."""

    fields: dict[str, Any] = field(default_factory=dict)
    name_source: NameSource = NameSource.VCARD
    uid: str | None = None
    warnings: list[str] = field(default_factory=list)

    def warn(self, name: str, why: str) -> None:
        """Say that a property was left out, or not taken as it is."""
        if len(self.warnings) < _WARNINGS_MAX:
            self.warnings.append(f"{name}: {why}")

    def line(self, name: str, value: str, max_chars: int) -> None:
        """Set a text field of one line, unless a property before has."""
        text = " ".join(value.split())
        if not text or self.fields.get(name):
            return
        if len(text) > max_chars:
            self.warn(name, f"cut to {max_chars} characters.")
        self.fields[name] = text[:max_chars]

    def item(self, name: str, value: dict[str, Any], most: int) -> None:
        """Append to a list, up to its limit."""
        items = self.fields.setdefault(name, [])
        if len(items) < most:
            items.append(value)
        else:
            self.warn(name, f"only {most} are kept.")


def read_card(card: RawCard, region: str | None) -> CardContent:
    """Raises CardBroken for a card without end, or with nothing that could name a contact.

    `region` is the country that national numbers are read in, if any.
    """
    found = CardContent(fields={name: [] for name in ("emails", "phones", "websites", "dates", "addresses")})
    found.fields["custom_fields"] = []
    rows = list(properties(card))
    labels = _group_labels(rows)
    for row in rows:
        reader = _READERS.get(row.name)
        if row.lost is not None:
            if reader is not None or row.name == "TEL":
                found.warn(row.name, f"left out, because it is {row.lost}.")
        elif reader is not None:
            reader(found, row, _label(row, labels))
        elif row.name == "TEL":
            _read_phone(found, row, _label(row, labels), region)
    for name in ("emails", "phones"):
        _keep_one_primary(found.fields[name])
    _name(found)
    return found


def _group_labels(rows: Iterable[Property]) -> dict[str, str]:
    labels: dict[str, str] = defaultdict(str)
    for row in rows:
        if row.name == "X-ABLABEL" and row.group is not None:
            text = unescape(row.value)
            apple = _APPLE_LABEL.fullmatch(text)
            labels[row.group.lower()] = _clean(apple[1] if apple else text)
    return labels


def _label(row: Property, labels: dict[str, str]) -> str | None:
    own = labels.get(row.group.lower()) if row.group is not None else None
    if not own:
        own = next((one.lower() for one in row.params.get("TYPE", ()) if one.lower() not in _MUTE_TYPES), None)
        own = own.removeprefix("x-") if own else None
    return _clean(own)[: limits.LABEL_MAX_CHARS] or None if own else None


def _clean(text: str) -> str:
    """Without control characters, which PostgreSQL (NUL) or readers trip over."""
    return _CONTROLS.sub("", text).strip()


def _text(row: Property) -> str:
    return _clean(unescape(row.value))


def _parts(row: Property) -> list[str]:
    # A part may be a list; people mean its text.
    return [_clean(unescape(part).replace("\n", " ")) for part in split_value(row.value, ";")]


def _read_n(found: CardContent, row: Property, _label: str | None) -> None:
    names = (
        ("family_name", limits.NAME_PART_MAX_CHARS),
        ("given_name", limits.NAME_PART_MAX_CHARS),
        ("middle_name", limits.NAME_PART_MAX_CHARS),
        ("name_prefix", limits.NAME_AFFIX_MAX_CHARS),
        ("name_suffix", limits.NAME_AFFIX_MAX_CHARS),
    )
    for (name, max_chars), part in zip(names, _parts(row), strict=False):
        found.line(name, part, max_chars)


def _line_reader(name: str, max_chars: int) -> Callable[[CardContent, Property, str | None], None]:
    def read(found: CardContent, row: Property, _label: str | None) -> None:
        found.line(name, _text(row), max_chars)

    return read


def _read_org(found: CardContent, row: Property, _label: str | None) -> None:
    found.line("company_name", _parts(row)[0], limits.COMPANY_MAX_CHARS)


def _read_note(found: CardContent, row: Property, _label: str | None) -> None:
    text = "\n".join(part for part in (found.fields.get("notes"), _text(row)) if part)
    if len(text) > limits.NOTES_MAX_CHARS:
        found.warn("NOTE", f"cut to {limits.NOTES_MAX_CHARS} characters.")
    found.fields["notes"] = text[: limits.NOTES_MAX_CHARS] or None


def _read_uid(found: CardContent, row: Property, _label: str | None) -> None:
    text = _text(row)
    if text and len(text) <= limits.UID_MAX_CHARS:
        found.uid = found.uid or text


def _read_email(found: CardContent, row: Property, label: str | None) -> None:
    value = canonical_email(_text(row).removeprefix("mailto:"))
    if value is None:
        found.warn("EMAIL", "not an address.")
        return
    if all(email_key(item["value"]) != email_key(value) for item in found.fields["emails"]):
        found.item("emails", {"label": label, "value": value, "is_primary": row.is_preferred}, limits.EMAILS_MAX)


def _read_phone(found: CardContent, row: Property, label: str | None, region: str | None) -> None:
    text = _text(row)
    number = to_e164(text, region)
    if number is None:
        if text:
            # Without a country it can neither be called nor compared, but people can still read it.
            _keep_text(found, label or "phone", text)
            found.warn("TEL", "kept as a text, because it is no international number.")
        return
    if all(item["value_e164"] != number for item in found.fields["phones"]):
        found.item("phones", {"label": label, "value_e164": number, "is_primary": row.is_preferred}, limits.PHONES_MAX)


def _read_url(found: CardContent, row: Property, label: str | None) -> None:
    text = _text(row)
    url = text if "://" in text else f"https://{text}"
    if len(url) <= limits.URL_MAX_CHARS and is_web_url(url):
        found.item("websites", {"label": label, "url": url}, limits.WEBSITES_MAX)
    else:
        found.warn("URL", "not a web address.")


def _read_adr(found: CardContent, row: Property, label: str | None) -> None:
    box, extended, street, city, region, postal, country = [*_parts(row), *[""] * 7][:7]
    lines = ", ".join(part for part in (box, extended, street) if part)
    values = (lines, city, region, postal, country)
    parts = {
        name: value[: limits.ADDRESS_PART_MAX_CHARS] or None
        for name, value in zip(("street", "city", "region", "postal", "country"), values, strict=True)
    }
    if any(parts.values()):
        found.item("addresses", {"label": label, **parts}, limits.ADDRESSES_MAX)


def _read_birthday(found: CardContent, row: Property, _label: str | None) -> None:
    day = _date(_text(row))
    if day is not None and found.fields.get("birthday") is None:
        found.fields["birthday"] = day
    elif day is None:
        _keep_date_text(found, row, "birthday")


def _read_date(found: CardContent, row: Property, label: str | None) -> None:
    label = label or ("anniversary" if row.name.endswith("ANNIVERSARY") else None)
    day = _date(_text(row))
    if day is not None:
        found.item("dates", {"label": label, "date": day.isoformat()}, limits.DATES_MAX)
    else:
        _keep_date_text(found, row, label or "date")


def _read_custom(found: CardContent, row: Property, label: str | None) -> None:
    _keep_text(found, label or "note", _text(row))


def _keep_date_text(found: CardContent, row: Property, label: str) -> None:
    text = _text(row)
    if _PARTIAL_DATE.fullmatch(text) or row.params.get("VALUE", [""])[0].lower() == "text":
        _keep_text(found, label, text)
    found.warn(row.name, "not a whole date.")


def _keep_text(found: CardContent, label: str, text: str) -> None:
    if text:
        item = {"label": label[: limits.LABEL_MAX_CHARS], "value": text[: limits.CUSTOM_VALUE_MAX_CHARS]}
        found.item("custom_fields", item, limits.CUSTOM_FIELDS_MAX)


def _date(text: str) -> date | None:
    match = _DATE.fullmatch(text)
    try:
        return date(int(match[1]), int(match[2]), int(match[3])) if match else None
    except ValueError:
        return None


def _keep_one_primary(items: list[dict[str, Any]]) -> None:
    """Of several preferred ones the first."""
    has_one = False
    for item in items:
        item["is_primary"] = item["is_primary"] and not has_one
        has_one = has_one or item["is_primary"]


def _name(found: CardContent) -> None:
    """A card without a name is called by its nickname, else its first address or number. Raises CardBroken."""
    fields = found.fields
    nickname = fields.pop("nickname", None)
    if any(fields.get(name) for name in ("preferred_name", "given_name", "family_name", "company_name")):
        return
    fallback = [item["value"] for item in fields["emails"]] + [item["value_e164"] for item in fields["phones"]]
    if nickname:
        fields["preferred_name"] = nickname
    elif fallback:
        fields["preferred_name"] = fallback[0]
        found.name_source = NameSource.IDENTIFIER_FALLBACK
    else:
        raise CardBroken("The card has no name, address or number that can be used.")


_READERS: dict[str, Callable[[CardContent, Property, str | None], None]] = {
    "FN": _line_reader("preferred_name", limits.PREFERRED_NAME_MAX_CHARS),
    "N": _read_n,
    "NICKNAME": _line_reader("nickname", limits.PREFERRED_NAME_MAX_CHARS),
    "ORG": _read_org,
    "TITLE": _line_reader("job_title", limits.JOB_TITLE_MAX_CHARS),
    "ROLE": _line_reader("job_title", limits.JOB_TITLE_MAX_CHARS),
    "NOTE": _read_note,
    "UID": _read_uid,
    "EMAIL": _read_email,
    "URL": _read_url,
    "ADR": _read_adr,
    "BDAY": _read_birthday,
    "ANNIVERSARY": _read_date,
    "X-ANNIVERSARY": _read_date,
    "X-ABDATE": _read_date,
    "X-CUSTOM-FIELD": _read_custom,
}
