"""Mailboxes, messages and threads (contract mail.md sections 2, 4 and 6)."""

from __future__ import annotations

from typing import Any, ClassVar

from django.http import HttpResponse
from django.utils.http import content_disposition_header
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.response import Response

from common.api.renderers import json_response
from common.api.viewsets import ApiRequest, ApiViewSet
from common.unset import UNSET
from identities.api.viewsets import MANAGERS, caller_profile
from mail import selectors
from mail.api import reading
from mail.api import serializers as shapes
from mail.api.mailbox_shapes import MailboxChangesIn, NewMailboxIn
from mail.api.sending import IDEMPOTENCY, Send, send_once
from mail.dates import range_end, range_start, zone
from mail.models import Mailbox
from mail.rendering import FilterModeNotice, mailbox_body
from mail.services.attachments import attachment_link, read_attachment
from mail.services.composing import prepare_message
from mail.services.deleting import delete_message, delete_thread
from mail.services.extracting import text_states
from mail.services.flags import mark_read_by_fetch, set_flags
from mail.services.mailboxes import delete_mailbox, open_mailbox, update_mailbox
from mail.services.threads import move_thread
from mail.transcripts import write_transcript
from webhooks.services.legacy import legacy_urls


class MailViewSet(ApiViewSet):
    """What the views of this app share."""

    # A HEAD would mark a message read like the GET it stands for, and what OPTIONS says is in /api/schema.
    http_method_names = ["get", "post", "patch", "delete"]


class MailboxViewSet(MailViewSet):
    """Mailboxes that the caller may see."""

    allowed_by_action: ClassVar[dict[str, Any]] = {"create": MANAGERS, "destroy": MANAGERS}

    @extend_schema(operation_id="mailboxes_list", responses=shapes.MailboxOut(many=True))
    def list(self, request: ApiRequest) -> Response:
        """All mailboxes of the organization, newest first; an agent key gets its own."""
        rows = selectors.list_mailboxes(request.principal)
        urls = legacy_urls([row.pk for row in rows])
        return Response([mailbox_body(row, urls.get(row.pk)) for row in rows])

    @extend_schema(operation_id="mailboxes_retrieve", responses=shapes.MailboxOut)
    def retrieve(self, request: ApiRequest, address: str) -> Response:
        """One mailbox, by address, id, or local part on the platform domain."""
        row = selectors.get_mailbox(request.principal, address)
        return Response(_mailbox(row))

    @extend_schema(operation_id="mailboxes_create", request=NewMailboxIn, responses={201: shapes.MailboxOut})
    def create(self, request: ApiRequest) -> Response:
        """A mailbox for an identity without one. Newer clients get theirs with the identity."""
        new = NewMailboxIn.parse(request)
        row = open_mailbox(request.principal, new, caller_profile(request))
        return Response(_mailbox(row), status=status.HTTP_201_CREATED)

    @extend_schema(operation_id="mailboxes_update", request=MailboxChangesIn, responses=shapes.MailboxOut)
    def partial_update(self, request: ApiRequest, address: str) -> Response:
        """Change the supplied fields. Display name and filter mode are those of the identity."""
        changes = MailboxChangesIn.parse(request)
        row = selectors.get_mailbox(request.principal, address)
        row, notice = update_mailbox(request.principal, row, changes, caller_profile(request))
        return Response(_mailbox(row, notice))

    @extend_schema(operation_id="mailboxes_delete", responses={204: None})
    def destroy(self, request: ApiRequest, address: str) -> Response:
        """Hide a mailbox and stop receiving for it. What it holds is kept, but not reachable."""
        delete_mailbox(request.principal, selectors.get_mailbox(request.principal, address, is_whole=False))
        return Response(status=status.HTTP_204_NO_CONTENT)


def _mailbox(row: Mailbox, notice: FilterModeNotice | None = None) -> dict[str, Any]:
    return mailbox_body(row, legacy_urls([row.pk]).get(row.pk), notice)


class MessageViewSet(MailViewSet):
    """Messages of one mailbox."""

    @extend_schema(operation_id="messages_list", parameters=[shapes.MessageQueryIn], responses=shapes.MessagePageOut)
    def list(self, request: ApiRequest, address: str) -> HttpResponse:
        """A page of messages, newest first, without bodies."""
        query = shapes.MessageQueryIn.parse_query(request)
        tz = zone(query.tz)
        since, until = range_start(query.start_datetime, tz), range_end(query.end_datetime, tz)
        page = selectors.list_messages_at(
            request.principal,
            address,
            limit=query.limit,
            cursor=query.cursor,
            direction=query.direction,
            since=since,
            until=until,
        )
        return json_response(page.body)

    @extend_schema(operation_id="messages_retrieve", responses=shapes.MessageDetailOut)
    def retrieve(self, request: ApiRequest, address: str, message_id: str) -> HttpResponse:
        """One message with its bodies. With an API key this marks an inbound message read."""
        message = selectors.get_message_at(request.principal, address, message_id)
        mark_read_by_fetch(request.principal, message)
        body = shapes.MessageDetailOut.render(message)
        body["attachment_metadata"] = text_states(message)
        return json_response(body)

    @extend_schema(
        operation_id="messages_send",
        request=shapes.SendMessageIn,
        responses={201: shapes.MessageOut},
        parameters=IDEMPOTENCY,
    )
    def create(self, request: ApiRequest, address: str) -> HttpResponse:
        """Accept a message for sending. The answer says `queued`; the worker sends it right after."""
        mailbox = selectors.get_mailbox(request.principal, address)
        send = shapes.SendMessageIn.parse(request)
        return send_once(
            request,
            mailbox,
            Send("mail.send", request.data, lambda: prepare_message(request.principal, mailbox, send)),
        )

    @extend_schema(operation_id="messages_update", request=shapes.FlagsIn, responses=shapes.MessageOut)
    def partial_update(self, request: ApiRequest, address: str, message_id: str) -> Response:
        """Change the read and starred flags."""
        flags = shapes.FlagsIn.parse(request)
        mailbox = selectors.get_mailbox(request.principal, address, is_whole=False)
        message = selectors.get_message(request.principal, mailbox, message_id)
        set_flags(message, is_read=flags.is_read, is_starred=flags.is_starred)
        return Response(shapes.MessageOut.render(message))

    @extend_schema(operation_id="messages_delete", responses={204: None})
    def destroy(self, request: ApiRequest, address: str, message_id: str) -> Response:
        """Delete a message; its storage is free at once."""
        mailbox = selectors.get_mailbox(request.principal, address, is_whole=False)
        delete_message(selectors.get_message(request.principal, mailbox, message_id))
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        operation_id="messages_attachment",
        parameters=[shapes.AttachmentQueryIn],
        responses=shapes.AttachmentLinkOut,
    )
    def attachment(self, request: ApiRequest, address: str, message_id: str, filename: str) -> Response:
        """A download link that works for an hour without a key; `redirect=true` answers 302 with the same JSON."""
        wants_redirect = shapes.AttachmentQueryIn.parse_query(request)["redirect"]
        mailbox = selectors.get_mailbox(request.principal, address, is_whole=False)
        link = attachment_link(selectors.get_message(request.principal, mailbox, message_id), filename)
        body = {
            "url": link.url,
            "filename": link.filename,
            "expires_in": link.expires_in,
            "expiresIn": link.expires_in,
        }
        if wants_redirect:
            return Response(body, status=status.HTTP_302_FOUND, headers={"Location": link.url})
        return Response(body)


class ThreadViewSet(MailViewSet):
    """Threads of one mailbox."""

    @extend_schema(operation_id="threads_list", parameters=[shapes.ThreadQueryIn], responses=shapes.ThreadPageOut)
    def list(self, request: ApiRequest, address: str) -> Response:
        """A page of threads, latest activity first."""
        query = shapes.ThreadQueryIn.parse_query(request)
        mailbox = selectors.get_mailbox(request.principal, address, is_whole=False)
        page = selectors.list_threads(
            request.principal, mailbox, limit=query.limit, cursor=query.cursor, folder=query.folder
        )
        return Response(page.body)

    @extend_schema(operation_id="threads_folders", responses={200: OpenApiTypes.OBJECT})
    def folders(self, request: ApiRequest, address: str) -> Response:
        """The folders that hold at least one thread."""
        mailbox = selectors.get_mailbox(request.principal, address, is_whole=False)
        return Response(selectors.thread_folders(request.principal, mailbox))

    @extend_schema(operation_id="threads_retrieve", parameters=[reading.ThreadPageIn], responses=shapes.ThreadDetailOut)
    def retrieve(self, request: ApiRequest, address: str, thread_id: str) -> Response:
        """A thread with its newest messages, oldest first; `cursor` leads to those before. Marks nothing read."""
        query = reading.ThreadPageIn.parse_query(request)
        mailbox = selectors.get_mailbox(request.principal, address, is_whole=False)
        thread = selectors.get_thread(request.principal, mailbox, thread_id)
        page = selectors.thread_messages(request.principal, thread, limit=query.limit, cursor=query.cursor)
        return Response(reading.thread_body(thread, page))

    @extend_schema(operation_id="threads_text", parameters=[reading.TranscriptIn], responses=reading.TranscriptOut)
    def text(self, request: ApiRequest, address: str, thread_id: str) -> Response:
        """The conversation as one text within a budget, newest message last. Marks nothing read."""
        query = reading.TranscriptIn.parse_query(request)
        mailbox = selectors.get_mailbox(request.principal, address, is_whole=False)
        thread = selectors.get_thread(request.principal, mailbox, thread_id)
        budget = query.budget_bytes
        found = write_transcript(thread, selectors.thread_contents(request.principal, thread), budget)
        return Response(reading.TranscriptOut.render(found))

    @extend_schema(operation_id="threads_update", request=shapes.ThreadChangesIn, responses=shapes.ThreadOut)
    def partial_update(self, request: ApiRequest, address: str, thread_id: str) -> Response:
        """Move a thread to another folder. Only people and admin keys see, and so move, blocked ones."""
        changes = shapes.ThreadChangesIn.parse(request)
        mailbox = selectors.get_mailbox(request.principal, address, is_whole=False)
        thread = selectors.get_thread(request.principal, mailbox, thread_id)
        if changes.folder is not UNSET:
            move_thread(thread, changes.folder)
        return Response(shapes.ThreadOut.render(thread))

    @extend_schema(operation_id="threads_delete", responses={204: None})
    def destroy(self, request: ApiRequest, address: str, thread_id: str) -> Response:
        """Delete a thread with its messages; their storage is free at once."""
        mailbox = selectors.get_mailbox(request.principal, address, is_whole=False)
        delete_thread(selectors.get_thread(request.principal, mailbox, thread_id))
        return Response(status=status.HTTP_204_NO_CONTENT)


class BlobViewSet(ApiViewSet):
    """Downloads by signed link."""

    is_public = True
    authentication_classes = ()

    @extend_schema(exclude=True)
    def retrieve(self, request: ApiRequest, token: str) -> HttpResponse:
        """The bytes, always as a download, never as something a browser would run."""
        found = read_attachment(token)
        response = HttpResponse(found.content, content_type=found.part.content_type)
        disposition = content_disposition_header(as_attachment=True, filename=found.part.filename)
        response.headers["Content-Disposition"] = disposition or "attachment"
        response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
        response.headers["Cache-Control"] = "private, max-age=3600"
        return response
