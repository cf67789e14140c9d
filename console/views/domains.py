"""Sending domains: the list, and one with its records and their live check."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from common.errors import DomainError
from console.domain_forms import NewDomainForm
from console.domains import describe_domain, summarize_domain
from console.principals import console_page
from mail.domain_selectors import get_sending_domain, list_sending_domains
from mail.domain_states import DomainStatus
from mail.errors import DefaultDomainUnavailable, SendingDomainInUse, SendingDomainStateWrong
from mail.services import sending_domains as services


@require_http_methods(["GET", "HEAD", "POST"])
@console_page
def domain_list(request: Any) -> HttpResponse:
    """Domains of the organization; a POST registers one."""
    principal = request.viewer.principal
    form = NewDomainForm(request.POST if request.method == "POST" else None)
    if request.method == "POST":
        services.refuse_unless_managing(principal)
    if form.is_valid():
        new = services.NewDomain(form.cleaned_data["domain"], form.cleaned_data["mail_from_subdomain"] or None)
        try:
            done = services.register_domain(principal, new)
        except DomainError as refusal:
            form.refuse(refusal)
        else:
            if done.is_new:
                messages.success(request, f"{done.row.domain} is registered. Now publish its records.")
            else:
                messages.info(request, f"{done.row.domain} is registered already.")
            return redirect("console:domain", done.row.domain)
    rows = [summarize_domain(row) for row in list_sending_domains(principal)]
    context = {
        "rows": rows,
        "form": form,
        "platform_domain": settings.MAIL_DOMAIN,
        "has_default": any(summary.row.is_default for summary in rows),
    }
    return render(request, "console/domains.html", context, status=422 if form.errors else 200)


@require_safe
@console_page
def domain(request: Any, domain: str) -> HttpResponse:
    """One domain. The page asks again while something may change, and gets 204 while nothing has."""
    row = get_sending_domain(request.viewer.principal, domain)
    detail = describe_domain(row)
    if "HX-Request" not in request.headers:
        return render(request, "console/domain.html", {"detail": detail, "row": row})
    if request.GET.get("seen") == f"{detail.stamp}-{detail.poll_seconds}":
        return HttpResponse(status=204)
    return render(request, "console/partials/domain_state.html", {"detail": detail, "row": row})


@require_POST
@console_page
def check_domain(request: Any, domain: str) -> HttpResponse:
    """Look at DNS now. Takes up to 12 seconds."""
    principal = request.viewer.principal
    services.refuse_unless_managing(principal)
    row = get_sending_domain(principal, domain)
    try:
        row = services.verify_domain(principal, row)
    except DomainError as refusal:
        messages.error(request, refusal.message)
    else:
        summary = summarize_domain(row)
        tell = messages.success if row.state is DomainStatus.VERIFIED else messages.info
        tell(request, f"DNS was looked at. {summary.sentence}")
    return redirect("console:domain", row.domain)


@require_POST
@console_page
def rotate_domain(request: Any, domain: str) -> HttpResponse:
    """New DKIM keys."""
    row = get_sending_domain(request.viewer.principal, domain)
    try:
        services.rotate_domain_keys(request.viewer.principal, row)
    except SendingDomainStateWrong as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, "There are new keys. Publish their records below.")
    return redirect("console:domain", row.domain)


@require_POST
@console_page
def choose_default(request: Any) -> HttpResponse:
    """The domain of new agents; the platform's own name clears the choice."""
    try:
        name = services.set_default_domain(request.viewer.principal, request.POST.get("domain", ""))
    except DefaultDomainUnavailable as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, f"New agents get addresses at {name or settings.MAIL_DOMAIN}.")
    return redirect("console:domains")


@require_POST
@console_page
def delete_domain(request: Any, domain: str) -> HttpResponse:
    """Delete in 24 hours, or at once what has failed."""
    principal = request.viewer.principal
    row = get_sending_domain(principal, domain)
    try:
        services.request_domain_deletion(principal, row)
    except SendingDomainInUse as refusal:
        messages.error(request, refusal.message)
        return redirect("console:domain", row.domain)
    if row.state is DomainStatus.FAILED:
        messages.success(request, f"{row.domain} is gone.")
        return redirect("console:domains")
    messages.success(request, f"{row.domain} will be deleted in 24 hours. Until then you can undo it.")
    return redirect("console:domain", row.domain)


@require_POST
@console_page
def restore_domain(request: Any, domain: str) -> HttpResponse:
    """Undo a deletion."""
    row = get_sending_domain(request.viewer.principal, domain)
    try:
        services.restore_domain(request.viewer.principal, row)
    except SendingDomainStateWrong as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, f"{row.domain} stays.")
    return redirect("console:domain", row.domain)
