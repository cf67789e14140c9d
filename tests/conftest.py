"""Rules for every test: no network beyond this machine, and no state left over from the test before."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from common import ratelimit

_real_connect = socket.socket.connect


def _is_local(address: Any) -> bool:
    # Anything but a pair of host and port is a UNIX socket.
    if not isinstance(address, tuple) or address[0] in ("localhost", ""):
        return True
    try:
        return ipaddress.ip_address(address[0]).is_loopback
    except ValueError:
        return False


def _connect(self: socket.socket, address: Any) -> None:
    if not _is_local(address):
        raise AssertionError(f"A test connected to {address!r}; tests stay on this machine.")
    _real_connect(self, address)


@pytest.fixture(autouse=True, scope="session")
def only_loopback() -> Iterator[None]:
    """Connections to other machines fail the test that makes them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", _connect)
        yield


@pytest.fixture(autouse=True)
def fresh_rate_limits() -> Iterator[None]:
    """Counters of one test must not refuse the requests of the next."""
    yield
    ratelimit.forget_all()
