"""Refusals of this app."""

from __future__ import annotations

from common.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated
from identities.enums import Namespace


class IdentityNotFound(NotFound):
    """No such identity for this caller."""

    def __init__(self) -> None:
        super().__init__("Identity not found")


class ApiKeyNotFound(NotFound):
    """No such key for this caller."""

    def __init__(self) -> None:
        super().__init__("API key not found")


class BadCredential(Unauthenticated):
    """One message for every reason, so that nothing can be probed."""

    def __init__(self) -> None:
        super().__init__("This API key or token is not valid. Check that it is complete, not revoked and not expired.")


class HandleUnavailable(Conflict):
    """The handle is taken in the global namespace; clients recognize the code and the namespace."""

    code = "agent_handle_unavailable"

    def __init__(self, handle: str, namespace: Namespace) -> None:
        super().__init__(
            f"The handle {handle!r} is unavailable: the name is already in use. Choose another.",
            blocking_namespace=namespace.value,
        )


class HandleInvalid(Invalid):
    """Breaks the handle syntax."""

    def __init__(self, message: str) -> None:
        super().__init__(message, loc=("body", "agent_handle"))


class RoleTooLow(Forbidden):
    """A member tries what only owners and admins of the organization do."""

    def __init__(self) -> None:
        super().__init__("Only owners and admins of the organization may do this. Ask one of them.")


class StatusInvalid(Invalid):
    """A status that cannot be written; old clients show a plain string best."""

    def __init__(self) -> None:
        super().__init__("An identity is either active or paused. To remove it, delete it.")


class IdentityPaused(Forbidden):
    """Outbound work of a paused identity."""

    code = "identity_paused"

    def __init__(self) -> None:
        super().__init__("This identity is paused. Set its status to active before sending.")


class IdempotencyKeyReused(Conflict):
    """Same key, other body."""

    code = "idempotency_key_reused"

    def __init__(self) -> None:
        super().__init__("This Idempotency-Key was used for a different request. Use a new key.")


class IdempotencyInProgress(Conflict):
    """Same key, still running: clients retry."""

    code = "idempotency_in_progress"

    def __init__(self) -> None:
        super().__init__("A request with this Idempotency-Key is still running. Try again in a moment.")


class AlreadyAccepted(Conflict):
    """Same key again without `Prefer: idempotency-replay`: older clients get a refusal instead of the stored answer."""

    code = "idempotency_key_used"

    def __init__(self) -> None:
        super().__init__("A request with this Idempotency-Key was already accepted. Nothing was sent again.")
