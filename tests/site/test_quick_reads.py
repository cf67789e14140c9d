"""The quick lane: reads on the event loop, and everything that must not stay there."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.db import OperationalError, connections

from common.clock import now
from common.lanes import ReadMemory, leave_quick_lane
from identities.models import ApiKey
from inkbox_site.processes.quick_reads import QuickReads
from inkbox_site.processes.wsgi_bridge import Complete, Exchange, build_environ
from mail.models import Mailbox, Message
from tests.factories.identities import agent, agent_key
from tests.factories.mail import mailbox_of, receive

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not settings.IS_SQLITE, reason="the quick lane is for SQLite"),
]


class Loop:
    """An event loop in a thread of its own, as in the server, with the lane on it."""

    def __init__(self) -> None:
        self.lane = QuickReads(settings.QUICK_READS)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def get(self, path: str, key: str) -> Complete | None:
        """The answer of the lane, None when it leaves the request to a thread."""
        found: Complete | None = self.call(lambda: self.lane.run(self._exchange(path, key).run_quickly))
        return found

    def call(self, work: Any) -> Any:
        async def run() -> Any:
            return work()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(20)

    def close(self) -> None:
        self.call(lambda: self.lane.run(connections.close_all))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @staticmethod
    def _exchange(path: str, key: str) -> Exchange:
        path, _, query = path.partition("?")
        scope = {
            "method": "GET",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "http_version": "1.1",
            "scheme": "http",
            "server": ("localhost", 80),
            "client": ("127.0.0.1", 1),
            "headers": [(b"host", b"localhost"), (b"x-api-key", key.encode())],
        }
        return Exchange(HANDLER, build_environ(scope, io.BytesIO(), 0), None, None)  # type: ignore[arg-type]


HANDLER = WSGIHandler()


@pytest.fixture
def loop() -> Iterator[Loop]:
    made = Loop()
    yield made
    made.close()


@pytest.fixture
def box() -> Mailbox:
    return mailbox_of(agent(handle="helper"))


@pytest.fixture
def key(box: Mailbox) -> str:
    """A key that was used a moment ago, so that its next use writes nothing."""
    assert box.identity is not None
    text = agent_key(box.identity)
    ApiKey.objects.update(last_used_at=now())
    return text


def messages(box: Mailbox, rest: str = "") -> str:
    return f"/api/v1/mail/mailboxes/{box.email_address}/messages{rest}"


@pytest.mark.parametrize(
    ("method", "path", "is_taken"),
    [
        ("GET", "/api/v1/mail/mailboxes/a@b.example/messages", True),
        ("GET", "/api/v1/mail/mailboxes/a@b.example/messages/0190", True),
        ("GET", "/api/v1/mail/mailboxes/a@b.example/threads", True),
        ("HEAD", "/api/v1/mail/mailboxes/a@b.example/messages", False),
        ("POST", "/api/v1/mail/mailboxes/a@b.example/messages", False),
        ("GET", "/api/v1/mail/mailboxes/a@b.example/messages/0190/attachments/a.pdf", False),
        ("GET", "/api/v1/mail/mailboxes/a@b.example/search", False),
        ("GET", "/api/v1/mail/mailboxes", False),
        ("GET", "/healthz", False),
    ],
)
def test_only_short_reads_are_tried(method: str, path: str, is_taken: bool) -> None:
    assert QuickReads(settings.QUICK_READS).takes(method, path) is is_taken
    assert not QuickReads([]).takes(method, path)


def test_a_list_is_answered_and_is_never_old(loop: Loop, box: Mailbox, key: str) -> None:
    first = receive(box)

    before = loop.get(messages(box), key)
    again = loop.get(messages(box), key)
    second = receive(box)
    after = loop.get(messages(box), key)

    assert before is not None
    assert again is not None
    assert after is not None
    assert before.body == again.body
    assert str(first.pk).encode() in before.body
    assert str(second.pk).encode() not in before.body
    assert str(second.pk).encode() in after.body


def test_a_revoked_key_is_refused_at_once(loop: Loop, box: Mailbox, key: str) -> None:
    assert loop.get(messages(box), key) is not None

    ApiKey.objects.update(revoked_at=now())

    answer = loop.get(messages(box), key)
    assert answer is not None
    assert answer.status == 401


def test_the_first_look_at_a_message_needs_a_thread(loop: Loop, box: Mailbox, key: str) -> None:
    message = receive(box)

    assert loop.get(messages(box, f"/{message.pk}"), key) is None
    message.refresh_from_db()
    assert not message.is_read

    Message.objects.update(is_read=True)
    answer = loop.get(messages(box, f"/{message.pk}"), key)
    assert answer is not None
    assert answer.status == 200


def test_the_first_use_of_a_key_needs_a_thread(loop: Loop, box: Mailbox, key: str) -> None:
    ApiKey.objects.update(last_used_at=None)

    assert loop.get(messages(box), key) is None
    assert ApiKey.objects.get().last_used_at is None


def test_the_connection_of_the_lane_cannot_write(loop: Loop, box: Mailbox, key: str) -> None:
    loop.get(messages(box), key)

    def write() -> Complete | None:
        with pytest.raises(OperationalError, match="readonly"):
            Message.objects.update(is_read=True)
        return None

    assert loop.call(lambda: loop.lane.run(write)) is None


def test_a_failure_is_tried_again_in_a_thread(
    loop: Loop, box: Mailbox, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert loop.call(lambda: loop.lane.run(lambda: Complete(500, [], b""))) is None
    assert loop.call(lambda: loop.lane.run(lambda: Complete(404, [], b""))) is not None


def test_the_lane_ends_with_its_request(loop: Loop) -> None:
    def leave() -> Complete | None:
        leave_quick_lane()
        raise AssertionError

    assert loop.call(lambda: loop.lane.run(leave)) is None
    loop.call(leave_quick_lane)


def test_the_loop_is_a_loop_again_afterwards(loop: Loop, box: Mailbox, key: str) -> None:
    loop.get(messages(box), key)

    assert loop.call(lambda: asyncio.get_running_loop().is_running())


def test_the_memory_is_small() -> None:
    memory = ReadMemory()
    memory.keep("large", [("x" * 70_000,)])
    for number in range(300):
        memory.keep(number, [(str(number),)])

    assert memory.recall("large") is None
    assert memory.recall(0) is None
    assert memory.recall(299) == [("299",)]
    memory.clear()
    assert memory.recall(299) is None
