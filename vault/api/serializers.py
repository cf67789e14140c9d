"""Shapes of this app's resources and bodies (contract vault.md section 2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from rest_framework import serializers

from common.api.inputs import CleanText, HeaderText, InputSerializer, NestedInput
from common.api.outputs import OutputSerializer
from common.api.pagination import DEFAULT_LIMIT, MAX_LIMIT
from vault import limits
from vault.api.fields import AuthHash, BoundId, one_of, payload, wrapped_key
from vault.enums import KeyType, SecretType, VaultAction
from vault.selectors import VaultCounts
from vault.services.keys import KeyChange, KeyMaterial, NewVault
from vault.services.reading import Bundle
from vault.services.secrets import NewSecret, SecretChanges

# --- Keys -------------------------------------------------------------------------------------------------------


class KeyMaterialIn(NestedInput[KeyMaterial]):
    """A key that the client made."""

    into = KeyMaterial
    id = BoundId()
    wrapped_org_encryption_key = wrapped_key()
    auth_hash = AuthHash()
    key_type = one_of(KeyType)


class NewVaultIn(InputSerializer[NewVault]):
    """Body of initialize: one primary key and four recovery keys."""

    into = NewVault
    vault_key = KeyMaterialIn()
    recovery_keys = serializers.ListField(
        child=KeyMaterialIn(), min_length=limits.RECOVERY_KEYS, max_length=limits.RECOVERY_KEYS
    )

    def validate(self, attrs: Any) -> Any:
        primary, recovery = attrs["vault_key"], attrs["recovery_keys"]
        if primary.key_type != KeyType.PRIMARY:
            raise serializers.ValidationError({"vault_key": {"key_type": "Use primary."}})
        if any(key.key_type != KeyType.RECOVERY for key in recovery):
            raise serializers.ValidationError({"recovery_keys": "Every key_type here is recovery."})
        keys = [primary, *recovery]
        if len({key.id for key in keys}) < len(keys) or len({key.auth_hash for key in keys}) < len(keys):
            raise serializers.ValidationError({"recovery_keys": "Give each key an id and an auth_hash of its own."})
        return attrs


class NewPrimaryKeyIn(InputSerializer[KeyMaterial]):
    """Body of key create: one more primary key. Recovery keys come with the vault."""

    into = KeyMaterial
    id = BoundId()
    wrapped_org_encryption_key = wrapped_key()
    auth_hash = AuthHash()
    key_type = one_of([KeyType.PRIMARY], required=False)


class KeyChangeIn(InputSerializer[KeyChange]):
    """Body of a key change."""

    into = KeyChange
    id = BoundId()
    wrapped_org_encryption_key = wrapped_key()
    auth_hash = AuthHash()
    current_auth_hash = AuthHash(required=False, allow_null=True)
    recovery_auth_hash = AuthHash(required=False, allow_null=True)


@dataclass(frozen=True, slots=True)
class KeyQuery:
    """Filter of the key list."""

    type: str | None = None


class KeyQueryIn(InputSerializer[KeyQuery]):
    """Query of the key list."""

    into = KeyQuery
    type = one_of(KeyType, required=False)


class VaultInitializedOut(OutputSerializer):
    """A new vault."""

    vault_id = serializers.UUIDField()
    vault_key_id = serializers.UUIDField()
    recovery_key_count = serializers.IntegerField()


class VaultInfoOut(OutputSerializer):
    """A vault without its content. `organization_id` is the salt of every key, also after a move."""

    id = serializers.UUIDField()
    organization_id = serializers.CharField()
    status = serializers.CharField()  # until 0.1
    key_count = serializers.IntegerField()
    recovery_key_count = serializers.IntegerField()
    secret_count = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    deleted_at = serializers.DateTimeField(allow_null=True)  # until 0.1

    @classmethod
    def render(cls, row: VaultCounts) -> dict[str, Any]:
        return {
            "id": row.vault.pk,
            "organization_id": row.vault.salt_organization_id,
            "status": "active",
            "key_count": row.key_count,
            "recovery_key_count": row.recovery_key_count,
            "secret_count": row.secret_count,
            "created_at": row.vault.created_at,
            "updated_at": row.vault.updated_at,
            "deleted_at": None,
        }


class VaultKeyOut(OutputSerializer):
    """A key without what it wraps."""

    id = serializers.UUIDField()
    key_type = serializers.ChoiceField(choices=[t.value for t in KeyType])
    created_by = serializers.CharField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


# --- Unlock -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class UnlockQuery:
    """The auth hash, unless the caller wants what can be had without."""

    auth_hash: str | None = None


class UnlockQueryIn(InputSerializer[UnlockQuery]):
    """Query of unlock."""

    into = UnlockQuery
    remembers_queries = False
    auth_hash = AuthHash(required=False)


class AccessRuleOut(OutputSerializer):
    """An identity may read a secret."""

    id = serializers.UUIDField()
    vault_secret_id = serializers.UUIDField()
    identity_id = serializers.UUIDField()
    created_at = serializers.DateTimeField()


class VaultSecretOut(OutputSerializer):
    """A secret without its payload."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    description = serializers.CharField(allow_null=True)
    secret_type = serializers.ChoiceField(choices=[t.value for t in SecretType])
    revision = serializers.IntegerField(help_text="Also the ETag; send it in If-Match to change only what was read.")
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    access = AccessRuleOut(many=True)  # since 0.5.0


class VaultSecretDetailOut(VaultSecretOut):
    """A secret with its ciphertext."""

    encrypted_payload = serializers.CharField()


class WrappedKeyOut(OutputSerializer):
    """A key as it is stored. Its auth hash is not: the server keeps a digest only."""

    id = serializers.UUIDField()
    auth_hash = serializers.CharField(allow_null=True)
    wrapped_org_encryption_key = serializers.CharField()

    @staticmethod
    def get_auth_hash(_: Any) -> None:
        return None


class UnlockBundleOut(OutputSerializer):
    """What the client decrypts."""

    wrapped_org_encryption_key = serializers.CharField(allow_null=True)
    wrapped_org_encryption_keys = WrappedKeyOut(many=True, allow_null=True)
    encrypted_secrets = VaultSecretDetailOut(many=True)

    @classmethod
    def render(cls, row: Bundle) -> dict[str, Any]:
        return {
            "wrapped_org_encryption_key": row.wrapped_key,
            "wrapped_org_encryption_keys": (
                WrappedKeyOut.render_many(row.wrapped_keys) if row.wrapped_keys is not None else None
            ),
            "encrypted_secrets": row.secrets,
        }


# --- Secrets ----------------------------------------------------------------------------------------------------


class NewSecretIn(InputSerializer[NewSecret]):
    """Body of secret create."""

    into = NewSecret
    id = BoundId(default=uuid4)
    name = HeaderText(allow_blank=False, max_length=limits.NAME_MAX_CHARS)
    description = CleanText(required=False, allow_null=True, max_length=limits.DESCRIPTION_MAX_CHARS)
    secret_type = one_of(SecretType)
    encrypted_payload = payload()


class SecretChangesIn(InputSerializer[SecretChanges]):
    """Body of secret update: absent means unchanged, null clears the description."""

    into = SecretChanges
    name = HeaderText(required=False, allow_blank=False, max_length=limits.NAME_MAX_CHARS)
    description = CleanText(required=False, allow_null=True, max_length=limits.DESCRIPTION_MAX_CHARS)
    encrypted_payload = payload(required=False)

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict) and "secret_type" in data:
            raise serializers.ValidationError(
                {"secret_type": "The type of a secret does not change. Delete the secret and create another."}
            )
        return super().to_internal_value(data)


@dataclass(frozen=True, slots=True)
class SecretQuery:
    """Filter of the secret list."""

    secret_type: str | None = None


class SecretQueryIn(InputSerializer[SecretQuery]):
    """Query of the secret list."""

    into = SecretQuery
    secret_type = one_of(SecretType, required=False)


@dataclass(frozen=True, slots=True)
class NewAccess:
    """The body of access create."""

    identity_id: UUID


class NewAccessIn(InputSerializer[NewAccess]):
    """Body of access create."""

    into = NewAccess
    identity_id = serializers.UUIDField()


# --- Audit ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """Filters of the audit log, combined by AND."""

    limit: int
    cursor: str | None = None
    action: str | None = None
    secret_id: UUID | None = None
    identity_id: UUID | None = None


class AuditQueryIn(InputSerializer[AuditQuery]):
    """Query of the audit log; `identity_id` is the agent that called."""

    into = AuditQuery
    limit = serializers.IntegerField(min_value=1, max_value=MAX_LIMIT, default=DEFAULT_LIMIT)
    cursor = serializers.CharField(required=False, allow_blank=True)
    action = one_of(VaultAction, required=False)
    secret_id = serializers.UUIDField(required=False)
    identity_id = serializers.UUIDField(required=False)


class VaultAuditEntryOut(OutputSerializer):
    """Who did what."""

    id = serializers.UUIDField()
    vault_id = serializers.UUIDField()
    action = serializers.ChoiceField(choices=[a.value for a in VaultAction])
    caller_scope = serializers.CharField()
    caller_id = serializers.CharField()
    caller_identity_id = serializers.UUIDField(allow_null=True)
    secret_id = serializers.UUIDField(allow_null=True)
    key_id = serializers.UUIDField(allow_null=True)
    identity_id = serializers.UUIDField(allow_null=True)
    secret_count = serializers.IntegerField(allow_null=True)
    created_at = serializers.DateTimeField()


class AuditPageOut(serializers.Serializer[Any]):
    """A page of the audit log, newest first."""

    items = VaultAuditEntryOut(many=True)
    has_more = serializers.BooleanField()
    next_cursor = serializers.CharField(allow_null=True)
