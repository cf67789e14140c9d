"""One live server for all test workers of a run: starting one takes longer than most tests."""

from __future__ import annotations

import fcntl
import pickle
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.clients.live_server import LiveServer
from tests.factories.dns_server import DnsServer

# Each browser context is a visitor of its own, told apart by X-Forwarded-For (conftest.py).
ENVIRONMENT = {"INKBOX_TRUSTED_PROXIES": "1"}


@contextmanager
def shared_server(folder: Path) -> Iterator[LiveServer]:
    """The server of this folder. Whoever comes first starts it, and ends it once everybody else has left.

    Locks of the system say who is there, so a worker that crashes holds up nobody.
    """
    folder.mkdir(parents=True, exist_ok=True)
    known = folder / "server.pickle"
    with (
        ExitStack() as stack,
        (folder / "starting").open("w") as starting,
        (folder / "using").open("w") as using,
    ):
        fcntl.flock(starting, fcntl.LOCK_EX)
        is_owner = not known.exists()
        if is_owner:
            # Without any record, but it answers at once; nobody else's name servers are asked.
            names = stack.enter_context(DnsServer())
            server = LiveServer(folder / "server", environment=ENVIRONMENT | {"INKBOX_DNS_SERVERS": names.address})
            known.write_bytes(pickle.dumps(server))
        else:
            server = pickle.loads(known.read_bytes())
        fcntl.flock(using, fcntl.LOCK_SH)
        fcntl.flock(starting, fcntl.LOCK_UN)
        try:
            yield server
        finally:
            if is_owner:
                fcntl.flock(using, fcntl.LOCK_EX)
                server.close()
