"""The real server as a subprocess, for tests that speak to it over the network.

Everything runs as an operator would run it: ``manage.py migrate``,
``manage.py bootstrap``, ``manage.py serve all``, configured by environment
variables only, with a data directory of its own.
"""

from __future__ import annotations

import json
import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import httpx

from tests.clients.environments import REPOSITORY
from tests.clients.migrated import SQLITE_NAME, clean_environment, migrated_sqlite
from tests.clients.services import DistributedServices, is_distributed
from tests.clients.webhook_receiver import ReceivedRequest, WebhookReceiver

__all__ = ["Bootstrap", "LiveServer", "ReceivedRequest", "WebhookReceiver"]

READY_SECONDS = 60
STOP_SECONDS = 10
COMMAND_SECONDS = 120
_LOG_CHARACTERS = 8000
_POLL_SECONDS = 0.1
# Below the range that systems hand out to outgoing connections, which could take a port
# between the moment it is found free and the moment the server listens on it.
_PORTS = range(20000, 32000)


@dataclass(frozen=True)
class Bootstrap:
    """What ``manage.py bootstrap --json`` printed: the first organization and its owner."""

    organization_id: str
    user_id: str
    email: str
    password: str
    api_key: str
    base_url: str
    console_url: str


class LiveServer:
    """One server with an organization in it. ``close`` ends it and removes its data.

    ``environment`` adds or replaces variables. With ``INKBOX_TEST_PROFILE=distributed``
    the server gets a database and a Redis database of its own.
    """

    def __init__(
        self,
        directory: Path,
        *,
        environment: dict[str, str] | None = None,
    ) -> None:
        self.data_dir = directory / "data"
        self.data_dir.mkdir(parents=True)
        self.log_path = directory / "server.log"
        self.http_port = _free_port()
        self.smtp_port = _free_port()
        self.base_url = f"http://127.0.0.1:{self.http_port}"
        self.smtp_address = ("127.0.0.1", self.smtp_port)
        self.testing_secret = secrets.token_urlsafe(24)
        self._directory = directory
        self._services: DistributedServices | None = None
        services: dict[str, str] = {}
        if is_distributed():
            self._services = DistributedServices()
            services = self._services.environment()
        self.environment = self._environment() | services | (environment or {})
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self.bootstrap = self._bootstrap()
            self.start()
        except BaseException:
            self.kill()
            self._remove()
            raise

    def __getstate__(self) -> dict[str, Any]:
        """What another process needs to speak to the server; starting and stopping stays with this one."""
        return vars(self) | {"_process": None, "_services": None}

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the server on the same data and ports; returns when it says it is ready."""
        assert not self.is_running, "The server is running already."
        with self.log_path.open("ab") as log:
            self._process = self._popen(["serve", "all"], log)
        self._wait_until_ready()

    def kill(self) -> None:
        """End the server as a power cut would: SIGKILL, also to processes it started."""
        if self._process is not None:
            self._signal_group(signal.SIGKILL)
            self._process.wait(STOP_SECONDS)

    def stop(self) -> None:
        """Ask the server to end (SIGTERM); it has to do so in time and with status 0."""
        assert self._process is not None
        assert self.is_running, self._failure("The server ended by itself.")
        self._process.terminate()
        try:
            status = self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(self._failure(f"The server was still there {STOP_SECONDS} s after SIGTERM.")) from None
        assert status == 0, self._failure(f"The server ended with status {status}.")

    def restart(self) -> None:
        """Stop the server if it runs, then start it again on the same data."""
        if self.is_running:
            self.stop()
        self.start()

    def close(self) -> None:
        """Stop the server if it runs and remove everything it stored."""
        try:
            if self.is_running:
                self.stop()
        finally:
            # Nothing may outlive the test, not even a child of a server that ended well.
            self.kill()
            self._remove()

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a management command in the server's environment; returns its output."""
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=REPOSITORY,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )

    def log(self) -> str:
        """Return the end of what the server printed."""
        text = self.log_path.read_text(errors="replace") if self.log_path.exists() else ""
        return text[-_LOG_CHARACTERS:]

    def _environment(self) -> dict[str, str]:
        return clean_environment() | {
            "INKBOX_DATA_DIR": str(self.data_dir),
            "INKBOX_HTTP_HOST": "127.0.0.1",
            "INKBOX_HTTP_PORT": str(self.http_port),
            "INKBOX_SMTP_HOST": "127.0.0.1",
            "INKBOX_SMTP_PORT": str(self.smtp_port),
            "INKBOX_PUBLIC_URL": self.base_url,
            "INKBOX_TESTING_SECRET": self.testing_secret,
            "INKBOX_WEBHOOK_ALLOW_PRIVATE": "1",
            "PYTHONUNBUFFERED": "1",
        }

    def _bootstrap(self) -> Bootstrap:
        command = ("bootstrap", "--email", "owner@example.com", "--organization", "Acme", "--json")
        if "DATABASE_URL" not in self.environment:
            shutil.copyfile(migrated_sqlite(), self.data_dir / SQLITE_NAME)
        done = self.manage(*command)
        if done.returncode != 0:
            raise AssertionError(f"bootstrap failed:\n{done.stdout}\n{done.stderr}")
        # Migrations may report on the same stream; the JSON object comes last.
        return Bootstrap(**json.loads(done.stdout[done.stdout.index("{") :]))

    def _popen(self, arguments: list[str], log: IO[bytes]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "manage.py", *arguments],
            cwd=REPOSITORY,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            # Its own process group: a kill reaches its children, Ctrl-C only the tests.
            start_new_session=True,
        )

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        last = "no answer"
        while time.monotonic() < deadline:
            if not self.is_running:
                raise AssertionError(self._failure("The server ended while starting."))
            try:
                # A proxy from the environment must not see requests to this machine.
                with httpx.Client(trust_env=False, timeout=5) as client:
                    response = client.get(f"{self.base_url}/readyz")
            except httpx.HTTPError as error:
                last = repr(error)
            else:
                if response.status_code == 200:
                    return
                last = f"{response.status_code} {response.text[:500]}"
            time.sleep(_POLL_SECONDS)
        raise AssertionError(self._failure(f"Not ready after {READY_SECONDS} s: {last}"))

    def _failure(self, message: str) -> str:
        return f"{message}\n--- end of {self.log_path} ---\n{self.log()}"

    def _signal_group(self, number: signal.Signals) -> None:
        assert self._process is not None
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            return

    def _remove(self) -> None:
        if self._services is not None:
            self._services.close()
            self._services = None
        shutil.rmtree(self.data_dir, ignore_errors=True)


def _free_port() -> int:
    for _ in range(200):
        port = random.SystemRandom().choice(_PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("No free port found.")
