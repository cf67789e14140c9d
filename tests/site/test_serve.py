"""`manage.py serve` as a process: doors, signals, and refusals."""

from __future__ import annotations

import signal
import smtplib
import socket
import sqlite3
import time
from pathlib import Path

import httpx
import pytest

from tests.site.server import (
    STOP_SECONDS,
    environment,
    free_port,
    manage,
    serving,
    stop,
    wait_for_line,
    wait_until_answering,
)


def half_a_request(env: dict[str, str]) -> socket.socket:
    """A connection with a request that the server works on and that lacks four bytes of its body."""
    client = socket.create_connection(("127.0.0.1", int(env["INKBOX_HTTP_PORT"])), timeout=10)
    client.sendall(b"POST /api/v1/identities HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\nExpect: 100-continue\r\n\r\n")
    # The server asks for the body when it has begun to read it.
    assert client.recv(512).startswith(b"HTTP/1.1 100 ")
    client.sendall(b"half")
    return client


def test_everything_starts_says_where_and_stops(tmp_path: Path) -> None:
    env, log = environment(tmp_path / "data"), tmp_path / "log"
    with serving(env, log) as process:
        wait_until_answering(process, env, log)
        wait_for_line(log, "Note")
        with smtplib.SMTP("127.0.0.1", int(env["INKBOX_SMTP_PORT"]), timeout=5) as client:
            assert client.noop()[0] == 250
        ready = httpx.get(f"{env['INKBOX_PUBLIC_URL']}/readyz", trust_env=False, timeout=10)
        code, seconds = stop(process, signal.SIGTERM)

    text = log.read_text()
    assert ready.status_code == 200, ready.text
    assert (code, seconds < 10) == (0, True)
    lines = {line.split()[0]: line for line in text.splitlines()}
    assert set(lines) == {"Database", "SMTP", "Web", "Worker", "Data", "Profile", "Mail", "Note"}, text
    assert f"127.0.0.1:{env['INKBOX_SMTP_PORT']}" in lines["SMTP"]
    assert env["INKBOX_PUBLIC_URL"] in lines["Web"]
    assert str(tmp_path / "data") in lines["Data"]
    assert "embedded (SQLite" in lines["Profile"]
    assert "sandbox" in lines["Mail"]
    assert "INKBOX_WEBHOOK_ALLOW_PRIVATE=0" in lines["Note"]
    assert "\x1b" not in text
    with sqlite3.connect(tmp_path / "data" / "inkbox.sqlite3") as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    database.close()


def test_interrupting_is_a_clean_end_and_no_note_without_private_webhooks(data: Path, tmp_path: Path) -> None:
    env, log = environment(data, INKBOX_WEBHOOK_ALLOW_PRIVATE="0"), tmp_path / "log"
    with serving(env, log) as process:
        wait_until_answering(process, env, log)
        wait_for_line(log, "Mail out")
        code, seconds = stop(process, signal.SIGINT)

    assert (code, seconds < 10) == (0, True)
    assert "Note" not in log.read_text()


@pytest.mark.parametrize("variable", ["INKBOX_HTTP_PORT", "INKBOX_SMTP_PORT"])
def test_a_taken_port_is_one_sentence(data: Path, variable: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])

        done = manage(environment(data, **{variable: port}), "serve")

    assert done.returncode == 1
    expected = f"Port {port} on 127.0.0.1 is taken by another program. Set {variable} to a free port."
    assert done.stderr.splitlines() == [expected]
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("role", "sentence"),
    [
        ("edge", "The tunnel edge is not part of this release."),
        ("worker", "`serve worker` needs a broker. Set REDIS_URL, or use `serve all`, which includes the worker."),
        ("beat", "`serve beat` needs a broker. Set REDIS_URL, or use `serve all`, which includes the beat."),
    ],
)
def test_roles_that_cannot_run_here(data: Path, role: str, sentence: str) -> None:
    done = manage(environment(data), "serve", role)

    assert done.returncode == 2
    assert done.stderr.splitlines() == [sentence]


def test_an_unusable_setting_is_reported_before_anything_starts(data: Path) -> None:
    done = manage(environment(data, INKBOX_MAIL_TRANSPORT="pigeon"), "serve")

    assert done.returncode == 1
    assert "inkbox.E001" in done.stderr
    assert "HINT: Use sandbox" in done.stderr


def test_two_servers_do_not_share_a_data_directory(data: Path, tmp_path: Path) -> None:
    env, log = environment(data), tmp_path / "log"
    with serving(env, log) as process:
        wait_until_answering(process, env, log)
        other = env | {"INKBOX_HTTP_PORT": str(free_port()), "INKBOX_SMTP_PORT": str(free_port())}
        done = manage(other, "serve")
        stop(process, signal.SIGTERM)

    assert done.returncode == 1
    assert done.stderr.startswith(f"Another server uses {data}.")


def test_the_web_role_alone_warns_that_nothing_works_the_queues(data: Path, tmp_path: Path) -> None:
    env, log = environment(data), tmp_path / "log"
    with serving(env, log, "web") as process:
        wait_until_answering(process, env, log)
        wait_for_line(log, "runs no worker")
        code, _ = stop(process, signal.SIGTERM)

    assert code == 0
    assert "SMTP " not in log.read_text()


def test_open_connections_do_not_delay_the_end(data: Path, tmp_path: Path) -> None:
    env, log = environment(data), tmp_path / "log"
    address = ("127.0.0.1", int(env["INKBOX_HTTP_PORT"]))
    with serving(env, log) as process:
        wait_until_answering(process, env, log)
        wait_for_line(log, "Note")
        idle = socket.create_connection(address)
        half = half_a_request(env)
        mail = socket.create_connection(("127.0.0.1", int(env["INKBOX_SMTP_PORT"])))
        assert mail.recv(512).startswith(b"220 ")
        code, seconds = stop(process, signal.SIGTERM)
        for client in (idle, half, mail):
            client.close()

    assert code == 0, log.read_text()
    assert seconds < 10


def test_a_signal_while_starting_is_obeyed(data: Path, tmp_path: Path) -> None:
    env, log = environment(data), tmp_path / "log"
    with serving(env, log) as process:
        wait_until_answering(process, env, log)
        code, _ = stop(process, signal.SIGTERM)

    assert code == 0, log.read_text()


def test_a_second_signal_does_not_wait(data: Path, tmp_path: Path) -> None:
    env, log = environment(data), tmp_path / "log"
    with serving(env, log) as process:
        wait_until_answering(process, env, log)
        wait_for_line(log, "Note")
        with half_a_request(env):
            process.send_signal(signal.SIGTERM)
            time.sleep(0.5)
            code, seconds = stop(process, signal.SIGINT)

    assert code == 128 + signal.SIGINT
    assert seconds < 2


def test_unknown_websockets_are_refused(data: Path, tmp_path: Path) -> None:
    env, log = environment(data), tmp_path / "log"
    handshake = (
        b"GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    with serving(env, log) as process:
        wait_until_answering(process, env, log)
        with socket.create_connection(("127.0.0.1", int(env["INKBOX_HTTP_PORT"])), timeout=5) as client:
            client.sendall(handshake)
            answer = client.recv(4096)
        stop(process, signal.SIGTERM)

    assert answer.startswith(b"HTTP/1.1 403 ")
    assert "Traceback" not in log.read_text()


def test_requests_in_progress_are_answered_before_the_end(data: Path, tmp_path: Path) -> None:
    env, log = environment(data), tmp_path / "log"
    with serving(env, log) as process:
        wait_until_answering(process, env, log)
        wait_for_line(log, "Note")
        with half_a_request(env) as client:
            process.send_signal(signal.SIGTERM)
            time.sleep(0.5)
            client.sendall(b"rest")
            answer = client.recv(4096)
        code = process.wait(STOP_SECONDS)

    assert answer.startswith(b"HTTP/1.1 401 ")
    assert code == 0, log.read_text()
