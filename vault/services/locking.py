"""One lock for all writes of a vault, taken before any other.

Every write ends with an entry in the audit log, which refers to the vault. Who held a secret or an identity by then,
and met somebody who came from the vault, would wait for ever.
"""

from __future__ import annotations

from vault.errors import VaultNotFound
from vault.models import Vault


def lock_vault(vault: Vault) -> Vault:
    """The vault, until the end of the transaction. Raises VaultNotFound when it is gone."""
    # NO KEY: reads, whose audit entries refer to the vault, go on.
    rows = Vault.objects.select_for_update(no_key=True)
    row = rows.filter(pk=vault.pk, organization_id=vault.organization_id).first()
    if row is None:
        raise VaultNotFound
    return row
