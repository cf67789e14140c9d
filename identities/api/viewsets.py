"""Routes of identities, signing keys, API keys and whoami (contract identities.md sections 4-7, 11-13)."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema, extend_schema_view
from rest_framework.response import Response

from common.api.context import announced_sdk, request_profile
from common.api.viewsets import EVERYONE, ApiRequest, ApiViewSet
from common.principal import Profile, Scope
from identities.api.serializers import (
    ApiKeyOut,
    CreatedApiKeyOut,
    IdentityChangesIn,
    IdentityOut,
    NewApiKeyIn,
    NewIdentityIn,
    SigningKeyOut,
    SigningKeyStatusOut,
    WhoamiKeyOut,
    WhoamiSessionOut,
)
from identities.callers import KeyCaller, describe_caller
from identities.selectors import (
    describe_identities,
    describe_identity,
    get_identity,
    get_managed_identity,
    get_own_key,
    list_api_keys,
    list_identities,
    organization_profile,
    read_identity,
    signing_key_created_at,
)
from identities.services.api_keys import create_api_key, revoke_api_key
from identities.services.identities import create_identity, delete_identity, update_identity
from identities.services.signing_keys import rotate_callers_key, rotate_signing_key

MANAGERS = frozenset({Scope.ADMIN, Scope.SESSION})
KEYS = frozenset({Scope.ADMIN, Scope.AGENT, Scope.UNCLAIMED})
# The first client that names the identity when it rotates a signing key.
_IDENTITY_KEYS_SINCE = (0, 4, 14)


def caller_profile(request: ApiRequest) -> Profile:
    """The client generation that this request follows."""
    return request_profile(request, organization_profile(request.principal))


def _knows_identity_keys(request: ApiRequest) -> bool:
    version = announced_sdk(request)
    is_seed_mount = request_profile(request, None) is Profile.SEED
    return version is not None and version >= _IDENTITY_KEYS_SINCE and not is_seed_mount


@extend_schema_view(
    create=extend_schema(
        operation_id="create_identity",
        summary="Create an identity with its mailbox and tunnel",
        request=NewIdentityIn,
        responses={201: IdentityOut},
    ),
    list=extend_schema(
        operation_id="list_identities", summary="List identities, newest first", responses={200: IdentityOut(many=True)}
    ),
    retrieve=extend_schema(operation_id="get_identity", summary="Read one identity", responses={200: IdentityOut}),
    partial_update=extend_schema(
        operation_id="update_identity",
        summary="Change the supplied fields of an identity",
        request=IdentityChangesIn,
        responses={200: IdentityOut},
    ),
    destroy=extend_schema(
        operation_id="delete_identity", summary="Delete an identity and revoke its keys", responses={204: None}
    ),
)
class IdentityViewSet(ApiViewSet):
    """Identities of one organization (contract identities.md sections 4-7)."""

    allowed_by_action: ClassVar[dict[str, Any]] = {"create": MANAGERS}

    def create(self, request: ApiRequest) -> Response:
        new = NewIdentityIn.parse(request)
        identity = create_identity(request.principal, new, caller_profile(request))
        return Response(IdentityOut.render(describe_identity(request.principal, identity)), status=201)

    def list(self, request: ApiRequest) -> Response:
        identities = list_identities(request.principal)
        return Response(IdentityOut.render_many(describe_identities(request.principal, identities)))

    def retrieve(self, request: ApiRequest, handle: str) -> Response:
        identity = read_identity(request.principal, handle)
        return Response(IdentityOut.render(describe_identity(request.principal, identity)))

    def partial_update(self, request: ApiRequest, handle: str) -> Response:
        identity = get_managed_identity(request.principal, handle)
        changes = IdentityChangesIn.parse(request)
        identity = update_identity(request.principal, identity, changes, caller_profile(request))
        return Response(IdentityOut.render(describe_identity(request.principal, identity)))

    def destroy(self, request: ApiRequest, handle: str) -> Response:
        identity = get_managed_identity(request.principal, handle)
        delete_identity(identity, caller_profile(request))
        return Response(status=204)


@extend_schema_view(
    create=extend_schema(
        operation_id="rotate_identity_signing_key",
        summary="Create or replace the webhook signing key of an identity; shown once",
        request=None,
        responses={201: SigningKeyOut},
    ),
    retrieve=extend_schema(
        operation_id="get_identity_signing_key",
        summary="Whether an identity has a signing key",
        responses={200: SigningKeyStatusOut},
    ),
)
class IdentitySigningKeyViewSet(ApiViewSet):
    """The signing key of one identity (contract identities.md section 11)."""

    def create(self, request: ApiRequest, handle: str) -> Response:
        identity = get_managed_identity(request.principal, handle)
        secret, created_at = rotate_signing_key(organization_id=identity.organization_id, identity=identity)
        return Response({"signing_key": secret, "created_at": created_at}, status=201)

    def retrieve(self, request: ApiRequest, handle: str) -> Response:
        identity = get_identity(request.principal, handle)
        created_at = identity.signing_key.created_at if hasattr(identity, "signing_key") else None
        return Response({"configured": created_at is not None, "created_at": created_at})


@extend_schema_view(
    create=extend_schema(
        operation_id="rotate_signing_key",
        summary="Create or replace the caller's signing key; shown once",
        description="Agent keys: the key of their identity. Others: the organization's, unless the client is 0.4.14+.",
        request=None,
        responses={201: SigningKeyOut},
        deprecated=True,
    ),
    retrieve=extend_schema(
        operation_id="get_signing_key",
        summary="Whether the caller's identity, or any of the organization, has a signing key",
        responses={200: SigningKeyStatusOut},
        deprecated=True,
    ),
)
class SigningKeyViewSet(ApiViewSet):
    """The older route without a handle (contract identities.md section 11)."""

    def create(self, request: ApiRequest) -> Response:
        secret, created_at = rotate_callers_key(request.principal, knows_identity_keys=_knows_identity_keys(request))
        return Response({"signing_key": secret, "created_at": created_at}, status=201)

    def retrieve(self, request: ApiRequest) -> Response:
        created_at = signing_key_created_at(request.principal)
        return Response({"configured": created_at is not None, "created_at": created_at})


@extend_schema_view(
    create=extend_schema(
        operation_id="create_api_key",
        summary="Mint an API key; its text is shown once",
        request=NewApiKeyIn,
        responses={201: CreatedApiKeyOut},
    ),
    list=extend_schema(
        operation_id="list_api_keys", summary="List API keys, newest first", responses={200: ApiKeyOut(many=True)}
    ),
    destroy=extend_schema(operation_id="revoke_api_key", summary="Revoke an API key", responses={204: None}),
)
class ApiKeyViewSet(ApiViewSet):
    """API keys of an organization (contract identities.md section 12)."""

    allowed: ClassVar[Any] = MANAGERS
    allowed_by_action: ClassVar[dict[str, Any]] = {"retrieve_self": KEYS}

    def create(self, request: ApiRequest) -> Response:
        new = NewApiKeyIn.parse(request)
        key, text = create_api_key(request.principal, new)
        return Response({"api_key": text, "record": ApiKeyOut.render(key)}, status=201)

    def list(self, request: ApiRequest) -> Response:
        return Response(ApiKeyOut.render_many(list_api_keys(request.principal)))

    @extend_schema(operation_id="get_own_api_key", summary="The key that is calling", responses={200: ApiKeyOut})
    def retrieve_self(self, request: ApiRequest) -> Response:
        return Response(ApiKeyOut.render(get_own_key(request.principal)))

    def destroy(self, request: ApiRequest, key_id: str) -> Response:
        revoke_api_key(request.principal, key_id)
        return Response(status=204)


class WhoamiViewSet(ApiViewSet):
    """Who is calling (contract identities.md section 13)."""

    allowed: ClassVar[Any] = EVERYONE
    allows_no_organization = True

    @extend_schema(
        summary="The caller of this credential",
        responses={
            200: PolymorphicProxySerializer(
                component_name="Whoami",
                serializers={"api_key": WhoamiKeyOut, "jwt": WhoamiSessionOut},
                resource_type_field_name="auth_type",
            )
        },
    )
    def retrieve(self, request: ApiRequest) -> Response:
        caller = describe_caller(request.principal)
        shape = WhoamiKeyOut if isinstance(caller, KeyCaller) else WhoamiSessionOut
        return Response(shape.render(caller))
