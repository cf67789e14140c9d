"""Send a logged delivery again (contract webhooks.md 4.4)."""

from __future__ import annotations

import asyncio

from common.db import refuse_in_transaction
from identities.services.signing_keys import signing_secret
from webhooks.dispatcher import send_all
from webhooks.errors import NotReplayable, ReplayUnavailable
from webhooks.models import DeliveryAttempt
from webhooks.models.delivery import new_request_id
from webhooks.services.dispatches import Job, record_outcome


def replay_delivery(row: DeliveryAttempt) -> DeliveryAttempt:
    """Post the logged body to the subscription's current URL now, and return the new row.

    The event id stays, so a receiver that has processed the event drops it. Request id, time, signature and bearer
    token are fresh. Takes up to the timeout of one attempt. Raises NotReplayable 422, ReplayUnavailable 409.
    """
    refuse_in_transaction("a webhook replay")
    reason = row.replay_unavailable_reason
    if reason == "event_type_not_replayable":
        raise NotReplayable
    if reason is not None:
        raise ReplayUnavailable(reason)
    subscription = row.subscription
    assert subscription is not None
    assert row.event_id is not None
    job = Job(
        dispatch_id=None,
        organization_id=row.organization_id,
        identity_id=row.identity_id,
        subscription_id=subscription.pk,
        event_id=row.event_id,
        event_type=row.event_type,
        url=subscription.url,
        body=row.request_payload,
        is_own_body=row.body is not None,
        request_id=new_request_id(),
        tries=1,
        secret=signing_secret(row.organization_id, row.identity_id),
        auth_token=subscription.auth_token,
        is_replay=True,
    )
    attempt = record_outcome(asyncio.run(send_all([job]))[0])
    attempt.event, attempt.subscription = row.event, subscription
    return attempt
