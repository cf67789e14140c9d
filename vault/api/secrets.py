"""Routes of secrets and of access to them (contract vault.md sections 1 and 4.5)."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.response import Response

from common.api.viewsets import ApiRequest
from common.ids import parse_uuid
from vault.api.base import VaultApiViewSet
from vault.api.preconditions import etag, expected_revisions
from vault.api.serializers import (
    AccessRuleOut,
    NewAccessIn,
    NewSecretIn,
    SecretChangesIn,
    SecretQueryIn,
    VaultSecretDetailOut,
    VaultSecretOut,
)
from vault.selectors import get_secret, secret_row
from vault.services.access import grant_access, revoke_access
from vault.services.reading import read_access, read_secret, read_secrets
from vault.services.secrets import create_secret, delete_secret, update_secret


@extend_schema_view(
    list=extend_schema(
        operation_id="list_vault_secrets",
        summary="Secrets the caller may read, newest first, without their payload",
        parameters=[SecretQueryIn],
        responses={200: VaultSecretOut(many=True)},
    ),
    create=extend_schema(
        operation_id="create_vault_secret",
        summary="Store a secret; an agent that does may read it",
        request=NewSecretIn,
        responses={201: VaultSecretOut},
    ),
    retrieve=extend_schema(
        operation_id="get_vault_secret",
        summary="A secret with its encrypted payload",
        responses={200: VaultSecretDetailOut},
    ),
    partial_update=extend_schema(
        operation_id="update_vault_secret",
        summary="Change the supplied fields of a secret",
        request=SecretChangesIn,
        responses={200: VaultSecretOut},
    ),
    destroy=extend_schema(operation_id="delete_vault_secret", summary="Delete a secret", responses={204: None}),
)
class VaultSecretViewSet(VaultApiViewSet):
    """Secrets of the vault."""

    def list(self, request: ApiRequest) -> Response:
        query = SecretQueryIn.parse_query(request)
        return Response(read_secrets(request.principal, query.secret_type))

    def create(self, request: ApiRequest) -> Response:
        secret = create_secret(request.principal, NewSecretIn.parse(request))
        body = secret_row(request.principal, secret)
        return Response(body, status=201, headers=etag(body))

    def retrieve(self, request: ApiRequest, secret_id: str) -> Response:
        body = read_secret(request.principal, secret_id)
        return Response(body, headers=etag(body))

    def partial_update(self, request: ApiRequest, secret_id: str) -> Response:
        secret = get_secret(request.principal, secret_id)
        changes = SecretChangesIn.parse(request)
        secret = update_secret(request.principal, secret, changes, expected_revisions(request))
        body = secret_row(request.principal, secret)
        return Response(body, headers=etag(body))

    def destroy(self, request: ApiRequest, secret_id: str) -> Response:
        secret = get_secret(request.principal, secret_id)
        delete_secret(request.principal, secret, expected_revisions(request))
        return Response(status=204)


@extend_schema_view(
    list=extend_schema(
        operation_id="list_vault_access",
        summary="Who may read a secret; agents see their own rule",
        responses={200: AccessRuleOut(many=True)},
    ),
    create=extend_schema(
        operation_id="grant_vault_access",
        summary="Let an identity read a secret",
        request=NewAccessIn,
        responses={201: AccessRuleOut},
    ),
    destroy=extend_schema(
        operation_id="revoke_vault_access", summary="End the access of an identity", responses={204: None}
    ),
)
class VaultAccessViewSet(VaultApiViewSet):
    """Access rules of one secret."""

    def list(self, request: ApiRequest, secret_id: str) -> Response:
        return Response(AccessRuleOut.render_many(read_access(request.principal, secret_id)))

    def create(self, request: ApiRequest, secret_id: str) -> Response:
        secret = get_secret(request.principal, secret_id)
        new = NewAccessIn.parse(request)
        rule = grant_access(request.principal, secret, new.identity_id)
        return Response(AccessRuleOut.render(rule), status=201)

    def destroy(self, request: ApiRequest, secret_id: str, identity_id: str) -> Response:
        secret = get_secret(request.principal, secret_id)
        revoke_access(request.principal, secret, parse_uuid(identity_id))
        return Response(status=204)
