"""Console session tokens: short-lived JWTs (RFC 7519), Ed25519 under a key derived from the server secret.

Each has a row (models/session_token.py), so that one can be ended without the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import F, QuerySet

from common import ratelimit
from common.clock import now
from common.ids import parse_uuid
from common.principal import Principal, Scope
from common.sealed import purpose_key
from identities import limits
from identities.enums import AuditAction
from identities.errors import BadCredential, OrganizationNotFound, OrganizationSuspended, SessionTokenNotFound
from identities.models import Membership, SessionToken, User
from identities.services.audit import Target, record_audit

_ALGORITHM = "EdDSA"
_ISSUER = "inkbox-server"
# Where the console keeps the chosen organization in its session.
ORGANIZATION_KEY = "organization_id"


@lru_cache(maxsize=4)
def _key(seed: bytes) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(seed)


def _current_key() -> Ed25519PrivateKey:
    return _key(purpose_key("session-token"))


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A bearer token, shown once, and its row."""

    row: SessionToken
    token: str
    token_type: str = "Bearer"  # noqa: S105  (RFC 6750)

    @property
    def id(self) -> UUID:
        """The `jti`."""
        return self.row.pk

    @property
    def organization_id(self) -> str | None:
        """Where it counts."""
        return self.row.organization_id

    @property
    def expires_at(self) -> datetime:
        """When it ends by itself."""
        return self.row.expires_at

    @property
    def expires_in(self) -> int:
        """Seconds that it was given."""
        return round((self.row.expires_at - self.row.created_at).total_seconds())


def issue_session_token(
    user: User, membership: Membership | None, console_session: Session | None = None
) -> IssuedToken:
    """A bearer token for `user` acting in the organization of `membership`; valid for an hour at most.

    It ends with its row, with `console_session`, and when the person's `token_epoch` is raised.
    """
    moment = now()
    expires_at = moment + timedelta(seconds=limits.SESSION_TOKEN_SECONDS)
    if console_session is not None:
        expires_at = min(expires_at, console_session.expire_date)
    row = SessionToken.objects.create(
        user=user,
        membership=membership,
        console_session=console_session,
        epoch=user.token_epoch,
        created_at=moment,
        expires_at=expires_at,
    )
    claims = {
        "iss": _ISSUER,
        "sub": user.pk,
        "org": row.organization_id,
        # For whoever shows the token; what counts is the role at the time of a call.
        "role": membership.role if membership is not None else None,
        "jti": str(row.pk),
        "iat": moment,
        "exp": expires_at,
    }
    return IssuedToken(row, jwt.encode(claims, _current_key(), algorithm=_ALGORITHM))


def open_api_session(principal: Principal, organization_id: str | None, session_key: str) -> IssuedToken:
    """A token for a person who is signed in to the console: for the organization named, else the one that the console
    shows, else their oldest, else none. Of more than 50 the oldest ends.

    Raises OrganizationNotFound 404 when they are no member of the one named, RateLimited 429, BadCredential when the
    console session ended meanwhile.
    """
    ratelimit.hit("session-token", principal.user_id or "", limits.SESSION_TOKENS_PER_MINUTE)
    with transaction.atomic():
        # Locked, so that two requests at once do not both take the last place.
        user = User.objects.select_for_update(no_key=True).get(pk=principal.user_id)
        rows = Membership.objects.filter(user=user).order_by("created_at", "pk")
        mine = {row.organization_id: row for row in rows}
        if organization_id is not None and organization_id not in mine:
            raise OrganizationNotFound
        wanted = (organization_id, principal.organization_id, *list(mine)[:1])
        chosen = next((mine[key] for key in wanted if key is not None and key in mine), None)
        session = Session.objects.filter(pk=session_key, expire_date__gt=now()).first()
        if session is None:
            raise BadCredential
        _make_room(user)
        issued = issue_session_token(user, chosen, session)
        _record(issued.row, AuditAction.SESSION_OPENED)
    return issued


def list_session_tokens(principal: Principal) -> list[SessionToken]:
    """The caller's tokens that are accepted now, newest first."""
    return list(_own(principal).select_related("membership"))


def revoke_session_token(principal: Principal, token_id: str) -> None:
    """End one token of the caller. Raises SessionTokenNotFound 404."""
    row_id = parse_uuid(token_id)
    if row_id is None or not _revoke(_own(principal).filter(pk=row_id)):
        raise SessionTokenNotFound


def revoke_current_tokens(principal: Principal, session_key: str | None) -> None:
    """End the token that the caller came with; with a console session, all that were traded for it."""
    if principal.session_token_id is not None:
        _revoke(_own(principal).filter(pk=principal.session_token_id))
    elif session_key:
        _revoke(_own(principal).filter(console_session_id=session_key))


def revoke_session_tokens(principal: Principal) -> None:
    """End every token of the caller."""
    with transaction.atomic():
        _revoke(_own(principal))
        end_session_tokens(principal.user_id or "")


def end_session_tokens(user_id: str) -> None:
    """Make every token of a person invalid, those included that are being made at this moment."""
    User.objects.filter(pk=user_id).update(token_epoch=F("token_epoch") + 1)


def purge_session_tokens() -> int:
    """Remove rows of tokens whose time is over; returns how many."""
    return SessionToken.objects.filter(expires_at__lte=now()).delete()[0]


def authenticate_session_token(token: str) -> Principal:
    """The caller of a token. Role and membership are read now, not taken from the token. Raises BadCredential,
    OrganizationSuspended 403.
    """
    try:
        claims = jwt.decode(
            token,
            _current_key().public_key(),
            algorithms=[_ALGORITHM],
            issuer=_ISSUER,
            options={"require": ["exp", "sub", "jti"]},
        )
    except jwt.PyJWTError:
        raise BadCredential from None
    rows = SessionToken.objects.alive().select_related("membership__organization")
    token_id = parse_uuid(claims["jti"])
    row = rows.filter(pk=token_id, user_id=claims["sub"]).first() if token_id is not None else None
    if row is None or row.organization_id != claims.get("org"):
        raise BadCredential
    if row.membership is not None and row.membership.organization.suspended_at is not None:
        raise OrganizationSuspended(row.membership.organization.suspension_reason)
    return Principal(
        scope=Scope.SESSION,
        organization_id=row.organization_id,
        user_id=row.user_id,
        role=row.membership.role if row.membership is not None else None,
        session_token_id=row.pk,
    )


def _own(principal: Principal) -> QuerySet[SessionToken]:
    return SessionToken.objects.alive().filter(user_id=principal.user_id)


def _make_room(user: User) -> None:
    """Without tokens that ended, at most one fewer than a person may have."""
    rows = SessionToken.objects.filter(user=user)
    rows.exclude(pk__in=SessionToken.objects.alive().filter(user=user)).delete()
    surplus = list(rows.values_list("pk", flat=True)[limits.SESSION_TOKENS_PER_PERSON - 1 :])
    SessionToken.objects.filter(pk__in=surplus).delete()


def _revoke(rows: QuerySet[SessionToken]) -> int:
    with transaction.atomic():
        found = list(rows.select_related("membership").order_by("pk"))
        for row in found:
            if SessionToken.objects.filter(pk=row.pk).delete()[0]:
                _record(row, AuditAction.SESSION_ENDED)
    return len(found)


def _record(row: SessionToken, action: AuditAction) -> None:
    """In the log of the organization; a token without one can reach nothing that has a log."""
    if row.organization_id is not None:
        email = User.objects.filter(pk=row.user_id).values_list("email", flat=True).first() or ""
        record_audit(row.organization_id, action, Target(row.pk, email))
