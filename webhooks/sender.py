"""The network side of delivery: one signed request, and what came of it. Touches no database."""

from __future__ import annotations

import time

from common.clock import now
from common.http import Answer, Caller, CallFailed
from webhooks import limits
from webhooks.retry import parse_retry_after
from webhooks.services.jobs import Job, Outcome
from webhooks.signing import request_headers


async def send(caller: Caller, job: Job) -> Outcome:
    """Make one attempt. Never raises for anything a receiver or the network does."""
    body = job.body.encode()
    started_at = now()
    started = time.perf_counter()
    headers = request_headers(
        request_id=job.request_id,
        # The time of the attempt, not of the event: receivers refuse what is older than five minutes.
        timestamp=int(started_at.timestamp()),
        body=body,
        keys=job.keys,
        auth_token=job.auth_token,
        standard_id=job.wire_event_id if job.standard_webhooks else None,
    )
    answer: Answer | None = None
    error: str | None = None
    try:
        answer = await caller.post(
            job.url,
            headers=headers,
            body=body,
            timeout=limits.ATTEMPT_TIMEOUT_SECONDS,
            max_body_bytes=limits.RESPONSE_BODY_MAX_BYTES,
        )
    except CallFailed as failure:
        error = str(failure)[: limits.ERROR_DETAIL_MAX_CHARS]
    duration_ms = int((time.perf_counter() - started) * 1000)
    if answer is None:
        return Outcome(job, started_at, duration_ms, error=error)
    return Outcome(
        job,
        started_at,
        duration_ms,
        status=answer.status,
        # PostgreSQL cannot store NUL in text.
        response_body=answer.body.decode("utf-8", "replace").replace("\0", "\N{REPLACEMENT CHARACTER}"),
        retry_after=parse_retry_after(answer.headers.get("retry-after"), started_at),
    )
