"""Forms of accounts that do more than allauth's."""

from __future__ import annotations

from typing import Any

from allauth.account import forms
from django.contrib.auth.hashers import make_password
from django.http import HttpRequest


class SignupForm(forms.SignupForm):  # type: ignore[misc]  # allauth has no type hints
    """Registration that takes as long for an address that has an account as for a new one."""

    def try_save(self, request: HttpRequest) -> tuple[Any, Any]:
        """The new user, or the answer when there is none."""
        if self.account_already_exists:
            # The answer is the same, so its time should be: the hash is most of it.
            make_password(self.cleaned_data["password1"])
        saved: tuple[Any, Any] = super().try_save(request)
        return saved
