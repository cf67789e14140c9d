"""Notes and the grants that let agents see them."""

from __future__ import annotations

from typing import Any, ClassVar, Self
from uuid import UUID

from django.db import models
from django.db.models import Q

from common.clock import now
from common.ids import uuid7
from common.principal import Principal
from identities.models import AgentIdentity, Organization
from notes import limits
from notes.enums import NoteStatus


class NoteQuerySet(models.QuerySet["Note"]):
    """Reads."""

    def visible_to(self, principal: Principal) -> Self:
        """Admin keys and members see the whole organization, an agent key what its identity was granted."""
        rows = self.filter(organization_id=principal.organization_id)
        if principal.sees_organization:
            return rows
        identity_id = principal.identity_id if principal.is_agent else None
        return rows.granted_to(identity_id) if identity_id is not None else rows.none()

    def granted_to(self, identity_id: UUID) -> Self:
        """Those with a grant for this identity."""
        return self.filter(pk__in=NoteAccess.objects.filter(identity_id=identity_id).values("note_id"))


class Note(models.Model):
    """A text with an optional title, kept as it was sent. `search_text` is both, folded, for substring search."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="notes")
    title = models.CharField(max_length=limits.TITLE_MAX_CHARS, null=True, blank=True)
    created_by = models.CharField(max_length=64, help_text="The id of the API key or person that made it.")
    created_at = models.DateTimeField(default=now, editable=False)
    updated_at = models.DateTimeField(default=now, editable=False)
    body = models.TextField()
    # Last, so that reading the other columns never touches the pages it is on.
    search_text = models.TextField()

    objects = NoteQuerySet.as_manager()

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.CheckConstraint(condition=~Q(body=""), name="note_has_body"),
            models.CheckConstraint(condition=Q(title__isnull=True) | ~Q(title=""), name="note_title_is_null_or_text"),
        ]
        indexes: ClassVar[list[Any]] = [
            models.Index(fields=["organization", "-updated_at", "-id"], name="note_recent"),
            models.Index(fields=["organization", "-created_at", "-id"], name="note_newest"),
        ]

    def __str__(self) -> str:
        return str(self.id)

    @property
    def status(self) -> str:
        """On the wire every note has one."""
        return NoteStatus.ACTIVE.value


class NoteAccess(models.Model):
    """One identity that may read, change and delete one note. There are no wildcards."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    note = models.ForeignKey(Note, on_delete=models.CASCADE, related_name="access")
    identity = models.ForeignKey(AgentIdentity, on_delete=models.CASCADE, related_name="+", db_index=False)
    created_at = models.DateTimeField(default=now, editable=False)

    class Meta:
        verbose_name_plural = "note access"
        ordering: ClassVar[list[str]] = ["created_at", "pk"]
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["identity", "note"], name="note_access_once"),
        ]

    def __str__(self) -> str:
        return f"{self.identity_id} on {self.note_id}"
