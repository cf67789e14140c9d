"""What belongs to one message and is served by itself: its HTML, its files, its source."""

from __future__ import annotations

import base64
import re
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.http import content_disposition_header
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_safe

from console import limits
from console.mail_selectors import get_agent_mail
from console.principals import console_page
from mail.errors import AttachmentNotFound
from mail.html_view import HtmlView, view_html, view_text
from mail.models import Message
from mail.raw import load_raw
from mail.selectors import get_message
from mail.services.attachments import attachment_link

_IMAGE = re.compile(r"image/(?:png|jpe?g|gif|webp|bmp|avif)")


@require_safe
@xframe_options_sameorigin
@console_page
def message_html(request: Any, handle: str, message_id: UUID) -> HttpResponse:
    """The cleaned HTML for the frame of the reader. Remote images only with `?images=1`."""
    principal = request.viewer.principal
    row = get_message(principal, get_agent_mail(principal, handle).box, str(message_id))
    if not row.content.body_html:
        return serve_view(view_text(row.content.body_text or ""))
    view = view_html(
        row.content.body_html,
        _own_images(row),
        shows_remote=request.GET.get("images") == "1",
        image_source=f"{settings.PUBLIC_URL}/blobs/",
    )
    return serve_view(view)


@require_safe
@console_page
def attachment(request: Any, handle: str, message_id: UUID, part_index: int) -> HttpResponse:
    """To a signed link, made now: links in a page that stays open would expire."""
    principal = request.viewer.principal
    row = get_message(principal, get_agent_mail(principal, handle).box, str(message_id))
    part = next((p for p in row.attachment_metadata or () if p["part_index"] == part_index), None)
    if part is None:
        raise AttachmentNotFound
    return redirect(attachment_link(row, part["filename"]).url)


@require_safe
@console_page
def message_source(request: Any, handle: str, message_id: UUID) -> HttpResponse:
    """The message as it came or went, byte for byte."""
    principal = request.viewer.principal
    row = get_message(principal, get_agent_mail(principal, handle).box, str(message_id))
    return serve_source(load_raw(row.content), f"message-{row.pk}.eml")


def serve_view(view: HtmlView) -> HttpResponse:
    """A document of a stranger, under the policy that goes with it."""
    response = HttpResponse(view.document)
    response.headers["Content-Security-Policy"] = view.policy
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def serve_source(raw: bytes, filename: str) -> HttpResponse:
    """A raw message, always as a download."""
    response = HttpResponse(raw, content_type="message/rfc822")
    response.headers["Content-Disposition"] = content_disposition_header(as_attachment=True, filename=filename) or ""
    response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    return response


def data_url(content_type: str, content: bytes) -> str:
    """A small image as a URL; whatever else claims to be one is shown as nothing."""
    kind = content_type.lower()
    return f"data:{kind};base64,{base64.b64encode(content).decode()}" if _IMAGE.fullmatch(kind) else "data:,"


def _own_images(row: Message) -> dict[str, str]:
    """Signed links to the images that the message brings along, by content id. No SVG: that is a document."""
    found: dict[str, str] = {}
    for part in row.attachment_metadata or ():
        if len(found) == limits.OWN_IMAGES:
            break
        if part.get("content_id") and _IMAGE.fullmatch(str(part.get("content_type", "")).lower()):
            found.setdefault(part["content_id"], attachment_link(row, part["filename"]).url)
    return found
