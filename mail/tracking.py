"""The image that tells that a message was opened.

Its address names the message and carries a MAC of it, so nobody can make one up. It is put into what goes out, never
into what is stored: reading the sent copy (by API, in the console, in a forwarded original) is not an open.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from uuid import UUID

from django.conf import settings

from common.sealed import purpose_key
from mail.mime.rewrite import insert_html
from mail.models import Message
from mail.raw import load_raw

_PURPOSE = "mail.open"
_MAC_BYTES = 16
_ID_BYTES = 16
_TOKEN_CHARS = 43  # base64url of both, without padding


def open_token(message_id: UUID) -> str:
    """43 URL-safe characters."""
    return base64.urlsafe_b64encode(message_id.bytes + _mac(message_id.bytes)).rstrip(b"=").decode("ascii")


def read_open_token(token: str) -> UUID | None:
    """The message of a token that this server made, else None."""
    if len(token) != _TOKEN_CHARS or not token.isascii():
        return None
    try:
        data = base64.b64decode(token + "=", altchars=b"-_", validate=True)
    except ValueError:
        return None
    message_id = UUID(bytes=data[:_ID_BYTES])
    # Compared as text: another spelling of the same bytes is another token.
    return message_id if hmac.compare_digest(token, open_token(message_id)) else None


def outgoing_raw(message: Message) -> bytes:
    """The message as it is sent: as stored, with the image at the end of its HTML when opens are tracked."""
    raw = load_raw(message.content)
    if not message.tracks_opens:
        return raw
    address = f"{settings.PUBLIC_URL}/i/{open_token(message.pk)}.gif"
    return insert_html(raw, f'<img src="{address}" width="1" height="1" alt="" style="border:0">')


def _mac(row_id: bytes) -> bytes:
    return hmac.new(purpose_key(_PURPOSE), row_id, hashlib.sha256).digest()[:_MAC_BYTES]
