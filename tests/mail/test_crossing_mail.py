"""Agents who write to each other at the same moment: every mail arrives at the first try."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest
from django.db import connection
from structlog.testing import CapturingLogger

from common import db
from mail.enums import MessageStatus
from mail.models import Message, OutboundJob
from mail.services.sending import send_message
from tests.factories.identities import agent, organization
from tests.factories.mail import mailbox_of, queue
from webhooks.models import Event

ROUNDS = 15


@pytest.mark.django_db(transaction=True)
def test_mail_in_both_directions_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each delivery counts on in the streams of both agents; taken in two steps, those would cross."""
    repeats = CapturingLogger()
    monkeypatch.setattr(db, "log", repeats)
    acme = organization()
    boxes = [mailbox_of(agent(acme, handle)) for handle in ("alpha", "bravo")]
    sent = [
        [queue(boxes[side], boxes[1 - side].email_address, subject=f"{n}") for n in range(ROUNDS)] for side in (0, 1)
    ]
    together = threading.Barrier(2)
    failures: list[BaseException] = []

    def work(messages: Sequence[Message]) -> None:
        try:
            for message in messages:
                together.wait(timeout=30)
                send_message(message.pk)
        except BaseException as error:
            failures.append(error)
            together.abort()
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(messages,)) for messages in sent]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert repeats.calls == []
    assert not OutboundJob.objects.filter(is_open=True).exists()
    assert Message.objects.filter(status=MessageStatus.DELIVERED).count() == 2 * ROUNDS
    for box in boxes:
        numbers = (
            Event.objects.filter(stream_id=box.identity_id or box.pk).order_by("seq").values_list("seq", flat=True)
        )
        # Received, sent and delivered for each round.
        assert list(numbers) == list(range(1, 3 * ROUNDS + 1))
