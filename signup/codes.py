"""Verification codes and the links of the verification mail. Neither is stored in a form that can be read back."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from uuid import UUID

from django.core import signing

from common.sealed import purpose_key
from signup import limits

_SALT = "signup.claim"


def new_code() -> str:
    """Six random digits."""
    return f"{secrets.randbelow(10**limits.CODE_DIGITS):0{limits.CODE_DIGITS}d}"


def hash_code(signup_id: UUID, code: str) -> bytes:
    """Keyed, because a million codes are soon tried; bound to its signup, because equal codes must not look equal."""
    return hmac.new(purpose_key("signup-code"), signup_id.bytes + code.encode(), hashlib.sha256).digest()


def matches(signup_id: UUID, code: str, code_hash: bytes) -> bool:
    """Whether this is the code, compared in constant time."""
    return hmac.compare_digest(hash_code(signup_id, code), code_hash)


def claim_token(signup_id: UUID, code_hash: bytes) -> str:
    """The secret part of a link. A new code makes the links of older mails invalid."""
    return signing.dumps([signup_id.hex, code_hash.hex()[:16]], salt=_SALT)


def read_claim_token(token: str) -> tuple[UUID, str] | None:
    """The signup and the beginning of its code hash; None when the link is forged or too old."""
    try:
        row_id, mark = signing.loads(token, salt=_SALT, max_age=limits.CODE_LIFETIME)
        return UUID(row_id), str(mark)
    except (signing.BadSignature, ValueError, TypeError):
        return None
