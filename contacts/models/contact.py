"""Contacts of an organization, and what they are found by."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from django.db import models
from django.db.models import Exists, OuterRef, Q

from common.clock import now
from common.ids import uuid7
from common.principal import Principal
from contacts import limits
from contacts.enums import CreationSource, Decision, IdentifierKind, NameSource, ReviewStatus
from contacts.visibility import BLOCK, Decisions
from identities.models import AgentIdentity, Organization


def decision_field() -> models.CharField[str, str]:
    """One of the decisions, inherit unless said otherwise."""
    return models.CharField(
        max_length=8, default=Decision.INHERIT.value, choices=[(d.value, d.value) for d in Decision]
    )


def _text(max_length: int) -> models.CharField[str | None, str | None]:
    return models.CharField(max_length=max_length, null=True, blank=True)


def _items() -> models.JSONField[Any, Any]:
    return models.JSONField(default=list, blank=True)


class ContactQuerySet(models.QuerySet["Contact"]):
    """Reads."""

    def alive(self) -> Self:
        """Without those that were merged into another one."""
        return self.filter(merged_into__isnull=True)

    def visible_to(self, principal: Principal) -> Self:
        """Admin keys and members see the organization's contacts, an agent key those whose profile it may see."""
        rows = self.alive().filter(organization_id=principal.organization_id)
        if principal.sees_organization:
            return rows
        return rows.filter(seen_by(principal.identity_id)) if principal.is_agent else rows.none()


def seen_by(identity_id: Any, prefix: str = "") -> Q:
    """The condition that an identity may see the profile of a contact; `prefix` leads to the contact."""
    own = ContactVisibility.objects.filter(contact_id=OuterRef(f"{prefix}pk"), identity_id=identity_id)
    is_allowed = Exists(own.filter(profile=Decision.ALLOW.value))
    is_blocked = Exists(own.filter(profile=BLOCK))
    return Q(is_allowed) | (~Q(**{f"{prefix}default_profile": BLOCK}) & ~Q(is_blocked))


class Contact(models.Model):
    """A person or organization that somebody here corresponds with."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="contacts")

    preferred_name = _text(limits.PREFERRED_NAME_MAX_CHARS)
    name_prefix = _text(limits.NAME_AFFIX_MAX_CHARS)
    given_name = _text(limits.NAME_PART_MAX_CHARS)
    middle_name = _text(limits.NAME_PART_MAX_CHARS)
    family_name = _text(limits.NAME_PART_MAX_CHARS)
    name_suffix = _text(limits.NAME_AFFIX_MAX_CHARS)
    company_name = _text(limits.COMPANY_MAX_CHARS)
    job_title = _text(limits.JOB_TITLE_MAX_CHARS)
    birthday = models.DateField(null=True, blank=True)
    notes = models.TextField(null=True, blank=True)
    emails = _items()
    phones = _items()
    websites = _items()
    dates = _items()
    addresses = _items()
    custom_fields = _items()

    sort_name = models.CharField(max_length=limits.PREFERRED_NAME_MAX_CHARS * 3, editable=False, default="")
    search_text = models.TextField(editable=False, default="")

    creation_source = models.CharField(
        max_length=16, default=CreationSource.MANUAL.value, choices=[(c.value, c.value) for c in CreationSource]
    )
    review_status = models.CharField(
        max_length=16, default=ReviewStatus.CONFIRMED.value, choices=[(r.value, r.value) for r in ReviewStatus]
    )
    reviewed_at = models.DateTimeField(null=True, blank=True, editable=False)
    reviewed_by = models.CharField(max_length=64, null=True, blank=True, editable=False)
    preferred_name_source = models.CharField(
        max_length=24, default=NameSource.MANUAL.value, choices=[(n.value, n.value) for n in NameSource]
    )
    preferred_name_locked_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_by_identity = models.ForeignKey(
        AgentIdentity, on_delete=models.SET_NULL, null=True, blank=True, related_name="created_contacts"
    )
    vcard_uid = models.CharField(
        max_length=limits.UID_MAX_CHARS, null=True, blank=True, editable=False, help_text="UID of the imported card."
    )
    merged_into = models.ForeignKey("self", on_delete=models.CASCADE, null=True, blank=True, related_name="merged")

    default_profile = decision_field()
    default_memories = decision_field()
    # Counts the changes of who sees the contact and who may write to it.
    revision = models.PositiveIntegerField(default=0)

    created_at = models.DateTimeField(default=now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    objects = ContactQuerySet.as_manager()

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.CheckConstraint(
                condition=~Q(preferred_name=None) & ~Q(preferred_name=""), name="contact_has_a_name"
            ),
        ]
        indexes: ClassVar[list[Any]] = [
            models.Index(
                fields=["organization", "sort_name", "id"], condition=Q(merged_into=None), name="contact_by_name"
            ),
            models.Index(
                fields=["organization", "-created_at", "-id"], condition=Q(merged_into=None), name="contact_newest"
            ),
            models.Index(
                fields=["organization", "vcard_uid"], condition=Q(vcard_uid__isnull=False), name="contact_by_vcard_uid"
            ),
            models.Index(
                fields=["organization"],
                condition=Q(
                    creation_source=CreationSource.COMMUNICATION.value,
                    review_status=ReviewStatus.UNREVIEWED.value,
                    merged_into=None,
                ),
                name="contact_awaits_review",
            ),
        ]

    def __str__(self) -> str:
        return self.preferred_name or str(self.pk)

    @property
    def defaults(self) -> Decisions:
        """What holds for identities without decisions of their own."""
        return Decisions(self.default_profile, self.default_memories)

    @property
    def is_auto_created(self) -> bool:
        return self.creation_source == CreationSource.COMMUNICATION

    @property
    def is_confirmed(self) -> bool:
        return self.review_status == ReviewStatus.CONFIRMED


class ContactIdentifier(models.Model):
    """An address or number of a contact, in the form that is compared. Written with the contact's lists."""

    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="identifiers")
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="+", db_index=False)
    kind = models.CharField(max_length=8, choices=[(k.value, k.value) for k in IdentifierKind])
    value = models.CharField(max_length=limits.EMAIL_MAX_CHARS * 2)
    domain = models.CharField(max_length=253, blank=True, help_text="Of an address.")
    # What an automatic contact was made for. Lost as soon as somebody edits the list, which is then a person's.
    is_automatic = models.BooleanField(default=False, db_default=False)

    class Meta:
        constraints: ClassVar[list[Any]] = [
            # Also the index of exact look-ups.
            models.UniqueConstraint(
                fields=["organization", "kind", "value", "contact"], name="contact_identifier_unique"
            ),
            # Mail that arrives in two processes at once makes one contact (contacts/services/automatic.py).
            models.UniqueConstraint(
                fields=["organization", "kind", "value"],
                condition=Q(is_automatic=True),
                name="contact_identifier_automatic",
            ),
        ]
        indexes: ClassVar[list[Any]] = [
            models.Index(fields=["organization", "domain", "contact"], name="contact_identifier_domain"),
            # Searched from end to end for parts of values: in order of contacts, without the table.
            models.Index(fields=["organization", "kind", "contact", "value"], name="contact_identifier_scan"),
        ]

    def __str__(self) -> str:
        return self.value


class ContactVisibility(models.Model):
    """What one identity may see of a contact, where that differs from the contact's defaults."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="visibilities", db_index=False)
    identity = models.ForeignKey(AgentIdentity, on_delete=models.CASCADE, related_name="contact_visibilities")
    profile = decision_field()
    memories = decision_field()
    email = decision_field()
    phone = decision_field()
    created_at = models.DateTimeField(default=now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = "contact visibilities"
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["contact", "identity"], name="contact_visibility_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.identity_id} sees {self.contact_id}"

    @property
    def decisions(self) -> Decisions:
        return Decisions(self.profile, self.memories, self.email, self.phone)
