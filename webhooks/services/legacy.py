"""The webhook URL fields of the first client generation, kept as ordinary subscriptions (contract 2.5)."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from common.clock import now
from common.http import check_url
from identities.enums import AuditAction
from webhooks.catalog import MESSAGE_EVENTS, TEXT_EVENTS
from webhooks.enums import Selector
from webhooks.models import Subscription
from webhooks.owners import Owner, lock_owner
from webhooks.services.circuits import reset_circuit
from webhooks.services.subscriptions import record_subscription, remove_subscriptions

# Selector -> (the field of the mailbox or number on the wire, the events it stands for)
FIELDS = {
    Selector.MAILBOX: ("webhook_url", MESSAGE_EVENTS),
    Selector.PHONE_NUMBER: ("incoming_text_webhook_url", TEXT_EVENTS),
}


def legacy_urls(owner_ids: Iterable[UUID]) -> dict[UUID, str]:
    """The URL field of each mailbox or number that has one. One query."""
    ids = list(owner_ids)
    if not ids:
        return {}
    rows = Subscription.objects.active().filter(Q(mailbox_id__in=ids) | Q(phone_number_id__in=ids), is_legacy=True)
    return {row.selector_id: row.url for row in rows.only("mailbox_id", "phone_number_id", "url")}


def set_legacy_url(owner: Owner, url: str | None) -> None:
    """Set or clear the URL field of a mailbox or number. Raises Invalid for a URL that may not be called.

    A row that this owner already has for the URL is taken over (it then gets all events of the family), so the update
    of a mailbox never fails because of a subscription.
    """
    field, event_types = FIELDS[owner.selector]
    if url is not None:
        check_url(url, field=field)
    with transaction.atomic():
        lock_owner(owner)
        mine = Subscription.objects.active().filter(**{f"{owner.selector.value}_id": owner.id})
        current = mine.filter(is_legacy=True).first()
        if url is None:
            remove_subscriptions(mine.filter(is_legacy=True))
            if current is not None:
                record_subscription(current, AuditAction.WEBHOOK_DELETED)
            return
        same = mine.filter(url=url).order_by("created_at", "pk").first()
        if current is not None and same is not None and same.pk != current.pk:
            remove_subscriptions(mine.filter(pk=current.pk))
        row = same or current or _new_row(owner, url)
        row.url, row.is_legacy, row.event_types = url, True, list(event_types)
        row.updated_at = now()
        row.save()
        reset_circuit(row)
        is_new = same is None and current is None
        record_subscription(row, AuditAction.WEBHOOK_CREATED if is_new else AuditAction.WEBHOOK_UPDATED)


def _new_row(owner: Owner, url: str) -> Subscription:
    return Subscription(
        organization_id=owner.organization_id,
        identity_id=owner.identity_id,
        url=url,
        **{f"{owner.selector.value}_id": owner.id},
    )
