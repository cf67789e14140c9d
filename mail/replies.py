"""Who a reply to all goes to (contract mail.md section 4.3). Pure."""

from __future__ import annotations

from collections.abc import Sequence

from mail.addresses import normalize_address, parse_recipient
from mail.models import Message


def reply_all_recipients(message: Message, own_address: str) -> dict[str, list[str]]:
    """`to` and `cc`: no own address, no Bcc, each address once, and nothing that cannot be written to."""
    taken = {normalize_address(own_address)}
    cc = message.cc_addresses or []
    if message.direction == "outbound":
        to = message.to_addresses
    else:
        to = [*(message.reply_to or [message.from_address]), *message.to_addresses]
    return {"to": _fresh(to, taken), "cc": _fresh(cc, taken)}


def _fresh(addresses: Sequence[str], taken: set[str]) -> list[str]:
    """Addresses not seen before; `taken` grows."""
    result = []
    for address in addresses:
        key = normalize_address(address)
        if key not in taken and parse_recipient(address) is not None:
            taken.add(key)
            result.append(address)
    return result
