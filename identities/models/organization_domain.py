"""Domains that organizations have proven to control, and the agents they are shown next to."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from django.db import models
from django.db.models import BooleanField, Exists, ExpressionWrapper, OuterRef, Q

from common.clock import now
from common.ids import uuid7
from common.principal import Principal
from identities.domain_claims import (
    PUBLISHED,
    CheckResult,
    ClaimState,
    record_name,
    record_value,
    recovery_action,
)
from identities.models.agent import AgentIdentity
from identities.models.organization import Organization

ID_PREFIX = "OrganizationDomainClaim_"
# In one order: a set of texts has another in every process, and the constraint is compared with its migration.
_PUBLISHED = sorted(state.value for state in PUBLISHED)
_CONFLICT = (
    "Another organization of this server has proven this domain too. Remove the TXT record of the one that you do not "
    "know; it ends within a week."
)


class OrganizationDomainQuerySet(models.QuerySet["OrganizationDomain"]):
    """Reads."""

    def visible_to(self, principal: Principal) -> Self:
        """The organization's, for people and admin keys; agents see none."""
        if not principal.sees_organization:
            return self.none()
        return self.filter(organization_id=principal.organization_id)

    def with_conflicts(self) -> Self:
        """Sets `is_contested`: somebody else has proven the domain as well. Only for claims that are proven themselves,
        so that nobody learns which domains others have."""
        others = OrganizationDomain.objects.filter(domain=OuterRef("domain"), state__in=_PUBLISHED)
        others = others.exclude(organization_id=OuterRef("organization_id"))
        contested = Q(Exists(others), state__in=_PUBLISHED)
        return self.annotate(is_contested=ExpressionWrapper(contested, output_field=BooleanField()))


class OrganizationDomain(models.Model):
    """A claim on a domain. The row is the queue of checks: due at `next_check_at`, leased until `checking_until`.

    Several organizations may claim one name, and prove it if its owner publishes a record for each.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="domain_claims")
    domain = models.CharField(max_length=253, help_text="Lower case; international names as A-labels.")
    state = models.CharField(
        max_length=16, default=ClaimState.PENDING.value, choices=[(s.value, s.value) for s in ClaimState]
    )
    token = models.CharField(max_length=64, editable=False)
    last_check_result = models.CharField(
        max_length=20, null=True, blank=True, choices=[(r.value, r.value) for r in CheckResult]
    )
    verified_at = models.DateTimeField(null=True, blank=True, help_text="First proven.")
    last_checked_at = models.DateTimeField(null=True, blank=True)
    last_success_at = models.DateTimeField(null=True, blank=True)
    valid_until = models.DateTimeField(null=True, blank=True, help_text="How long the last success counts.")
    pending_since = models.DateTimeField(default=now, editable=False)
    pending_expires_at = models.DateTimeField(null=True, blank=True)
    next_check_at = models.DateTimeField(null=True, blank=True)
    checking_until = models.DateTimeField(null=True, blank=True, editable=False)
    released_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    objects = OrganizationDomainQuerySet.as_manager()

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(
                fields=["organization", "domain"],
                condition=~Q(state=ClaimState.RELEASED.value),
                name="organization_domain_once_each",
            ),
            models.CheckConstraint(
                condition=Q(state__in=[s.value for s in ClaimState]), name="organization_domain_state_known"
            ),
            models.CheckConstraint(
                condition=~Q(state__in=_PUBLISHED) | Q(valid_until__isnull=False),
                name="organization_domain_proof_ends",
            ),
        ]
        indexes: ClassVar[list[Any]] = [
            models.Index(fields=["next_check_at"], name="organization_domain_next_check"),
            models.Index(fields=["domain"], name="organization_domain_name"),
            models.Index(fields=["organization", "-created_at"], name="organization_domain_newest"),
        ]

    def __str__(self) -> str:
        return self.domain

    @property
    def public_id(self) -> str:
        """The id on the wire."""
        return f"{ID_PREFIX}{self.pk}"

    @property
    def status(self) -> ClaimState:
        """The state as an enum."""
        return ClaimState(self.state)

    @property
    def is_published(self) -> bool:
        """Whether it is shown next to the agents that chose it; not even a late sweep shows it longer."""
        return self.status in PUBLISHED and self.valid_until is not None and self.valid_until > now()

    @property
    def dns_record(self) -> dict[str, str]:
        """What to publish. No key more: clients unpack it."""
        return {"type": "TXT", "name": record_name(self.domain), "value": record_value(self.token)}

    @property
    def ownership_conflict(self) -> bool:
        """As `with_conflicts` found it."""
        return bool(getattr(self, "is_contested", False))

    @property
    def recovery_action(self) -> str | None:
        """What to do next; None when there is nothing."""
        result = CheckResult(self.last_check_result) if self.last_check_result else None
        action = recovery_action(self.status, result, self.domain, self.valid_until)
        return action or (_CONFLICT if self.ownership_conflict else None)


class DomainAffiliation(models.Model):
    """The claim that an agent shows; it shows nothing while the claim is not proven."""

    identity = models.OneToOneField(
        AgentIdentity, on_delete=models.CASCADE, primary_key=True, related_name="domain_affiliation"
    )
    claim = models.ForeignKey(OrganizationDomain, on_delete=models.CASCADE, related_name="affiliations")
    created_at = models.DateTimeField(default=now, editable=False)

    def __str__(self) -> str:
        return f"{self.claim_id} at {self.identity_id}"
