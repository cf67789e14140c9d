"""Reads. Every one starts from the principal.

What the API says about secrets comes as rows of JSON values straight from the database: an unlock hands out a whole
vault, and making objects of it would cost most of the time.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast
from uuid import UUID

import orjson
from django.db.models import Count, Q, QuerySet

from common.api.pagination import KeysetList, Page
from common.ids import parse_uuid
from common.prepared import Prepared
from common.principal import Principal
from identities.models import AgentIdentity
from identities.roles import require_manager
from vault.enums import KeyType
from vault.errors import AccessNotFound, SecretNotFound, VaultNotFound
from vault.models import SecretAccess, Vault, VaultAuditEntry, VaultKey, VaultSecret

_COLUMNS = ("id", "name", "description", "secret_type", "revision", "created_at", "updated_at")
_ACCESS_COLUMNS = ("id", "vault_secret_id", "identity_id", "created_at")


@dataclass(frozen=True, slots=True)
class VaultCounts:
    """A vault with the number of its rows."""

    vault: Vault
    key_count: int
    recovery_key_count: int
    secret_count: int


def require_writer(principal: Principal) -> None:
    """Agents write what is granted to them, people need the admin role. Raises RoleTooLow."""
    if not principal.is_agent:
        require_manager(principal)


def find_vault(principal: Principal) -> Vault | None:
    """The vault of the organization, None before it is initialized."""
    return Vault.objects.visible_to(principal).first()


def get_vault(principal: Principal) -> Vault:
    """The vault of the organization. Raises VaultNotFound."""
    row = find_vault(principal)
    if row is None:
        raise VaultNotFound
    return row


def count_vault(vault: Vault) -> VaultCounts:
    """How many keys and secrets there are, whoever asks."""
    keys = VaultKey.objects.filter(vault=vault).aggregate(
        primary=Count("pk", filter=Q(key_type=KeyType.PRIMARY.value)),
        recovery=Count("pk", filter=Q(key_type=KeyType.RECOVERY.value)),
    )
    return VaultCounts(vault, keys["primary"], keys["recovery"], VaultSecret.objects.filter(vault=vault).count())


def list_keys(vault: Vault, key_type: str | None) -> list[VaultKey]:
    """Without their wrapped material: primary keys first, then in the order they were made."""
    rows = VaultKey.objects.filter(vault=vault).defer("wrapped_org_encryption_key", "auth_digest")
    if key_type is not None:
        rows = rows.filter(key_type=key_type)
    return list(rows.order_by("key_type", "created_at", "pk"))


def get_secret(principal: Principal, secret_id: str) -> VaultSecret:
    """A secret that the caller may read, without its payload. Raises VaultNotFound, SecretNotFound."""
    row_id = parse_uuid(secret_id)
    rows = VaultSecret.objects.visible_to(principal).select_related("vault").defer("encrypted_payload")
    row = rows.filter(pk=row_id).first() if row_id else None
    if row is None:
        get_vault(principal)
        raise SecretNotFound
    return row


def secret_rows(
    principal: Principal,
    vault: Vault,
    *,
    with_payload: bool = False,
    secret_type: str | None = None,
    secret_id: UUID | None = None,
) -> list[dict[str, Any]]:
    """What the caller may read, newest first, each with the access rules that the caller may see. Two queries."""
    agent = principal.identity_id if principal.is_agent else None
    given = [value for value in (agent, secret_type, secret_id) if value is not None]
    shape = (agent is not None, secret_type is not None, secret_id is not None)
    found = [orjson.loads(text) for text in _secrets(with_payload, *shape).json_texts(vault.pk, *given)]
    rules: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    if found:
        shown = [value for value in (agent, secret_id) if value is not None]
        for text in _access(agent is not None, secret_id is not None).json_texts(vault.pk, *shown):
            rule = orjson.loads(text)
            rules[rule["vault_secret_id"]].append(rule)
    for row in found:
        row["access"] = rules[row["id"]]
    return found


def secret_row(principal: Principal, secret: VaultSecret, *, with_payload: bool = False) -> dict[str, Any]:
    """One secret as the API says it. Raises SecretNotFound when it went away meanwhile."""
    rows = secret_rows(principal, secret.vault, with_payload=with_payload, secret_id=secret.pk)
    if not rows:
        raise SecretNotFound
    return rows[0]


@lru_cache(maxsize=16)
def _secrets(with_payload: bool, of_agent: bool, of_type: bool, only_one: bool) -> Prepared[VaultSecret]:
    kinds = [UUID, *([UUID] if of_agent else []), *([str] if of_type else []), *([UUID] if only_one else [])]

    def build(vault_id: Any, *values: Any) -> QuerySet[VaultSecret, Any]:
        given = iter(values)
        rows = VaultSecret.objects.filter(vault_id=vault_id)
        if of_agent:
            rows = rows.filter(access_rules__identity_id=next(given))
        if of_type:
            rows = rows.filter(secret_type=next(given))
        if only_one:
            rows = rows.filter(pk=next(given))
        columns = (*_COLUMNS, "encrypted_payload") if with_payload else _COLUMNS
        return cast("QuerySet[VaultSecret, Any]", rows.order_by("-created_at", "-pk").values(*columns))

    return Prepared(build, *kinds)


@lru_cache(maxsize=4)
def _access(of_agent: bool, only_one: bool) -> Prepared[SecretAccess]:
    kinds = [UUID, *([UUID] if of_agent else []), *([UUID] if only_one else [])]

    def build(vault_id: Any, *values: Any) -> QuerySet[SecretAccess, Any]:
        given = iter(values)
        rows = SecretAccess.objects.filter(vault_secret__vault_id=vault_id)
        if of_agent:
            # Which others may read a secret is the business of those who manage it.
            rows = rows.filter(identity_id=next(given))
        if only_one:
            rows = rows.filter(vault_secret_id=next(given))
        return cast("QuerySet[SecretAccess, Any]", rows.order_by("created_at", "pk").values(*_ACCESS_COLUMNS))

    return Prepared(build, *kinds)


def list_access(principal: Principal, secret: VaultSecret) -> list[SecretAccess]:
    """Who may read a secret, in the order of the grants; an agent sees its own rule."""
    rows = SecretAccess.objects.filter(vault_secret=secret)
    if principal.is_agent:
        rows = rows.filter(identity_id=principal.identity_id)
    return list(rows.order_by("created_at", "pk"))


def list_grants(principal: Principal, identity: AgentIdentity) -> list[SecretAccess]:
    """What an identity may read, each rule with its secret but without the payload, by name."""
    rows = SecretAccess.objects.filter(identity=identity, vault_secret__in=VaultSecret.objects.visible_to(principal))
    rows = rows.select_related("vault_secret").defer("vault_secret__encrypted_payload")
    return list(rows.order_by("vault_secret__name", "pk"))


def list_secrets_without(principal: Principal, identity: AgentIdentity) -> list[VaultSecret]:
    """What an identity may not read, without payloads, by name."""
    rows = VaultSecret.objects.visible_to(principal).exclude(access_rules__identity=identity)
    return list(rows.only("pk", "name", "secret_type").order_by("name", "pk"))


def get_access(secret: VaultSecret, identity_id: UUID | None) -> SecretAccess:
    """The rule of an identity. Raises AccessNotFound."""
    row = SecretAccess.objects.filter(vault_secret=secret, identity_id=identity_id).first()
    if row is None:
        raise AccessNotFound
    return row


_AUDIT = KeysetList(
    lambda _, organization_id: VaultAuditEntry.objects.filter(organization_id=organization_id),
    keys=(str,),
    at="created_at",
    columns=(
        "id",
        "vault_id",
        "action",
        "caller_scope",
        "caller_id",
        "caller_identity_id",
        "secret_id",
        "key_id",
        "identity_id",
        "secret_count",
        "created_at",
    ),
    filters={
        "action": ("action", str),
        "secret_id": ("secret_id", UUID),
        "identity_id": ("caller_identity_id", UUID),
    },
)


def list_vault_audit(principal: Principal, *, limit: int, cursor: str | None = None, **filters: Any) -> Page:
    """What was done with the organization's vaults, newest first; deleted vaults too. Raises RoleTooLow."""
    require_manager(principal)
    return _AUDIT.page(principal.organization_id, limit=limit, cursor=cursor, **filters)
