"""The audit log of the organization."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from console.audit import ACTORS, AREAS, AuditFilter, audit_page
from console.principals import console_page


@require_safe
@console_page
def audit_log(request: Any) -> HttpResponse:
    """Acts, newest first; narrowed by what was acted on, by who acted, and by name."""
    wanted = AuditFilter.from_query(request.GET)
    page = audit_page(request.viewer.principal, wanted)
    return render(request, "console/audit.html", {"page": page, "wanted": wanted, "areas": AREAS, "actors": ACTORS})
