"""Whom the messages are with that were stored before anybody noted it."""

from __future__ import annotations

from importlib import import_module

import pytest
from django.apps import apps

from mail.models import Correspondent, Message
from tests.factories.identities import agent
from tests.factories.mail import mailbox_of, queue, receive

pytestmark = pytest.mark.django_db

migration = import_module("mail.migrations.0023_note_correspondents")


def _noted() -> list[tuple[object, ...]]:
    rows = Correspondent.objects.order_by("message_id", "address")
    return list(rows.values_list("message_id", "mailbox_id", "address", "occurred_at"))


def test_stored_messages_are_noted_as_new_ones_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migration, "BATCH", 2)
    box = mailbox_of(agent())
    for number in range(3):
        receive(box, sender=f"A{number}@Customer.Example")
    queue(box, "b@customer.example", cc=["C@customer.example"], bcc=["d@customer.example"])
    expected = _noted()
    Correspondent.objects.all().delete()

    migration.note_correspondents(apps, None)
    migration.note_correspondents(apps, None)

    assert _noted() == expected
    assert len(expected) == 6
    assert Message.objects.count() == 4
