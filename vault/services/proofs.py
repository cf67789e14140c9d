"""Auth hashes that fit no key: counted, written down, and refused for a while when there are too many."""

from __future__ import annotations

from common import ratelimit
from common.principal import Principal
from vault import limits
from vault.enums import VaultAction
from vault.models import Vault
from vault.services.audit import caller_id, record_vault_use

_BUCKET = "vault-keys"


def check_attempts(principal: Principal, vault: Vault) -> None:
    """Raises RateLimited 429 after too many wrong hashes of this caller at this vault, whatever comes now."""
    ratelimit.refuse_spent(_BUCKET, _subject(principal, vault), limits.REFUSED_KEYS_PER_MINUTE)


def count_refusal(principal: Principal, vault: Vault) -> None:
    """A hash fitted no key. Call outside the transaction that was refused."""
    ratelimit.spend(_BUCKET, _subject(principal, vault), limits.REFUSED_KEYS_PER_MINUTE)
    record_vault_use(principal, vault, VaultAction.KEY_REFUSED)


def _subject(principal: Principal, vault: Vault) -> str:
    # An identity, however many keys it has.
    return f"{vault.pk}:{principal.identity_id or caller_id(principal)}"
