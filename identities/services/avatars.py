"""Set and remove the picture of an identity (contract identities.md section 10)."""

from __future__ import annotations

from django.db import transaction

from common import blobs, ratelimit
from common.clock import now
from common.principal import Principal
from identities.avatars import make_avatar
from identities.enums import AuditAction
from identities.errors import AvatarNotFound, AvatarTooLarge, IdentityNotFound
from identities.limits import AVATAR_MAX_BYTES, AVATARS_PER_MINUTE
from identities.models import AgentIdentity, Avatar
from identities.services.audit import identity_target, record_audit


def check_avatar_size(size_bytes: int) -> None:
    """Raises AvatarTooLarge 413."""
    if size_bytes > AVATAR_MAX_BYTES:
        raise AvatarTooLarge


def set_avatar(principal: Principal, identity: AgentIdentity, content: bytes) -> None:
    """Make an avatar of an uploaded picture, in place of the one before. Blocks for up to a second.

    Raises AvatarTooLarge and AvatarTooManyPixels 413, AvatarNotAnImage 415, IdentityNotFound 404, RateLimited 429.
    """
    check_avatar_size(len(content))
    ratelimit.hit("avatars", identity.organization_id, AVATARS_PER_MINUTE)
    picture = make_avatar(content)
    # Durable before a row refers to it; the sweep removes it if none comes to.
    key = blobs.store().put(picture)
    with transaction.atomic():
        row = _lock(principal, identity)
        Avatar.objects.update_or_create(
            identity=row, defaults={"blob_key": key, "size_bytes": len(picture), "updated_at": now()}
        )
        _record(row)


def remove_avatar(principal: Principal, identity: AgentIdentity) -> None:
    """Of two removals exactly one succeeds. Raises AvatarNotFound and IdentityNotFound 404."""
    with transaction.atomic():
        row = _lock(principal, identity)
        if not Avatar.objects.filter(identity=row).delete()[0]:
            raise AvatarNotFound
        _record(row)


def read_avatar(avatar: Avatar) -> bytes:
    """The JPEG. Raises AvatarNotFound when the blobs were not restored with the database."""
    try:
        return blobs.store().get(avatar.blob_key)
    except blobs.BlobMissing:
        raise AvatarNotFound from None


def _lock(principal: Principal, identity: AgentIdentity) -> AgentIdentity:
    # NO KEY: mail that is being received refers to the identity and goes on meanwhile.
    rows = AgentIdentity.objects.visible_to(principal).select_for_update(no_key=True)
    row = rows.filter(pk=identity.pk).first()
    if row is None:
        raise IdentityNotFound
    return row


def _record(row: AgentIdentity) -> None:
    row.save(update_fields=["updated_at"])
    record_audit(row.organization_id, AuditAction.IDENTITY_UPDATED, identity_target(row), {"fields": ["avatar"]})
