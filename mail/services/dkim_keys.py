"""DKIM keys of sending domains: making them, choosing among them, signing with them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

import structlog
from cryptography.exceptions import InvalidTag
from django.db import IntegrityError, transaction

from common.clock import now
from common.errors import Conflict, Invalid, NotFound
from common.sealed import seal, unseal
from mail.dkim import SigningFailed, dns_record, generate_key, signature_field
from mail.enums import DkimAlgorithm
from mail.mime.encode import encode_domain
from mail.models import DkimKey

log = structlog.get_logger(__name__)

KEY_PURPOSE = "mail.dkim"
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
_LINE_ENDS = re.compile(rb"\r\n|\r|\n")
_DOMAIN_MAX_CHARS = 253
_SELECTOR_MAX_CHARS = 63


class DkimSelectorTaken(Conflict):
    """The selector names another key of the domain."""

    def __init__(self, selector: str, domain: str) -> None:
        super().__init__(f"{domain} already has a DKIM key with the selector {selector!r}. Choose another selector.")


class DkimKeyNotFound(NotFound):
    """No key under this name."""

    def __init__(self, selector: str, domain: str) -> None:
        super().__init__(f"{domain} has no DKIM key with the selector {selector!r}.")


def create_dkim_key(domain: str, selector: str, algorithm: DkimAlgorithm) -> DkimKey:
    """Make a key and store it encrypted. The caller publishes `dns_record` as TXT at `<selector>._domainkey.<domain>`.

    The first key of a domain and algorithm signs from now on. A later one is a rotation: it stays inactive until
    activate_dkim_key, so that mail is not signed with a key that nobody can look up yet. Raises Invalid and
    DkimSelectorTaken.
    """
    domain, selector = _clean_domain(domain), _clean_selector(selector)
    pem, record = generate_key(algorithm)
    try:
        with transaction.atomic():
            return DkimKey.objects.create(
                domain=domain,
                selector=selector,
                algorithm=algorithm.value,
                sealed_private_key=seal(KEY_PURPOSE, pem),
                dns_record=record,
                is_active=not DkimKey.objects.filter(domain=domain, algorithm=algorithm.value, is_active=True).exists(),
            )
    except IntegrityError:
        raise DkimSelectorTaken(selector, domain) from None


def activate_dkim_key(domain: str, selector: str) -> DkimKey:
    """Sign with this key from now on, and no longer with the domain's other keys of its algorithm.

    The old record must stay published while mail signed with it is under way. Raises DkimKeyNotFound.
    """
    domain, selector = _clean_domain(domain), _clean_selector(selector)
    with transaction.atomic():
        keys = list(DkimKey.objects.select_for_update().filter(domain=domain).order_by("pk"))
        chosen = next((key for key in keys if key.selector == selector), None)
        if chosen is None:
            raise DkimKeyNotFound(selector, domain)
        same = [key.pk for key in keys if key.algorithm == chosen.algorithm and key.pk != chosen.pk]
        DkimKey.objects.filter(pk__in=same).update(is_active=False)
        DkimKey.objects.filter(pk=chosen.pk).update(is_active=True)
        chosen.is_active = True
    return chosen


def deactivate_dkim_key(domain: str, selector: str) -> DkimKey:
    """Stop signing with this key. Raises DkimKeyNotFound."""
    domain, selector = _clean_domain(domain), _clean_selector(selector)
    key = DkimKey.objects.filter(domain=domain, selector=selector).first()
    if key is None:
        raise DkimKeyNotFound(selector, domain)
    DkimKey.objects.filter(pk=key.pk).update(is_active=False)
    key.is_active = False
    return key


def sign_for_domain(raw: bytes, from_domain: str) -> bytes:
    """The message signed with the domain's active keys: RSA for everyone, Ed25519 beside it when there is one.

    Several signatures are independent (RFC 6376 section 4): none covers another. A domain without keys leaves the
    message as it is. So does a key that fails: the failure is logged as an error with the key's id, the other keys
    still sign, and the mail goes out. Unsigned mail is usually accepted, while mail that is held back for a key that
    may be lost for good (the server secret changed) would fail for certain. unusable_keys() finds such keys.
    """
    fields: list[bytes] = []
    keys = _newest_per_algorithm(DkimKey.objects.filter(domain=from_domain.lower(), is_active=True).order_by("pk"))
    if not keys:
        return raw
    content = _LINE_ENDS.sub(b"\r\n", raw)
    for key in keys:
        try:
            fields.append(_sign_with(key, content))
        except (SigningFailed, InvalidTag) as error:
            log.error("mail.dkim_failed", dkim_key=str(key.pk), error=type(error).__name__)
    return b"".join([*fields, content]) if fields else raw


def unusable_keys() -> list[DkimKey]:
    """Active keys whose private half cannot be read or does not fit their DNS record; for the operator's checks."""
    broken = []
    for key in DkimKey.objects.filter(is_active=True).order_by("pk"):
        try:
            fits = dns_record(_unsealed(bytes(key.sealed_private_key))) == key.dns_record
        except (SigningFailed, InvalidTag):
            fits = False
        if not fits:
            broken.append(key)
    return broken


def _newest_per_algorithm(keys: Iterable[DkimKey]) -> list[DkimKey]:
    newest = {key.algorithm: key for key in keys}
    return [newest[algorithm.value] for algorithm in DkimAlgorithm if algorithm.value in newest]


def _sign_with(key: DkimKey, content: bytes) -> bytes:
    return signature_field(
        content,
        domain=key.domain,
        selector=key.selector,
        private_key_pem=_unsealed(bytes(key.sealed_private_key)),
        algorithm=DkimAlgorithm(key.algorithm),
        signed_at=int(now().timestamp()),
    )


@lru_cache(maxsize=128)
def _unsealed(sealed: bytes) -> bytes:
    """The private key; cached by its sealed form, which never changes for a key."""
    return unseal(KEY_PURPOSE, sealed)


def _clean_domain(domain: str) -> str:
    try:
        ascii_domain = encode_domain("domain", domain.strip().rstrip(".")).lower()
    except ValueError:
        ascii_domain = ""
    labels = ascii_domain.split(".")
    if not ascii_domain or len(ascii_domain) > _DOMAIN_MAX_CHARS or not all(_LABEL.fullmatch(part) for part in labels):
        raise Invalid("This is not a domain name.", loc=("domain",))
    return ascii_domain


def _clean_selector(selector: str) -> str:
    """RFC 6376 section 3.1: one or more labels."""
    selector = selector.strip().lower()
    if len(selector) > _SELECTOR_MAX_CHARS or not all(_LABEL.fullmatch(part) for part in selector.split(".")):
        raise Invalid(
            "A selector is at most 63 characters: letters, digits and hyphens, with dots between labels.",
            loc=("selector",),
        )
    return selector
