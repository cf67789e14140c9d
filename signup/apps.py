"""App configuration."""

from __future__ import annotations

from django.apps import AppConfig


class SignupConfig(AppConfig):
    """Self-signup of agents."""

    name = "signup"
