"""A signed-in browser without a browser."""

from __future__ import annotations

from typing import Any

from django.test import Client

from identities.enums import Role
from identities.models import Organization, User
from tests.factories.identities import person


def signed_in(of: Organization | None = None, role: Role = Role.OWNER, *, user: User | None = None) -> Client:
    """A client with the session of a new member of `of`, or of `user`."""
    client = Client()
    client.force_login(user or person(of, role), backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


def text(response: Any) -> str:
    """The page as it was sent."""
    content: str = response.content.decode()
    return content
