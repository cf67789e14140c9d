"""`manage.py serve` as a subprocess, configured as an operator would."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

REPOSITORY = Path(__file__).resolve().parents[2]
START_SECONDS = 60
# What a container runtime allows.
STOP_SECONDS = 10
# The settings of this test run must not reach the server.
_DROPPED = ("DJANGO_", "INKBOX_", "PYTEST_", "DATABASE_URL", "REDIS_URL")


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(data: Path, **more: str) -> dict[str, str]:
    """The embedded profile on free ports."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_DROPPED)}
    http_port = free_port()
    return {
        **kept,
        "INKBOX_DATA_DIR": str(data),
        "INKBOX_HTTP_PORT": str(http_port),
        "INKBOX_SMTP_PORT": str(free_port()),
        "INKBOX_PUBLIC_URL": f"http://127.0.0.1:{http_port}",
        **more,
    }


def manage(env: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(command, cwd=REPOSITORY, env=env, capture_output=True, text=True, timeout=90, check=False)


@contextmanager
def serving(env: dict[str, str], log: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A running server, killed at the end if the test has not stopped it."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "serve", *arguments],
            cwd=REPOSITORY,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def wait_until_answering(process: subprocess.Popen[bytes], env: dict[str, str], log: Path) -> None:
    """Return when /healthz answers."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, f"The server ended:\n{log.read_text()}"
        try:
            httpx.get(f"http://127.0.0.1:{env['INKBOX_HTTP_PORT']}/healthz", trust_env=False, timeout=2)
        except httpx.HTTPError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"Not started after {START_SECONDS} s:\n{log.read_text()}")


def wait_for_line(log: Path, text: str) -> None:
    """Return when the server has printed `text`."""
    deadline = time.monotonic() + START_SECONDS
    while text not in log.read_text():
        assert time.monotonic() < deadline, f"{text!r} was not printed:\n{log.read_text()}"
        time.sleep(0.05)


def stop(process: subprocess.Popen[bytes], number: signal.Signals) -> tuple[int, float]:
    """Send a signal; return the exit code and the seconds it took."""
    started = time.monotonic()
    process.send_signal(number)
    return process.wait(STOP_SECONDS), time.monotonic() - started
