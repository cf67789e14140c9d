"""The page behind the link of the verification mail. Whoever opens it reads the human's mail, so no account is needed.

Looking changes nothing (mail scanners open links); only the forms do.
"""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from common import ratelimit
from common.api.context import client_address
from common.errors import DomainError
from signup.enums import DecidedBy, SignupState
from signup.models import Signup
from signup.selectors import address_of, find_by_link
from signup.services.claiming import claim_agent, reject_agent
from signup.viewmodels import waiting_agent

_GONE = "This link is not valid any more. It works once, for 48 hours, and only in the newest mail."


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def claim(request: HttpRequest, token: str) -> HttpResponse:
    """Show the agent, or carry out the decision about it."""
    try:
        ratelimit.hit("claim", client_address(request), settings.RATE_LIMIT_ANONYMOUS_PER_MINUTE)
    except DomainError as refusal:
        return _say(request, "Too many attempts", refusal.message, status=429)
    row = find_by_link(token)
    if row is None or row.identity is None or row.state != SignupState.PENDING:
        return _say(request, "This link has expired", _GONE, status=410)
    if request.method == "POST":
        return _decide(request, row)
    agent = waiting_agent(row, row.identity, address_of(row.identity))
    return render(request, "signup/claim.html", {"title": "Is this your agent?", "agent": agent})


def _decide(request: HttpRequest, row: Signup) -> HttpResponse:
    assert row.identity is not None
    name = row.identity.sender_name
    decision = request.POST.get("decision")
    try:
        if decision == "approve":
            claim_agent(row, DecidedBy.LINK)
            return _say(request, "Approved", f"{name} is your agent now. It may write to anybody.")
        if decision == "reject":
            reject_agent(row, DecidedBy.LINK)
            return _say(request, "Removed", f"{name}, its mailbox and its key are gone.")
    except DomainError as refusal:
        return _say(request, "This did not work", refusal.message, status=409)
    return _say(request, "This did not work", "Go back and choose one of the two.", status=400)


def _say(request: HttpRequest, title: str, text: str, *, status: int = 200) -> HttpResponse:
    return render(request, "signup/claim.html", {"title": title, "text": text}, status=status)
