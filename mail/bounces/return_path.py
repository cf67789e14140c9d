"""Return paths that only this server can make (VERP): a bounce that comes to one is about the message named in it.

`bounce-<message>-<seal>@<domain>`: the platform domain, or the return path of the sender's own domain. The seal has two
parts. The first proves the message id alone, so that made-up addresses are refused without a look at the database. The
second also proves which recipients the transaction was for: one recipient, who can read the address in the mail,
cannot report failures of the others.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.utils.crypto import constant_time_compare, salted_hmac

from mail.addresses import domain_of, normalize_address

_SALT = "mail.bounces.return_path"
_ID_CHARS = 26  # 128 bits in base32
_PROOF_CHARS = 10  # 50 bits: one guess costs a connection
_SEAL_CHARS = 16  # 80 bits
_LOCAL_PART = re.compile(rf"bounce-([a-z2-7]{{{_ID_CHARS}}})-([a-z2-7]{{{_PROOF_CHARS}}})([a-z2-7]{{{_SEAL_CHARS}}})")
_EVERYBODY = "*"


@dataclass(frozen=True, slots=True)
class ReturnPath:
    """A return path of this server; `seal` says for whom, see `covered`."""

    message_id: UUID
    seal: str


def make_return_path(message_id: UUID, domain: str, recipients: Sequence[str]) -> str:
    """The envelope sender for one transaction. Lower case only: some servers change the case on the way back."""
    name = base64.b32encode(message_id.bytes).decode().rstrip("=").lower()
    proof = _seal(f"{message_id}", _PROOF_CHARS)
    seal = _seal(f"{message_id}|{_scope(recipients)}", _SEAL_CHARS)
    return f"bounce-{name}-{proof}{seal}@{domain}"


def read_return_path(address: str) -> ReturnPath | None:
    """The return path in an envelope recipient; None for any other address and for one that was not made here."""
    # The domain proves nothing that the seal does not: mail for it came here.
    found = _LOCAL_PART.fullmatch(normalize_address(address).rpartition("@")[0])
    if found is None:
        return None
    try:
        message_id = UUID(bytes=base64.b32decode(found[1].upper() + "=" * (-_ID_CHARS % 8)))
    except (binascii.Error, ValueError):
        return None
    if not constant_time_compare(found[2], _seal(f"{message_id}", _PROOF_CHARS)):
        return None
    return ReturnPath(message_id, found[3])


def covered(path: ReturnPath, recipients: Iterable[str]) -> tuple[str, ...]:
    """Those of the message's recipients that the transaction of this return path was for."""
    addresses = tuple(dict.fromkeys(recipients))
    by_scope: dict[str, list[str]] = {_EVERYBODY: list(addresses)}
    for address in addresses:
        by_scope.setdefault(f"@{domain_of(address)}", []).append(address)
        by_scope.setdefault(normalize_address(address), []).append(address)
    for scope, found in by_scope.items():
        if constant_time_compare(path.seal, _seal(f"{path.message_id}|{scope}", _SEAL_CHARS)):
            return tuple(found)
    return ()


def _scope(recipients: Sequence[str]) -> str:
    """One recipient, one domain, or several domains (a smarthost takes them all in one transaction)."""
    addresses = {normalize_address(address) for address in recipients}
    if len(addresses) == 1:
        return addresses.pop()
    domains = {domain_of(address) for address in addresses}
    return f"@{domains.pop()}" if len(domains) == 1 else _EVERYBODY


def _seal(text: str, chars: int) -> str:
    digest = salted_hmac(_SALT, text, algorithm="sha256").digest()
    return base64.b32encode(digest).decode().lower()[:chars]
