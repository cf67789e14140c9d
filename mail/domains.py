"""Which domains this server receives mail for."""

from __future__ import annotations

from django.conf import settings


def is_hosted_domain(domain: str) -> bool:
    """Whether mailboxes may exist under `domain` here; everything on such a domain is delivered locally or bounces."""
    return domain == settings.MAIL_DOMAIN
