"""Drafts (contract mail.md section 7)."""

from __future__ import annotations

import orjson
from django.http import HttpResponse
from django.utils.http import content_disposition_header
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.response import Response

from common.api.viewsets import ApiRequest
from identities.services.idempotency import read_key, run_once
from mail.api import draft_shapes as shapes
from mail.api.serializers import MessageOut
from mail.api.viewsets import MailViewSet
from mail.draft_selectors import get_created_draft, get_draft, get_draft_file, list_drafts, whole_draft
from mail.models import Draft
from mail.raw import load_raw
from mail.selectors import get_mailbox
from mail.services import drafts
from mail.services.draft_sending import send_draft

_KEY = [OpenApiParameter("Idempotency-Key", OpenApiTypes.STR, OpenApiParameter.HEADER)]
_GENERATION = [OpenApiParameter("generation", OpenApiTypes.INT, OpenApiParameter.QUERY, required=True)]


class DraftViewSet(MailViewSet):
    """Messages that are still being written."""

    @extend_schema(operation_id="drafts_list", parameters=[shapes.DraftQueryIn], responses=shapes.DraftPageOut)
    def list(self, request: ApiRequest, address: str) -> Response:
        """A page of drafts, newest first, without bodies."""
        query = shapes.DraftQueryIn.parse_query(request)
        mailbox = get_mailbox(request.principal, address, is_whole=False)
        return Response(list_drafts(request.principal, mailbox, limit=query.limit, cursor=query.cursor))

    @extend_schema(
        operation_id="drafts_create",
        request=shapes.NewDraftIn,
        responses={201: shapes.DraftDetailOut},
        parameters=_KEY,
    )
    def create(self, request: ApiRequest, address: str) -> Response:
        """Start a draft. The same key and body again give the same draft, as it is by then."""
        new = shapes.NewDraftIn.parse(request)
        mailbox = get_mailbox(request.principal, address, is_whole=False)
        key = read_key(
            request.headers.get("Idempotency-Key"),
            "idempotency-replay",
            organization_id=mailbox.organization_id,
            sender_id=mailbox.pk,
            operation="mail.draft.create",
            body=request.data,
        )
        answer = run_once(key, prepare=lambda: drafts.prepare_draft(request.principal, mailbox, new), work=_create)
        draft = get_created_draft(request.principal, mailbox, orjson.loads(answer.body))
        return _answer(request, draft, answer.status)

    @extend_schema(operation_id="drafts_retrieve", responses=shapes.DraftDetailOut)
    def retrieve(self, request: ApiRequest, address: str, draft_id: str) -> Response:
        """One draft with bodies, links and files."""
        mailbox = get_mailbox(request.principal, address, is_whole=False)
        return _answer(request, get_draft(request.principal, mailbox, draft_id))

    @extend_schema(operation_id="drafts_update", request=shapes.DraftChangeIn, responses=shapes.DraftDetailOut)
    def partial_update(self, request: ApiRequest, address: str, draft_id: str) -> Response:
        """Change the given fields of the given generation."""
        change = shapes.DraftChangeIn.parse(request)
        mailbox = get_mailbox(request.principal, address, is_whole=False)
        drafts.update_draft(request.principal, mailbox, draft_id, change)
        return _answer(request, get_draft(request.principal, mailbox, draft_id))

    @extend_schema(operation_id="drafts_delete", parameters=_GENERATION, responses={204: None})
    def destroy(self, request: ApiRequest, address: str, draft_id: str) -> Response:
        """Delete the draft for good."""
        generation = shapes.GenerationIn.parse_query(request).generation
        mailbox = get_mailbox(request.principal, address, is_whole=False)
        drafts.delete_draft(request.principal, mailbox, draft_id, generation)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(operation_id="drafts_duplicate", request=shapes.GenerationIn, responses={201: shapes.DraftDetailOut})
    def duplicate(self, request: ApiRequest, address: str, draft_id: str) -> Response:
        """A copy under another id, files included."""
        generation = shapes.GenerationIn.parse(request).generation
        mailbox = get_mailbox(request.principal, address, is_whole=False)
        copy = drafts.duplicate_draft(request.principal, mailbox, draft_id, generation)
        return _answer(request, get_draft(request.principal, mailbox, str(copy.pk)), status.HTTP_201_CREATED)

    @extend_schema(operation_id="drafts_add_attachments", request=shapes.MoreFilesIn, responses=shapes.DraftDetailOut)
    def add_attachments(self, request: ApiRequest, address: str, draft_id: str) -> Response:
        """Add files after the ones that are there."""
        more = shapes.MoreFilesIn.parse(request)
        mailbox = get_mailbox(request.principal, address, is_whole=False)
        drafts.add_files(request.principal, mailbox, draft_id, more.generation, more.attachments)
        return _answer(request, get_draft(request.principal, mailbox, draft_id))

    @extend_schema(operation_id="drafts_remove_attachment", parameters=_GENERATION, responses=shapes.DraftDetailOut)
    def remove_attachment(self, request: ApiRequest, address: str, draft_id: str, part_index: str) -> Response:
        """Remove one file; the ones after it move up."""
        generation = shapes.GenerationIn.parse_query(request).generation
        mailbox = get_mailbox(request.principal, address, is_whole=False)
        drafts.remove_file(request.principal, mailbox, draft_id, generation, part_index)
        return _answer(request, get_draft(request.principal, mailbox, draft_id))

    @extend_schema(
        operation_id="drafts_attachment", parameters=_GENERATION, responses={(200, "*/*"): OpenApiTypes.BINARY}
    )
    def attachment(self, request: ApiRequest, address: str, draft_id: str, part_index: str) -> HttpResponse:
        """The bytes of one file, as a download."""
        generation = shapes.GenerationIn.parse_query(request).generation
        mailbox = get_mailbox(request.principal, address, is_whole=False)
        file = get_draft_file(get_draft(request.principal, mailbox, draft_id), generation, part_index)
        response = HttpResponse(load_raw(file), content_type=file.content_type)
        disposition = content_disposition_header(as_attachment=True, filename=file.filename)
        response.headers["Content-Disposition"] = disposition or "attachment"
        response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
        response.headers["Cache-Control"] = "private, no-store"
        return response

    @extend_schema(operation_id="drafts_send", request=shapes.GenerationIn, responses=MessageOut)
    def send(self, request: ApiRequest, address: str, draft_id: str) -> Response:
        """Send the draft, which is gone then. Repeated for the same generation it answers with the same message."""
        generation = shapes.GenerationIn.parse(request).generation
        mailbox = get_mailbox(request.principal, address)
        return Response(MessageOut.render(send_draft(request.principal, mailbox, draft_id, generation)))


def _create(prepared: drafts.PreparedDraft) -> tuple[Draft, int, bytes]:
    """What is kept under the key is the id: the draft may change, and its body may be large."""
    draft = drafts.create_draft(prepared)
    return draft, status.HTTP_201_CREATED, orjson.dumps(str(draft.pk))


def _answer(request: ApiRequest, draft: Draft, status: int = 200) -> Response:
    return Response(shapes.draft_body(whole_draft(request.principal, draft)), status=status)
