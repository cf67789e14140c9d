"""Console session tokens: short-lived JWTs (RFC 7519), Ed25519 under a key derived from the server secret."""

from __future__ import annotations

from datetime import timedelta
from functools import lru_cache

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from common.clock import now
from common.principal import Principal, Scope
from common.sealed import purpose_key
from identities import limits
from identities.errors import BadCredential
from identities.models import Membership, User

_ALGORITHM = "EdDSA"
_ISSUER = "inkbox-server"


@lru_cache(maxsize=4)
def _key(seed: bytes) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(seed)


def _current_key() -> Ed25519PrivateKey:
    return _key(purpose_key("session-token"))


def issue_session_token(user: User, organization_id: str | None) -> str:
    """A bearer token for `user` acting in one organization; valid for an hour, or until `token_epoch` is raised."""
    moment = now()
    claims = {
        "iss": _ISSUER,
        "sub": user.pk,
        "org": organization_id,
        "epoch": user.token_epoch,
        "iat": moment,
        "exp": moment + timedelta(seconds=limits.SESSION_TOKEN_SECONDS),
    }
    return jwt.encode(claims, _current_key(), algorithm=_ALGORITHM)


def authenticate_session_token(token: str) -> Principal:
    """The caller of a token. Role and membership are read now, not taken from the token. Raises BadCredential."""
    try:
        claims = jwt.decode(
            token,
            _current_key().public_key(),
            algorithms=[_ALGORITHM],
            issuer=_ISSUER,
            options={"require": ["exp", "sub"]},
        )
    except jwt.PyJWTError:
        raise BadCredential from None
    user = User.objects.filter(pk=claims["sub"], is_active=True, token_epoch=claims.get("epoch", -1)).first()
    if user is None:
        raise BadCredential
    organization_id = claims.get("org")
    role = None
    if organization_id is not None:
        role = (
            Membership.objects.filter(user=user, organization_id=organization_id).values_list("role", flat=True).first()
        )
        if role is None:
            raise BadCredential
    return Principal(scope=Scope.SESSION, organization_id=organization_id, user_id=user.pk, role=role)
