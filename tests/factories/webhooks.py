"""Subscriptions, events, and a receiver that listens on this machine."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import UUID, uuid4

import orjson
from django.db import transaction

from common.principal import Profile
from identities.models import AgentIdentity, Organization
from tests.factories.identities import agent, organization
from webhooks.models import Event, Subscription
from webhooks.models.subscription import seal_token
from webhooks.outbox import NewEvent, record

HOOK = "https://hooks.example.com/in"


@dataclass(frozen=True)
class Received:
    """One request a receiver got."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


@dataclass
class Receiver:
    """Answers each request with the next of `answers`, the last one for ever; waits for `gate` first."""

    answers: list[tuple[int, dict[str, str], bytes]] = field(default_factory=lambda: [(200, {}, b"ok")])
    requests: list[Received] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    changed: threading.Condition = field(default_factory=threading.Condition)
    port: int = 0

    def __post_init__(self) -> None:
        self.gate.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def will_answer(self, *answers: int | tuple[int, dict[str, str], bytes]) -> None:
        """Set the answers; a bare number is a status without body."""
        self.answers = [answer if isinstance(answer, tuple) else (answer, {}, b"") for answer in answers]

    def wait_for(self, count: int, seconds: float = 10.0) -> list[Received]:
        """The first `count` requests, as soon as they are there."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.requests) >= count, seconds), (
                f"{len(self.requests)} of {count} requests after {seconds} seconds"
            )
            return self.requests[:count]

    def take(self, request: Received) -> tuple[int, dict[str, str], bytes]:
        with self.changed:
            self.requests.append(request)
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            self.changed.notify_all()
        self.gate.wait(30)
        return answer


@contextmanager
def receiver() -> Iterator[Receiver]:
    """A receiver with a server thread."""
    state = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        timeout = 5

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, headers, content = state.take(Received(self.path, dict(self.headers.items()), body))
            try:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
            except OSError:
                self.close_connection = True  # the sender gave up waiting

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

    server = Server(("127.0.0.1", 0), Handler)
    state.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        state.gate.set()
        server.shutdown()
        server.server_close()
        thread.join()


def bare_agent(of: Organization | None = None) -> AgentIdentity:
    """An identity without channels."""
    return agent(of or organization(), profile=Profile.SEED)


def subscription(
    identity: AgentIdentity | None,
    *event_types: str,
    url: str = HOOK,
    token: str | None = None,
    of: Organization | None = None,
    **fields: Any,
) -> Subscription:
    """A row as create would make it, of an identity or of `mailbox_id` or `phone_number_id`."""
    owner = identity.organization if identity is not None else of
    assert owner is not None
    return Subscription.objects.create(
        organization=owner,
        identity=identity,
        url=url,
        event_types=list(event_types or ("message.received",)),
        sealed_auth_token=seal_token(token),
        **fields,
    )


def new_event(identity: AgentIdentity, event_type: str = "message.received", **fields: Any) -> NewEvent:
    """Something that happened to an identity."""
    data = fields.pop("data", {"message": {"subject": "Hello"}})
    return NewEvent(identity.organization_id, identity.pk, event_type, data, **fields)


def happen(identity: AgentIdentity, event_type: str = "message.received", **fields: Any) -> Event:
    """Record one event in a transaction of its own."""
    with transaction.atomic():
        return record(new_event(identity, event_type, **fields))


def happen_often(identity: AgentIdentity, count: int) -> Sequence[Event]:
    """Several events, one transaction each."""
    return [happen(identity, data={"n": number}) for number in range(count)]


def some_id() -> UUID:
    """An id of a row of another app, or of none."""
    return uuid4()
