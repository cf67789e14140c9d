"""Mail history for the context of webhook deliveries (contract webhooks.md section 9)."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.db.models import QuerySet

from mail.addresses import normalize_address
from mail.models import Mailbox, Message
from webhooks.context import HistoryRequest

_COLUMNS = ("id", "direction", "from_address", "to_addresses", "created_at", "subject", "snippet")
# History with a contact is looked for among so many of the newest messages: a mailbox has no index by correspondent,
# and this runs while mail is being received.
_SEARCHED_MESSAGES = 500


def email_history(request: HistoryRequest) -> list[dict[str, Any]] | None:
    """Messages of the trigger's thread, or with a contact; oldest first. Two queries at most."""
    if request.contact is not None:
        return _with_contact(request, request.contact.addresses)
    message = request.trigger.data["message"]
    rows = _recent(Message.objects.filter(thread_id=message["thread_id"]).exclude(pk=message["id"]), request)
    return _items(list(rows.values(*_COLUMNS)[: request.limit]), message["email_address"])


def _with_contact(request: HistoryRequest, addresses: Collection[str]) -> list[dict[str, Any]] | None:
    box = (
        Mailbox.objects.alive()
        .filter(identity_id=request.trigger.identity_id, identity_id__isnull=False)
        .values_list("pk", "email_address")
        .first()
    )
    if box is None:
        return None
    wanted = {normalize_address(address) for address in addresses}
    newest = _recent(Message.objects.filter(mailbox_id=box[0]), request).values(*_COLUMNS)[:_SEARCHED_MESSAGES]
    found = [row for row in newest if not wanted.isdisjoint(_correspondents(row))]
    return _items(found[: request.limit], box[1])


def _recent(rows: QuerySet[Message], request: HistoryRequest) -> QuerySet[Message]:
    rows = rows.filter(deleted_at__isnull=True, is_blocked=False).order_by("-created_at", "-pk")
    return rows if request.since is None else rows.filter(created_at__gte=request.since)


def _correspondents(row: dict[str, Any]) -> set[str]:
    sides = [row["from_address"]] if row["direction"] == "inbound" else row["to_addresses"]
    return {normalize_address(address) for address in sides}


def _items(newest_first: list[dict[str, Any]], email_address: str) -> list[dict[str, Any]]:
    return [{**row, "email_address": email_address} for row in reversed(newest_first)]
