"""Notes in Django admin: that they are there, not what they say."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from identities.models import User
from tests.factories.identities import agent, organization
from tests.factories.notes import note

pytestmark = pytest.mark.django_db


def test_operators_see_who_may_read_a_note_and_not_the_note() -> None:
    acme = organization()
    row = note(acme, "the-body-of-it", agent(acme, "reader-bot"), title="the-title-of-it")
    operator = Client()
    operator.force_login(User.objects.create_superuser("operator@example.com", "a password"))

    rows = operator.get(reverse("admin:notes_note_changelist"), {"q": str(row.pk)}).content.decode()
    page = operator.get(reverse("admin:notes_note_change", args=[row.pk])).content.decode()

    assert str(row.pk) in rows
    assert "@reader-bot" in page
    assert "the-body-of-it" not in rows + page
    assert "the-title-of-it" not in rows + page
    assert operator.get(reverse("admin:notes_note_add")).status_code == 403
    assert operator.get(reverse("admin:notes_note_delete", args=[row.pk])).status_code == 403
