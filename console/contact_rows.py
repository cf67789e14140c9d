"""The repeated fields of a contact in a form: addresses, numbers and the like, a row each.

Inputs of one kind share a name and stand in the order of the rows, so a form without scripts needs no counters. Buttons
that add and remove rows submit the form; nothing is stored then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils.safestring import SafeString

from console.forms import OneLineField
from contacts import limits
from contacts.identifiers import to_e164


class PhoneField(OneLineField):
    """A number as people write it; E.164 comes out."""

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        number = to_e164(text, settings.PHONE_REGION or None) if text else ""
        if number is None:
            raise ValidationError("Write the number with its country, such as +1 415 555 0100.")
        return number


class WebField(OneLineField):
    """A web address; without a scheme, https is meant."""

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        return f"https://{text}" if text and "://" not in text else text


class BlockField(forms.CharField):
    """Text of any number of lines."""

    def clean(self, value: Any) -> Any:
        return super().clean(value).replace("\r\n", "\n").replace("\r", "\n")


def _line(max_chars: int, kind: type[OneLineField] = OneLineField, **attrs: str) -> forms.Field:
    widget = forms.TextInput(attrs={"autocomplete": "off", **attrs})
    return kind(max_length=max_chars, required=False, widget=widget)


def _block(max_chars: int) -> forms.Field:
    return BlockField(max_length=max_chars, required=False, widget=forms.Textarea(attrs={"rows": 1}))


@dataclass(frozen=True, slots=True)
class Column:
    """One input of a row. `missing` is said when the row has something, but not this."""

    name: str
    label: str
    field: forms.Field
    missing: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """One list of a contact: `one` names an item of it, at most `most` rows."""

    name: str
    title: str
    one: str
    most: int
    columns: tuple[Column, ...]
    has_primary: bool = False


_KIND = Column("label", "Kind", _line(limits.LABEL_MAX_CHARS, list="kinds"))
_DATE_INPUT = forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})
_PART = limits.ADDRESS_PART_MAX_CHARS
SECTIONS = (
    Section(
        "emails",
        "Email addresses",
        "an email address",
        limits.EMAILS_MAX,
        (
            Column("value", "Address", _line(limits.EMAIL_MAX_CHARS, inputmode="email"), "Fill in the address."),
            _KIND,
        ),
        has_primary=True,
    ),
    Section(
        "phones",
        "Phone numbers",
        "a phone number",
        limits.PHONES_MAX,
        # People write spaces and brackets; what is stored is shorter.
        (Column("value_e164", "Number", _line(48, PhoneField, inputmode="tel"), "Fill in the number."), _KIND),
        has_primary=True,
    ),
    Section(
        "addresses",
        "Postal addresses",
        "a postal address",
        limits.ADDRESSES_MAX,
        (
            Column("street", "Street", _block(_PART)),
            Column("city", "City", _line(_PART)),
            Column("region", "Region", _line(_PART)),
            Column("postal", "Postal code", _line(_PART)),
            Column("country", "Country", _line(_PART)),
            _KIND,
        ),
    ),
    Section(
        "websites",
        "Websites",
        "a website",
        limits.WEBSITES_MAX,
        (Column("url", "Web address", _line(limits.URL_MAX_CHARS, WebField, inputmode="url"), "Fill it in."), _KIND),
    ),
    Section(
        "dates",
        "Dates",
        "a date",
        limits.DATES_MAX,
        (
            Column("date", "Date", forms.DateField(required=False, widget=_DATE_INPUT), "Choose the date."),
            Column("label", "Occasion", _line(limits.LABEL_MAX_CHARS)),
        ),
    ),
    Section(
        "custom_fields",
        "Other details",
        "a detail",
        limits.CUSTOM_FIELDS_MAX,
        (
            Column("label", "Name", _line(limits.LABEL_MAX_CHARS), "Say what it is."),
            Column("value", "Value", _block(limits.CUSTOM_VALUE_MAX_CHARS), "Fill in the value."),
        ),
    ),
)


@dataclass(slots=True)
class Row:
    """One row as it was typed, with what is wrong with it by column ("" for the whole row)."""

    values: dict[str, str] = field(default_factory=dict)
    is_primary: bool = False
    errors: dict[str, str] = field(default_factory=dict)

    @property
    def is_blank(self) -> bool:
        """Nothing was typed; such a row is not stored."""
        return not any(self.values.values())


@dataclass(frozen=True, slots=True)
class Cell:
    """One input, ready to be shown."""

    id: str
    label: str
    html: SafeString
    error: str


class RowSet:
    """The rows of one section."""

    def __init__(self, section: Section, rows: Iterable[Row] = ()) -> None:
        self.section = section
        self.rows = list(rows)
        self.error = ""
        self.has_focus = False
        self._kept: list[Row] = []

    @classmethod
    def from_post(cls, section: Section, data: QueryDict) -> RowSet:
        """As the form was sent."""
        columns = {column.name: data.getlist(f"{section.name}-{column.name}") for column in section.columns}
        primary = data.get(f"{section.name}-primary", "")
        count = max(map(len, columns.values()))
        return cls(
            section,
            (
                Row(
                    {name: texts[index] if index < len(texts) else "" for name, texts in columns.items()},
                    primary == str(index),
                )
                for index in range(count)
            ),
        )

    @classmethod
    def from_items(cls, section: Section, items: Sequence[Mapping[str, Any]]) -> RowSet:
        """As a contact holds them."""
        names = [column.name for column in section.columns]
        return cls(
            section, (Row({n: item.get(n) or "" for n in names}, bool(item.get("is_primary"))) for item in items)
        )

    @property
    def can_grow(self) -> bool:
        """Whether there is room for one more."""
        return len(self.rows) < self.section.most

    def add(self) -> None:
        """One more row, which gets the focus."""
        if self.can_grow:
            self.rows.append(Row())
            self.has_focus = True

    def remove(self, index: int) -> None:
        """Without one of the rows; the button that adds gets the focus."""
        if index < len(self.rows):
            del self.rows[index]

    def clean(self) -> list[dict[str, Any]]:
        """What is to be stored; rows say what is wrong with them (`has_errors`)."""
        self._kept = [row for row in self.rows if not row.is_blank]
        if len(self._kept) > self.section.most:
            self.error = f"At most {self.section.most} of these are kept."
        return [self._clean_row(row) for row in self._kept]

    @property
    def has_errors(self) -> bool:
        """After `clean` or `refuse`."""
        return bool(self.error) or any(row.errors for row in self.rows)

    def refuse(self, place: Sequence[str | int], message: str) -> None:
        """Show a service's refusal of the item that `place` names (an index, and the name of a field or none)."""
        index = next((part for part in place if isinstance(part, int)), None)
        if index is None or index >= len(self._kept):
            self.error = message
            return
        named = place[-1] if isinstance(place[-1], str) else ""
        known = {column.name for column in self.section.columns}
        self._kept[index].errors[named if named in known else ""] = message

    def shown(self) -> list[tuple[Row, list[Cell], bool]]:
        """Rows with their inputs, and whether the row begins with the focus."""
        last = len(self.rows) - 1
        return [(row, self._cells(row, index), self.has_focus and index == last) for index, row in enumerate(self.rows)]

    def _cells(self, row: Row, index: int) -> list[Cell]:
        cells = []
        for place, column in enumerate(self.section.columns):
            cell_id = f"{self.section.name}-{index}-{column.name}"
            attrs: dict[str, Any] = {"id": cell_id}
            error = row.errors.get(column.name, "")
            if error:
                attrs |= {"aria-invalid": "true", "aria-describedby": f"{cell_id}-error"}
            if self.has_focus and index == len(self.rows) - 1 and place == 0:
                attrs["autofocus"] = True
            html = column.field.widget.render(
                f"{self.section.name}-{column.name}", row.values.get(column.name, ""), attrs
            )
            cells.append(Cell(cell_id, column.label, html, error))
        return cells

    def _clean_row(self, row: Row) -> dict[str, Any]:
        item: dict[str, Any] = {}
        for column in self.section.columns:
            value = None
            try:
                value = column.field.clean(row.values.get(column.name, ""))
            except ValidationError as refusal:
                row.errors[column.name] = " ".join(refusal.messages)
            else:
                if not value and column.missing:
                    row.errors[column.name] = column.missing
            item[column.name] = value if isinstance(value, date) else (value or None)
        if self.section.has_primary:
            item["is_primary"] = row.is_primary
        return item
