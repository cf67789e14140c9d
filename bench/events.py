"""From the 250 of an SMTP session to the readers of the event log: a long-poll and a stream, with idle ones beside."""

from __future__ import annotations

import http.client
import json
import smtplib
import threading
import time
from queue import Queue
from typing import Any
from urllib.parse import urlsplit

from harness import Server, percentile, running_server

MESSAGES, PAUSE_SECONDS, IDLE_READERS = 60, 0.1, 200


def _get(server: Server, path: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(server.base_url).port or 80, timeout=60)
    connection.request("GET", path, headers={"X-API-Key": server.api_key})
    return connection.getresponse()


def _poll(server: Server, identity: str, heard: Queue[float]) -> None:
    after: Any = "latest"
    while True:
        try:
            response = _get(server, f"/api/v1/events?agent_identity_id={identity}&after={after}&wait=30")
            answer = json.loads(response.read())
        except (OSError, ValueError, http.client.HTTPException):
            return  # the server has stopped
        if response.status != http.HTTPStatus.OK:
            return  # the server is stopping
        if answer["events"]:
            heard.put(time.perf_counter())
        after = answer["next_after"]


def _stream(server: Server, identity: str, heard: Queue[float]) -> None:
    response = _get(server, f"/api/v1/events/stream?agent_identity_id={identity}")
    for line in response:
        if line.startswith(b"data:"):
            heard.put(time.perf_counter())


def run() -> None:
    """One message at a time; the server is idle in between."""
    with running_server() as server:
        identity = server.call("POST", "/api/v1/identities", {"agent_handle": "events-box"})
        idle = server.call("POST", "/api/v1/identities", {"agent_handle": "idle-box"})
        polled: Queue[float] = Queue()
        streamed: Queue[float] = Queue()
        readers = [(_poll, identity["id"], polled), (_stream, identity["id"], streamed)]
        readers += [(_stream, idle["id"], Queue())] * IDLE_READERS
        for work, owner, heard in readers:
            threading.Thread(target=work, args=(server, owner, heard), daemon=True).start()
        time.sleep(2)
        waits: dict[str, list[float]] = {"poll": [], "stream": []}
        with smtplib.SMTP("127.0.0.1", server.smtp_port) as client:
            for number in range(MESSAGES):
                text = f"From: a@bench.example\r\nMessage-ID: <{number}@bench.example>\r\n\r\nping\r\n"
                client.sendmail("a@bench.example", [identity["email_address"]], text)
                accepted = time.perf_counter()
                waits["poll"].append((polled.get(timeout=10) - accepted) * 1000)
                waits["stream"].append((streamed.get(timeout=10) - accepted) * 1000)
                time.sleep(PAUSE_SECONDS)
    for name, label in (("poll", "250 to long-poll reader"), ("stream", "250 to stream reader")):
        print(f"   {label:<27} {percentile(waits[name], 0.5):8.1f} ms   (target below 30)")
        print(f"   95th percentile             {percentile(waits[name], 0.95):8.1f} ms")
