"""Writing an outgoing message: RFC 5322 and MIME bytes from checked parts.

Written without ``email.generator``, whose header folding differs between Python
versions and has broken long encoded names. The output is CRLF throughout, no
line is over 998 octets, and Bcc cannot appear in it.
"""

from __future__ import annotations

import base64
import binascii
import re
import secrets
import uuid
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime

from mail.mime.encode import (
    address_list_header,
    check_header_value,
    encode_address,
    encode_domain,
    encode_mailbox,
    message_ids_header,
    parameter,
    unstructured_header,
)
from mail.mime.message_ids import limit_references

NEWEST_REFERENCES = 30
MAX_LINE_OCTETS = 998

_HEADER_NAME = re.compile(r"[!-9;-~]{1,70}")
_DOMAIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_ATTRIBUTE = r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]+"
_CONTENT_TYPE = re.compile(
    rf"{_ATTRIBUTE}/{_ATTRIBUTE}(?:\s*;\s*{_ATTRIBUTE}=(?:{_ATTRIBUTE}|\"[^\"\\\r\n]*\"))*", re.ASCII
)
_MAX_CONTENT_TYPE_CHARS = 255
_CONTENT_ID = re.compile(r"[!-;=?-~]{1,255}")
_NOT_7BIT = re.compile(r"[^\t\n\x20-\x7e]")
_WRITTEN_HEADERS = frozenset(
    {
        "bcc",
        "cc",
        "date",
        "from",
        "in-reply-to",
        "message-id",
        "mime-version",
        "references",
        "reply-to",
        "resent-bcc",
        "subject",
        "to",
    }
)


@dataclass(frozen=True, slots=True)
class OutgoingAttachment:
    """A file to send; with a ``content_id`` (no brackets) an image that the HTML shows."""

    filename: str
    content_type: str
    content: bytes
    content_id: str | None = None


@dataclass(frozen=True, slots=True)
class OutgoingMail:
    """Everything that ends up in the bytes; blind recipients are not part of a message."""

    message_id: str
    date: datetime
    from_address: str
    from_display_name: str | None
    to: tuple[str, ...]
    cc: tuple[str, ...]
    subject: str
    body_text: str | None
    body_html: str | None
    reply_to: str | None = None
    in_reply_to: str | None = None
    references: tuple[str, ...] = ()
    attachments: tuple[OutgoingAttachment, ...] = ()
    extra_headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class _Entity:
    """A MIME part: its Content-* headers, and a body without the line end that follows it."""

    headers: str
    body: bytes
    is_8bit: bool = False

    def to_bytes(self) -> bytes:
        return self.headers.encode() + b"\r\n" + self.body


def is_sendable_type(content_type: str) -> bool:
    """Whether an attachment may have it: the type of a single file, with parameters or without."""
    return (
        len(content_type) <= _MAX_CONTENT_TYPE_CHARS
        and bool(_CONTENT_TYPE.fullmatch(content_type))
        and not content_type.lower().startswith("multipart/")
    )


def new_message_id(domain: str) -> str:
    """Return a Message-ID that no other message has, on the sending domain.

    Raises ValueError for a domain that cannot stand in a header.
    """
    ascii_domain = encode_domain("domain", domain)
    if not _DOMAIN.fullmatch(ascii_domain):
        raise ValueError("domain must be a domain name.")
    return f"<{uuid.uuid4().hex}@{ascii_domain.lower()}>"


def _encode_base64(content: bytes) -> bytes:
    return base64.encodebytes(content).replace(b"\n", b"\r\n").removesuffix(b"\r\n")


def _text_entity(text: str, subtype: str) -> _Entity:
    """Encode text as 7bit when it is short-lined ASCII, else the shorter of the two encodings."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    data = text.encode("utf-8", "replace").replace(b"\n", b"\r\n")
    if not _NOT_7BIT.search(text) and all(len(line) <= MAX_LINE_OCTETS for line in text.split("\n")):
        encoding = "7bit"
    elif (len(data) - len(text.encode("ascii", "ignore"))) * 6 > len(data):
        encoding = "base64"
        data = _encode_base64(data)
    else:
        encoding = "quoted-printable"
        # The line end at the end makes the encoder use CRLF and protect a final space.
        data = binascii.b2a_qp(data + b"\r\n", istext=True).removesuffix(b"\r\n")
    headers = f'Content-Type: text/{subtype}; charset="utf-8"\r\nContent-Transfer-Encoding: {encoding}\r\n'
    return _Entity(headers, data)


def _multipart(subtype: str, children: list[_Entity], type_parameters: str = "") -> _Entity:
    boundary = "=_" + secrets.token_hex(16)
    delimiter = f"--{boundary}\r\n".encode("ascii")
    body = b"".join(delimiter + child.to_bytes() + b"\r\n" for child in children)
    is_8bit = any(child.is_8bit for child in children)
    headers = f'Content-Type: multipart/{subtype}{type_parameters};\r\n boundary="{boundary}"\r\n'
    if is_8bit:
        headers += "Content-Transfer-Encoding: 8bit\r\n"
    return _Entity(headers, body + f"--{boundary}--".encode("ascii"), is_8bit)


def _encode_message(content: bytes) -> tuple[str, bytes]:
    """Return the transfer encoding and bytes of an embedded message.

    RFC 2046 section 5.2.1 forbids base64 for message/rfc822, so line ends are
    made CRLF and the text goes as it is; only what cannot travel as lines of
    text is base64 after all.
    """
    if b"\x00" not in content:
        lines = content.replace(b"\r\n", b"\n").split(b"\n")
        if all(len(line) <= MAX_LINE_OCTETS and b"\r" not in line for line in lines):
            return "7bit" if content.isascii() else "8bit", b"\r\n".join(lines)
    return "base64", _encode_base64(content)


def _attachment_entity(attachment: OutgoingAttachment, *, inline: bool) -> _Entity:
    content_type = attachment.content_type
    check_header_value("attachment content_type", content_type)
    if not is_sendable_type(content_type):
        raise ValueError("attachment content_type must be a type/subtype of a single file.")
    check_header_value("attachment filename", attachment.filename)
    headers = f"Content-Type: {content_type}\r\n"
    headers += f"Content-Disposition: {'inline' if inline else 'attachment'}"
    headers += (parameter("filename", attachment.filename) if attachment.filename else "") + "\r\n"
    if attachment.content_id is not None:
        if not _CONTENT_ID.fullmatch(attachment.content_id):
            raise ValueError("attachment content_id must be printable ASCII without < and >.")
        headers += f"Content-ID: <{attachment.content_id}>\r\n"
    if content_type.lower().startswith("message/"):
        encoding, body = _encode_message(attachment.content)
    else:
        encoding, body = "base64", _encode_base64(attachment.content)
    headers += f"Content-Transfer-Encoding: {encoding}\r\n"
    return _Entity(headers, body, encoding == "8bit")


def _content(mail: OutgoingMail) -> _Entity:
    """Nest the parts: mixed(alternative(text, related(html, images)), files).

    A ``content_id`` means nothing without HTML: such an attachment is a plain file.
    """
    inline = [item for item in mail.attachments if item.content_id and mail.body_html]
    files = [item for item in mail.attachments if not (item.content_id and mail.body_html)]
    bodies: list[_Entity] = []
    if mail.body_text or not (mail.body_html or files):
        bodies.append(_text_entity(mail.body_text or "", "plain"))
    if mail.body_html:
        rich = _text_entity(mail.body_html, "html")
        if inline:
            images = [_attachment_entity(item, inline=True) for item in inline]
            rich = _multipart("related", [rich, *images], '; type="text/html"')
        bodies.append(rich)
    if len(bodies) == 2:
        bodies = [_multipart("alternative", bodies)]
    if not files:
        return bodies[0]
    return _multipart("mixed", [*bodies, *(_attachment_entity(item, inline=False) for item in files)])


def _address_headers(mail: OutgoingMail) -> str:
    if mail.from_display_name:
        check_header_value("from_display_name", mail.from_display_name)
    sender = encode_mailbox("from_address", mail.from_address, mail.from_display_name, len("From: "))
    to = [encode_address("to", address) for address in mail.to]
    cc = [encode_address("cc", address) for address in mail.cc]
    headers = f"From: {sender}\r\n"
    if mail.reply_to:
        headers += f"Reply-To: {encode_address('reply_to', mail.reply_to)}\r\n"
    if to:
        headers += address_list_header("To", to)
    elif not cc:
        headers += "To: undisclosed-recipients:;\r\n"
    if cc:
        headers += address_list_header("Cc", cc)
    return headers


def _thread_headers(mail: OutgoingMail) -> str:
    headers = message_ids_header("Message-ID", "message_id", [mail.message_id])
    if mail.in_reply_to:
        headers += message_ids_header("In-Reply-To", "in_reply_to", [mail.in_reply_to])
    if mail.references:
        references = limit_references(mail.references, NEWEST_REFERENCES)
        headers += message_ids_header("References", "references", references)
    return headers


def _extra_headers(mail: OutgoingMail) -> str:
    headers = ""
    for name, value in mail.extra_headers:
        if not _HEADER_NAME.fullmatch(name):
            raise ValueError("extra_headers must have valid header names.")
        lowered = name.lower()
        if lowered in _WRITTEN_HEADERS or lowered.startswith("content-"):
            raise ValueError(f"extra_headers must not set {name}.")
        check_header_value(f"extra_headers {name}", value)
        headers += unstructured_header(name, value)
    return headers


def build_mail(mail: OutgoingMail) -> bytes:
    """Return the message as CRLF bytes, ready for DATA and for signing.

    The text keeps its content exactly, except that line ends are normalized and
    a message of one part ends with a line end. An address with a non-ASCII local
    part is kept as UTF-8, which needs SMTPUTF8 to send. Raises ValueError naming
    the field for line breaks in a header field, for an address or Message-ID that
    is not one, and for a date without a zone.
    """
    if mail.date.tzinfo is None:
        raise ValueError("date must have a time zone.")
    check_header_value("subject", mail.subject)
    headers = f"Date: {format_datetime(mail.date)}\r\n" + _address_headers(mail)
    if mail.subject:
        headers += unstructured_header("Subject", mail.subject)
    headers += _thread_headers(mail) + _extra_headers(mail) + "MIME-Version: 1.0\r\n"
    content = headers.encode() + _content(mail).to_bytes()
    return content if content.endswith(b"\r\n") else content + b"\r\n"
