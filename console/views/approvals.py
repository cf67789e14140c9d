"""Held mail: what waits for the approval of a person, and the decisions about it.

What may be decided, and that two decisions never send a message twice, is the business of `mail.services.approving`;
here is what people are told when somebody else was faster.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from common.errors import DomainError
from console.approvals import HeldMail, decided_rows, outcome_of, waiting_rows, with_names
from console.live import go_live
from console.mail_forms import HeldMailForm, RejectForm
from console.mail_selectors import read_message
from console.paging import PAGE_ROWS, page_of, page_offset
from console.principals import console_page
from identities.errors import RoleTooLow
from mail.approval_errors import ApprovalDecided, ApprovalNotFound
from mail.approval_selectors import count_waiting, get_approval, is_withdrawn
from mail.services.approving import approve_message, reject_message
from mail.services.held_edits import Edits, editable_text

_WITHDRAWN = "This mail was deleted before anybody decided. It was not sent."


@require_safe
@console_page
def approval_list(request: Any) -> HttpResponse:
    """What waits, longest first, or with `?decided=1` what was decided last."""
    principal, is_decided = request.viewer.principal, request.GET.get("decided") == "1"
    go_live(request)
    read = decided_rows if is_decided else waiting_rows
    page = page_of(request, read(principal, PAGE_ROWS + 1, page_offset(request)))
    return render(request, "console/approvals.html", {"page": page, "is_decided": is_decided})


@require_http_methods(["GET", "HEAD", "POST"])
@console_page
def approval(request: Any, message_id: UUID) -> HttpResponse:
    """One held mail; a POST approves it as it is."""
    if request.method != "POST":
        return _page(request, _held(request, message_id), RejectForm())
    try:
        approve_message(request.viewer.principal, message_id)
    except DomainError as refusal:
        return _refused(request, message_id, refusal)
    return _approved(request, message_id)


@require_http_methods(["GET", "HEAD", "POST"])
@console_page
def edit_approval(request: Any, message_id: UUID) -> HttpResponse:
    """Change a held mail, and approve what came of it."""
    if not request.viewer.manages:
        _held(request, message_id)
        raise RoleTooLow
    form = HeldMailForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        edits = Edits(form.recipients(), form.cleaned_data["subject"], form.cleaned_data["body"])
        try:
            approve_message(request.viewer.principal, message_id, edits)
        except (ApprovalDecided, ApprovalNotFound) as refusal:
            return _refused(request, message_id, refusal)
        except DomainError as refusal:
            form.refuse(refusal)
        else:
            return _approved(request, message_id)
    held = _held(request, message_id)
    if not held.is_waiting:
        messages.info(request, outcome_of(held, request.viewer.user))
        return redirect("console:approval", message_id)
    if request.method != "POST":
        form = HeldMailForm(initial=_values(held))
    context = _context(request, held) | {"form": form}
    return render(request, "console/approval_edit.html", context, status=422 if form.errors else 200)


@require_POST
@console_page
def reject_approval(request: Any, message_id: UUID) -> HttpResponse:
    """Do not send it, with or without a reason for the agent."""
    form = RejectForm(request.POST)
    if not form.is_valid():
        return _page(request, _held(request, message_id), form)
    try:
        reject_message(request.viewer.principal, message_id, form.cleaned_data["reason"])
    except DomainError as refusal:
        return _refused(request, message_id, refusal)
    held = _held(request, message_id)
    if held.approval.decided_by_id != request.viewer.user.pk:
        messages.info(request, outcome_of(held, request.viewer.user))
        return redirect("console:approval", message_id)
    messages.success(request, "Rejected. It is not sent, and the agent can read that.")
    return redirect("console:approvals")


def _held(request: Any, message_id: UUID) -> HeldMail:
    """Raises ApprovalNotFound."""
    row = get_approval(request.viewer.principal, message_id)
    if row.mailbox.identity is None:
        raise ApprovalNotFound  # nobody is left who could send it
    return with_names([row])[0]


def _approved(request: Any, message_id: UUID) -> HttpResponse:
    """Approving again what is approved is no refusal of the service, but people want to know."""
    held = _held(request, message_id)
    if held.approval.decided_by_id != request.viewer.user.pk:
        messages.info(request, outcome_of(held, request.viewer.user))
        return redirect("console:approval", message_id)
    what = "Approved with your changes" if held.approval.is_edited else "Approved"
    messages.success(request, f"{what}. “{held.approval.message.subject or '(no subject)'}” is on its way.")
    return redirect("console:approvals")


def _refused(request: Any, message_id: UUID, refusal: DomainError) -> HttpResponse:
    """Say why nothing came of a decision. Raises ApprovalNotFound for what the viewer may not see."""
    if isinstance(refusal, ApprovalNotFound):
        if not is_withdrawn(request.viewer.principal, message_id):
            raise refusal
        messages.info(request, _WITHDRAWN)
        return redirect("console:approvals")
    if isinstance(refusal, ApprovalDecided):
        messages.info(request, outcome_of(_held(request, message_id), request.viewer.user))
        return redirect("console:approval", message_id)
    return _page(request, _held(request, message_id), RejectForm(), refusal)


def _page(request: Any, held: HeldMail, form: RejectForm, refusal: DomainError | None = None) -> HttpResponse:
    context = _context(request, held) | {
        "form": form,
        "refusal": refusal,
        "waiting_count": count_waiting(request.viewer.principal),
    }
    status = refusal.status if refusal is not None else 422 if form.errors else 200
    return render(request, "console/approval.html", context, status=status)


def _context(request: Any, held: HeldMail) -> dict[str, Any]:
    row = held.approval
    message_id = str(row.pk)
    return {
        "held": held,
        "identity": row.mailbox.identity,
        "mailbox": row.mailbox,
        "item": read_message(request.viewer.principal, row.mailbox, row.pk),
        "shown": [message_id] if request.GET.get("images") == message_id else [],
    }


def _values(held: HeldMail) -> dict[str, Any]:
    message = held.approval.message
    return {
        "to": ", ".join(message.to_addresses),
        "cc": ", ".join(message.cc_addresses or ()),
        "bcc": ", ".join(message.bcc_addresses or ()),
        "subject": message.subject or "",
        "body": editable_text(message),
    }
