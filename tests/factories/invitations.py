"""What invited people are mailed."""

from __future__ import annotations

import re

from tests.factories.signup import newest_mail, text_of


def token_of(email: str) -> str:
    """The token of the newest invitation of an address."""
    found = re.search(r"/console/invitations/(\S+)", text_of(newest_mail(email)))
    assert found is not None
    return found[1]
