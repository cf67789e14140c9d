"""Check deliveries against the payload types that the client publishes.

Inputs: ``payloads``, JSON texts. Reports every member that has another type, is missing, or is not declared.
"""

import json
import sys
import types
import typing

from inkbox import webhooks

BY_FAMILY = {
    "message": webhooks.MailWebhookPayload,
    "text": webhooks.TextWebhookPayload,
    "imessage": webhooks.IMessageWebhookPayload,
    "call": webhooks.CallEndedWebhookPayload,
    "a2a": webhooks.A2AWebhookPayload,
    "slack": webhooks.SlackWebhookPayload,
}


def problems(kind, value, where):
    """Why `value` is not of type `kind`; nothing when it is."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        found = [list(problems(each, value, where)) for each in arguments]
        if all(found):
            yield from min(found, key=len)
    elif origin is typing.Literal:
        if value not in arguments:
            yield f"{where}: {value!r} is none of {arguments}"
    elif origin in (typing.NotRequired, typing.Required):
        yield from problems(arguments[0], value, where)
    elif origin is list:
        if not isinstance(value, list):
            yield f"{where}: no list"
            return
        for number, item in enumerate(value):
            yield from problems(arguments[0], item, f"{where}[{number}]")
    else:
        yield from plain_problems(kind, value, where)


def plain_problems(kind, value, where):
    """The same for types without parameters."""
    if typing.is_typeddict(kind):
        yield from object_problems(kind, value, where)
    elif kind in (None, type(None)):
        if value is not None:
            yield f"{where}: not null"
    elif isinstance(kind, type):
        wanted = (int, float) if kind is float else kind
        if not isinstance(value, wanted) or (isinstance(value, bool) and kind is not bool):
            yield f"{where}: {type(value).__name__} instead of {kind.__name__}"
    else:
        yield f"{where}: the type {kind!r} is unknown to this script"


def object_problems(kind, value, where):
    if not isinstance(value, dict):
        yield f"{where}: no object"
        return
    declared = typing.get_type_hints(kind, include_extras=True)
    for name in kind.__required_keys__ - value.keys():
        if typing.get_origin(declared[name]) is not typing.NotRequired:
            yield f"{where}.{name}: missing"
    for name, item in value.items():
        if name not in declared:
            yield f"{where}.{name}: not declared"
        else:
            yield from problems(declared[name], item, f"{where}.{name}")


def main(inputs):
    found = []
    for text in inputs["payloads"]:
        payload = json.loads(text)
        kind = BY_FAMILY[payload["event_type"].partition(".")[0]]
        found += problems(kind, payload, payload["event_type"])
    return {"problems": found}


if __name__ == "__main__":
    json.dump(main(json.load(sys.stdin)), sys.stdout)
