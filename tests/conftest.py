"""Rules for every test: no network beyond this machine, and no state left over from the test before."""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from limits.storage import memory as limits_in_memory
from whitenoise.middleware import WhiteNoiseMiddleware  # type: ignore[import-untyped]

from common import ratelimit
from common.actor import unbind_actor
from contacts.parts import make_parts_index
from identities.audit_protection import unprotect_audit_log
from mail.search.schema import ensure_search_index
from vault.audit_protection import protect_vault_audit

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


@pytest.fixture(autouse=True, scope="session")
def static_files_are_read_once() -> Iterator[None]:
    """WhiteNoise looks at every static file when it starts, which here is with every test client."""
    with pytest.MonkeyPatch.context() as patch:
        known: dict[str, Any] = {}
        look = WhiteNoiseMiddleware.add_files_from_finders

        def remember(self: Any) -> None:
            if not known:
                look(self)
                known.update(self.files)
            self.files.update(known)

        patch.setattr(WhiteNoiseMiddleware, "add_files_from_finders", remember)
        yield


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> None:
    """What migrations do beyond models, for databases that are made without them."""
    with django_db_blocker.unblock():
        ensure_search_index(connection)
        make_parts_index(connection)
        # Tests empty every table; those about the protection put it back (tests/identities/test_audit.py).
        unprotect_audit_log(connection)
        protect_vault_audit(connection)


@pytest.fixture(autouse=True)
def real_mail_backend(settings: Any) -> None:
    """What the server mails is queued as in production; Django's test runner would keep it in a list."""
    settings.EMAIL_BACKEND = "mail.platform_backend.PlatformBackend"


class _FromAWindowsStart:
    """A clock that stands at the start of an hour when it is made, and runs from there."""

    def __init__(self) -> None:
        self._ahead = -time.time() % 3600

    def time(self) -> float:
        return time.time() + self._ahead


@pytest.fixture(autouse=True)
def fresh_rate_limits(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[None]:
    """Counters of one test must not refuse the requests of the next, nor a window turn in the middle of one.

    Windows in memory start with each minute and hour, those in Redis with their first event.
    """
    if not settings.REDIS_URL:
        clock = _FromAWindowsStart()
        for module in (ratelimit, limits_in_memory):
            monkeypatch.setattr(module, "time", clock)
    yield
    ratelimit.forget_all()
    unbind_actor()
