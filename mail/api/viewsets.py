"""Mailboxes, messages and threads (contract mail.md sections 2, 4 and 6)."""

from __future__ import annotations

from django.http import HttpResponse
from django.utils.http import content_disposition_header
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.response import Response

from common.api.renderers import ApiJsonRenderer
from common.api.viewsets import ApiRequest, ApiViewSet
from common.errors import NotBuilt
from identities.services.idempotency import read_key, run_once
from mail import selectors
from mail.api import serializers as shapes
from mail.dates import range_end, range_start, zone
from mail.models import Mailbox, Message
from mail.rendering import mailbox_body
from mail.services.attachments import attachment_link, read_attachment
from mail.services.deleting import delete_message
from mail.services.flags import mark_read_by_fetch, set_flags
from mail.services.queueing import PreparedMessage, SendMessage, prepare_message, queue_message
from webhooks.services.legacy import legacy_urls

_IDEMPOTENCY = [
    OpenApiParameter("Idempotency-Key", OpenApiTypes.STR, OpenApiParameter.HEADER),
    OpenApiParameter("Prefer", OpenApiTypes.STR, OpenApiParameter.HEADER, description="`idempotency-replay`"),
]


class MailViewSet(ApiViewSet):
    """What the views of this app share."""

    # A HEAD would mark a message read like the GET it stands for, and what OPTIONS says is in /api/schema.
    http_method_names = ["get", "post", "patch", "delete"]

    @extend_schema(exclude=True)
    def not_built(self, request: ApiRequest, **_: str) -> Response:
        """A method of the contract that this release does not serve, on a path that it does."""
        raise NotBuilt("This mail operation is not part of this release.", area="mail")


class MailboxViewSet(MailViewSet):
    """Mailboxes that the caller may see."""

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
        return Response(mailbox_body(row, legacy_urls([row.pk]).get(row.pk)))


class MessageViewSet(MailViewSet):
    """Messages of one mailbox."""

    @extend_schema(operation_id="messages_list", parameters=[shapes.MessageQueryIn], responses=shapes.MessagePageOut)
    def list(self, request: ApiRequest, address: str) -> Response:
        """A page of messages, newest first, without bodies."""
        query = shapes.MessageQueryIn.parse_query(request)
        tz = zone(query.tz)
        since, until = range_start(query.start_datetime, tz), range_end(query.end_datetime, tz)
        mailbox = selectors.get_mailbox(request.principal, address, is_whole=False)
        page = selectors.list_messages(
            request.principal,
            mailbox,
            limit=query.limit,
            cursor=query.cursor,
            direction=query.direction,
            since=since,
            until=until,
        )
        return Response(page.body)

    @extend_schema(operation_id="messages_retrieve", responses=shapes.MessageDetailOut)
    def retrieve(self, request: ApiRequest, address: str, message_id: str) -> Response:
        """One message with its bodies. With an API key this marks an inbound message read."""
        mailbox = selectors.get_mailbox(request.principal, address, is_whole=False)
        message = selectors.get_message(request.principal, mailbox, message_id)
        mark_read_by_fetch(request.principal, message)
        return Response(shapes.MessageDetailOut.render(message))

    @extend_schema(
        operation_id="messages_send",
        request=shapes.SendMessageIn,
        responses={201: shapes.MessageOut},
        parameters=_IDEMPOTENCY,
    )
    def create(self, request: ApiRequest, address: str) -> HttpResponse:
        """Accept a message for sending. The answer says `queued`; the worker sends it right after."""
        mailbox = selectors.get_mailbox(request.principal, address)
        send = shapes.SendMessageIn.parse(request)
        key = read_key(
            request.headers.get("Idempotency-Key"),
            request.headers.get("Prefer"),
            organization_id=mailbox.organization_id,
            sender_id=mailbox.pk,
            operation="mail.send",
            body=request.data,
        )
        answer = run_once(
            key,
            prepare=lambda: prepare_message(request.principal, mailbox, send),
            work=lambda prepared: _queue(request, mailbox, send, prepared),
        )
        return HttpResponse(answer.body, status=answer.status, content_type="application/json")

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


def _queue(
    request: ApiRequest, mailbox: Mailbox, send: SendMessage, prepared: PreparedMessage
) -> tuple[Message, int, bytes]:
    message = queue_message(request.principal, mailbox, send, prepared)
    return message, status.HTTP_201_CREATED, ApiJsonRenderer().render(shapes.MessageOut.render(message))


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

    @extend_schema(operation_id="threads_retrieve", responses=shapes.ThreadDetailOut)
    def retrieve(self, request: ApiRequest, address: str, thread_id: str) -> Response:
        """A thread with its messages, oldest first. Marks nothing read."""
        mailbox = selectors.get_mailbox(request.principal, address, is_whole=False)
        thread = selectors.get_thread(request.principal, mailbox, thread_id)
        messages = shapes.MessageOut.render_many(selectors.thread_messages(request.principal, thread))
        return Response({**shapes.ThreadOut.render(thread), "messages": messages})


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
