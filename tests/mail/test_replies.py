"""Whom a reply to all goes to (contract mail.md section 4.3)."""

from __future__ import annotations

from typing import Any

import pytest

from mail.enums import Direction
from mail.models import Message
from mail.replies import reply_all_recipients

OWN = "billing-bot@mail.localhost"


def message(direction: Direction = Direction.INBOUND, **fields: Any) -> Message:
    fields.setdefault("from_address", "ada@customer.example")
    fields.setdefault("to_addresses", [OWN])
    return Message(direction=direction.value, **fields)


@pytest.mark.parametrize(
    ("fields", "to", "cc"),
    [
        ({}, ["ada@customer.example"], []),
        ({"reply_to": ["list@x.example"]}, ["list@x.example"], []),
        ({"reply_to": ["a@x.example", "b@x.example"]}, ["a@x.example", "b@x.example"], []),
        ({"reply_to": []}, ["ada@customer.example"], []),
        ({"to_addresses": [OWN, "bob@x.example"]}, ["ada@customer.example", "bob@x.example"], []),
        ({"to_addresses": ["Billing-Bot@MAIL.localhost"]}, ["ada@customer.example"], []),
        ({"cc_addresses": ["ops@x.example", OWN]}, ["ada@customer.example"], ["ops@x.example"]),
        ({"cc_addresses": ["ADA@customer.example"]}, ["ada@customer.example"], []),
        (
            {"to_addresses": ["bob@x.example", "Bob@X.example"], "cc_addresses": ["bob@x.example"]},
            ["ada@customer.example", "bob@x.example"],
            [],
        ),
        ({"from_address": OWN}, [], []),
        ({"from_address": ""}, [], []),
        ({"bcc_addresses": ["audit@x.example"]}, ["ada@customer.example"], []),
    ],
)
def test_an_answer_to_what_came_in(fields: dict[str, Any], to: list[str], cc: list[str]) -> None:
    assert reply_all_recipients(message(**fields), OWN) == {"to": to, "cc": cc}


@pytest.mark.parametrize(
    ("fields", "to", "cc"),
    [
        ({"to_addresses": ["a@x.example"], "cc_addresses": ["b@x.example"]}, ["a@x.example"], ["b@x.example"]),
        ({"to_addresses": ["a@x.example", OWN], "reply_to": ["other@x.example"]}, ["a@x.example"], []),
        ({"to_addresses": ["a@x.example"], "bcc_addresses": ["audit@x.example"]}, ["a@x.example"], []),
        ({"to_addresses": []}, [], []),
    ],
)
def test_an_answer_to_what_went_out(fields: dict[str, Any], to: list[str], cc: list[str]) -> None:
    sent = message(Direction.OUTBOUND, **{"from_address": OWN, **fields})

    assert reply_all_recipients(sent, OWN) == {"to": to, "cc": cc}
