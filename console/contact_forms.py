"""Forms of the pages about contacts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.http import QueryDict

from common.errors import DomainError
from console.contact_rows import SECTIONS, BlockField, RowSet
from console.forms import ConsoleForm, OneLineField
from contacts import limits
from contacts.content import ContactFields
from contacts.enums import FactKind
from contacts.errors import ContactNameMissing
from contacts.models import Contact

# Lists that are seldom empty begin with an empty row.
_OFFERED = ("emails", "phones")
KINDS = [
    (FactKind.PROFILE.value, "Who they are"),
    (FactKind.PREFERENCE.value, "What they prefer"),
    (FactKind.CONTEXT.value, "What is going on"),
]


def _text(label: str, max_chars: int, **options: Any) -> OneLineField:
    return OneLineField(
        label=label,
        max_length=max_chars,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        **options,
    )


class ContactNamesForm(ConsoleForm):
    """What a contact has once. `seen` is the state that the person saw."""

    preferred_name = _text(
        "Shown as", limits.PREFERRED_NAME_MAX_CHARS, help_text="Empty: first and last name, else the company."
    )
    given_name = _text("First name", limits.NAME_PART_MAX_CHARS)
    family_name = _text("Last name", limits.NAME_PART_MAX_CHARS)
    name_prefix = _text("Title before the name", limits.NAME_AFFIX_MAX_CHARS)
    middle_name = _text("Middle name", limits.NAME_PART_MAX_CHARS)
    name_suffix = _text("After the name", limits.NAME_AFFIX_MAX_CHARS)
    company_name = _text("Company", limits.COMPANY_MAX_CHARS)
    job_title = _text("Position", limits.JOB_TITLE_MAX_CHARS)
    birthday = forms.DateField(
        required=False, label="Birthday", widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})
    )
    notes = BlockField(
        required=False,
        max_length=limits.NOTES_MAX_CHARS,
        label="Notes",
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text="Every agent that sees the contact reads them.",
    )
    seen = forms.CharField(required=False, max_length=40, widget=forms.HiddenInput)

    def columns(self, *names: str) -> list[forms.BoundField]:
        """Some of the fields, to be shown beside each other."""
        return [self[name] for name in names]

    @property
    def names(self) -> list[forms.BoundField]:
        return self.columns("given_name", "family_name", "preferred_name")

    @property
    def rare_names(self) -> list[forms.BoundField]:
        return self.columns("name_prefix", "middle_name", "name_suffix")

    @property
    def has_rare_names(self) -> bool:
        """Whether the fields that are folded away hold something or are refused."""
        return any(bound.value() or bound.errors for bound in self.rare_names)

    @property
    def work(self) -> list[forms.BoundField]:
        return self.columns("company_name", "job_title", "birthday")


_ONCE = tuple(name for name in ContactNamesForm.base_fields if name != "seen")


class ContactForm:
    """A contact as people edit it: the names, and a set of rows for each list."""

    def __init__(self, names: ContactNamesForm, lists: Mapping[str, RowSet]) -> None:
        self.names = names
        self.lists = lists
        self._items: dict[str, list[dict[str, Any]]] = {}

    @classmethod
    def blank(cls) -> ContactForm:
        """For a new contact."""
        lists = {section.name: RowSet(section) for section in SECTIONS}
        return cls(ContactNamesForm(), lists)._offer_rows()

    @classmethod
    def of(cls, contact: Contact) -> ContactForm:
        """As the contact is."""
        initial = {name: getattr(contact, name) for name in _ONCE} | {"seen": stamp_of(contact)}
        lists = {section.name: RowSet.from_items(section, getattr(contact, section.name)) for section in SECTIONS}
        return cls(ContactNamesForm(initial=initial), lists)._offer_rows()

    @classmethod
    def from_post(cls, data: QueryDict) -> ContactForm:
        """As it was sent."""
        return cls(ContactNamesForm(data), {section.name: RowSet.from_post(section, data) for section in SECTIONS})

    def change_rows(self, data: QueryDict) -> bool:
        """Do what a button of the rows says. Whether it was one of those; then nothing is to be stored."""
        if (rows := self.lists.get(data.get("add", ""))) is not None:
            rows.add()
        elif "remove" in data:
            name, _, index = data.get("remove", "").partition("-")
            if name in self.lists and index.isascii() and index.isdigit() and len(index) < 4:
                self.lists[name].remove(int(index))
        else:
            return False
        # Shown as typed, and judged when it is saved.
        typed = {name: data.get(name, "") for name in ContactNamesForm.base_fields}
        self.names = ContactNamesForm(initial=typed)
        return True

    def is_valid(self) -> bool:
        """Whether everything has its shape."""
        self._items = {name: rows.clean() for name, rows in self.lists.items()}
        return self.names.is_valid() and not any(rows.has_errors for rows in self.lists.values())

    def fields(self) -> ContactFields:
        """All of it. Blank texts are cleared."""
        return ContactFields(**self._values())

    def changes(self, contact: Contact) -> ContactFields:
        """What differs from the contact; a name that was not touched is not chosen. Raises Invalid."""
        stored = self.fields().sent()
        changed = {name for name, value in stored.items() if value != getattr(contact, name)}
        return ContactFields(**{name: value for name, value in self._values().items() if name in changed})

    def is_stale(self, contact: Contact) -> bool:
        """Whether somebody changed the contact since the person saw it. The form that is shown again knows."""
        if self.names.cleaned_data["seen"] in ("", stamp_of(contact)):
            return False
        assert isinstance(self.names.data, QueryDict)
        self.names.data = self.names.data.copy()
        self.names.data["seen"] = stamp_of(contact)
        self.names.add_error(None, "Somebody changed this contact meanwhile. Saving again replaces what they changed.")
        return True

    def refuse(self, refusal: DomainError) -> None:
        """Show a service's refusal where it belongs."""
        place = tuple(part for part in getattr(refusal, "loc", ()) if part != "body")
        if place and place[0] in self.lists:
            self.lists[str(place[0])].refuse(place[1:], refusal.message)
        elif isinstance(refusal, ContactNameMissing):
            self.names.add_error("given_name", "Give the contact a name, or fill in the company.")
        else:
            self.names.refuse(refusal)

    def _values(self) -> dict[str, Any]:
        return {name: self.names.cleaned_data[name] or None for name in _ONCE} | self._items

    def _offer_rows(self) -> ContactForm:
        for name in _OFFERED:
            if not self.lists[name].rows:
                self.lists[name].add()
                self.lists[name].has_focus = False
        return self


def stamp_of(contact: Contact) -> str:
    """Changes with every write of the contact."""
    return contact.updated_at.isoformat()


class FactForm(ConsoleForm):
    """Something that is known of a contact."""

    content = BlockField(
        max_length=limits.FACT_MAX_CHARS, label="What is known", widget=forms.Textarea(attrs={"rows": 2})
    )
    kind = forms.ChoiceField(choices=KINDS, label="About")


class ImportForm(ConsoleForm):
    """A file of vCards."""

    file = forms.FileField(
        label="vCard file",
        allow_empty_file=True,
        error_messages={"required": "Choose a file."},
        widget=forms.FileInput(attrs={"accept": ".vcf,.vcard,text/vcard,text/x-vcard"}),
        help_text=f"A .vcf file of up to {limits.IMPORT_MAX_BYTES // (1024 * 1024)} MB and "
        f"{limits.IMPORT_CARDS_MAX:,} contacts, as other address books export it.",
    )
