"""Routes of the vault, its keys and its audit log (contract vault.md section 1)."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.response import Response

from common.api.viewsets import ApiRequest
from common.principal import Scope
from vault import limits
from vault.api.base import MANAGERS, VaultApiViewSet
from vault.api.serializers import (
    AuditPageOut,
    AuditQueryIn,
    KeyChangeIn,
    KeyQueryIn,
    NewPrimaryKeyIn,
    NewVaultIn,
    UnlockBundleOut,
    UnlockQueryIn,
    VaultInfoOut,
    VaultInitializedOut,
    VaultKeyOut,
)
from vault.selectors import list_vault_audit
from vault.services.keys import add_primary_key, change_primary_key, delete_key, delete_vault, initialize_vault
from vault.services.reading import read_info, read_keys, unlock_vault


class VaultViewSet(VaultApiViewSet):
    """One vault for an organization."""

    allowed_by_action: ClassVar[dict[str, Any]] = {
        "initialize": MANAGERS,
        # For good, and for everybody: a person decides, not a program.
        "destroy": frozenset({Scope.SESSION}),
        "audit": MANAGERS,
    }

    @extend_schema(operation_id="get_vault_info", summary="Metadata of the vault", responses={200: VaultInfoOut})
    def info(self, request: ApiRequest) -> Response:
        return Response(VaultInfoOut.render(read_info(request.principal)))

    @extend_schema(
        operation_id="initialize_vault",
        summary="Create the vault with a primary key and four recovery keys",
        request=NewVaultIn,
        responses={201: VaultInitializedOut},
    )
    def initialize(self, request: ApiRequest) -> Response:
        new = NewVaultIn.parse(request)
        vault = initialize_vault(request.principal, new)
        body = {"vault_id": vault.pk, "vault_key_id": new.vault_key.id, "recovery_key_count": limits.RECOVERY_KEYS}
        return Response(body, status=201)

    @extend_schema(
        operation_id="unlock_vault",
        summary="The wrapped key of an auth hash, and the encrypted secrets the caller may read",
        parameters=[UnlockQueryIn],
        responses={200: UnlockBundleOut},
    )
    def unlock(self, request: ApiRequest) -> Response:
        query = UnlockQueryIn.parse_query(request)
        return Response(UnlockBundleOut.render(unlock_vault(request.principal, query.auth_hash)))

    @extend_schema(operation_id="delete_vault", summary="Delete the vault with everything in it", responses={204: None})
    def destroy(self, request: ApiRequest) -> Response:
        delete_vault(request.principal)
        return Response(status=204)

    @extend_schema(
        operation_id="list_vault_audit",
        summary="Who did what with the vault, newest first",
        parameters=[AuditQueryIn],
        responses={200: AuditPageOut},
    )
    def audit(self, request: ApiRequest) -> Response:
        query = AuditQueryIn.parse_query(request)
        page = list_vault_audit(
            request.principal,
            limit=query.limit,
            cursor=query.cursor,
            action=query.action,
            secret_id=query.secret_id,
            identity_id=query.identity_id,
        )
        return Response(page.body)


@extend_schema_view(
    list=extend_schema(
        operation_id="list_vault_keys",
        summary="Active keys, without what they wrap",
        parameters=[KeyQueryIn],
        responses={200: VaultKeyOut(many=True)},
    ),
    create=extend_schema(
        operation_id="add_vault_key",
        summary="Add a primary key",
        request=NewPrimaryKeyIn,
        responses={201: VaultKeyOut},
    ),
    destroy=extend_schema(operation_id="delete_vault_key", summary="Delete a key", responses={204: None}),
)
class VaultKeyViewSet(VaultApiViewSet):
    """Keys of the vault."""

    allowed_by_action: ClassVar[dict[str, Any]] = {
        "create": MANAGERS,
        "change_primary": MANAGERS,
        "destroy": MANAGERS,
    }

    def list(self, request: ApiRequest) -> Response:
        query = KeyQueryIn.parse_query(request)
        return Response(VaultKeyOut.render_many(read_keys(request.principal, query.type)))

    def create(self, request: ApiRequest) -> Response:
        key = add_primary_key(request.principal, NewPrimaryKeyIn.parse(request))
        return Response(VaultKeyOut.render(key), status=201)

    @extend_schema(
        operation_id="change_vault_key",
        summary="Replace the primary key, proven by the current key or by a recovery code, which is used up",
        request=KeyChangeIn,
        responses={200: VaultKeyOut},
    )
    def change_primary(self, request: ApiRequest) -> Response:
        key = change_primary_key(request.principal, KeyChangeIn.parse(request))
        return Response(VaultKeyOut.render(key))

    def destroy(self, request: ApiRequest, auth_hash: str) -> Response:
        delete_key(request.principal, auth_hash)
        return Response(status=204)
