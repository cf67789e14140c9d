"""Drafts of an agent: the list, and an editor that notices when somebody else was faster."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import content_disposition_header
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_http_methods, require_safe

from common.errors import DomainError
from common.principal import Principal
from console import limits, mail_writing
from console.mail_forms import DraftForm
from console.mail_selectors import AgentMail, Rows, get_agent_mail, sent_as, thread_of_draft
from console.principals import console_page
from console.views.message_parts import data_url, serve_view
from identities.errors import RoleTooLow
from mail.draft_errors import DraftGenerationConflict, DraftNotFound
from mail.draft_selectors import draft_files, file_at, get_draft, list_drafts
from mail.draft_states import SendState
from mail.html_view import view_html
from mail.models import Draft
from mail.raw import load_raw
from mail.services.draft_content import DraftChange
from mail.services.draft_sending import send_draft
from mail.services.drafts import delete_draft, duplicate_draft, remove_file


@require_safe
@console_page
def draft_list(request: Any, handle: str) -> HttpResponse:
    """Newest first."""
    principal = request.viewer.principal
    found = get_agent_mail(principal, handle)
    rows = Rows([])
    if found.mailbox is not None:
        cursor = request.GET.get("cursor")
        body = list_drafts(principal, found.mailbox, limit=limits.DRAFTS_PER_PAGE, cursor=cursor)
        rows = Rows(body["items"], body["next_cursor"])
    context = {
        "identity": found.identity,
        "mailbox": found.mailbox,
        "rows": rows,
        "is_first": not request.GET.get("cursor"),
    }
    return render(request, "console/drafts.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@console_page
def draft(request: Any, handle: str, draft_id: UUID) -> HttpResponse:
    """One draft: members look, owners and admins write."""
    principal = request.viewer.principal
    if request.method == "POST" and not request.viewer.manages:
        raise RoleTooLow
    found = get_agent_mail(principal, handle)
    try:
        row = get_draft(principal, found.box, str(draft_id))
        if request.method == "POST":
            return _change(request, found, row)
    except DraftNotFound:
        # Sent before, or by the same button a moment ago.
        message = sent_as(principal, found.box, draft_id)
        if message is None:
            raise
        messages.info(request, "This draft was sent. Here is the message.")
        return redirect("console:thread", handle, message.thread_id)
    return _page(request, found, row, DraftForm(initial=_values(row)))


@require_safe
@console_page
def draft_file(request: Any, handle: str, draft_id: UUID, part_index: int) -> HttpResponse:
    """One file of a draft, as a download."""
    principal = request.viewer.principal
    row = get_draft(principal, get_agent_mail(principal, handle).box, str(draft_id))
    file = file_at(row, str(part_index))
    response = HttpResponse(load_raw(file), content_type=file.content_type)
    response.headers["Content-Disposition"] = (
        content_disposition_header(as_attachment=True, filename=file.filename) or "attachment"
    )
    response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    return response


@require_safe
@xframe_options_sameorigin
@console_page
def draft_html(request: Any, handle: str, draft_id: UUID) -> HttpResponse:
    """The HTML as it was saved, cleaned like that of a stranger: an agent may have copied it from one."""
    principal = request.viewer.principal
    row = get_draft(principal, get_agent_mail(principal, handle).box, str(draft_id))
    images = {
        file.content_id: data_url(file.content_type, load_raw(file))
        for file in draft_files(row)
        if file.content_id is not None and file.size <= limits.EMBEDDED_IMAGE_BYTES
    }
    return serve_view(view_html(row.body_html or row.forward_note_html or "", images))


def _change(request: Any, found: AgentMail, row: Draft) -> HttpResponse:
    form = DraftForm(request.POST, request.FILES)
    if not form.is_valid():
        form.ask_for_files_again()
        return _page(request, found, row, form)
    try:
        return _carry_out(request, found, row, form)
    except DraftGenerationConflict:
        return _conflict(request, found, row, form)
    except DomainError as refusal:
        form.refuse(refusal)
    # What was refused may have followed something that was saved.
    had, row = row.attachment_count, get_draft(request.viewer.principal, found.box, str(row.pk))
    form.show_again(generation=row.generation)
    if row.attachment_count == had:
        form.ask_for_files_again()
    return _page(request, found, row, form)


def _carry_out(request: Any, found: AgentMail, row: Draft, form: DraftForm) -> HttpResponse:
    principal, handle, box = request.viewer.principal, found.identity.agent_handle, found.box
    action, generation = request.POST.get("action", "save"), form.cleaned_data["generation"]
    if action == "delete":
        delete_draft(principal, box, str(row.pk), generation)
        messages.success(request, "The draft is deleted.")
        return redirect("console:drafts", handle)
    if action == "duplicate":
        copy = duplicate_draft(principal, box, str(row.pk), generation)
        messages.success(request, "This is the copy.")
        return redirect("console:draft", handle, copy.pk)
    generation = mail_writing.save_draft(principal, box, row, _change_of(row, form), form.attachments())
    if action.startswith("remove-"):
        remove_file(principal, box, str(row.pk), generation, action.removeprefix("remove-"))
        messages.success(request, "Saved, without the file.")
    elif action == "send":
        message = send_draft(principal, box, str(row.pk), generation)
        messages.success(request, "On its way. What became of it shows up with the message.")
        return redirect("console:thread", handle, message.thread_id)
    else:
        messages.success(request, "Saved.")
    return redirect("console:draft", handle, row.pk)


def _conflict(request: Any, found: AgentMail, row: Draft, form: DraftForm) -> HttpResponse:
    """Both versions on one page; saving again overwrites the other one, knowingly."""
    row = get_draft(request.viewer.principal, found.box, str(row.pk))
    form.show_again(generation=row.generation)
    form.ask_for_files_again()
    return _page(request, found, row, form, is_conflict=True)


def _page(request: Any, found: AgentMail, row: Draft, form: DraftForm, *, is_conflict: bool = False) -> HttpResponse:
    principal: Principal = request.viewer.principal
    if row.is_forward:
        form.fields["body"].label = "Text above the original"
        form.fields["subject"].help_text = "Left empty, it is that of the original after Fwd:"
    if not (row.body_html or row.forward_note_html):
        del form.fields["body_html"]
    context = {
        "identity": found.identity,
        "mailbox": found.mailbox,
        "draft": row,
        "files": mail_writing.files_of(row),
        "thread_id": thread_of_draft(principal, found.box, row),
        "form": form,
        "theirs": _values(row) if is_conflict else None,
        "can_edit": request.viewer.manages and row.state is SendState.DRAFT,
        "state": row.state.value,
    }
    status = 409 if is_conflict else 422 if form.errors else 200
    return render(request, "console/draft.html", context, status=status)


def _values(row: Draft) -> dict[str, Any]:
    return {
        "to": ", ".join(row.to_addresses),
        "cc": ", ".join(row.cc_addresses),
        "bcc": ", ".join(row.bcc_addresses),
        "subject": row.subject or "",
        "body": (row.forward_note_text if row.is_forward else row.body_text) or "",
        "body_html": (row.forward_note_html if row.is_forward else row.body_html) or "",
        "generation": row.generation,
    }


def _change_of(row: Draft, form: DraftForm) -> DraftChange:
    """What the form says, in the terms of this kind of draft."""
    data = form.cleaned_data
    names = ("forward_note_text", "forward_note_html") if row.is_forward else ("body_text", "body_html")
    given: dict[str, Any] = {names[0]: data["body"] or None}
    if getattr(row, names[1]):
        given[names[1]] = data["body_html"] or None
    # Without a subject a forward takes that of its original; any other draft is not sent, so it gets an empty one.
    given["subject"] = data["subject"] or (None if row.is_forward else "")
    return DraftChange(generation=data["generation"], recipients=form.recipients(), **given)
