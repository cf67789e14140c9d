"""Ids of contact rules that were consolidated into another one (contract mail.md section 8.3)."""

from __future__ import annotations

from django.db import models

from common.clock import now
from contacts.models.contact_rule import ContactRule


class ContactRuleAlias(models.Model):
    """A former rule id. Clients that stored it reach the rule that took its place."""

    id = models.UUIDField(primary_key=True, editable=False)
    rule = models.ForeignKey(ContactRule, on_delete=models.CASCADE, related_name="aliases")
    created_at = models.DateTimeField(default=now, editable=False)

    class Meta:
        verbose_name_plural = "contact rule aliases"

    def __str__(self) -> str:
        return f"{self.id} is {self.rule_id}"
