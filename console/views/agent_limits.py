"""What an agent may use and has used, whether a person approves its mail, and the signature below it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST

from common.errors import DomainError
from common.unset import UNSET
from console.agent_forms import SignatureForm
from console.principals import console_page
from console.usage import send_usage
from console.views.agent_pages import render_agent_page
from identities.models import AgentIdentity
from identities.selectors import get_identity, get_managed_identity, organization_profile
from mail.approval_selectors import count_held
from mail.errors import MailboxNotFound
from mail.models import Mailbox
from mail.services.mailboxes import MailboxChanges, update_mailbox


@require_http_methods(["GET", "HEAD", "POST"])
@console_page
def agent_limits(request: Any, handle: str) -> HttpResponse:
    """Quotas; a POST changes the signature."""
    principal = request.viewer.principal
    if request.method != "POST":
        return _page(request, get_identity(principal, handle))
    identity = get_managed_identity(principal, handle)
    mailbox = _mailbox(request, identity)
    if mailbox is None:
        raise MailboxNotFound
    form = SignatureForm(request.POST)
    if form.is_valid():
        try:
            update_mailbox(principal, mailbox, _changes(mailbox, form.cleaned_data), organization_profile(principal))
        except DomainError as refusal:
            form.refuse(refusal)
        else:
            messages.success(request, "The signature is saved.")
            return redirect("console:agent_limits", handle)
    return _page(request, identity, form=form, status=422)


@require_POST
@console_page
def change_approval(request: Any, handle: str) -> HttpResponse:
    """Whether a person approves what the agent sends, from now on. What is held stays held."""
    principal = request.viewer.principal
    identity = get_managed_identity(principal, handle)
    mailbox = _mailbox(request, identity)
    if mailbox is None:
        raise MailboxNotFound
    is_required = request.POST.get("approval") == "required"
    update_mailbox(principal, mailbox, MailboxChanges(approval_required=is_required), organization_profile(principal))
    messages.success(
        request,
        "From now on a person approves what this agent sends."
        if is_required
        else "From now on this agent sends without asking. What is held already still waits.",
    )
    return redirect("console:agent_limits", handle)


def _changes(mailbox: Mailbox, data: dict[str, Any]) -> MailboxChanges:
    """Only what differs: a text that was made from the HTML before is made anew when only the HTML changes."""
    html, text = _plain(data["signature_html"]), _plain(data["signature_text"])
    return MailboxChanges(
        signature_html=UNSET if html == _plain(mailbox.signature_html) else html,
        signature_text=UNSET if text == _plain(mailbox.signature_text) else text,
        signature_enabled=data["signature_enabled"],
    )


def _plain(text: str | None) -> str | None:
    """To compare: browsers send CRLF, whatever the text had."""
    return (text or "").replace("\r\n", "\n").strip() or None


def _mailbox(request: Any, identity: AgentIdentity) -> Mailbox | None:
    rows = Mailbox.objects.visible_to(request.viewer.principal).select_related("identity")
    return rows.filter(identity=identity).first()


def _page(
    request: Any, identity: AgentIdentity, *, form: SignatureForm | None = None, status: int = 200
) -> HttpResponse:
    mailbox = _mailbox(request, identity)
    initial = {}
    if mailbox is not None:
        initial = {name: getattr(mailbox, name) for name in ("signature_enabled", "signature_text", "signature_html")}
    context = {
        "usage": send_usage(identity),
        "storage": mailbox,
        "held_count": count_held(request.viewer.principal, mailbox) if mailbox is not None else 0,
        "form": form or SignatureForm(initial=initial),
    }
    return render_agent_page(request, identity, "console/agent_limits.html", context, status=status)
