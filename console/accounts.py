"""How allauth keeps accounts here: the proven address lives on our user too, which the rest of the server reads."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress
from allauth.core import context
from django.conf import settings
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.urls import reverse

from common.api.context import client_address
from common.clock import now
from common.errors import DomainError
from identities.models import Invitation, User
from identities.services.invitations import find_invitation
from signup.services.claiming import adopt_organizations

# Where the session keeps the link of an invitation while its owner signs in or registers.
INVITATION_KEY = "invitation"


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth has no type hints
    """Registration by setting; verified addresses kept in step."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Whether strangers may register."""
        return bool(settings.ACCOUNTS_OPEN) or open_invitation(request) is not None

    def validate_unique_email(self, email: str) -> str:
        """While strangers may not register, only the invited address is let in."""
        request = context.request
        if not settings.ACCOUNTS_OPEN and request is not None and not request.user.is_authenticated:
            invitation = open_invitation(request)
            if invitation is None or invitation.email != email.strip().lower():
                raise ValidationError("Register with the address that was invited.")
        unique: str = super().validate_unique_email(email)
        return unique

    def get_client_ip(self, request: HttpRequest) -> str:
        """The visitor's address, which limits count by: behind a proxy not the proxy's, which everybody shares."""
        return client_address(request)

    def get_login_redirect_url(self, request: HttpRequest) -> str:
        """Back to the invitation that somebody came with, however many steps signing in took."""
        token = request.session.get(INVITATION_KEY)
        if token is not None and open_invitation(request) is not None:
            return reverse("console:invitation", args=[token])
        url: str = super().get_login_redirect_url(request)
        return url

    def get_signup_redirect_url(self, request: HttpRequest) -> str:
        """As after signing in."""
        return self.get_login_redirect_url(request)

    def confirm_email(self, request: HttpRequest, email_address: EmailAddress) -> bool:
        """Also marks our user, and hands over the organizations of agents the person vouched for before."""
        confirmed: bool = super().confirm_email(request, email_address)
        if confirmed:
            note_verified_address(email_address)
        return confirmed

    def pre_login(self, request: HttpRequest, user: User, **kwargs: Any) -> Any:
        """People who were made by `bootstrap` or by an operator have a proven address that allauth does not know."""
        if user.email_verified_at is not None:
            EmailAddress.objects.get_or_create(
                user=user, email=user.email, defaults={"verified": True, "primary": True}
            )
        return super().pre_login(request, user, **kwargs)


def open_invitation(request: HttpRequest) -> Invitation | None:
    """The invitation whose link this browser has opened, while it works."""
    try:
        return find_invitation(request.session.get(INVITATION_KEY, ""))
    except DomainError:
        return None


def display_name(user: User) -> str:
    """How mails and pages address a person."""
    return user.name or user.email


def note_verified_address(address: EmailAddress) -> None:
    """Mark the user whose primary address was proven."""
    user = User.objects.get(pk=address.user_id)
    if user.email_verified_at is None and user.email == address.email.lower():
        user.email_verified_at = now()
        user.save(update_fields=["email_verified_at"])
    adopt_organizations(user)
