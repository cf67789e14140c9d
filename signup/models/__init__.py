"""Models, one aggregate a module."""

from signup.models.signup import Signup

__all__ = ["Signup"]
