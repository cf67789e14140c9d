"""Vocabulary shared by the transports: results for many recipients, and an outcome that is unknown for some of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

import structlog

from mail.providers.base import Envelope, Outcome, OutcomeUnknown, RecipientResult

log = structlog.get_logger(__name__)

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


def send_in_parts(
    envelope: Envelope,
    hand_off: HandOffOnce,
    parts: Iterable[tuple[Sequence[str], Callable[[], Sequence[RecipientResult]]]],
) -> list[RecipientResult]:
    """Run one call per group of recipients and join the results, in the order of the envelope.

    A part whose outcome is unknown does not stop the others: PartlyUnknown is raised at the end, with all that is
    known. An unexpected error counts as unknown once anything was handed over, so that earlier results are not lost.
    """
    results: list[RecipientResult] = []
    unknown: list[str] = []
    detail = ""
    for recipients, call in parts:
        try:
            results += call()
        except PartlyUnknown as error:
            results += error.results
            unknown += error.recipients
            detail = str(error)
        except Exception as error:
            if not hand_off.is_done:
                raise
            log.exception("mail.transport_failed", message=str(envelope.message_row_id))
            unknown += recipients
            detail = f"Unexpected {type(error).__name__}."
    results = in_order(envelope.recipients, results)
    if unknown:
        log.warning("mail.outcome_unknown", message=str(envelope.message_row_id), recipients=len(unknown))
        raise PartlyUnknown(detail, results=results, recipients=unknown)
    return results
