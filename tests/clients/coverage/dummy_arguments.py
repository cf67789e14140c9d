"""Arguments for any client method, made from its signature alone.

The values only have to get a request out of the client. They are chosen so
that ``recording_server.route_template`` can recognize them again in a path.
"""

from __future__ import annotations

import enum
import inspect
import io
import os
import sys
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

# One id for everything, so that ids in answers match ids in requests.
ID = UUID("a3c0c1de-0000-4000-8000-00000000c0de")
HANDLE = "coverage-agent"
EMAIL = f"{HANDLE}@mail.localhost"
NUMBER = "+15005550006"
DOMAIN = "coverage.example"
ORGANIZATION = "org_coverage"
INVITATION = "a2ai_" + "A" * 43
TOTP_URI = "otpauth://totp/Coverage:agent?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Coverage"
VAULT_KEY = "Coverage-vault-key-01!"
PART_PREFIX = "dummy-"
_MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

# What a plain string parameter means, by its name; names that end in ``_id`` are ids.
_STRINGS: dict[str, str] = {
    "agent_handle": HANDLE,
    "handle": HANDLE,
    "peer_handle": HANDLE,
    "email": EMAIL,
    "email_address": EMAIL,
    "human_email": EMAIL,
    "recipient_email": EMAIL,
    "address": EMAIL,
    "value": EMAIL,
    "number": NUMBER,
    "to_number": NUMBER,
    "from_number": NUMBER,
    "remote_number": NUMBER,
    "receiver_number": NUMBER,
    "forwarding_phone_number": NUMBER,
    "domain": DOMAIN,
    "domain_name": DOMAIN,
    "invitation": INVITATION,
    "invitation_token": INVITATION,
    "totp": TOTP_URI,
    "vault_key": VAULT_KEY,
    "new_vault_key": VAULT_KEY,
    "current_vault_key": VAULT_KEY,
    "start_datetime": "2026-01-01",
    "end_datetime": "2026-01-02",
    "tz": "UTC",
    "content_base64": "AAAA",
    "url": "https://receiver.example/hook",
    "client_websocket_url": "wss://receiver.example/call",
    "incoming_call_webhook_url": "https://receiver.example/call",
    "message_ts": "1700000000.000100",
    "thread_ts": "1700000000.000100",
    "before_ts": "1700000000.000100",
    "after_ts": "1700000000.000100",
}
_NUMBERS: dict[str, float] = {"timeout": 5.0, "poll_interval": 0.01}


def call_arguments(
    function: Callable[..., Any],
    *,
    optional: bool,
    given: Mapping[str, Any],
) -> tuple[list[Any], dict[str, Any]]:
    """Return positional and keyword arguments for ``function``.

    ``given`` wins over made-up values, and is passed even where a parameter is optional.
    ``optional`` asks for a value for every parameter instead of the required ones only.
    """
    hints = _type_hints(function)
    positional: list[Any] = []
    named: dict[str, Any] = {}
    takes_any_name = False
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            takes_any_name = True
            continue
        if parameter.kind is parameter.VAR_POSITIONAL:
            continue
        if name in given:
            value = given[name]
        elif parameter.default is not parameter.empty and not optional:
            continue
        else:
            value = make_value(hints.get(name, Any), name)
        if parameter.kind is parameter.POSITIONAL_ONLY:
            positional.append(value)
        else:
            named[name] = value
    if takes_any_name:
        named |= {name: value for name, value in given.items() if name not in named}
    return positional, named


def make_value(hint: Any, name: str) -> Any:
    """Return a value of type ``hint`` for the parameter ``name``."""
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return _union_value(hint, name)
    if origin is typing.Literal:
        return typing.get_args(hint)[0]
    if origin in (list, tuple, set) or hint in (list, tuple, set):
        return _list_value(hint, name)
    if origin in (dict, Mapping) or hint is dict:
        return {}
    if callable(hint) and origin is None and isinstance(hint, type):
        return _class_value(hint, name)
    if origin is not None and issubclass(origin, Callable):  # type: ignore[arg-type]
        return lambda *_args, **_named: None
    return _string(name)


def _union_value(hint: Any, name: str) -> Any:
    members = [member for member in typing.get_args(hint) if member is not type(None)]

    def preference(member: Any) -> int:
        # The richest type first: an enum or an id says more than the string beside it.
        if isinstance(member, type) and issubclass(member, enum.Enum | UUID):
            return 0
        if member is str:
            return 1 if _has_meaning(name) else 3
        return 2

    return make_value(min(members, key=preference), name)


def _list_value(hint: Any, name: str) -> Any:
    arguments = [item for item in typing.get_args(hint) if item is not Ellipsis]
    return [make_value(arguments[0] if arguments else str, name.removesuffix("s"))]


def _class_value(kind: type, name: str) -> Any:
    simple: dict[type, Any] = {
        UUID: ID,
        bool: True,
        int: int(_NUMBERS.get(name, 1)),
        float: _NUMBERS.get(name, 1.0),
        bytes: b"coverage",
        datetime: _MOMENT,
        date: _MOMENT.date(),
        typing.BinaryIO: io.BytesIO(b"coverage"),
        str: _string(name),
    }
    if kind in simple:
        return simple[kind]
    if issubclass(kind, enum.Enum):
        return next(iter(kind))
    if issubclass(kind, os.PathLike):
        return io.BytesIO(b"coverage")
    if typing.is_typeddict(kind):
        hints = _type_hints(kind)
        required: frozenset[str] = getattr(kind, "__required_keys__", frozenset())
        return {key: make_value(hints[key], key) for key in sorted(required)}
    if is_dataclass(kind):
        hints = _type_hints(kind)
        return kind(
            **{
                field.name: make_value(hints.get(field.name, Any), field.name)
                for field in fields(kind)
                if field.init and field.default is MISSING and field.default_factory is MISSING
            }
        )
    return _string(name)


def _string(name: str) -> str:
    if name in _STRINGS:
        return _STRINGS[name]
    if name.endswith("_id") or name == "id":
        return str(ID)
    if name.endswith("number"):
        return NUMBER
    if name.endswith("handle"):
        return HANDLE
    return PART_PREFIX + name


def _has_meaning(name: str) -> bool:
    return not _string(name).startswith(PART_PREFIX)


def _type_hints(thing: Any) -> dict[str, Any]:
    """Return the resolved annotations of a function or class.

    Names imported for type checkers only are looked up among all modules of the client.
    """
    names: dict[str, Any] = {}
    for module_name, module in list(sys.modules.items()):
        if module_name.split(".")[0] == "inkbox":
            names.update(vars(module))
    target = getattr(thing, "__func__", thing)
    names.update(vars(sys.modules[target.__module__]))
    # A class namespace can hide a builtin: a method called ``list`` turns ``list[str]`` around.
    names.update({"list": list, "dict": dict, "set": set, "tuple": tuple})
    names.setdefault("datetime", datetime)
    names.setdefault("BinaryIO", typing.BinaryIO)
    try:
        return typing.get_type_hints(target, globalns=names)
    except (NameError, TypeError):
        return _readable_hints(target, names)


def _readable_hints(target: Any, names: dict[str, Any]) -> dict[str, Any]:
    """Resolve annotations one by one and leave out those that cannot be resolved."""
    hints: dict[str, Any] = {}
    for name, annotation in getattr(target, "__annotations__", {}).items():
        holder = types.SimpleNamespace(__annotations__={name: annotation})
        try:
            hints.update(typing.get_type_hints(holder, globalns=names))
        except (NameError, TypeError):
            continue
    return hints
