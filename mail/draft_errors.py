"""Refusals of drafts (contract mail.md sections 1.1 and 7)."""

from __future__ import annotations

from common.errors import Conflict, NotFound


class DraftNotFound(NotFound):
    """No such draft for this caller, or it was sent."""

    def __init__(self) -> None:
        super().__init__("Draft not found")


class DraftGenerationConflict(Conflict):
    """The caller speaks of an older state of the draft; nothing was changed."""

    code = "draft_generation_conflict"

    def __init__(self) -> None:
        super().__init__("The draft changed since this generation. Load it again and repeat the change.")


class DraftSendInProgress(Conflict):
    """The draft is being sent at this moment."""

    code = "draft_send_in_progress"

    def __init__(self) -> None:
        super().__init__("The draft is being sent. Send the same request again in a moment.", retry_after=1)


class DraftDeliveryUncertain(Conflict):
    """Nobody knows whether the draft was sent, so it is never sent again by itself."""

    code = "draft_delivery_uncertain"

    def __init__(self) -> None:
        super().__init__(
            "It is not known whether this draft was sent. Look for it among the messages, then delete or duplicate it."
        )


class DraftCreationGone(Conflict):
    """The key made a draft that does not exist any more."""

    code = "result_unavailable"

    def __init__(self) -> None:
        super().__init__("The draft made with this key was sent or deleted. Use a new Idempotency-Key for a new one.")
