"""Readers that wait, against the real server: long-poll, server-sent events, WebSocket."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from django.db import connection
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection

from identities.services.api_keys import revoke_api_key
from identities.services.moves import move_identity
from tests.factories.identities import admin_key, admin_principal, agent_key, organization, session
from tests.factories.webhooks import bare_agent, happen, happen_often
from tests.webhooks.live_server import LiveSite, live_site
from webhooks import limits, wakeups
from webhooks.live import http as live_http
from webhooks.live import hub
from webhooks.models import EventLog, EventStream

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def site(transactional_db: None) -> Iterator[LiveSite]:
    with live_site() as running:
        yield running


@pytest.fixture
def later() -> Iterator[ThreadPoolExecutor]:
    """Threads for requests that wait."""
    with ThreadPoolExecutor(8) as pool:
        yield pool


def _close_code(socket: ClientConnection) -> int | None:
    """Read what is left; the code of the server's close."""
    try:
        while True:
            socket.recv(5)
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd is not None else None


def _numbers(answer: Any) -> list[int]:
    return [event["data"]["n"] for event in answer.json()["events"]]


def _wait_until_open(site: LiveSite, count: int) -> None:
    end = time.monotonic() + 10
    while site.readers._door._hub is None or sum(map(len, site.readers._door._hub._waiters.values())) < count:
        assert time.monotonic() < end, "the readers did not come"
        time.sleep(0.005)


def test_a_poll_returns_when_something_happens(site: LiveSite, later: ThreadPoolExecutor) -> None:
    identity = bare_agent()
    key = agent_key(identity)
    waiting = later.submit(site.get, "/events", key, wait=20)
    _wait_until_open(site, 1)

    event = happen(identity)
    answer = waiting.result(5)

    assert answer.status_code == 200
    body = answer.json()
    assert [row["id"] for row in body["events"]] == [event.pk]
    assert body["next_after"] == body["events"][0]["seq"] == event.position
    assert (body["has_more"], body["events"][0]["agent_identity_id"]) == (False, str(identity.pk))
    assert answer.headers["content-type"] == "application/json"


def test_a_poll_with_something_to_read_does_not_wait(site: LiveSite) -> None:
    identity = bare_agent()
    happen_often(identity, 3)
    started = time.monotonic()

    answer = site.get("/events", agent_key(identity), wait=30, limit=2)

    assert time.monotonic() - started < 5
    assert (_numbers(answer), answer.json()["has_more"]) == ([0, 1], True)


def test_a_poll_ends_empty_when_the_time_is_over(site: LiveSite) -> None:
    identity = bare_agent()
    last = happen(identity)
    started = time.monotonic()

    answer = site.get("/events", agent_key(identity), after="latest", wait=1)

    assert 0.9 < time.monotonic() - started < 5
    assert answer.json() == {"events": [], "next_after": last.position, "has_more": False}


def test_polls_hold_no_thread_of_the_api(site: LiveSite, later: ThreadPoolExecutor, settings: Any) -> None:
    identity = bare_agent()
    key = agent_key(identity)
    polls = [later.submit(site.get, "/events", key, after="latest", wait=3) for _ in range(6)]
    with ThreadPoolExecutor(30) as crowd:
        polls += [crowd.submit(site.get, "/events", key, after="latest", wait=3) for _ in range(30)]
        _wait_until_open(site, 36)
        started = time.monotonic()

        assert site.get("/whoami", key).status_code in (200, 404)
        assert time.monotonic() - started < 2
        assert {poll.result(10).status_code for poll in polls} == {200}


def test_a_sibling_and_another_organization_hear_nothing(site: LiveSite, later: ThreadPoolExecutor) -> None:
    acme = organization()
    identity, sibling, stranger = bare_agent(acme), bare_agent(acme), bare_agent()
    quiet = [
        later.submit(site.get, "/events", key, after=0, wait=1)
        for key in (agent_key(sibling), admin_key(stranger.organization))
    ]
    loud = [later.submit(site.get, "/events", key, after=0, wait=10) for key in (agent_key(identity), admin_key(acme))]
    _wait_until_open(site, 4)

    event = happen(identity)

    assert [[row["id"] for row in poll.result(5).json()["events"]] for poll in loud] == [[event.pk], [event.pk]]
    assert [poll.result(5).json()["events"] for poll in quiet] == [[], []]


def test_a_poll_for_other_types_goes_on_waiting_and_moves_on(site: LiveSite, later: ThreadPoolExecutor) -> None:
    identity = bare_agent()
    waiting = later.submit(site.get, "/events", agent_key(identity), types="call.ended", wait=2)
    _wait_until_open(site, 1)

    other = happen(identity)

    assert waiting.result(10).json() == {"events": [], "next_after": other.position, "has_more": False}


def test_a_lost_wakeup_only_slows(site: LiveSite, later: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wakeups, "_send", lambda _news: None)
    identity = bare_agent()
    waiting = later.submit(site.get, "/events", agent_key(identity), wait=20)
    _wait_until_open(site, 1)

    event = happen(identity)

    assert [row["id"] for row in waiting.result(hub.POLL_SECONDS + 3).json()["events"]] == [event.pk]


@pytest.mark.parametrize(
    ("query", "status", "text"),
    [
        ({"wait": 31}, 422, "wait"),
        ({"wait": 1, "after": "-1"}, 422, "after"),
        ({"wait": 1, "types": "message.eaten"}, 422, "Unknown event type"),
        ({"wait": 1, "limit": 501}, 422, "limit"),
        ({"wait": 1, "agent_identity_id": "00000000-0000-0000-0000-000000000001"}, 404, "not found"),
        ({"wait": 1, "after": 9_007_199_254_740_000}, 422, "handed out"),
    ],
)
def test_refusals_are_those_of_the_api(site: LiveSite, query: dict[str, Any], status: int, text: str) -> None:
    answer = site.get("/events", agent_key(bare_agent()), **query)

    assert answer.status_code == status
    assert text in answer.text


def test_nobody_and_bad_keys_are_refused_everywhere(site: LiveSite, caplog: pytest.LogCaptureFixture) -> None:
    for path in ("/events", "/events/stream"):
        answer = site.get(path, None, wait=1)
        assert (answer.status_code, "www-authenticate" in answer.headers) == (401, True)
        assert site.get(path, "ApiKey_wrong", wait=1).status_code == 401
    with caplog.at_level("ERROR"), pytest.raises(InvalidStatus) as refused, site.socket(None):
        pass
    assert caplog.records == []
    assert refused.value.response.status_code == 401


def test_a_reader_that_is_too_far_behind_is_told_so(site: LiveSite) -> None:
    identity = bare_agent()
    event = happen(identity)
    EventLog.objects.update(purged_position=event.position - 1)
    EventStream.objects.update(purged_position=event.position - 1)
    key = agent_key(identity)

    answer = site.get("/events", key, after=1000, wait=5)

    assert answer.status_code == 410
    detail = answer.json()["detail"]
    assert (detail["error"], detail["after"], detail["resume_after"]) == ("events_expired", 1000, event.position - 1)
    with site.stream(key, last_event_id=1000) as stream:
        kind, data = stream.next()
        assert kind == "gap"
        assert data == {"reason": "retention", "after": 1000, "resumed_after": event.position - 1}
        assert stream.next()[1]["id"] == event.pk
    with site.socket(key, "after=1000") as socket:
        assert json.loads(socket.recv(5)) == {"type": "ready", "after": 1000}
        assert json.loads(socket.recv(5))["type"] == "gap"
        assert json.loads(socket.recv(5))["event"]["id"] == event.pk


def test_a_stream_begins_with_what_is_new_and_resumes_after_an_id(site: LiveSite) -> None:
    identity = bare_agent()
    key = agent_key(identity)
    happen(identity)
    with site.stream(key) as stream:
        assert stream.response.headers["content-type"] == "text/event-stream; charset=utf-8"
        _wait_until_open(site, 1)
        events = happen_often(identity, 3)
        heard = [stream.next() for _ in range(3)]
    assert [kind for kind, _ in heard] == ["message.received"] * 3
    assert [data["id"] for _, data in heard] == [event.pk for event in events]
    assert stream.last_id == str(events[2].position)

    with site.stream(key, last_event_id=events[0].position) as stream:
        again = [stream.next()[1]["id"] for _ in range(2)]
    assert again == [event.pk for event in events[1:]]


def test_a_stream_from_the_beginning_in_small_pages_skips_nothing(site: LiveSite) -> None:
    acme = organization()
    agents = [bare_agent(acme) for _ in range(3)]
    made = [happen(agents[n % 3], data={"n": n}).pk for n in range(25)]

    with site.stream(admin_key(acme), after=0, limit=4) as stream:
        assert [stream.next()[1]["id"] for _ in range(25)] == made


def test_all_readers_see_one_order(site: LiveSite) -> None:
    acme = organization()
    agents = [bare_agent(acme) for _ in range(2)]
    key = admin_key(acme)

    def work(identity: Any) -> None:
        happen_often(identity, 15)
        connection.close()

    with site.stream(key, after=0) as stream, site.socket(key, "after=0") as socket:
        assert json.loads(socket.recv(5)) == {"type": "ready", "after": 0}
        threads = [threading.Thread(target=work, args=(identity,)) for identity in agents]
        for thread in threads:
            thread.start()
        from_stream = [stream.next()[1]["seq"] for _ in range(30)]
        from_socket = [json.loads(socket.recv(5))["event"]["seq"] for _ in range(30)]
        for thread in threads:
            thread.join()

    listed = [event["seq"] for event in site.get("/events", key).json()["events"]]
    assert from_stream == from_socket == listed == sorted(set(listed))
    assert len(listed) == 30


def test_heartbeats_move_a_filtered_reader_on(site: LiveSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_http, "HEARTBEAT_SECONDS", 0.3)
    identity = bare_agent()
    with site.socket(agent_key(identity), "types=call.ended,text.*") as socket:
        json.loads(socket.recv(5))
        skipped = happen(identity)
        beat = json.loads(socket.recv(5))
        while beat["after"] < skipped.position:
            beat = json.loads(socket.recv(5))
        event = happen(identity, "text.received", data={})
        message = json.loads(socket.recv(5))
        while message["type"] == "position":
            message = json.loads(socket.recv(5))

    assert beat == {"type": "position", "after": skipped.position}
    assert (message["type"], message["event"]["id"]) == ("event", event.pk)


def test_a_revoked_key_ends_its_streams(site: LiveSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_http, "HEARTBEAT_SECONDS", 0.2)
    identity = bare_agent()
    key = agent_key(identity)
    with site.stream(key) as stream, site.socket(key) as socket:
        revoke_api_key(admin_principal(identity.organization), key.partition(".")[0])
        with pytest.raises(StopIteration):
            stream.next()
        assert _close_code(socket) == 4401


def test_a_stream_follows_its_identity_to_another_organization(site: LiveSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_http, "HEARTBEAT_SECONDS", 0.2)
    identity = bare_agent()
    with site.stream(agent_key(identity)) as stream:
        first = happen(identity)
        assert stream.next()[1]["id"] == first.pk
        moved = move_identity(identity, organization())
        second = happen(moved)
        assert stream.next()[1]["id"] == second.pk
        _wait_until_open(site, 1)
        assert list(site.readers._door.hub._waiters) == [moved.organization_id]


def test_sessions_read_the_organization_or_one_identity(site: LiveSite) -> None:
    acme = organization()
    first, second = bare_agent(acme), bare_agent(acme)
    events = [happen(first), happen(second)]
    token = session(acme)

    for query, wanted in (({}, events), ({"agent_identity_id": str(second.pk)}, events[1:])):
        answer = httpx.get(
            f"{site.url}/api/v1/events",
            params={"wait": 1, **query},
            headers={"Authorization": f"Bearer {token}"},
            trust_env=False,
        )
        assert [row["id"] for row in answer.json()["events"]] == [event.pk for event in wanted]


def test_stopping_ends_every_reader(site: LiveSite, later: ThreadPoolExecutor) -> None:
    identity = bare_agent()
    key = agent_key(identity)
    poll = later.submit(site.get, "/events", key, after="latest", wait=30)
    with site.stream(key) as stream, site.socket(key) as socket:
        _wait_until_open(site, 3)
        site.readers.close()

        assert poll.result(5).json()["events"] == []
        with pytest.raises(StopIteration):
            stream.next()
        assert _close_code(socket) == 1012


def test_one_credential_may_not_take_every_place(
    site: LiveSite, later: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LIVE_READERS_PER_CALLER", 1)
    acme = organization()
    key = admin_key(acme)
    with site.stream(key):
        refused = site.get("/events", key, wait=1)
        other = site.get("/events", admin_key(acme), wait=1)

    assert (refused.status_code, refused.headers["retry-after"]) == (429, "5")
    assert other.status_code == 200
    assert site.get("/events", key, wait=0).status_code == 200
