"""Group commit: messages of all SMTP sessions that wait at the same moment share one transaction.

A session waits until its message is on disk. While one transaction is being flushed, the next messages queue up and
form the next batch, so throughput grows with the number of sessions instead of being bound by one flush each.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Sequence
from uuid import UUID

import structlog
from django.db import close_old_connections, connection

from mail import limits
from mail.services.receiving import Acceptance, InboundMail, accept_batch

log = structlog.get_logger(__name__)

Outcome = dict[UUID, Acceptance]
_Waiting = tuple[InboundMail, "asyncio.Future[Outcome]"]
_Result = tuple["asyncio.Future[Outcome]", Outcome | Exception]


class GroupCommitter:
    """One thread with one database connection that stores messages in batches."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        accept: Callable[[Sequence[InboundMail]], list[Outcome]] = accept_batch,
        arriving: Callable[[], int] = lambda: 0,
    ) -> None:
        self._loop = loop
        self._accept = accept
        self._arriving = arriving
        self._waiting: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="smtp-commit", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """Store what was submitted, then end."""
        self._waiting.put(None)
        self._thread.join(timeout)

    async def commit(self, mail: InboundMail) -> Outcome:
        """Wait until `mail` is durable; raises what made storing it fail (nothing of it is stored then)."""
        future: asyncio.Future[Outcome] = self._loop.create_future()
        self._waiting.put((mail, future))
        return await future

    def _run(self) -> None:
        is_running = True
        while is_running and (first := self._waiting.get()) is not None:
            batch = [first]
            deadline = time.monotonic() + limits.SMTP_BATCH_WAIT_SECONDS
            while len(batch) < limits.SMTP_BATCH_MESSAGES:
                try:
                    following = self._waiting.get(timeout=self._patience(deadline))
                except queue.Empty:
                    break
                if following is None:
                    is_running = False
                    break
                batch.append(following)
            self._loop.call_soon_threadsafe(_resolve, self._store(batch))
        connection.close()

    def _patience(self, deadline: float) -> float:
        """How long to wait for one more message: not at all unless a session is sending one right now."""
        return max(0.0, deadline - time.monotonic()) if self._arriving() > 0 else 0.0

    def _store(self, batch: Sequence[_Waiting]) -> list[_Result]:
        close_old_connections()
        try:
            outcomes: Sequence[Outcome | Exception] = self._accept([mail for mail, _ in batch])
        except Exception as error:
            if len(batch) == 1:
                log.exception("smtp.store_failed")
                outcomes = [error]
            else:
                # One message may have spoiled the transaction for all: give each its own.
                return [result for waiting in batch for result in self._store([waiting])]
        return [(future, outcome) for (_, future), outcome in zip(batch, outcomes, strict=True)]


def _resolve(results: Sequence[_Result]) -> None:
    for future, outcome in results:
        if future.cancelled():
            continue  # the peer hung up meanwhile; the mail is stored, and a repeated delivery is a duplicate
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
