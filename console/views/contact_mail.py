"""What passed between a contact and one of the agents."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from console.contact_selectors import agents_in_touch
from console.paging import PAGE_ROWS
from console.principals import console_page
from contacts.contact_selectors import get_contact
from contacts.correspondence import CorrespondenceQuery, read_correspondence
from contacts.enums import CorrespondenceChannel
from identities.selectors import get_identity


@require_safe
@console_page
def contact_mail(request: Any, contact_id: UUID) -> HttpResponse:
    """Newest first, of the agent that had mail last unless `?agent=` names another."""
    principal = request.viewer.principal
    contact = get_contact(principal, contact_id)
    agents = agents_in_touch(principal, contact)
    wanted = request.GET.get("agent", "")
    identity = get_identity(principal, wanted) if wanted else next(iter(agents), None)
    context: dict[str, Any] = {"contact": contact, "agents": agents, "identity": identity}
    if identity is not None:
        query = CorrespondenceQuery(
            channels=(CorrespondenceChannel.EMAIL.value,),
            identity_id=identity.pk,
            cursor=request.GET.get("cursor") or None,
            limit_per_channel=PAGE_ROWS,
            include_failed=True,
        )
        context |= {
            "rows": read_correspondence(principal, contact, query),
            "is_first": query.cursor is None,
            "extra": f"agent={identity.agent_handle}",
        }
    return render(request, "console/contact_mail.html", context)
