"""The index of parts of addresses and numbers: it finds what reading everything finds."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

import pytest
from django.db import connection
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from common.principal import Principal, Scope
from contacts import limits
from contacts.contact_selectors import Lookup, look_up_contacts
from contacts.enums import IdentifierKind
from contacts.models import Contact, ContactIdentifier
from contacts.parts import make_parts_index
from identities.models import Organization
from tests.factories.contacts import contact
from tests.factories.identities import organization

pytestmark = pytest.mark.django_db


def found(owner: Organization, part: str) -> set[UUID]:
    caller = Principal(scope=Scope.ADMIN, organization_id=owner.pk)
    return {row.pk for row in look_up_contacts(caller, Lookup(email_contains=part))}


def with_values(owner: Organization, values: Iterable[str]) -> dict[str, UUID]:
    """A contact for each value, as it stands in the table."""
    rows = {}
    for value in values:
        row = Contact.objects.create(organization=owner, preferred_name="Somebody")
        ContactIdentifier.objects.create(
            contact=row, organization=owner, kind=IdentifierKind.EMAIL.value, value=value, domain=""
        )
        rows[value] = row.pk
    return rows


LETTERS = st.text(alphabet="ab@.%_*?[]\"'\\- é汉😀", min_size=1, max_size=8)


class Parts(TestCase):
    """Properties."""

    @settings(max_examples=60, deadline=None)
    @given(st.sets(LETTERS, min_size=1, max_size=6), LETTERS.map(str.strip).filter(bool))
    def test_a_part_is_found_wherever_it_stands(self, values: set[str], part: str) -> None:
        acme = organization()
        rows = with_values(acme, values)
        with_values(organization(), values)

        assert found(acme, part) == {pk for value, pk in rows.items() if part in value}


def test_changes_are_followed() -> None:
    acme = organization()
    ada = contact(acme, "Ada", emails=["ada@example.com"])
    bob = contact(acme, "Bob", emails=["bob@example.com"])
    assert found(acme, "@exam") == {ada.pk, bob.pk}

    ContactIdentifier.objects.filter(contact=ada).update(value="ada@sample.com")
    ContactIdentifier.objects.filter(contact=bob).delete()

    assert found(acme, "@exam") == set()
    assert found(acme, "@samp") == {ada.pk}


@pytest.mark.parametrize("most", [0, 2, 3])
def test_a_frequent_part_is_found_without_the_index(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr(limits, "PART_ROWS_MAX", most)
    acme = organization()
    rows = [contact(acme, name, emails=[f"{name.lower()}@example.com"]) for name in ("Ada", "Bob", "Eve")]

    assert found(acme, "@example") == {row.pk for row in rows}


def test_a_new_index_knows_what_there_is() -> None:
    acme = organization()
    ada = contact(acme, "Ada", emails=["ada@example.com"])

    make_parts_index(connection)
    make_parts_index(connection)

    assert found(acme, "ada@") == {ada.pk}


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL keeps indexes when a table changes")
def test_the_triggers_are_there_after_the_last_migration() -> None:
    """Django makes a changed table anew on SQLite, without its triggers."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND tbl_name = %s",
            [ContactIdentifier._meta.db_table],
        )
        (count,) = cursor.fetchone()

    assert count == 3
