"""People. They sign in with an email address; agents never do."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models

from common.clock import now
from common.ids import new_id


def new_user_id() -> str:
    """`user_<hex>`."""
    return new_id("user")


class UserManager(BaseUserManager["User"]):
    """Creates users by email; Django's commands need these names."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        """A user with a hashed password; None makes the password unusable."""
        user = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        """An operator: may use Django admin."""
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email__iexact=username)


class User(AbstractBaseUser, PermissionsMixin):
    """A human owner or an operator."""

    id = models.CharField(primary_key=True, max_length=64, default=new_user_id, editable=False)
    # Always stored in lower case (UserManager), so plain uniqueness is enough.
    email = models.EmailField(max_length=254, unique=True)
    name = models.CharField(max_length=255, blank=True)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False, help_text="May sign in to Django admin.")
    email_verified_at = models.DateTimeField(null=True, blank=True)
    # Raised to make every console token of the user invalid at once.
    token_epoch = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(default=now, editable=False)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    def __str__(self) -> str:
        return self.email

    def set_password(self, raw_password: str | None) -> None:
        """Also ends what was signed in with the old one; takes effect with the save that the caller does."""
        super().set_password(raw_password)
        self.token_epoch += 1

    @classmethod
    def normalize_username(cls, username: Any) -> Any:
        """Lower case for what arrives through a form of Django admin too."""
        return super().normalize_username(username).lower()
