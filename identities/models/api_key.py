"""API keys: `ApiKey_<uuid4>.<secret>`, of which only a hash of the secret is stored (contract README section 4)."""

from __future__ import annotations

from typing import ClassVar, Self

from django.db import models

from common.clock import now
from common.principal import Principal
from identities.enums import CreatorType, KeyStatus
from identities.models.agent import AgentIdentity
from identities.models.organization import Organization


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    """Reads."""

    def visible_to(self, principal: Principal) -> Self:
        """Keys of the organization, for those who manage it."""
        rows = self.filter(organization_id=principal.organization_id)
        return rows if principal.sees_organization else rows.none()


class ApiKey(models.Model):
    """A credential of an organization (admin) or of one identity (agent)."""

    id = models.CharField(primary_key=True, max_length=48, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="api_keys")
    scoped_identity = models.ForeignKey(
        AgentIdentity, on_delete=models.CASCADE, null=True, blank=True, related_name="api_keys"
    )
    secret_hash = models.BinaryField(max_length=32, editable=False)
    last4 = models.CharField(max_length=4, editable=False)
    label = models.CharField(max_length=255)
    description = models.CharField(max_length=1000, null=True, blank=True)
    created_by = models.CharField(max_length=64)
    creator_type = models.CharField(
        max_length=8, default=CreatorType.HUMAN.value, choices=[(c.value, c.value) for c in CreatorType]
    )
    created_at = models.DateTimeField(default=now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        verbose_name = "API key"
        ordering: ClassVar[list[str]] = ["-created_at"]

    def __str__(self) -> str:
        return self.display_prefix

    @property
    def display_prefix(self) -> str:
        """`ApiKey_` and eight hex digits: enough to recognize a key, useless to use it."""
        return self.id[:15]

    @property
    def status(self) -> str:
        return (KeyStatus.REVOKED if self.revoked_at else KeyStatus.ACTIVE).value
