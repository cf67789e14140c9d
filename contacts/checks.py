"""Judge the settings of this app."""

from __future__ import annotations

from typing import Any

import phonenumbers
from django.conf import settings
from django.core.checks import CheckMessage, Error, register


@register()
def check_phone_region(**_: Any) -> list[CheckMessage]:
    """A country that the plans of telephone numbers know, or none."""
    region = settings.PHONE_REGION
    if not region or region in phonenumbers.SUPPORTED_REGIONS:
        return []
    return [
        Error(
            f"INKBOX_PHONE_REGION is {region!r}, which is no country.",
            hint="Use the two letters of ISO 3166, such as US or DE, or leave it unset.",
            id="contacts.E001",
        )
    ]
