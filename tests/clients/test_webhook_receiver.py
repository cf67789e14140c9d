"""The test receiver itself: what other tests rely on when they watch deliveries."""

from __future__ import annotations

import threading

import httpx
import pytest

from tests.clients.webhook_receiver import WebhookReceiver

pytestmark = pytest.mark.clients


def test_requests_are_recorded_as_sent(receiver: WebhookReceiver) -> None:
    response = httpx.post(receiver.url("/hook"), content=b'{"a": 1}', headers={"X-Test": "yes"}, trust_env=False)

    (request,) = receiver.wait_for(1, 5)

    assert response.status_code == 200
    assert request.path == "/hook"
    assert request.headers["x-test"] == "yes"
    assert request.body == b'{"a": 1}'


def test_status_and_headers_are_set_for_each_path(receiver: WebhookReceiver) -> None:
    receiver.behave("/busy", status=503, headers={"Retry-After": "7"})

    busy = httpx.post(receiver.url("/busy"), trust_env=False)
    other = httpx.post(receiver.url("/other"), trust_env=False)

    assert (busy.status_code, busy.headers["Retry-After"]) == (503, "7")
    assert other.status_code == 200
    assert [one.path for one in receiver.requests("/busy")] == ["/busy"]


def test_hanging_answer_is_recorded_at_once_and_sent_on_release(receiver: WebhookReceiver) -> None:
    receiver.behave("/slow", hang=True)
    statuses: list[int] = []

    def send() -> None:
        statuses.append(httpx.post(receiver.url("/slow"), trust_env=False).status_code)

    sender = threading.Thread(target=send)
    sender.start()
    receiver.wait_for(1, 5, path="/slow")
    before = list(statuses)
    receiver.release("/slow")
    sender.join(5)

    assert before == []
    assert statuses == [200]


def test_wait_for_gives_up(receiver: WebhookReceiver) -> None:
    with pytest.raises(AssertionError, match="0 of 1 requests arrived"):
        receiver.wait_for(1, 0.05)
