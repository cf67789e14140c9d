"""DKIM keys of sending domains (RFC 6376, Ed25519 by RFC 8463)."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models

from common.clock import now
from common.ids import uuid7
from mail.enums import DkimAlgorithm
from mail.models.sending_domain import SendingDomain


class DkimKey(models.Model):
    """A private key, encrypted at rest, and the record to publish at `<selector>._domainkey.<domain>`."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    domain = models.CharField(max_length=253)
    selector = models.CharField(max_length=63)
    algorithm = models.CharField(max_length=16, choices=[(a.value, a.value) for a in DkimAlgorithm])
    sealed_private_key = models.BinaryField(editable=False)
    dns_record = models.TextField(help_text="The TXT record to publish.")
    is_active = models.BooleanField(default=True)
    sending_domain = models.ForeignKey(
        SendingDomain,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="dkim_keys",
        help_text="Empty: made by an operator, for the platform domain.",
    )
    retire_at = models.DateTimeField(
        null=True, blank=True, help_text="Replaced by a newer key; the record stays published until then."
    )
    created_at = models.DateTimeField(default=now, editable=False)

    class Meta:
        verbose_name = "DKIM key"
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["domain", "selector"], name="dkim_selector_once")
        ]

    def __str__(self) -> str:
        return f"{self.selector}._domainkey.{self.domain}"
