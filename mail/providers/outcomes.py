"""Vocabulary shared by the transports: results for many recipients, and an outcome that is unknown for some of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from mail.providers.base import Outcome, OutcomeUnknown, RecipientResult

DETAIL_MAX_CHARS = 500
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


class PartlyUnknown(OutcomeUnknown):
    """Nobody can tell whether `recipients` got the message; `results` holds the answers of all the others."""

    def __init__(self, detail: str, *, results: Iterable[RecipientResult], recipients: Iterable[str]) -> None:
        super().__init__(detail)
        self.results = tuple(results)
        self.recipients = tuple(recipients)


class HandOffOnce:
    """Calls the caller's `hand_off` at most once, for transports that talk to several servers for one envelope.

    The first hand-over makes the whole envelope uncertain for a crash, which is right: a process that dies between two
    servers leaves nobody who could tell which of them were reached.
    """

    def __init__(self, hand_off: Callable[[], None]) -> None:
        self._hand_off = hand_off
        self.is_done = False

    def __call__(self) -> None:
        if not self.is_done:
            self._hand_off()
            self.is_done = True


def clean_detail(text: str | bytes) -> str:
    """A server's words as one printable line of at most DETAIL_MAX_CHARS characters."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    return _UNPRINTABLE.sub(" ", text).strip()[:DETAIL_MAX_CHARS]


def same_for_all(
    addresses: Sequence[str], outcome: Outcome, detail: str, provider_id: str = ""
) -> list[RecipientResult]:
    """One outcome for several recipients."""
    detail = clean_detail(detail)
    return [RecipientResult(address, outcome, detail, provider_id) for address in addresses]


def in_order(addresses: Sequence[str], results: Iterable[RecipientResult]) -> list[RecipientResult]:
    """The results in the order of the envelope."""
    found = {result.address: result for result in results}
    return [found[address] for address in dict.fromkeys(addresses) if address in found]
