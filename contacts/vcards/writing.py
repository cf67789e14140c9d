"""Contacts as vCards 4.0 (RFC 6350). What the format has no place for goes into groups with X-ABLabel."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import count
from typing import Any

VCARD_TYPE = "text/vcard; charset=utf-8"

_LINE_MAX_OCTETS = 75  # RFC 6350 section 3.2
_TYPES = {"work": "work", "home": "home"}
_PHONE_TYPES = {**_TYPES, "cell": "cell", "mobile": "cell", "fax": "fax", "pager": "pager"}


def write_cards(bodies: Iterable[Mapping[str, Any]]) -> str:
    """Contacts as a caller sees them (contacts/describing.py), one card after the other."""
    return "".join(write_card(body) for body in bodies)


def write_card(body: Mapping[str, Any]) -> str:
    """One card, with CRLF after every line."""
    lines = ["BEGIN:VCARD", "VERSION:4.0", f"UID:urn:uuid:{body['id']}", f"FN:{_text(body['preferred_name'])}"]
    names = ("family_name", "given_name", "middle_name", "name_prefix", "name_suffix")
    if any(body[name] for name in names):
        lines.append("N:" + ";".join(_text(body[name]) for name in names))
    for name, key in (("ORG", "company_name"), ("TITLE", "job_title"), ("NOTE", "notes")):
        if body[key]:
            lines.append(f"{name}:{_text(body[key])}")
    if body["birthday"]:
        lines.append(f"BDAY:{body['birthday'].isoformat().replace('-', '')}")
    lines += _items(body)
    lines += [f"REV:{body['updated_at']:%Y%m%dT%H%M%SZ}", "END:VCARD"]
    return "".join(f"{_fold(line)}\r\n" for line in lines)


def _items(body: Mapping[str, Any]) -> Iterable[str]:
    groups = count(1)

    def item(name: str, value: str, label: str | None, types: Mapping[str, str], params: str = "") -> Iterable[str]:
        kind = types.get((label or "").lower())
        if label is None or kind is not None:
            yield f"{name}{f';TYPE={kind}' if kind else ''}{params}:{value}"
            return
        group = f"item{next(groups)}"
        yield f"{group}.{name}{params}:{value}"
        yield f"{group}.X-ABLabel:{_text(label)}"

    for row in body["emails"]:
        yield from item("EMAIL", _text(row["value"]), row["label"], _TYPES, ";PREF=1" if row["is_primary"] else "")
    for row in body["phones"]:
        params = ";VALUE=uri" + (";PREF=1" if row["is_primary"] else "")
        yield from item("TEL", f"tel:{row['value_e164']}", row["label"], _PHONE_TYPES, params)
    for row in body["websites"]:
        yield from item("URL", row["url"], row["label"], _TYPES)
    for row in body["addresses"]:
        parts = (row[name] for name in ("street", "city", "region", "postal", "country"))
        yield from item("ADR", ";;" + ";".join(_text(part) for part in parts), row["label"], _TYPES)
    for row in body["dates"]:
        value = row["date"].replace("-", "")
        if row["label"] == "anniversary":
            yield f"ANNIVERSARY:{value}"
        else:
            yield from item("X-ABDATE", value, row["label"], {})
    for row in body["custom_fields"]:
        yield from item("X-CUSTOM-FIELD", _text(row["value"]), row["label"], {})


def _text(value: str | None) -> str:
    """A text value, escaped (RFC 6350 section 3.4)."""
    text = (value or "").replace("\\", "\\\\").replace(",", "\\,").replace(";", "\\;")
    return text.replace("\r\n", "\\n").replace("\r", "\\n").replace("\n", "\\n")


def _fold(line: str) -> str:
    """Lines of at most 75 octets, never broken inside a character."""
    if len(line.encode()) <= _LINE_MAX_OCTETS:
        return line
    pieces, piece, size = [], "", 0
    for char in line:
        width = len(char.encode())
        if size + width > _LINE_MAX_OCTETS:
            pieces.append(piece)
            piece, size = "", 1  # the space that begins the next line
        piece += char
        size += width
    return "\r\n ".join([*pieces, piece])
