"""DKIM signatures and ARC chains (RFC 6376, 8463, 8301, 8617) with dkimpy, made safe for any input.

dkimpy gets the header only: body digests are made here, in linear time and once for all signatures. Public keys are
read and bounded here too, because its arithmetic has no limit. What it would read with patterns that are slow on
purpose-made input is refused before.
"""

from __future__ import annotations

import base64
import binascii
import logging
import re
from collections.abc import Callable, Mapping
from typing import Any

import dkim
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from dkim.util import InvalidTagValueList, parse_tag_value

from mail import limits
from mail.trust.domains import ascii_domain
from mail.trust.fields import Body, Fields
from mail.trust.lookups import LookupFailed, Lookups
from mail.trust.verdicts import Result, SignatureVerdict

_FIELD_MAX_BYTES = 16 * 1024
_SIGNED_NAMES_MAX = 200
_LONG_BLANK = re.compile(rb"\s{200}")
_RSA_BITS = range(1024, 8193)
_RSA_EXPONENT_MAX = 2**32
_LENGTH_MAX_DIGITS = 12

# dkimpy logs domains of senders; what matters of it is in the verdict.
_SILENT = logging.Logger("dkimpy", logging.CRITICAL + 1)  # noqa: LOG001  (not in the hierarchy, on purpose)
_SILENT.addHandler(logging.NullHandler())


class Unusable(Exception):
    """The signature cannot be valid; the text is the fixed phrase of the verdict."""


class PartOfBody(Exception):
    """The signature is for the beginning of the body only."""


class BodyChanged(Exception):
    """The digest of the body is another one."""


class _OwnDigest:
    """Mixin for dkimpy's verifiers: the body is checked here, not there."""

    message_body: Body

    def verify_sig(
        self, sig: Mapping[bytes, bytes], include_headers: list[bytes], sig_header: Any, dnsfunc: Any
    ) -> Any:
        """Body first: a changed body needs no DNS."""
        if b"bh" in sig:
            check_body(sig, self.message_body)
        rest = {tag: value for tag, value in sig.items() if tag != b"bh"}
        return super().verify_sig(rest, include_headers, sig_header, dnsfunc)  # type: ignore[misc]


class DkimVerifier(_OwnDigest, dkim.DKIM):  # type: ignore[misc]
    """All DKIM signatures of one message."""

    def __init__(self, fields: Fields) -> None:
        super().__init__(fields.header, logger=_SILENT)
        self.message_body = fields.body


class ArcVerifier(_OwnDigest, dkim.ARC):  # type: ignore[misc]
    """The ARC chain of one message."""

    def __init__(self, fields: Fields) -> None:
        super().__init__(fields.header, logger=_SILENT)
        self.message_body = fields.body

    def verify_sig(
        self, sig: Mapping[bytes, bytes], include_headers: list[bytes], sig_header: Any, dnsfunc: Any
    ) -> Any:
        """An older hop's signature may well be broken by the hops after it; the chain only needs the newest."""
        try:
            return super().verify_sig(sig, include_headers, sig_header, dnsfunc)
        except (BodyChanged, PartOfBody, Unusable):
            return False


def check_body(sig: Mapping[bytes, bytes], body: Body) -> None:
    """Compare bh= with the body. Raises BodyChanged, PartOfBody, Unusable."""
    algorithm = {b"rsa-sha256": "sha256", b"ed25519-sha256": "sha256", b"rsa-sha1": "sha1"}.get(sig.get(b"a", b""))
    canonicalization = sig.get(b"c", b"simple/simple").partition(b"/")[2] or b"simple"
    if algorithm is None or canonicalization not in (b"simple", b"relaxed"):
        raise Unusable("unknown algorithm")
    length = None
    if b"l" in sig:
        if not sig[b"l"].isdigit() or len(sig[b"l"]) > _LENGTH_MAX_DIGITS:
            raise Unusable("bad l= tag")
        length = int(sig[b"l"])
    digest, size = body.digest(algorithm, is_relaxed=canonicalization == b"relaxed", length=length)
    try:
        wanted = base64.b64decode(re.sub(rb"\s+", b"", sig[b"bh"]))
    except (binascii.Error, ValueError):
        raise Unusable("bad bh= tag") from None
    if digest != wanted or (length is not None and length > size):
        raise BodyChanged
    if length is not None and length < size:
        raise PartOfBody


def check_field_size(value: bytes) -> None:
    """Refuse a signature field that dkimpy's patterns would take long for. Raises Unusable."""
    if len(value) > _FIELD_MAX_BYTES or _LONG_BLANK.search(value):
        raise Unusable("the signature field is too large")


def check_signatures(
    fields: Fields, lookups: Lookups, preferred: Callable[[str], bool] = lambda _: False
) -> tuple[SignatureVerdict, ...]:
    """A verdict for each signature, in the order of the message; at most limits.DKIM_SIGNATURES_MAX are looked at.

    Those whose domain is `preferred` come first to the lookups, so that others cannot spend the budget before them.
    """
    values = fields.values.get("dkim-signature", [])[: limits.DKIM_SIGNATURES_MAX]
    if not values:
        return ()
    verifier = DkimVerifier(fields)
    order = sorted(range(len(values)), key=lambda index: not preferred(_named_domain(values[index])))
    verdicts = {index: _check_signature(verifier, index, values[index], lookups) for index in order}
    return tuple(verdicts[index] for index in range(len(values)))


def _named_domain(value: bytes) -> str:
    try:
        return ascii_domain(parse_tag_value(value).get(b"d", b"").decode("ascii"))
    except (InvalidTagValueList, UnicodeDecodeError, IndexError):
        return ""


def _check_signature(verifier: DkimVerifier, index: int, value: bytes, lookups: Lookups) -> SignatureVerdict:
    domain = selector = ""
    try:
        check_field_size(value)
        sig, names, found = verifier.verify_headerprep(index)
        domain = ascii_domain(sig[b"d"].decode("ascii"))
        selector = ascii_domain(sig[b"s"].decode("ascii"))
        if not domain or not selector:
            raise Unusable("bad domain or selector")
        if b"from" not in names or len(names) > _SIGNED_NAMES_MAX:
            raise Unusable("From is not signed" if b"from" not in names else "too many signed fields")
        if sig[b"a"] == b"rsa-sha1":
            return SignatureVerdict(Result.POLICY, domain, selector, "rsa-sha1 proves nothing (RFC 8301)")
        is_good = verifier.verify_sig(sig, names, found[index], key_source(lookups, sig))
    except LookupFailed:
        return SignatureVerdict(Result.TEMPERROR, domain, selector, "the key could not be looked up")
    except PartOfBody:
        return SignatureVerdict(Result.POLICY, domain, selector, "only a part of the body is signed")
    except BodyChanged:
        return SignatureVerdict(Result.FAIL, domain, selector, "the body was changed")
    except Unusable as error:
        return SignatureVerdict(Result.PERMERROR, domain, selector, str(error))
    except Exception:
        # dkimpy raises its own errors for what it can name and others for what it did not expect.
        return SignatureVerdict(Result.PERMERROR, domain, selector, "the signature cannot be read")
    if is_good:
        return SignatureVerdict(Result.PASS, domain, selector)
    return SignatureVerdict(Result.FAIL, domain, selector, "the header was changed or the key is another one")


def key_source(lookups: Lookups, sig: Mapping[bytes, bytes] | None = None) -> Callable[..., bytes]:
    """dkimpy's `dnsfunc`: the key record of a name, rewritten so that it holds nothing but a usable key.

    Raises LookupFailed and Unusable, which dkimpy passes on.
    """

    def fetch(name: bytes, **_: object) -> bytes:
        try:
            texts = lookups.texts(name.decode("ascii"))
        except UnicodeDecodeError:
            raise Unusable("bad domain or selector") from None
        records = [text for text in texts if text.startswith(b"v=DKIM1")] or [text for text in texts if b"p=" in text]
        if not records:
            raise Unusable("no key is published")
        return clean_key(records[0], sig or {})

    return fetch


def clean_key(record: bytes, sig: Mapping[bytes, bytes]) -> bytes:
    """Key record with only type and key (RFC 6376 section 3.6.1), for a signature with the tags `sig`.

    Raises Unusable for a key that is revoked, of another type or purpose, too short or absurdly large.
    """
    try:
        tags: dict[bytes, bytes] = parse_tag_value(record)
        key = base64.b64decode(re.sub(rb"\s+", b"", tags[b"p"]))
    except (InvalidTagValueList, KeyError, IndexError, ValueError):
        raise Unusable("the key record cannot be read") from None
    kind = tags.get(b"k", b"rsa").lower()
    if not key:
        raise Unusable("the key was revoked")
    if tags.get(b"v", b"DKIM1") != b"DKIM1" or kind not in (b"rsa", b"ed25519"):
        raise Unusable("the key is of an unknown type")
    if not {b"*", b"email"} & set(_list(tags.get(b"s", b"*"))) or b"sha256" not in _list(tags.get(b"h", b"sha256")):
        raise Unusable("the key is for something else")
    if sig and not sig.get(b"a", b"").startswith(kind + b"-"):
        raise Unusable("the key is for another algorithm")
    if (
        b"s" in _list(tags.get(b"t", b""))
        and b"i" in sig
        and sig[b"i"].rpartition(b"@")[2].lower() != sig[b"d"].lower()
    ):
        raise Unusable("the key is not for subdomains")
    public = _rsa_key(key) if kind == b"rsa" else key
    if kind == b"ed25519" and len(key) != 32:
        raise Unusable("the key cannot be read")
    return b"v=DKIM1; k=" + kind + b"; p=" + base64.b64encode(public)


def _list(value: bytes) -> list[bytes]:
    return [item.strip().lower() for item in value.split(b":")]


def _rsa_key(der: bytes) -> bytes:
    try:
        key = serialization.load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm):
        raise Unusable("the key cannot be read") from None
    if not isinstance(key, rsa.RSAPublicKey):
        raise Unusable("the key cannot be read")
    if key.key_size not in _RSA_BITS or key.public_numbers().e > _RSA_EXPONENT_MAX:
        raise Unusable("the key is too short (RFC 8301)" if key.key_size < _RSA_BITS[0] else "the key is too large")
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
