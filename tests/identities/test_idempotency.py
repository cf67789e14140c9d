"""Idempotent sends: at most once, and the same answer again (contract README section 8, mail.md section 5)."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import time_machine
from django.db import connection

from common.clock import now
from common.errors import Conflict, DomainError, Invalid
from identities import limits
from identities.enums import IdempotencyState
from identities.errors import AlreadyAccepted, IdempotencyInProgress, IdempotencyKeyReused
from identities.models import AgentIdentity, IdempotencyRecord, Organization
from identities.services.idempotency import IdempotencyKey, StoredResponse, purge_idempotency, read_key, run_once
from tests.factories.identities import organization

pytestmark = pytest.mark.django_db

REPLAY = "idempotency-replay"
SENDER = uuid4()


def _key(
    of: Organization,
    header: str | None = "key-1",
    *,
    prefer: str | None = REPLAY,
    sender_id: UUID = SENDER,
    operation: str = "mail.send",
    body: Any = None,
) -> IdempotencyKey:
    key = read_key(
        header, prefer, organization_id=of.pk, sender_id=sender_id, operation=operation, body=body or {"subject": "Hi"}
    )
    assert key is not None
    return key


class Work:
    """Creates one row each time it runs, as a send does."""

    def __init__(self, of: Organization, error: Exception | None = None) -> None:
        self.of = of
        self.error = error
        self.prepared = 0
        self.runs = 0

    def prepare(self) -> str:
        self.prepared += 1
        return f"handle-{self.prepared}"

    def work(self, handle: str) -> tuple[AgentIdentity, int, bytes]:
        self.runs += 1
        row = AgentIdentity.objects.create(organization=self.of, agent_handle=handle)
        if self.error is not None:
            raise self.error
        return row, 201, f'{{"id":"{row.pk}"}}'.encode()

    def run(self, key: IdempotencyKey | None) -> StoredResponse:
        return run_once(key, prepare=self.prepare, work=self.work)


def test_a_repeated_request_gets_the_first_answer() -> None:
    acme = organization()
    work = Work(acme)

    first = work.run(_key(acme))
    second = work.run(_key(acme))

    assert (first.status, first.is_replay) == (201, False)
    assert (second.status, second.body, second.is_replay) == (201, first.body, True)
    assert (work.prepared, work.runs) == (1, 1)
    record = IdempotencyRecord.objects.get()
    assert (record.state, record.resource_id) == (IdempotencyState.DONE, AgentIdentity.objects.get().pk)


def test_the_order_of_keys_in_the_body_does_not_matter() -> None:
    acme = organization()
    work = Work(acme)

    work.run(_key(acme, body={"a": 1, "b": [1, 2]}))

    assert work.run(_key(acme, body={"b": [1, 2], "a": 1})).is_replay


def test_another_body_is_a_conflict() -> None:
    acme = organization()
    work = Work(acme)
    work.run(_key(acme))

    with pytest.raises(IdempotencyKeyReused) as caught:
        work.run(_key(acme, body={"subject": "Other"}))

    assert isinstance(caught.value, Conflict)
    assert caught.value.detail["error"] == "idempotency_key_reused"
    assert work.runs == 1


def test_a_request_that_still_runs_is_a_conflict_that_clients_retry() -> None:
    acme = organization()
    key = _key(acme)
    IdempotencyRecord.objects.create(
        organization=acme,
        sender=key.sender,
        operation=key.operation,
        key=key.key,
        body_hash=key.body_hash,
        state=IdempotencyState.IN_PROGRESS.value,
    )
    work = Work(acme)

    with pytest.raises(IdempotencyInProgress) as caught:
        work.run(key)

    assert caught.value.detail["error"] == "idempotency_in_progress"
    assert (work.prepared, work.runs) == (0, 0)


def test_a_refused_request_does_not_use_up_its_key() -> None:
    acme = organization()

    with pytest.raises(Invalid):
        Work(acme, Invalid("No recipients.")).run(_key(acme))
    assert not IdempotencyRecord.objects.exists()
    assert not AgentIdentity.objects.exists()

    assert not Work(acme).run(_key(acme)).is_replay


def test_without_a_key_every_request_runs() -> None:
    acme = organization()
    work = Work(acme)

    work.run(None)
    work.run(None)

    assert work.runs == 2
    assert not IdempotencyRecord.objects.exists()


def test_a_key_means_one_sender_and_operation() -> None:
    acme, other = organization(), organization()
    work = Work(acme)

    for key in (
        _key(acme),
        _key(acme, sender_id=uuid4()),
        _key(acme, operation="mail.forward"),
        _key(acme, "key-2"),
        _key(other),
    ):
        assert not work.run(key).is_replay

    assert work.runs == 5


def test_without_prefer_a_repeated_key_is_refused_across_the_organization() -> None:
    acme = organization()
    work = Work(acme)
    work.run(_key(acme, prefer=None))

    with pytest.raises(AlreadyAccepted):
        work.run(_key(acme, prefer="return=minimal", sender_id=uuid4(), operation="mail.reply", body={"other": 1}))

    assert work.runs == 1


@pytest.mark.parametrize("header", ["", " ", "x" * 256, "é", "a\tb", "a\x00b"])
def test_a_bad_key_is_refused(header: str) -> None:
    with pytest.raises(Invalid) as caught:
        read_key(header, REPLAY, organization_id="org_x", sender_id=SENDER, operation="mail.send", body={})

    assert caught.value.loc == ("header", "Idempotency-Key")


@pytest.mark.parametrize("header", ["x", "x" * 255, "a key with spaces", "~!@#$%^&*()"])
def test_a_key_is_any_printable_ascii(header: str) -> None:
    assert _key(organization(), header).key == header


def test_no_header_is_no_key() -> None:
    key = read_key(None, REPLAY, organization_id="org_x", sender_id=SENDER, operation="mail.send", body={})

    assert key is None


def test_answers_are_kept_for_their_retention_and_no_longer() -> None:
    acme = organization()
    start = now()
    with time_machine.travel(start, tick=False):
        Work(acme).run(_key(acme))

    with time_machine.travel(start + limits.IDEMPOTENCY_RETENTION, tick=False):
        assert purge_idempotency() == 0
    with time_machine.travel(start + limits.IDEMPOTENCY_RETENTION + timedelta(seconds=1), tick=False):
        assert purge_idempotency() == 1
    assert timedelta(hours=24) <= limits.IDEMPOTENCY_RETENTION


@pytest.mark.django_db(transaction=True)
def test_concurrent_duplicates_run_once() -> None:
    acme = organization()
    key = _key(acme)
    together = threading.Barrier(4)
    outcomes: list[tuple[int, bytes] | str] = []

    def send(number: int) -> None:
        work = Work(acme)
        work.prepared = number * 10  # a handle of its own, so that only the key can collide
        try:
            together.wait(timeout=10)
            answer = work.run(key)
            outcomes.append((answer.status, answer.body))
        except DomainError as error:
            outcomes.append(str(error.code))
        finally:
            connection.close()

    threads = [threading.Thread(target=send, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)

    assert AgentIdentity.objects.count() == 1
    body = f'{{"id":"{AgentIdentity.objects.get().pk}"}}'.encode()
    assert len(outcomes) == 4
    assert (201, body) in outcomes
    assert set(outcomes) <= {(201, body), "idempotency_in_progress"}
