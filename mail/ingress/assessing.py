"""Judging mail from strangers before it is stored: in threads, within a time budget, while other sessions go on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache

import structlog
from django.conf import settings
from prometheus_client import Counter

from common.clock import now
from mail.mime.parse import ParsedMail, parse_mail
from mail.trust import heuristic
from mail.trust.config import TrustConfig
from mail.trust.dmarc import disposition
from mail.trust.evaluate import evaluate
from mail.trust.lookups import CachedResolver, Lookups, Resolver, SystemResolver
from mail.trust.results_header import results_field, without_forged_results
from mail.trust.rspamd import Rspamd
from mail.trust.verdicts import (
    ArcVerdict,
    Arrival,
    Assessment,
    Authentication,
    Disposition,
    DmarcVerdict,
    Result,
    SpamVerdict,
    SpfVerdict,
)

log = structlog.get_logger(__name__)

# Most of the time they wait for DNS.
_THREADS = 32

AUTHENTICATED = Counter("inkbox_mail_authentication", "Checks of inbound messages.", ["method", "result"])
JUDGED = Counter("inkbox_mail_judged", "Inbound messages from strangers, by what was done.", ["outcome"])


@dataclass(frozen=True, slots=True)
class Judged:
    """A message as it is to be stored, with what was found."""

    content: bytes
    parsed: ParsedMail
    assessment: Assessment


class Assessor:
    """One for each SMTP server; lives on its event loop. Mail from peers that `is_exempt` is not for it."""

    def __init__(self, config: TrustConfig, resolver: Resolver | None = None) -> None:
        self._config = config
        # A peer sends many messages; comparing its address with the networks costs more than all else on that path.
        self.is_exempt = lru_cache(4096)(config.is_trusted_relay)
        self._resolver = resolver or CachedResolver(SystemResolver())
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="smtp-trust")
        self._rspamd = (
            Rspamd(config.rspamd_url, seconds=config.spam_seconds, threshold=config.spam_threshold)
            if config.rspamd_url
            else None
        )

    async def assess(self, original: bytes, trace: bytes, arrival: Arrival, recipients: Sequence[str]) -> Judged:
        """Judge the message `original`, which is stored with `trace` (our Received field) on top.

        Takes the configured time for DNS, and that for the scorer. Trouble of any kind is a verdict, never a failure;
        raises HeaderTooLarge like the parser.
        """
        # The time in the queue of the threads counts: a message waits no longer because others do.
        lookups = Lookups(self._resolver, seconds=self._config.seconds)
        loop = asyncio.get_running_loop()
        judged = await loop.run_in_executor(self._threads, self._judge, original, trace, arrival, lookups)
        if self._rspamd is not None and judged.assessment.disposition is not Disposition.REJECT:
            spam = await self._rspamd.score(judged.content, arrival, recipients)
            first = judged.assessment
            assessment = Assessment(first.authentication, first.disposition, spam)
            judged = Judged(judged.content, judged.parsed, assessment)
        _count(judged.assessment)
        return judged

    def close(self, loop: asyncio.AbstractEventLoop) -> None:
        """End the threads and connections; from another thread than the loop's. Nobody waits for DNS any more."""
        if self._rspamd is not None:
            asyncio.run_coroutine_threadsafe(self._rspamd.close(), loop).result(1)
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _judge(self, original: bytes, trace: bytes, arrival: Arrival, lookups: Lookups) -> Judged:
        try:
            found = evaluate(original, arrival, lookups, trusted_sealers=self._config.trusted_sealers)
        except Exception:
            log.exception("smtp.evaluation_failed")
            found = _unknown()
        field = results_field(found, settings.SMTP_HOSTNAME, arrival)
        content = field + trace + without_forged_results(original, settings.SMTP_HOSTNAME)
        parsed = parse_mail(content)
        action = disposition(found, self._config.enforce)
        spam = self._heuristic_score(parsed, found) if action is not Disposition.REJECT else None
        return Judged(content, parsed, Assessment(found, action, spam))

    def _heuristic_score(self, parsed: ParsedMail, found: Authentication) -> SpamVerdict | None:
        if not self._config.uses_heuristic:
            return None
        try:
            return heuristic.score(parsed, found, now(), self._config.spam_threshold)
        except Exception:
            log.exception("smtp.scoring_failed")
            return None


def _unknown() -> Authentication:
    """For a message that met a mistake of ours: nothing is proven and nothing enforced."""
    dmarc = DmarcVerdict(Result.TEMPERROR, reason="the evaluation failed", is_policy_unknown=True)
    return Authentication(SpfVerdict(Result.TEMPERROR), (), dmarc, ArcVerdict(Result.TEMPERROR))


def _count(assessment: Assessment) -> None:
    found = assessment.authentication
    for method, result in (
        ("spf", found.spf.result),
        ("dkim", found.dkim),
        ("dmarc", found.dmarc.result),
        ("arc", found.arc.result),
    ):
        AUTHENTICATED.labels(method, result.value).inc()
    if assessment.disposition is Disposition.REJECT:
        outcome = "rejected"
    else:
        outcome = "spam" if assessment.is_spam else "accepted"
    JUDGED.labels(outcome).inc()
