"""Signatures that dkimpy, an independent implementation, accepts; and the keys that make them."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import dkim
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from django.core.management import CommandError, call_command

from common.errors import Invalid
from mail.dkim import SigningFailed, dns_record, generate_key, sign, zone_line
from mail.enums import DkimAlgorithm
from mail.models import DkimKey
from mail.services.dkim_keys import (
    DkimKeyNotFound,
    DkimSelectorTaken,
    activate_dkim_key,
    create_dkim_key,
    deactivate_dkim_key,
    sign_for_domain,
    unusable_keys,
)

MESSAGE = (
    b"From: Bot <bot@example.org>\r\nTo: ann@example.net,\r\n\tbob@example.net\r\nSubject:  Hello   there \r\n"
    b"Date: Thu, 01 Jan 2026 10:00:00 +0000\r\nMessage-ID: <m1@example.org>\r\n"
    b"References: <a@example.org>\r\n <b@example.org>\r\n"
    b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nX-Other: not signed\r\n\r\n"
    b"First  line \t \r\n\r\n.dot\r\n\r\n\r\n"
)
ALGORITHMS = list(DkimAlgorithm)


@pytest.fixture(scope="module")
def keys() -> dict[DkimAlgorithm, tuple[bytes, str]]:
    return {algorithm: generate_key(algorithm) for algorithm in ALGORITHMS}


@pytest.fixture(autouse=True)
def _ed25519_for_dkimpy(monkeypatch: pytest.MonkeyPatch) -> None:
    """dkimpy verifies Ed25519 through PyNaCl; where that is not installed, OpenSSL does the curve arithmetic."""
    if hasattr(dkim, "nacl"):
        return

    class VerifyKey:
        def __init__(self, key: bytes, encoder: Any) -> None:
            self.key = ed25519.Ed25519PublicKey.from_public_bytes(base64.b64decode(key))

        def verify(self, message: bytes, signature: bytes) -> None:
            self.key.verify(signature, message)

    shim = SimpleNamespace(
        signing=SimpleNamespace(VerifyKey=VerifyKey),
        encoding=SimpleNamespace(Base64Encoder=None),
        exceptions=SimpleNamespace(ValueError=ValueError, BadSignatureError=InvalidSignature),
    )
    monkeypatch.setattr(dkim, "nacl", shim, raising=False)


def zone(**records: str) -> Callable[..., bytes | None]:
    """A DNS function for dkimpy: selector to TXT record of example.org."""

    def txt(name: bytes, timeout: float = 5) -> bytes | None:
        selector = name.decode().removesuffix("._domainkey.example.org.")
        return records[selector].encode() if selector in records else None

    return txt


def verify(raw: bytes, index: int = 0, **records: str) -> bool:
    try:
        return bool(dkim.DKIM(raw).verify(idx=index, dnsfunc=zone(**records)))
    except dkim.ValidationError:
        return False


def signed_with(keys: dict[DkimAlgorithm, tuple[bytes, str]], algorithm: DkimAlgorithm, raw: bytes = MESSAGE) -> bytes:
    return sign(raw, domain="example.org", selector="s1", private_key_pem=keys[algorithm][0], algorithm=algorithm)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_signature_verifies(keys: dict[DkimAlgorithm, tuple[bytes, str]], algorithm: DkimAlgorithm) -> None:
    signed = signed_with(keys, algorithm)

    assert signed.endswith(MESSAGE)
    assert verify(signed, s1=keys[algorithm][1])
    assert not verify(signed, s1=generate_key(algorithm)[1])


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"First  line", b"Last line"),
        (b"Hello   there", b"Goodbye"),
        (b"bot@example.org", b"ceo@example.org"),
        (b"To: ann", b"To: eve"),
        (b"<m1@example.org>", b"<m2@example.org>"),
        (b"<b@example.org>", b"<c@example.org>"),
        (b"text/plain", b"text/html"),
        (b"Date: Thu, 01", b"Date: Fri, 02"),
        # Oversigned: a second one on top, which readers might show, breaks the signature.
        (b"From: Bot", b"From: eve@example.com\r\nFrom: Bot"),
        (b"From: Bot", b"Subject: Urgent\r\nFrom: Bot"),
    ],
)
def test_tampering_is_noticed(
    keys: dict[DkimAlgorithm, tuple[bytes, str]], algorithm: DkimAlgorithm, old: bytes, new: bytes
) -> None:
    signed = signed_with(keys, algorithm)
    field, rest = signed[: -len(MESSAGE)], signed[-len(MESSAGE) :]

    tampered = field + rest.replace(old, new, 1)

    assert tampered != signed
    assert not verify(tampered, s1=keys[algorithm][1])


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_what_relays_do_is_harmless(keys: dict[DkimAlgorithm, tuple[bytes, str]], algorithm: DkimAlgorithm) -> None:
    signed = signed_with(keys, algorithm)

    relayed = b"Received: from a by b; now\r\n" + signed
    relayed = relayed.replace(b"Subject:  Hello   there ", b"subject: Hello\r\n\t there")
    relayed = relayed.replace(b"X-Other: not signed\r\n", b"").replace(b"line \t \r\n", b"line\r\n") + b"\r\n\r\n"

    assert verify(relayed, s1=keys[algorithm][1])


@pytest.mark.parametrize(
    "raw",
    [
        b"From: a@example.org\r\n\r\n",
        b"From: a@example.org\r\n",
        b"From: a@example.org",
        b"From: a@example.org\nSubject: unix\n\nline ends\n",
        b"From: a@example.org\r\n\r\nno line end",
        b"From: a@example.org\r\n\r\n\r\n\r\n",
        b"Subject: \r\nFrom: a@example.org\r\nTo:\r\n x@y.z\r\n\r\n \t\r\nx\r\n",
        b"From: a@example.org\r\nReferences: <1@a>\r\nReferences: <2@a>\r\nBcc: secret@example.org\r\n\r\nx\r\n",
        "From: ä@example.org\r\nSubject: raw ü\r\n\r\nbody é\r\n".encode(),
        b"From: a@example.org\r\nReferences: " + b" ".join(b"<%d@example.org>\r\n" % n for n in range(200)) + b"\r\nx",
    ],
)
def test_odd_messages_verify_too(keys: dict[DkimAlgorithm, tuple[bytes, str]], raw: bytes) -> None:
    for algorithm in ALGORITHMS:
        signed = signed_with(keys, algorithm, raw)

        assert verify(signed, s1=keys[algorithm][1])
        # Only the list of signed headers counts: the signature itself is random letters.
        assert b"bcc" not in signed.partition(b"h=")[2].partition(b";")[0].lower()


def test_the_field_is_well_formed(keys: dict[DkimAlgorithm, tuple[bytes, str]]) -> None:
    pem = keys[DkimAlgorithm.RSA][0]

    signed = sign(
        MESSAGE,
        domain="example.org",
        selector="s1",
        private_key_pem=pem,
        algorithm=DkimAlgorithm.RSA,
        signed_at=1_700_000_000,
    )

    field = signed[: -len(MESSAGE)].decode("ascii")
    assert all(len(line) <= 78 for line in field.splitlines())
    tags = dict(part.strip().split("=", 1) for part in field.removeprefix("DKIM-Signature:").split(";"))
    assert {name: "".join(tags[name].split()) for name in ("v", "a", "c", "d", "s", "t", "h")} == {
        "v": "1",
        "a": "rsa-sha256",
        "c": "relaxed/relaxed",
        "d": "example.org",
        "s": "s1",
        "t": "1700000000",
        "h": "from:from:to:subject:subject:date:message-id:references:mime-version:content-type",
    }
    again = sign(
        MESSAGE,
        domain="example.org",
        selector="s1",
        private_key_pem=pem,
        algorithm=DkimAlgorithm.RSA,
        signed_at=1_700_000_000,
    )
    assert again == signed


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"Subject: no from\r\n\r\nx",
        b"From: a@b.c\r\nFrom: d@e.f\r\n\r\nx",
        b"not a header\r\nFrom: a@b.c\r\n\r\nx",
        b" folded first\r\n\r\n",
    ],
)
def test_messages_that_cannot_be_signed(keys: dict[DkimAlgorithm, tuple[bytes, str]], raw: bytes) -> None:
    with pytest.raises(SigningFailed):
        signed_with(keys, DkimAlgorithm.RSA, raw)


def test_keys_that_cannot_sign(keys: dict[DkimAlgorithm, tuple[bytes, str]]) -> None:
    elliptic = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )

    for pem in (b"garbage", elliptic, keys[DkimAlgorithm.ED25519][0]):
        with pytest.raises(SigningFailed):
            sign(MESSAGE, domain="example.org", selector="s", private_key_pem=pem, algorithm=DkimAlgorithm.RSA)


def test_dns_records() -> None:
    # The key pair of RFC 8463 appendix A.2.
    key = ed25519.Ed25519PrivateKey.from_private_bytes(base64.b64decode("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="))
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    assert dns_record(pem) == "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="

    rsa_pem, record = generate_key(DkimAlgorithm.RSA)
    assert record == dns_record(rsa_pem)
    public = serialization.load_der_public_key(base64.b64decode(record.removeprefix("v=DKIM1; k=rsa; p=")))
    assert public.key_size == 2048  # type: ignore[union-attr]
    line = zone_line("example.org", "s1", record)
    assert line.startswith('s1._domainkey.example.org. IN TXT "v=DKIM1; k=rsa; p=')
    strings = line.split('"')[1::2]
    assert len(strings) == 2
    assert "".join(strings) == record
    assert all(len(part) <= 255 for part in strings)


# --- Keys of domains ----------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_mail_of_a_domain_carries_one_signature_per_algorithm() -> None:
    rsa_key = create_dkim_key("Example.ORG.", "r1", DkimAlgorithm.RSA)
    ed_key = create_dkim_key("example.org", "e1", DkimAlgorithm.ED25519)

    signed = sign_for_domain(MESSAGE, "EXAMPLE.org")

    assert signed.count(b"DKIM-Signature:") == 2
    assert verify(signed, 0, r1=rsa_key.dns_record, e1=ed_key.dns_record)
    assert verify(signed, 1, r1=rsa_key.dns_record, e1=ed_key.dns_record)
    assert signed.index(b"s=r1") < signed.index(b"s=e1")


@pytest.mark.django_db
def test_a_domain_without_keys_leaves_the_message_alone() -> None:
    create_dkim_key("example.net", "r1", DkimAlgorithm.ED25519)

    assert sign_for_domain(b"From: a\n\nb", "example.org") == b"From: a\n\nb"


@pytest.mark.django_db
def test_private_keys_are_stored_sealed() -> None:
    key = create_dkim_key("example.org", "e1", DkimAlgorithm.ED25519)

    assert b"PRIVATE KEY" not in bytes(DkimKey.objects.get(pk=key.pk).sealed_private_key)


@pytest.mark.django_db
def test_rotation_waits_for_activation() -> None:
    old = create_dkim_key("example.org", "e1", DkimAlgorithm.ED25519)
    new = create_dkim_key("example.org", "e2", DkimAlgorithm.ED25519)
    assert (old.is_active, new.is_active) == (True, False)
    assert b"s=e1" in sign_for_domain(MESSAGE, "example.org")

    activate_dkim_key("example.org", "e2")

    assert b"s=e2" in sign_for_domain(MESSAGE, "example.org")
    assert list(DkimKey.objects.filter(is_active=True)) == [new]
    deactivate_dkim_key("example.org", "e2")
    assert sign_for_domain(MESSAGE, "example.org") == MESSAGE


@pytest.mark.django_db
def test_a_selector_is_used_once_per_domain() -> None:
    create_dkim_key("example.org", "e1", DkimAlgorithm.ED25519)

    with pytest.raises(DkimSelectorTaken):
        create_dkim_key("example.org", "E1", DkimAlgorithm.RSA)

    create_dkim_key("example.net", "e1", DkimAlgorithm.ED25519)
    assert DkimKey.objects.count() == 2


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("domain", "selector"),
    [
        ("", "s"),
        ("exa mple.org", "s"),
        ("-x.org", "s"),
        ("a" * 254, "s"),
        ("x.org", ""),
        ("x.org", "a_b"),
        ("x.org", "a..b"),
    ],
)
def test_bad_names_are_refused(domain: str, selector: str) -> None:
    with pytest.raises(Invalid):
        create_dkim_key(domain, selector, DkimAlgorithm.ED25519)

    assert DkimKey.objects.count() == 0


@pytest.mark.django_db
def test_a_key_that_fails_leaves_the_other_signature_and_is_found_by_the_check() -> None:
    broken = create_dkim_key("example.org", "r1", DkimAlgorithm.RSA)
    create_dkim_key("example.org", "e1", DkimAlgorithm.ED25519)
    DkimKey.objects.filter(pk=broken.pk).update(sealed_private_key=b"sealed under another server secret")

    signed = sign_for_domain(MESSAGE, "example.org")

    assert (signed.count(b"DKIM-Signature:"), b"s=e1" in signed) == (1, True)
    assert unusable_keys() == [broken]


@pytest.mark.django_db
def test_mail_goes_out_unsigned_when_no_key_works() -> None:
    create_dkim_key("example.org", "e1", DkimAlgorithm.ED25519)

    assert sign_for_domain(b"Subject: no from\n\nx", "example.org") == b"Subject: no from\n\nx"


@pytest.mark.django_db
def test_the_command() -> None:
    def run(*args: str) -> str:
        out = io.StringIO()
        call_command("dkim", *args, stdout=out)
        return out.getvalue()

    assert "no DKIM keys" in run("list")
    created = run("create", "--domain", "example.org", "--selector", "s1", "--algorithm", "ed25519")
    key = DkimKey.objects.get()
    assert f's1._domainkey.example.org. IN TXT "{key.dns_record}"' in created
    assert "PRIVATE" not in created
    assert "activate --domain example.org --selector s2" in run(
        "create", "--domain", "example.org", "--selector", "s2", "--algorithm", "ed25519"
    )
    run("activate", "--domain", "example.org", "--selector", "s2")
    listed = run("list", "--domain", "example.org")
    assert "example.org  s1  ed25519-sha256  inactive" in listed
    assert "example.org  s2  ed25519-sha256  active" in listed
    run("deactivate", "--domain", "example.org", "--selector", "s2")
    assert not DkimKey.objects.filter(is_active=True).exists()

    with pytest.raises(CommandError, match="already has a DKIM key"):
        run("create", "--domain", "example.org", "--selector", "s2", "--algorithm", "rsa")
    with pytest.raises(CommandError, match="no DKIM key"):
        run("activate", "--domain", "example.org", "--selector", "nope")
    with pytest.raises(DkimKeyNotFound):
        deactivate_dkim_key("example.org", "nope")
    run("create", "--domain", "example.net")
    assert DkimKey.objects.get(domain="example.net").selector.startswith("rsa20")
