"""What the sandbox transport kept instead of sending it: how mail would look that leaves a real server."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_safe

from console import limits
from console.mail_selectors import Rows, frame_size, get_sandboxed, list_sandboxed
from console.principals import console_page
from console.views.message_parts import data_url, serve_source, serve_view
from mail.html_text import html_to_text
from mail.html_view import view_html, view_text
from mail.mime.parse import HeaderTooLarge, ParsedMail, iter_attachments, parse_mail
from mail.models import SandboxMail
from mail.raw import load_raw


@require_safe
@console_page
def outbox(request: Any) -> HttpResponse:
    """Newest first."""
    rows: Rows = list_sandboxed(request.viewer.principal, request.GET.get("cursor"))
    return render(request, "console/outbox.html", {"rows": rows, "is_first": not request.GET.get("cursor")})


@require_safe
@console_page
def outbox_mail(request: Any, mail_id: UUID) -> HttpResponse:
    """One message, as its recipients would have got it."""
    row = _row(request, mail_id)
    parsed = _parsed(row)
    html = (parsed.body_html if parsed is not None else None) or ""
    text = parsed.body_text if parsed is not None else ""
    if text is None:
        text = html_to_text(html, max_chars=limits.READER_TEXT_CHARS + 1)
    context = {
        "row": row,
        "parsed": parsed,
        "html_size": frame_size(text, html),
        "text": text[: limits.READER_TEXT_CHARS],
        "is_text_cut": len(text) > limits.READER_TEXT_CHARS,
    }
    return render(request, "console/outbox_mail.html", context)


@require_safe
@xframe_options_sameorigin
@console_page
def outbox_html(request: Any, mail_id: UUID) -> HttpResponse:
    """The cleaned HTML for the frame. What the server itself sends is no more trusted than what it receives."""
    row = _row(request, mail_id)
    parsed = _parsed(row)
    if parsed is None or not parsed.body_html:
        return serve_view(view_text((parsed.body_text if parsed is not None else None) or ""))
    images = {
        found.part.content_id: data_url(found.part.content_type, found.content)
        for found in iter_attachments(load_raw(row))
        if found.part.content_id is not None and found.part.size <= limits.EMBEDDED_IMAGE_BYTES
    }
    return serve_view(view_html(parsed.body_html, images))


@require_safe
@console_page
def outbox_source(request: Any, mail_id: UUID) -> HttpResponse:
    """The bytes that would have left."""
    row = _row(request, mail_id)
    return serve_source(load_raw(row), f"outbox-{row.pk}.eml")


def _row(request: Any, mail_id: UUID) -> SandboxMail:
    row = get_sandboxed(request.viewer.principal, mail_id)
    if row is None:
        raise Http404("No such message in the outbox.")
    return row


def _parsed(row: SandboxMail) -> ParsedMail | None:
    """None for what is no message, which an operator may have put there."""
    try:
        return parse_mail(load_raw(row))
    except HeaderTooLarge:
        return None
