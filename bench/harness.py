"""Starts the real server for a benchmark, and makes the rows it needs."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def free_port() -> int:
    """A TCP port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True, slots=True)
class Server:
    """A running server."""

    base_url: str
    smtp_port: int
    api_key: str
    pid: int
    data_dir: Path

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """One API call with the admin key."""
        request = urllib.request.Request(
            self.base_url + path,
            method=method,
            data=json.dumps(body).encode() if body is not None else None,
            headers={"X-API-Key": self.api_key, "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def rss_mb(self) -> float:
        """Resident memory of the server process."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        return 0.0


def environment(data_dir: Path, http_port: int, smtp_port: int) -> dict[str, str]:
    """Embedded profile, no rate limits, nothing from the caller's own configuration."""
    own = ("INKBOX_", "DATABASE_", "REDIS_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    return {
        **kept,
        "INKBOX_DATA_DIR": str(data_dir),
        "INKBOX_HTTP_PORT": str(http_port),
        "INKBOX_SMTP_PORT": str(smtp_port),
        "INKBOX_PUBLIC_URL": f"http://127.0.0.1:{http_port}",
        "INKBOX_RATE_LIMIT_KEY_PER_MINUTE": "0",
        "INKBOX_RATE_LIMIT_ANONYMOUS_PER_MINUTE": "0",
        "INKBOX_SMTP_MAX_SESSIONS_PER_IP": "0",
        "INKBOX_LOG_LEVEL": "warning",
    }


def manage(env: dict[str, str], *arguments: str) -> str:
    """Run a management command and return what it printed."""
    result = subprocess.run(
        [sys.executable, "manage.py", *arguments], cwd=ROOT, env=env, check=True, capture_output=True, text=True
    )
    return result.stdout


@contextmanager
def running_server(data_dir: Path | None = None, *, with_bare_views: bool = False) -> Iterator[Server]:
    """The whole server on the embedded profile with an empty (or given) data directory."""
    with tempfile.TemporaryDirectory(prefix="inkbox-bench-") as folder:
        folder_path = data_dir or Path(folder)
        http_port, smtp_port = free_port(), free_port()
        env = environment(folder_path, http_port, smtp_port)
        if with_bare_views:
            env |= {"DJANGO_SETTINGS_MODULE": "bare_settings", "PYTHONPATH": str(ROOT / "bench")}
        account = json.loads(
            manage(env, "bootstrap", "--email", "bench@example.com", "--organization", "Bench", "--json", "--new-key")
        )
        process = subprocess.Popen(
            [sys.executable, "manage.py", "serve", "all"], cwd=ROOT, env=env, stdout=subprocess.DEVNULL
        )
        try:
            base = f"http://127.0.0.1:{http_port}"
            _wait_ready(base)
            yield Server(base, smtp_port, account["api_key"], process.pid, folder_path)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)


def _wait_ready(base_url: str) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            with urllib.request.urlopen(f"{base_url}/readyz", timeout=5) as answer:
                if answer.status == 200:
                    return
        except OSError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.1)


def rate(script: str, wanted: int, *arguments: str) -> float:
    """Run a load script in a process of its own; returns successes a second. Raises unless `wanted` succeeded."""
    result = subprocess.run(
        [sys.executable, f"bench/{script}", *arguments], cwd=ROOT, check=True, capture_output=True, text=True
    )
    found = json.loads(result.stdout)
    if found["succeeded"] != wanted:
        raise RuntimeError(f"{script}: only {found['succeeded']} of {wanted} succeeded")
    return float(found["succeeded"] / found["seconds"])


def percentile(values: list[float], share: float) -> float:
    """The value below which `share` of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
