"""Call every public method of the installed client and print the requests it makes.

Run with the interpreter of a client environment, from the root of the repository:

    .cache/clients/0.7.20/bin/python -m tests.clients.coverage.record_routes

The result is one JSON object on standard output::

    {"client": "0.7.20",
     "requests": [{"method": "messages.send",
                   "http": "POST /api/v1/mail/mailboxes/{email}/messages"}, ...],
     "local": ["Inkbox.close", ...],              # completed without a request
     "unreached": [{"method": ..., "error": ...}, ...]}

Methods are found by introspection, so a newer client is covered by installing it.
"""

from __future__ import annotations

import dataclasses
import enum
import importlib
import importlib.metadata
import inspect
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from tests.clients.coverage.dummy_arguments import (
    HANDLE,
    ID,
    VAULT_KEY,
    call_arguments,
)
from tests.clients.coverage.overrides import UPLOAD_PATH, argument_overrides
from tests.clients.coverage.plausible_answers import PlausibleAnswers
from tests.clients.coverage.recording_server import RecordingServer

API_KEY = f"ApiKey_{ID}.coverage"
# Objects that methods return; their own methods are listed under these names.
_ROOTS = ("identity", "unlocked", "a2a_client")
_DEPTH = 3
_ITEMS = 3
# Methods of an object that exists only while a tunnel is connected.
_DATA_PLANE = {"listener": ("inkbox.tunnels.client._listener", "TunnelListener")}
# What these take away would make the methods after them fail, so they come last.
_LAST = ("delete", "aclose", "close")


@dataclasses.dataclass(frozen=True)
class Call:
    """One public method: its name, and how to get it bound to a fresh object."""

    name: str
    bind: Callable[[], Any]


def main() -> None:
    sys.addaudithook(_refuse_other_hosts)
    with RecordingServer(PlausibleAnswers()) as server, tempfile.TemporaryDirectory() as scratch:
        result = record_all(server, Path(scratch))
    json.dump(result, sys.stdout, indent=1)


def record_all(server: RecordingServer, scratch: Path) -> dict[str, Any]:
    """Call everything; return the object described at the top of this module."""
    overrides = argument_overrides(server.base_url, scratch)
    requests: list[dict[str, str]] = []
    local: list[str] = []
    unreached: list[dict[str, str]] = []
    for call in public_methods(server.base_url):
        seen, error = _record(server, call, overrides.get(call.name, []))
        requests += [{"method": call.name, "http": http} for http in seen]
        if not seen and error is None:
            local.append(call.name)
        elif not seen:
            unreached.append({"method": call.name, "error": str(error)})
    local += [
        f"{name}.{method}"
        for name, (module, kind) in _DATA_PLANE.items()
        for method, _ in _methods(getattr(importlib.import_module(module), kind))
    ]
    return {
        "client": importlib.metadata.version("inkbox"),
        "requests": requests,
        "local": sorted(local),
        "unreached": unreached,
    }


def public_methods(base_url: str) -> list[Call]:
    """List the methods reachable from a client object, and those of the objects it returns."""
    inkbox = importlib.import_module("inkbox")

    # One client for all calls (making one takes a while), but a fresh identity for each:
    # an identity forgets its channels when a call takes them away.
    client = inkbox.Inkbox(api_key=API_KEY, base_url=base_url, vault_key=VAULT_KEY)
    unlocked = client.vault.unlocked
    roots: dict[str, Callable[[], Any]] = {
        "Inkbox": lambda: client,
        "identity": lambda: client.get_identity(HANDLE),
        "unlocked": lambda: unlocked,
        "a2a_client": lambda: client.get_identity(HANDLE).a2a_client(),
    }
    calls = [call for name, root in roots.items() for call in _calls_below(root, name, _DEPTH)]
    return sorted(calls, key=_order)


def _order(call: Call) -> tuple[bool, bool]:
    return call.name == "Inkbox.close", call.name.rpartition(".")[2].startswith(_LAST)


def _calls_below(make: Callable[[], Any], name: str, depth: int) -> Iterator[Call]:
    root = make()
    for method, _ in _methods(root):
        yield Call(f"{name}.{method}", partial(_attribute, make, method))
    if depth == 0:
        return
    for attribute in _public_names(root):
        value = getattr(root, attribute)
        if attribute not in _ROOTS and _is_resource(value):
            # The methods of a resource are listed as in ``client.messages.send``.
            path = attribute if name == "Inkbox" else f"{name}.{attribute}"
            yield from _calls_below(partial(_attribute, make, attribute), path, depth - 1)


def _attribute(make: Callable[[], Any], name: str) -> Any:
    return getattr(make(), name)


def _methods(thing: Any) -> list[tuple[str, Any]]:
    return [
        (name, member)
        for name, member in inspect.getmembers(
            thing, lambda member: inspect.isfunction(member) or inspect.ismethod(member)
        )
        if not name.startswith("_")
    ]


def _public_names(thing: Any) -> list[str]:
    return [name for name in dir(thing) if not name.startswith("_")]


def _is_resource(value: Any) -> bool:
    kind = type(value)
    return (
        kind.__module__.split(".")[0] == "inkbox"
        and not dataclasses.is_dataclass(kind)
        and not issubclass(kind, enum.Enum)
    )


def _record(server: RecordingServer, call: Call, overrides: list[dict[str, Any]]) -> tuple[list[str], Exception | None]:
    """Call with the required, with all, and with the tabled arguments.

    Returns the requests of all calls, and the first error if no call completed.
    """
    seen: dict[str, None] = {}
    first_error: Exception | None = None
    completed = False
    attempts: list[tuple[bool, dict[str, Any]]] = [(False, {}), (True, {})]
    attempts += [(False, given) for given in overrides]
    for optional, given in attempts:
        # Whatever fails once the request is out is fine: the answers are made up.
        method = call.bind()
        server.start_call()
        try:
            _exhaust(method, optional=optional, given=_limits(method, server) | given)
            completed = True
        except Exception as error:
            first_error = first_error or error
        seen |= dict.fromkeys(server.recorded())
    requests = [http for http in seen if not http.endswith(UPLOAD_PATH)]
    requests += ["POST {upload_url}"] * (len(requests) < len(seen))
    return requests, None if completed else first_error


def _limits(method: Any, server: RecordingServer) -> dict[str, Any]:
    """Return what every method gets if it takes it: the recorder's address, a short timeout."""
    common = {"base_url": server.base_url, "timeout": 5.0}
    accepted = inspect.signature(method).parameters
    return {name: value for name, value in common.items() if name in accepted}


def _exhaust(method: Any, *, optional: bool, given: dict[str, Any]) -> None:
    positional, named = call_arguments(method, optional=optional, given=given)
    result = method(*positional, **named)
    # A paging method asks for its first page only when the first item is wanted.
    if isinstance(result, Iterator):
        for _ in range(_ITEMS):
            next(result, None)


def _refuse_other_hosts(event: str, arguments: tuple[Any, ...]) -> None:
    """Audit hook: a client default must never lead to the vendor's servers."""
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        host = arguments[1][0]
        if host not in ("127.0.0.1", "::1", "localhost"):
            raise PermissionError(f"The recorder must not connect to {host}.")


if __name__ == "__main__":
    main()
