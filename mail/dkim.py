"""DKIM signatures (RFC 6376; Ed25519 by RFC 8463). Pure: keys and time come in, bytes go out.

Canonical forms are dkimpy's. The signature itself is made by OpenSSL: dkimpy's RSA is Python arithmetic, ten times
slower under the interpreter lock, and its Ed25519 needs a further native library.
"""

from __future__ import annotations

import base64
import hashlib
import re
import time
from collections.abc import Sequence
from functools import lru_cache

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from dkim.canonicalization import Relaxed

from mail.enums import DkimAlgorithm

RSA_KEY_BITS = 2048
TXT_STRING_BYTES = 255

# What the reader sees and what threading and replying depend on (RFC 6376 section 5.4.1). Never Bcc, no trace headers.
SIGNED_HEADERS = (
    "from",
    "sender",
    "reply-to",
    "to",
    "cc",
    "subject",
    "date",
    "message-id",
    "in-reply-to",
    "references",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
    "list-unsubscribe",
    "list-unsubscribe-post",
)
# Signed once more than they occur, so that nobody can add a second one that readers show instead (section 8.15).
OVERSIGNED_HEADERS = ("from", "subject")

_LINE_ENDS = re.compile(rb"\r\n|\r|\n")
_FIELD = re.compile(rb"([\x21-\x39\x3b-\x7e]+)[ \t]*:((?:[^\r]|\r\n[ \t])*)\r\n")
_LINE_CHARS = 76

PrivateKey = rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


class SigningFailed(ValueError):
    """The message or the key cannot be used."""


def generate_key(algorithm: DkimAlgorithm) -> tuple[bytes, str]:
    """A new private key (PKCS#8 PEM) and the TXT record to publish for it (RFC 6376 section 3.6.1)."""
    key: PrivateKey
    if algorithm is DkimAlgorithm.RSA:
        key = rsa.generate_private_key(public_exponent=65537, key_size=RSA_KEY_BITS)
    else:
        key = ed25519.Ed25519PrivateKey.generate()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return pem, dns_record(pem)


def dns_record(private_key_pem: bytes) -> str:
    """The TXT record of a key: the RSA public key as DER (RFC 6376), the Ed25519 one as 32 raw bytes (RFC 8463)."""
    public = _load_key(private_key_pem).public_key()
    if isinstance(public, rsa.RSAPublicKey):
        kind = "rsa"
        data = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    else:
        kind = "ed25519"
        data = public.public_bytes_raw()
    return f"v=DKIM1; k={kind}; p={base64.b64encode(data).decode('ascii')}"


def zone_line(domain: str, selector: str, record: str) -> str:
    """The record as a line of a zone file; TXT strings hold 255 bytes, so a long record is several strings."""
    strings = [f'"{record[at : at + TXT_STRING_BYTES]}"' for at in range(0, len(record), TXT_STRING_BYTES)]
    return f"{selector}._domainkey.{domain}. IN TXT {' '.join(strings)}"


def sign(
    raw: bytes,
    *,
    domain: str,
    selector: str,
    private_key_pem: bytes,
    algorithm: DkimAlgorithm,
    signed_at: int | None = None,
) -> bytes:
    """The message with a DKIM-Signature on top; line ends become CRLF, as SMTP will send them.

    `signed_at` is in Unix seconds, the current time when left out. Raises SigningFailed.
    """
    raw = _LINE_ENDS.sub(b"\r\n", raw)
    field = signature_field(
        raw,
        domain=domain,
        selector=selector,
        private_key_pem=private_key_pem,
        algorithm=algorithm,
        signed_at=int(time.time()) if signed_at is None else signed_at,
    )
    return field + raw


def signature_field(
    raw: bytes, *, domain: str, selector: str, private_key_pem: bytes, algorithm: DkimAlgorithm, signed_at: int
) -> bytes:
    """The DKIM-Signature field, with its line end, of a message with CRLF line ends. Raises SigningFailed."""
    headers, body = _split(raw)
    names = _names_to_sign(headers)
    body_hash = base64.b64encode(hashlib.sha256(Relaxed.canonicalize_body(body)).digest()).decode("ascii")
    tags = [
        "v=1",
        f"a={algorithm.value}",
        "c=relaxed/relaxed",
        f"d={domain}",
        f"s={selector}",
        f"t={signed_at}",
        f"h={':'.join(names)}",
        f"bh={body_hash}",
        "b=",
    ]
    value = _fold(tags)
    signed = _canonical_headers(headers, names) + _canonical(b"DKIM-Signature", value).removesuffix(b"\r\n")
    signature = base64.b64encode(_make_signature(private_key_pem, algorithm, signed)).decode("ascii")
    # White space inside b= is not part of the signature's value, so the base64 may be folded after signing.
    folded = "\r\n ".join(signature[start : start + 72] for start in range(0, len(signature), 72))
    return b"DKIM-Signature:" + value + folded.encode("ascii") + b"\r\n"


def _split(raw: bytes) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """The header fields and the body of a message with CRLF line ends."""
    head, separator, body = raw.partition(b"\r\n\r\n")
    if separator or not head.endswith(b"\r\n"):
        head += b"\r\n"
    headers: list[tuple[bytes, bytes]] = []
    position = 0
    while position < len(head):
        found = _FIELD.match(head, position)
        if found is None:
            raise SigningFailed("A header line is malformed.")
        headers.append((found[1], found[2]))
        position = found.end()
    return headers, body


def _names_to_sign(headers: Sequence[tuple[bytes, bytes]]) -> list[str]:
    """The h= tag: each wanted header as often as it occurs, some once more."""
    present = [name.decode("ascii").lower() for name, _ in headers]
    if present.count("from") != 1:
        raise SigningFailed("A message to sign has exactly one From header.")
    names: list[str] = []
    for name in SIGNED_HEADERS:
        names += [name] * (present.count(name) + (name in OVERSIGNED_HEADERS))
    return names


def _canonical(name: bytes, value: bytes) -> bytes:
    [(canonical_name, canonical_value)] = Relaxed.canonicalize_headers([(name, value)])
    return bytes(canonical_name + b":" + canonical_value)


def _canonical_headers(headers: Sequence[tuple[bytes, bytes]], names: Sequence[str]) -> bytes:
    """The signed fields in the order of h=; of equal names the last in the message comes first (section 5.4.2)."""
    left: dict[str, list[tuple[bytes, bytes]]] = {}
    for name, value in headers:
        left.setdefault(name.decode("ascii").lower(), []).append((name, value))
    return b"".join(_canonical(*left[name].pop()) for name in names if left.get(name))


def _fold(tags: Sequence[str]) -> bytes:
    """The tags as a header value, broken only where white space is allowed: between tags and between names of h=."""
    pieces: list[str] = []
    for tag in tags:
        if tag.startswith("h="):
            parts = tag.split(":")
            pieces += [" " + parts[0], *(f":{part}" for part in parts[1:])]
            pieces[-1] += ";"
        else:
            pieces.append(f" {tag};" if tag != "b=" else " b=")
    lines = [""]
    used = len("DKIM-Signature:")
    for piece in pieces:
        if used + len(piece) > _LINE_CHARS or piece == " b=":
            lines.append(" " + piece.lstrip())
            used = len(lines[-1])
        else:
            lines[-1] += piece
            used += len(piece)
    return "\r\n".join(lines).encode("ascii")


@lru_cache(maxsize=128)
def _load_key(private_key_pem: bytes) -> PrivateKey:
    try:
        key = serialization.load_pem_private_key(private_key_pem, password=None)
    except (ValueError, TypeError) as error:
        raise SigningFailed("The private key cannot be read.") from error
    if isinstance(key, rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey):
        return key
    raise SigningFailed("The private key is neither RSA nor Ed25519.")


def _make_signature(private_key_pem: bytes, algorithm: DkimAlgorithm, data: bytes) -> bytes:
    key = _load_key(private_key_pem)
    if algorithm is DkimAlgorithm.RSA and isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, padding.PKCS1v15(), hashes.SHA256())
    if algorithm is DkimAlgorithm.ED25519 and isinstance(key, ed25519.Ed25519PrivateKey):
        # RFC 8463 section 3: PureEdDSA over the SHA-256 hash, not over the data.
        return key.sign(hashlib.sha256(data).digest())
    raise SigningFailed("The private key is of another algorithm.")
