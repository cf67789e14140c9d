"""The receivers of docs/examples take what the server sends, and nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from identities.models import AgentIdentity
from identities.services.signing_keys import rotate_signing_key
from tests.factories.webhooks import bare_agent, happen, subscription
from webhooks.dispatcher import deliver_due
from webhooks.models import DeliveryAttempt, Subscription
from webhooks.services.replays import replay_delivery
from webhooks.signing import EXAMPLE_SECRET, Keys, request_headers

pytestmark = pytest.mark.django_db(transaction=True)

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
NODE = shutil.which("node")
COMMANDS = [
    pytest.param([sys.executable, str(EXAMPLES / "webhook_receiver.py")], id="python"),
    pytest.param(
        [NODE or "node", str(EXAMPLES / "webhook_receiver.mjs")],
        id="node",
        marks=pytest.mark.skipif(NODE is None, reason="Node is not installed"),
    ),
]


@contextmanager
def _running(command: list[str], secret: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A receiver that listens; its URL."""
    process = subprocess.Popen(
        [*command, "0"], env={**os.environ, "INKBOX_SIGNING_KEY": secret}, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip().removeprefix("listening on "), process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def _rotate(identity: AgentIdentity) -> str:
    return rotate_signing_key(organization_id=identity.organization_id, identity=identity)[0]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_delivery_is_taken_and_printed_once_however_often_it_comes(command: list[str], settings: Any) -> None:
    settings.WEBHOOK_ALLOW_PRIVATE = True
    identity = bare_agent()
    with _running(command, _rotate(identity)) as (url, process):
        subscription(identity, url=f"{url}/hook")
        first = happen(identity, data={"message": {"subject": "Grüße"}})
        deliver_due()
        assert replay_delivery(DeliveryAttempt.objects.get()).response_status == 204
        second = happen(identity)
        deliver_due()
        lines = [_line(process), _line(process)]

    assert lines == [f"message.received {first.pk}", f"message.received {second.pk}"]
    assert set(DeliveryAttempt.objects.values_list("response_status", flat=True)) == {204}


@pytest.mark.parametrize("command", COMMANDS)
def test_the_key_before_a_rotation_still_counts_and_another_never(command: list[str], settings: Any) -> None:
    settings.WEBHOOK_ALLOW_PRIVATE = True
    identity = bare_agent()
    with _running(command, _rotate(identity)) as (url, _):
        subscription(identity, url=f"{url}/hook")
        _rotate(identity)
        happen(identity)
        deliver_due()
        _rotate(identity)
        happen(identity)
        deliver_due()

    statuses = DeliveryAttempt.objects.order_by("created_at").values_list("response_status", flat=True)
    assert list(statuses) == [204, 401]
    assert Subscription.objects.count() == 1


@pytest.mark.parametrize("command", COMMANDS)
def test_tampered_and_old_requests_are_refused(command: list[str]) -> None:
    body = b'{"id":"evt_1","event_type":"message.received"}'
    with _running(command, EXAMPLE_SECRET) as (url, _):

        def post(content: bytes, timestamp: int, **changes: str) -> int:
            keys = Keys(EXAMPLE_SECRET)
            headers = request_headers(request_id="r", timestamp=timestamp, body=body, keys=keys) | changes
            return httpx.post(url, content=content, headers=headers, trust_env=False).status_code

        now = int(time.time())
        assert post(body, now) == 204
        assert post(body + b" ", now) == 401
        assert post(body, now - 400) == 401
        assert post(body, now, **{"X-Inkbox-Timestamp": str(now - 1)}) == 401
        assert post(body, now, **{"X-Inkbox-Signature": ""}) == 401
        assert post(body, now, **{"X-Inkbox-Timestamp": "soon"}) == 401
