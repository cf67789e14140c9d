"""The mail of an agent: folders, search, and what is done to threads and messages from their pages."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from common.errors import Invalid
from common.unset import UNSET, Unset
from console import limits
from console.live import go_live
from console.mail_selectors import (
    FOLDERS,
    Rows,
    alive_threads,
    get_agent_mail,
    list_folder,
    read_thread,
    search_rows,
)
from console.principals import console_page
from identities.errors import RoleTooLow
from mail import limits as mail_limits
from mail.enums import Folder
from mail.models import Thread
from mail.search.query import parse_query
from mail.selectors import get_message, get_thread
from mail.services.deleting import delete_message, delete_thread
from mail.services.exchanges import resume_thread
from mail.services.flags import set_flags
from mail.services.indexing import index_mailbox
from mail.services.threads import move_thread

# What becomes of (is_read, is_starred).
_FLAGS: dict[str, tuple[bool | Unset, bool | Unset]] = {
    "read": (True, UNSET),
    "unread": (False, UNSET),
    "star": (UNSET, True),
    "unstar": (UNSET, False),
}
# Only the server puts threads into `blocked`.
_TARGETS = tuple(folder for folder in FOLDERS if folder is not Folder.BLOCKED)


@require_safe
@console_page
def mail(request: Any, handle: str) -> HttpResponse:
    """Threads of one folder, or what a search finds in all of them."""
    principal = request.viewer.principal
    found = get_agent_mail(principal, handle)
    folder = next((f for f in FOLDERS if f.value == request.GET.get("folder")), Folder.INBOX)
    is_first = not request.GET.get("cursor")
    query, refusal, rows = request.GET.get("q", "").strip(), None, Rows([])
    # Only the beginning of a folder changes under its reader.
    if is_first and not query:
        go_live(request)
    if found.mailbox is not None and query:
        try:
            search = parse_query(query)
            index_mailbox(found.mailbox, mail_limits.SEARCH_CATCH_UP_MESSAGES)
            rows = search_rows(principal, found.mailbox, search)
        except Invalid as error:
            refusal = error
    elif found.mailbox is not None:
        rows = list_folder(principal, found.mailbox, folder, request.GET.get("cursor"))
    context = {
        "identity": found.identity,
        "mailbox": found.mailbox,
        "folders": FOLDERS,
        "folder": folder,
        "query": query,
        "refusal": refusal,
        "rows": rows,
        "is_first": is_first,
        "search_limit": limits.SEARCH_RESULTS,
    }
    return render(request, "console/mail.html", context, status=422 if refusal else 200)


@require_safe
@console_page
def thread(request: Any, handle: str, thread_id: UUID) -> HttpResponse:
    """The reader. A person's look marks nothing read: that is the agent's business (contract mail.md 4.9)."""
    principal = request.viewer.principal
    found = get_agent_mail(principal, handle)
    row = get_thread(principal, found.box, str(thread_id))
    is_latest = not request.GET.get("cursor")
    if is_latest:
        go_live(request)
    shown = set(request.GET.getlist("images"))
    rows = read_thread(principal, row, request.GET.get("cursor"), shown | set(request.GET.getlist("open")))
    context = {
        "identity": found.identity,
        "mailbox": found.mailbox,
        "thread": row,
        "rows": rows,
        "targets": [folder for folder in _TARGETS if folder != row.folder],
        "is_latest": is_latest,
        "shown": shown,
    }
    return render(request, "console/thread.html", context)


@require_POST
@console_page
def change_thread(request: Any, handle: str, thread_id: UUID) -> HttpResponse:
    """Move, delete or resume a thread."""
    principal = _manager(request)
    found = get_agent_mail(principal, handle)
    row = get_thread(principal, found.box, str(thread_id))
    action = request.POST.get("action", "")
    if action == "delete":
        folder = row.folder
        delete_thread(row)
        messages.success(request, "The thread and its messages are deleted.")
        return redirect(f"{reverse('console:mail', args=[handle])}?folder={folder}")
    if action == "resume":
        resume_thread(principal, row)
        messages.success(request, "The agents may go on.")
    elif action in {target.value for target in _TARGETS}:
        move_thread(row, action)
        messages.success(request, f"Moved to {action}.")
    else:
        messages.error(request, "Choose what to do with the thread.")
    return _to_thread(handle, row)


@require_POST
@console_page
def change_message(request: Any, handle: str, message_id: UUID) -> HttpResponse:
    """Flag or delete a message."""
    principal = _manager(request)
    found = get_agent_mail(principal, handle)
    row = get_message(principal, found.box, str(message_id))
    action = request.POST.get("action", "")
    if action in _FLAGS:
        is_read, is_starred = _FLAGS[action]
        set_flags(row, is_read=is_read, is_starred=is_starred)
    elif action == "delete":
        delete_message(row)
        messages.success(request, "The message is deleted.")
        if not alive_threads(principal, [row.thread_id]):
            return redirect("console:mail", handle)
        return redirect("console:thread", handle, row.thread_id)
    else:
        messages.error(request, "Choose what to do with the message.")
    target = reverse("console:thread", args=[handle, row.thread_id])
    return redirect(f"{target}?open={row.pk}#m-{row.pk}")


def _manager(request: Any) -> Any:
    """The principal of somebody who may change things. Raises RoleTooLow."""
    if not request.viewer.manages:
        raise RoleTooLow
    return request.viewer.principal


def _to_thread(handle: str, row: Thread) -> HttpResponse:
    return redirect("console:thread", handle, row.pk)
