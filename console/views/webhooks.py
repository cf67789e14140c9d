"""Webhook subscriptions: of the organization, of one agent, and one in detail."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from common.errors import DomainError
from console.once import Secret, keep_secret, take_secret
from console.paging import PAGE_ROWS, page_of, page_offset
from console.principals import console_page
from console.views.agent_pages import render_agent_page
from console.views.deliveries import delivery_page
from console.webhook_forms import RedeliverForm, SubscriptionForm
from identities.models import AgentIdentity
from identities.selectors import get_identity, get_managed_identity
from identities.services.signing_keys import rotate_signing_key
from webhooks.models import Subscription
from webhooks.selectors import (
    describe_endpoints,
    endpoint_overviews,
    get_managed_subscription,
    get_subscription,
    impaired_endpoints,
)
from webhooks.services.replays import redeliver_range, send_test
from webhooks.services.subscriptions import create_subscription, delete_subscription, update_subscription

_IMPAIRED_ROWS = 5


@require_safe
@console_page
def webhook_list(request: Any) -> HttpResponse:
    """Every subscription of the organization, and those that are not being sent to first of all."""
    principal = request.viewer.principal
    rows = endpoint_overviews(principal, offset=page_offset(request), limit=PAGE_ROWS + 1)
    impaired = impaired_endpoints(principal, _IMPAIRED_ROWS)
    return render(request, "console/webhooks.html", {"page": page_of(request, rows), "impaired": impaired})


@require_safe
@console_page
def agent_webhooks(request: Any, handle: str) -> HttpResponse:
    """The subscriptions of one agent, and the key that signs for it."""
    identity = get_identity(request.viewer.principal, handle)
    context = {
        "rows": endpoint_overviews(request.viewer.principal, identity_id=identity.pk),
        "signing_key": getattr(identity, "signing_key", None),
        "secret": take_secret(request, _signing_place(identity)),
    }
    return render_agent_page(request, identity, "console/agent_webhooks.html", context)


@require_POST
@console_page
def rotate_key(request: Any, handle: str) -> HttpResponse:
    """A new signing key for an agent, shown once; the old one signs beside it for a day."""
    identity = get_managed_identity(request.viewer.principal, handle)
    text, _ = rotate_signing_key(organization_id=identity.organization_id, identity=identity)
    keep_secret(request, _signing_place(identity), Secret(f"The signing key of @{identity.agent_handle}", text))
    return redirect("console:agent_webhooks", handle)


@require_http_methods(["GET", "HEAD", "POST"])
@console_page
def new_webhook(request: Any, handle: str) -> HttpResponse:
    """Subscribe a URL. The first subscription of an agent makes its signing key, which is shown once."""
    principal = request.viewer.principal
    identity = get_managed_identity(principal, handle)
    form = SubscriptionForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            row, signing_key = create_subscription(principal, form.as_new(identity.pk))
        except DomainError as refusal:
            form.refuse(refusal)
        else:
            messages.success(request, "Subscribed. Send a test to see whether the endpoint answers.")
            if signing_key is not None:
                title = f"The signing key of @{identity.agent_handle}"
                keep_secret(request, _signing_place(identity), Secret(title, signing_key))
            return redirect("console:webhook", row.pk)
    context = {"form": form}
    return render_agent_page(request, identity, "console/webhook_new.html", context, status=422 if form.errors else 200)


@require_safe
@console_page
def webhook(request: Any, subscription_id: UUID) -> HttpResponse:
    """One subscription with its circuit and its deliveries."""
    return _page(request, get_subscription(request.viewer.principal, str(subscription_id)))


@require_http_methods(["GET", "HEAD", "POST"])
@console_page
def edit_webhook(request: Any, subscription_id: UUID) -> HttpResponse:
    """Change a subscription."""
    row = get_managed_subscription(request.viewer.principal, str(subscription_id))
    form = SubscriptionForm(request.POST if request.method == "POST" else None, row=row)
    if form.is_valid():
        try:
            update_subscription(row, form.as_changes(row), identity_scope=True)
        except DomainError as refusal:
            form.refuse(refusal)
        else:
            messages.success(request, "Saved.")
            return redirect("console:webhook", row.pk)
    return render(request, "console/webhook_edit.html", {"row": row, "form": form}, status=422 if form.errors else 200)


@require_POST
@console_page
def delete_webhook(request: Any, subscription_id: UUID) -> HttpResponse:
    """Stop deliveries at once, queued ones too."""
    row = get_managed_subscription(request.viewer.principal, str(subscription_id))
    delete_subscription(row, identity_scope=True)
    messages.success(request, "The subscription is gone. Its deliveries stay in the log.")
    return (
        redirect("console:agent_webhooks", row.identity.agent_handle) if row.identity else redirect("console:webhooks")
    )


@require_POST
@console_page
def test_webhook(request: Any, subscription_id: UUID) -> HttpResponse:
    """Send a signed test now, and tell what the endpoint answered."""
    row = get_managed_subscription(request.viewer.principal, str(subscription_id))
    attempt = send_test(row)
    if attempt.is_success:
        messages.success(request, f"The endpoint answered {attempt.response_status} in {attempt.duration_ms} ms.")
    else:
        messages.error(request, attempt.error_detail or f"The endpoint answered {attempt.response_status}.")
    return redirect("console:webhook", row.pk)


@require_POST
@console_page
def redeliver(request: Any, subscription_id: UUID) -> HttpResponse:
    """Queue a range of events again; what does not fit into one call is offered next."""
    row = get_managed_subscription(request.viewer.principal, str(subscription_id))
    form = RedeliverForm(request.POST)
    if not form.is_valid():
        return _page(request, row, redeliver_form=form, status=422)
    done = redeliver_range(row, form.as_range())
    if done.queued == 0 and not done.has_more:
        messages.info(request, "Nothing of this range is to be sent again.")
    else:
        messages.success(
            request, f"{done.queued} deliveries are queued." if done.queued != 1 else "1 delivery is queued."
        )
    path = reverse("console:webhook", args=[row.pk])
    if not done.has_more:
        return redirect(path)
    rest = {name: request.POST.get(name, "") for name in ("since", "until", "only_failed")}
    return redirect(f"{path}?{urlencode({**rest, 'after': done.next_after})}")


def _signing_place(identity: AgentIdentity) -> str:
    return f"signing-key:{identity.pk}"


def _page(
    request: Any, row: Subscription, *, redeliver_form: RedeliverForm | None = None, status: int = 200
) -> HttpResponse:
    is_continued = request.method != "POST" and "after" in request.GET
    context = {
        "row": row,
        "endpoint": describe_endpoints([row])[0],
        "redeliver_form": redeliver_form
        or (RedeliverForm(initial=request.GET.dict() if is_continued else {"only_failed": True})),
        "is_continued": is_continued,
        **delivery_page(request, row),
    }
    context["secret"] = take_secret(request, _signing_place(row.identity)) if row.identity is not None else None
    return render(request, "console/webhook.html", context, status=status)
