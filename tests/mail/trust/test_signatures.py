"""Single signatures and keys: what proves something, what does not, and what is not even looked at."""

from __future__ import annotations

import base64
import re
import time

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from mail.enums import DkimAlgorithm
from mail.trust.fields import canonical_body, split_fields
from mail.trust.signatures import Unusable, check_signatures, clean_key
from mail.trust.verdicts import Result, SignatureVerdict
from tests.mail.trust.zone import BANK, FAILED, MESSAGE, Zone, bank_zone, dkimpy_signed, key, lookups, signed


def verdicts(raw: bytes, zone: Zone | None = None) -> tuple[SignatureVerdict, ...]:
    return check_signatures(split_fields(raw), lookups(zone or bank_zone()))


def one(raw: bytes, zone: Zone | None = None) -> tuple[Result, str]:
    (verdict,) = verdicts(raw, zone)
    return verdict.result, verdict.reason


def _zone(record: str | Exception) -> Zone:
    zone = bank_zone()
    zone.records[f"s1._domainkey.{BANK}", "TXT"] = record if isinstance(record, Exception) else [record]
    return zone


def test_changes_are_found() -> None:
    raw = signed()

    assert one(raw.replace(b"last", b"lost")) == (Result.FAIL, "the body was changed")
    assert one(raw.replace(b"Subject: Hello", b"Subject: Other"))[0] is Result.FAIL
    assert one(b"Subject: first\r\n" + raw)[0] is Result.FAIL
    assert one(b"X-Trace: added\r\n" + raw)[0] is Result.PASS


def test_every_signature_has_its_own_verdict() -> None:
    raw = signed(signed(selector="s2", algorithm=DkimAlgorithm.ED25519), selector="s9")

    first, second = verdicts(raw)

    assert (first.selector, first.result, first.reason) == ("s9", Result.PERMERROR, "no key is published")
    assert (second.selector, second.result) == ("s2", Result.PASS)


def test_a_signature_of_a_part_of_the_body_proves_nothing() -> None:
    raw = dkimpy_signed(length=True)

    assert one(raw)[0] is Result.PASS
    assert one(raw + b"Pay me.\r\n") == (Result.POLICY, "only a part of the body is signed")


def test_sha1_proves_nothing() -> None:
    assert one(dkimpy_signed(signature_algorithm=b"rsa-sha1")) == (
        Result.POLICY,
        "rsa-sha1 proves nothing (RFC 8301)",
    )


def test_a_signature_must_cover_from() -> None:
    raw = re.sub(rb"h=from:from:", b"h=", signed())

    assert one(raw) == (Result.PERMERROR, "From is not signed")


def _filled(record: str) -> str:
    """Placeholders, because keys are made anew in every process and the names of tests must not be."""
    rsa_key = key(DkimAlgorithm.RSA)[1].partition("p=")[2]
    ed25519_record = key(DkimAlgorithm.ED25519)[1]
    return record.format(rsa=rsa_key, folded=f"{rsa_key[:40]} {rsa_key[40:]}", ed25519=ed25519_record)


@pytest.mark.parametrize(
    ("record", "result", "reason"),
    [
        ("v=DKIM1; k=rsa; p={rsa}", Result.PASS, ""),
        ("p={rsa}", Result.PASS, ""),
        ("k=rsa; t=s; s=email:other; h=sha1:sha256; p={folded}", Result.PASS, ""),
        ("v=DKIM1; p=", Result.PERMERROR, "the key was revoked"),
        ("v=DKIM1; k=rsa", Result.PERMERROR, "the key record cannot be read"),
        ("v=DKIM2; p={rsa}", Result.PERMERROR, "the key is of an unknown type"),
        ("v=DKIM1; k=dsa; p={rsa}", Result.PERMERROR, "the key is of an unknown type"),
        ("v=DKIM1; s=tlsrpt; p={rsa}", Result.PERMERROR, "the key is for something else"),
        ("v=DKIM1; h=sha1; p={rsa}", Result.PERMERROR, "the key is for something else"),
        ("v=DKIM1; p=AAAA", Result.PERMERROR, "the key cannot be read"),
        ("nothing of the sort", Result.PERMERROR, "no key is published"),
        ("{ed25519}", Result.PERMERROR, "the key is for another algorithm"),
        (FAILED, Result.TEMPERROR, "the key could not be looked up"),
    ],
)
def test_key_records(record: str | Exception, result: Result, reason: str) -> None:
    assert one(signed(), _zone(_filled(record) if isinstance(record, str) else record)) == (result, reason)


def test_a_key_for_the_very_domain_is_not_for_its_subdomains() -> None:
    raw = dkimpy_signed(identity=b"ann@news.bank.example")

    assert one(raw, _zone(_filled("p={rsa}")))[0] is Result.PASS
    assert one(raw, _zone(_filled("t=s; p={rsa}"))) == (Result.PERMERROR, "the key is not for subdomains")


def _record(public: object) -> bytes:
    der = public.public_bytes(  # type: ignore[attr-defined]
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return b"v=DKIM1; p=" + base64.b64encode(der)


def test_keys_that_would_keep_the_processor_busy_are_refused() -> None:
    modulus = (1 << 20_000) + 1
    huge = rsa.RSAPublicNumbers(65537, modulus).public_key()
    exponent = rsa.RSAPublicNumbers((1 << 2000) + 1, (1 << 2048) + 1).public_key()
    weak = b"v=DKIM1; p=" + base64.b64encode(
        rsa.RSAPublicNumbers(65537, (1 << 1022) + 1)
        .public_key()
        .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.PKCS1)
    )

    for record in (
        _record(huge),
        _record(exponent),
        weak,
        _record(ec.generate_private_key(ec.SECP256R1()).public_key()),
    ):
        with pytest.raises(Unusable):
            clean_key(record, {})


# --- Hostile input --------------------------------------------------------------------------------------------------

_TAGS = b"v=1; a=rsa-sha256; d=evil.example; s=k; "


@pytest.mark.parametrize(
    "raw",
    [
        (b"DKIM-Signature: " + _TAGS + b"h=from; bh=AAAA; b=AAAA\r\n") * 900 + MESSAGE,
        b"DKIM-Signature: " + _TAGS + b"h=" + b":".join([b"x"] * 5000) + b":from; bh=AAAA; b=AAAA\r\n" + MESSAGE,
        b"DKIM-Signature: " + _TAGS + b"h=from; bh=AAAA; b=" + b" " * 60_000 + b"!\r\n" + MESSAGE,
        b"DKIM-Signature: " + (b"; b" + b" " * 190) * 80 + b"\r\n" + MESSAGE,
        b"DKIM-Signature: " + _TAGS + b"h=from; l=" + b"9" * 5000 + b"; bh=AAAA; b=AAAA\r\n" + MESSAGE,
        b"DKIM-Signature: " + b"=" * 15_000 + b"\r\n" + MESSAGE,
        b"DKIM-Signature:\r\n" + MESSAGE,
    ],
    ids=["thousands", "many names", "blanks", "blank runs", "long number", "no tags", "empty"],
)
def test_hostile_signatures_cost_little(raw: bytes) -> None:
    started = time.perf_counter()

    found = verdicts(raw)

    assert time.perf_counter() - started < 2
    assert 1 <= len(found) <= 8
    assert all(verdict.result in (Result.FAIL, Result.PERMERROR) for verdict in found)


@pytest.mark.parametrize("filler", [b" ", b"\t ", b"\r\n", b" \r\n", b"\r", b"\n", b"a ", b"\r\r\n"])
def test_any_body_is_canonical_in_linear_time(filler: bytes) -> None:
    body = filler * (6_000_000 // len(filler)) + b"x"
    started = time.perf_counter()

    canonical_body(body, is_relaxed=True)
    canonical_body(body, is_relaxed=False)

    assert time.perf_counter() - started < 2


@given(st.lists(st.sampled_from([b"a", b" ", b"\t", b"\r\n", b"\r", b"\n"]), max_size=30).map(b"".join))
def test_canonical_bodies_are_stable(body: bytes) -> None:
    for is_relaxed in (True, False):
        canonical = canonical_body(body, is_relaxed=is_relaxed)

        assert canonical_body(canonical, is_relaxed=is_relaxed) == canonical
        assert canonical.endswith(b"\r\n") or (is_relaxed and canonical == b"")
        assert not canonical.endswith(b"\r\n\r\n")
        assert canonical.count(b"\n") == canonical.count(b"\r\n")


@given(st.binary(max_size=300), st.binary(max_size=200))
def test_any_signature_field_has_a_verdict(value: bytes, record: bytes) -> None:
    flat = value.replace(b"\r", b"").replace(b"\n", b"")
    zone = Zone({("k._domainkey.evil.example", "TXT"): [record.decode("latin-1")]})

    for field in (flat, _TAGS + b"h=from; bh=AAAA; b=AAAA;" + flat):
        for verdict in verdicts(b"DKIM-Signature:" + field + b"\r\n" + MESSAGE, zone):
            assert verdict.result in (Result.FAIL, Result.PERMERROR)


@given(st.binary(max_size=400))
def test_any_key_record_is_cleaned_or_refused(record: bytes) -> None:
    for text in (record, b"v=DKIM1; p=" + base64.b64encode(record), b"k=ed25519; p=" + base64.b64encode(record)):
        try:
            cleaned = clean_key(text, {})
        except Unusable:
            continue
        assert cleaned.startswith(b"v=DKIM1; k=")
