"""What the pages of one agent share."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render

from identities.models import AgentIdentity
from identities.selectors import describe_identity


def render_agent_page(
    request: Any, identity: AgentIdentity, template: str, context: dict[str, Any], *, status: int = 200
) -> HttpResponse:
    """A page below the head of an agent, which needs its channels. Two queries."""
    detail = describe_identity(request.viewer.principal, identity)
    head = {"identity": identity, "mailbox": detail.channels.get("mailbox"), "tunnel": detail.channels.get("tunnel")}
    return render(request, template, {**head, **context}, status=status)
