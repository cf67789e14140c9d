"""Spam scores of rspamd, over HTTP (its `/checkv2`). A scorer that does not answer leaves a message unscored."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import Any

import orjson
import structlog

from common.http import Caller, CallFailed
from mail.trust.verdicts import Arrival, SpamVerdict

log = structlog.get_logger(__name__)

NAME = "rspamd"
_ANSWER_MAX_BYTES = 1024 * 1024
_REASONS_MAX = 20
_RECIPIENTS_MAX = 50
_HEADER_MAX_CHARS = 320
# The actions by which rspamd itself calls a message spam; greylist and soft reject are about time, not content.
_SPAM_ACTIONS = frozenset({"add header", "rewrite subject", "reject", "quarantine"})


class Rspamd:
    """Lives on the event loop of the SMTP door. The URL is the operator's own and may be private."""

    def __init__(self, url: str, *, seconds: float, threshold: float = 0) -> None:
        self._url = f"{url}/checkv2"
        self._seconds = seconds
        self._threshold = threshold
        self._caller: Caller | None = None

    async def score(self, raw: bytes, arrival: Arrival, recipients: Sequence[str]) -> SpamVerdict | None:
        """None when rspamd gives no usable answer within its time."""
        if self._caller is None:
            self._caller = Caller(allow_private=True)
        headers = {"Content-Type": "message/rfc822", "IP": arrival.ip, "Helo": arrival.helo, "From": arrival.mail_from}
        headers["Rcpt"] = ",".join(recipients[:_RECIPIENTS_MAX])
        safe = {name: text for name, value in headers.items() if (text := _header_text(value))}
        try:
            answer = await self._caller.post(
                self._url, headers=safe, body=raw, timeout=self._seconds, max_body_bytes=_ANSWER_MAX_BYTES
            )
            if answer.status != 200:
                raise CallFailed(f"It answered {answer.status}.")
            return _verdict(orjson.loads(answer.body), self._threshold)
        except (CallFailed, ValueError, KeyError, TypeError, AttributeError) as error:
            log.warning("spam.unscored", scorer=NAME, error=type(error).__name__)
            return None

    async def close(self) -> None:
        """Close idle connections."""
        if self._caller is not None:
            self._caller.close()
            await asyncio.sleep(0)  # sockets are closed by the next turn of the loop


def _header_text(value: str) -> str:
    """What may stand in an HTTP header: printable ASCII, of bounded length."""
    return "".join(char for char in value if " " <= char <= "~")[: _HEADER_MAX_CHARS * 4]


def _verdict(answer: dict[str, Any], threshold: float) -> SpamVerdict:
    score = float(answer["score"])
    if not math.isfinite(score):
        raise ValueError("The score is no number.")
    symbols = answer.get("symbols") or {}
    weights = sorted(((float(row.get("score", 0)), str(name)) for name, row in symbols.items()), reverse=True)
    is_spam = score >= threshold if threshold else answer.get("action") in _SPAM_ACTIONS
    reasons = tuple(f"{points:g}: {name[:100]}" for points, name in weights[:_REASONS_MAX] if points)
    return SpamVerdict(NAME, score, threshold or float(answer.get("required_score", 0)), is_spam, reasons)
