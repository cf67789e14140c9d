"""Errors that services raise. Each family has one HTTP status; doors other than HTTP map the same classes in a table.

A message says what was wrong and what to do. `code` goes on the wire as `error` and `code` of an object detail;
an error without a code is sent as a plain string (contract README section 7).
"""

from __future__ import annotations

from typing import Any, ClassVar


class DomainError(Exception):
    """Base of every expected refusal."""

    status: ClassVar[int] = 400
    code: ClassVar[str | None] = None

    def __init__(self, message: str, *, retry_after: int | None = None, **fields: Any) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after = retry_after
        self.fields = fields

    @property
    def detail(self) -> Any:
        """The value of `detail` in the response body."""
        if self.code is None and not self.fields:
            return self.message
        detail: dict[str, Any] = {"message": self.message, **self.fields}
        if self.code is not None:
            detail = {"error": self.code, "code": self.code, **detail}
        return detail


class Invalid(DomainError):
    """422: the input has the right shape but breaks a rule. `loc` names the field, as in a validation list."""

    status = 422

    def __init__(self, message: str, *, loc: tuple[str | int, ...] = (), **fields: Any) -> None:
        super().__init__(message, **fields)
        self.loc = loc

    @property
    def detail(self) -> Any:
        if self.loc and self.code is None and not self.fields:
            return [{"loc": list(self.loc), "msg": self.message, "type": "value_error"}]
        return super().detail


class Unauthenticated(DomainError):
    """401: missing, unknown, revoked or expired credential."""

    status = 401


class QuotaExceeded(DomainError):
    """402: a plan or storage limit."""

    status = 402


class Forbidden(DomainError):
    """403: the row is visible to the caller, the action is not allowed."""

    status = 403


class NotFound(DomainError):
    """404: unknown, deleted, or not visible to the caller; the three look the same on purpose."""

    status = 404


class Conflict(DomainError):
    """409: the current state does not allow it."""

    status = 409


class Gone(DomainError):
    """410: it existed and has expired."""

    status = 410


class TooLarge(DomainError):
    """413: the body is over its limit."""

    status = 413


class UnsupportedMedia(DomainError):
    """415: the content is of no type that is understood here."""

    status = 415


class RateLimited(DomainError):
    """429: too often. Always carries `retry_after` in whole seconds."""

    status = 429
    code: ClassVar[str | None] = "rate_limited"


class NotBuilt(DomainError):
    """501: part of the contract that this release does not serve yet."""

    status = 501
    code = "not_implemented"


class ProviderFailed(DomainError):
    """502: a provider behind us refused or failed."""

    status = 502


class NotReady(DomainError):
    """503: try again later."""

    status = 503
