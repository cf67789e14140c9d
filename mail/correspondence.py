"""Mail as the address book knows it: messages that facts rest on, and correspondence with a contact."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.db.models.functions import Length, Substr

from common.principal import Principal
from contacts.correspondence import ChannelPage, ChannelRequest, Item
from contacts.enums import ContentMode
from contacts.sources import Source
from mail import limits
from mail.approvals import ApprovalState
from mail.enums import Direction, MessageStatus
from mail.html_text import html_to_text
from mail.models import Correspondent, Mailbox, Message, MessageContent

_FAILED = (MessageStatus.BOUNCED.value, MessageStatus.FAILED.value)


def find_sources(principal: Principal, ids: Collection[UUID]) -> Mapping[UUID, Source]:
    """Messages that facts about contacts rest on. Two queries."""
    rows = Message.objects.alive().filter(pk__in=ids, mailbox__organization_id=principal.organization_id)
    boxes = dict(Mailbox.objects.visible_to(principal).filter(messages__in=ids).values_list("pk", "email_address"))
    found = {}
    for pk, mailbox_id, is_blocked in rows.values_list("pk", "mailbox_id", "is_blocked"):
        is_readable = mailbox_id in boxes and not (is_blocked and principal.is_agent)
        found[pk] = Source(message_path(boxes[mailbox_id], pk) if is_readable else None)
    return found


def message_path(address: str, pk: UUID) -> str:
    """Where a message is read."""
    return f"/api/v1/mail/mailboxes/{address}/messages/{pk}"


def read_mail(request: ChannelRequest) -> ChannelPage | None:
    """Mail of an identity's mailbox with a contact: from it, and to it in any header. At most five queries.

    Without `include_failed`, what bounced, failed or was never approved is left out.
    """
    box = Mailbox.objects.visible_to(request.principal).filter(identity_id=request.identity_id).first()
    if box is None:
        return None
    places = list(_places(request, box)[: request.limit + 1])
    shown = [pk for pk, _ in places[: request.limit]]
    messages = Message.objects.in_bulk(shown)
    texts = _texts(shown) if request.query.content == ContentMode.FULL else {}
    is_preview = request.query.content != ContentMode.METADATA
    items = [
        Item(
            source_id=pk,
            direction=message.direction,
            occurred_at=message.created_at,
            status=message.status,
            detail_url=message_path(box.email_address, pk),
            body={
                **_headers(message, box.email_address),
                "snippet": message.snippet if is_preview else None,
                **texts.get(pk, _NO_TEXT),
            },
        )
        for pk in shown
        if (message := messages.get(pk)) is not None
    ]
    return ChannelPage(items, has_more=len(places) > request.limit)


def _places(request: ChannelRequest, box: Mailbox) -> QuerySet[Correspondent, tuple[UUID, Any]]:
    """Id and time of the messages, in order; one to several addresses of the contact comes once."""
    query = request.query
    rows = Correspondent.objects.filter(mailbox=box, address__in=request.addresses, message__deleted_at=None)
    if request.principal.is_agent:
        rows = rows.filter(message__is_blocked=False)
    if query.after is not None:
        rows = rows.filter(occurred_at__gte=query.after)
    if query.before is not None:
        rows = rows.filter(occurred_at__lt=query.before)
    if not query.include_failed:
        rows = rows.exclude(message__direction=Direction.OUTBOUND.value, message__status__in=_FAILED)
        rows = rows.exclude(message__approval_state=ApprovalState.PENDING.value)
    side, sign = ("gt", "") if request.is_ascending else ("lt", "-")
    if request.start is not None:
        at, pk = request.start.at, request.start.id
        beyond = Q(**{f"occurred_at__{side}": at}) | Q(**{"occurred_at": at, f"message_id__{side}": pk})
        rows = rows.filter(beyond)
    ordered = rows.order_by(f"{sign}occurred_at", f"{sign}message_id")
    return ordered.values_list("message_id", "occurred_at").distinct()


def _headers(message: Message, email_address: str) -> dict[str, Any]:
    return {
        "mailbox_email": email_address,
        "thread_id": message.thread_id,
        "from_address": message.from_address,
        "to_addresses": message.to_addresses,
        "cc_addresses": message.cc_addresses or [],
        "bcc_addresses": message.bcc_addresses or [] if message.direction == Direction.OUTBOUND else [],
        "subject": message.subject,
        "attachments": [
            {name: part.get(name) for name in ("filename", "content_type", "size")}
            for part in message.attachment_metadata or ()
            if not part.get("is_inline")
        ],
    }


_NO_TEXT = {"body_text": None, "body_truncated": False, "content_unavailable": False}


def _texts(ids: Collection[UUID]) -> dict[UUID, dict[str, Any]]:
    """The text of each message, made from its HTML where it has no other. Two queries."""
    rows = MessageContent.objects.filter(pk__in=ids)
    plain = rows.annotate(text=Substr("body_text", 1, limits.CORRESPONDENCE_TEXT_CHARS), chars=Length("body_text"))
    found: dict[UUID, dict[str, Any]] = {}
    for pk, text, chars in plain.values_list("pk", "text", "chars"):
        is_cut = (chars or 0) > limits.CORRESPONDENCE_TEXT_CHARS
        found[pk] = {"body_text": text, "body_truncated": is_cut, "content_unavailable": text is None}
    empty = [pk for pk, one in found.items() if not (one["body_text"] or "").strip()]
    sources = rows.filter(pk__in=empty, body_html__isnull=False).annotate(
        source=Substr("body_html", 1, limits.CORRESPONDENCE_HTML_CHARS), chars=Length("body_html")
    )
    for pk, source, chars in sources.values_list("pk", "source", "chars"):
        text = html_to_text(source, max_chars=limits.CORRESPONDENCE_TEXT_CHARS)
        is_cut = chars > limits.CORRESPONDENCE_HTML_CHARS or len(text) >= limits.CORRESPONDENCE_TEXT_CHARS
        found[pk] = {"body_text": text, "body_truncated": is_cut, "content_unavailable": False}
    return found
