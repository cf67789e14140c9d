"""The composer: a new message, a reply, a forward; sent, or kept as a draft."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from common.errors import DomainError
from common.principal import Principal
from console import mail_writing
from console.mail_forms import ComposeForm, ForwardForm, new_token
from console.mail_selectors import get_agent_mail
from console.principals import console_page
from identities.errors import IdempotencyKeyReused, RoleTooLow
from mail.enums import ForwardMode
from mail.models import Mailbox
from mail.selectors import get_message


@require_http_methods(["GET", "HEAD", "POST"])
@console_page
def compose(request: Any, handle: str) -> HttpResponse:
    """Write in the name of an agent. `?reply=`, `?reply_all=` and `?forward=` name a message."""
    if not request.viewer.manages:
        raise RoleTooLow
    principal = request.viewer.principal
    found = get_agent_mail(principal, handle)
    source = _source(request, principal, found.box)
    kind = ForwardForm if source is not None and source.kind == "forward" else ComposeForm
    if request.method == "POST":
        form = kind(request.POST, request.FILES)
        if form.is_valid():
            try:
                return _carry_out(request, found.box, source, form)
            except IdempotencyKeyReused:
                # Somebody went back to a form that was sent, and changed it.
                form.show_again(token=new_token())
                form.add_error(None, "This form was sent before, with other content. Send again to send a second one.")
            except DomainError as refusal:
                form.refuse(refusal)
        form.ask_for_files_again()
    else:
        form = kind(initial={**mail_writing.first_values(source, found.box.email_address), "token": new_token()})
        form.fields["body" if form.initial.get("to") else "to"].widget.attrs["autofocus"] = True
    context = {"identity": found.identity, "mailbox": found.mailbox, "source": source, "form": form}
    return render(request, "console/compose.html", context, status=422 if form.errors else 200)


def _source(request: Any, principal: Principal, mailbox: Mailbox) -> mail_writing.Source | None:
    for kind in mail_writing.KINDS:
        if row_id := request.GET.get(kind):
            return mail_writing.find_source(principal, mailbox, kind, row_id)
    return None


def _carry_out(request: Any, mailbox: Mailbox, source: mail_writing.Source | None, form: ComposeForm) -> HttpResponse:
    data, principal = form.cleaned_data, request.viewer.principal
    handle = mailbox.identity.agent_handle if mailbox.identity is not None else ""
    written = mail_writing.Written(
        form.recipients(),
        data["subject"],
        data["body"],
        form.attachments(),
        ForwardMode(data.get("mode", ForwardMode.INLINE.value)),
        with_original_files=data.get("include_original_attachments", True),
    )
    token = mail_writing.Token(data["token"], form.fingerprint())
    if request.POST.get("action") == "draft":
        draft = mail_writing.save_written(principal, mailbox, source, written, token)
        messages.success(request, "Kept as a draft.")
        return redirect("console:draft", handle, draft.pk)
    message = get_message(
        principal, mailbox, str(mail_writing.send_written(principal, mailbox, source, written, token))
    )
    messages.success(request, "On its way. What became of it shows up with the message.")
    return redirect("console:thread", handle, message.thread_id)
