"""The log of webhook deliveries, and how one is sent again."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import orjson
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from common.errors import DomainError
from console.paging import PAGE_ROWS, page_of, page_offset
from console.principals import console_page
from console.webhook_forms import DeliveryFilterForm
from webhooks.models import Subscription
from webhooks.selectors import DeliveryQuery, get_delivery, get_managed_delivery, list_deliveries
from webhooks.services.replays import replay_delivery

_PAYLOAD_CHARS = 64 * 1024


@require_safe
@console_page
def delivery_list(request: Any) -> HttpResponse:
    """Attempts of all endpoints, newest first."""
    return render(request, "console/deliveries.html", delivery_page(request))


@require_safe
@console_page
def delivery(request: Any, delivery_id: UUID) -> HttpResponse:
    """One attempt: what was sent, and what came back."""
    row = get_delivery(request.viewer.principal, str(delivery_id))
    payload = _readable(row.request_payload)
    context = {"row": row, "payload": payload[:_PAYLOAD_CHARS], "is_cut": len(payload) > _PAYLOAD_CHARS}
    return render(request, "console/delivery.html", context)


@require_POST
@console_page
def replay(request: Any, delivery_id: UUID) -> HttpResponse:
    """Send a logged delivery again, now, and show the new attempt."""
    row = get_managed_delivery(request.viewer.principal, str(delivery_id))
    try:
        attempt = replay_delivery(row)
    except DomainError as refusal:
        messages.error(request, refusal.message)
        return redirect("console:delivery", row.pk)
    if attempt.is_success:
        messages.success(request, f"Sent again. The endpoint answered {attempt.response_status}.")
    else:
        messages.error(request, attempt.error_detail or f"Sent again. The endpoint answered {attempt.response_status}.")
    return redirect("console:delivery", attempt.pk)


def delivery_page(request: Any, subscription: Subscription | None = None) -> dict[str, Any]:
    """Context of a list of attempts, of one subscription or all. One query."""
    filters = DeliveryFilterForm(request.GET)
    wanted = filters.cleaned_data if filters.is_valid() else {}
    query = DeliveryQuery(
        subscription_id=subscription.pk if subscription is not None else None,
        event_type=wanted.get("event_type") or None,
        success=filters.success,
        limit=PAGE_ROWS + 1,
        offset=page_offset(request),
    )
    rows = list_deliveries(request.viewer.principal, query, has_bodies=False)
    return {
        "page": page_of(request, rows),
        "filters": filters,
        "is_filtered": any(wanted.get(name) for name in ("event_type", "outcome")),
    }


def _readable(payload: str) -> str:
    try:
        return orjson.dumps(orjson.loads(payload), option=orjson.OPT_INDENT_2).decode()
    except orjson.JSONDecodeError:
        return payload
