"""Imports of mailbox archives (contract mail.md section 9)."""

from __future__ import annotations

from typing import Any

from django.core.files.uploadhandler import FileUploadHandler, SkipFile
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.parsers import MultiPartParser
from rest_framework.response import Response

from common.api.inputs import HeaderText, InputSerializer, StrictBoolean
from common.api.outputs import OutputSerializer
from common.api.pagination import DEFAULT_LIMIT, MAX_LIMIT
from common.api.viewsets import ApiRequest, ApiViewSet
from common.errors import Invalid, TooLarge
from mail import selectors
from mail.addresses import normalize_address, parse_recipient
from mail.api.queries import PageQuery
from mail.api.viewsets import MailViewSet
from mail.import_selectors import get_import, list_imports
from mail.imports import limits
from mail.imports.states import ImportFormat, ImportStatus
from mail.limits import ADDRESS_MAX_CHARS
from mail.services.imports import (
    NewImport,
    UploadTarget,
    attach_upload,
    cancel_import,
    check_upload_fields,
    create_import,
    read_upload_token,
    start_import,
    upload_target,
)
from mail.uploads import NewUpload

_PIECE_BYTES = 1024 * 1024


class _Address(HeaderText):
    def __init__(self) -> None:
        super().__init__(max_length=ADDRESS_MAX_CHARS)

    def to_internal_value(self, data: Any) -> str:
        value = super().to_internal_value(data)
        if parse_recipient(value) is None:
            raise serializers.ValidationError("Use a bare address such as name@example.com.")
        return normalize_address(value)


class CreateImportIn(InputSerializer[NewImport]):
    """A new import. The defaults suit the export of a mail provider."""

    into = NewImport
    source_format = serializers.ChoiceField(choices=[f.value for f in ImportFormat], default=ImportFormat.AUTO.value)
    original_addresses = serializers.ListField(
        child=_Address(),
        max_length=limits.ORIGINAL_ADDRESSES,
        allow_null=True,
        default=None,
        help_text="Mail from one of these becomes outbound.",
    )
    mark_as_read = StrictBoolean(default=True)

    def to_internal_value(self, data: Any) -> Any:
        value = super().to_internal_value(data)
        return {**value, "original_addresses": tuple(dict.fromkeys(value["original_addresses"] or ()))}


class ImportQueryIn(InputSerializer[PageQuery]):
    """Query of a list of imports."""

    into = PageQuery
    limit = serializers.IntegerField(min_value=1, max_value=MAX_LIMIT, default=DEFAULT_LIMIT)
    cursor = serializers.CharField(required=False, allow_blank=True)


class ImportJobOut(OutputSerializer):
    """An import job. The counters only grow; how many messages an upload holds is known at its end."""

    id = serializers.UUIDField()
    mailbox_id = serializers.UUIDField()
    status = serializers.ChoiceField(choices=[s.value for s in ImportStatus])
    source_format = serializers.ChoiceField(choices=[f.value for f in ImportFormat])
    original_addresses = serializers.ListField(child=serializers.CharField())
    mark_as_read = serializers.BooleanField()
    upload_size_bytes = serializers.IntegerField(allow_null=True)
    messages_processed = serializers.IntegerField()
    messages_imported = serializers.IntegerField()
    messages_skipped_duplicate = serializers.IntegerField()
    messages_failed = serializers.IntegerField(help_text="Over 50 MiB, damaged, or no message.")
    messages_rejected_unsafe = serializers.IntegerField(
        help_text="Headers over 1 MiB, parts nested over 50 deep or over 1000 in number, or an archive entry that "
        "expands to more than 200 times its size."
    )
    error_detail = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)


class UploadTargetOut(OutputSerializer):
    """Send a multipart form to `url`: all `fields` first, then the archive as a file named `file`."""

    url = serializers.CharField()
    fields = serializers.DictField(child=serializers.CharField())  # type: ignore[assignment]
    expires_in_seconds = serializers.IntegerField()


class CreatedImportOut(serializers.Serializer[Any]):
    """A new job and where to upload its archive."""

    job = ImportJobOut()
    upload = UploadTargetOut()


class ImportPageOut(serializers.Serializer[Any]):
    """A page of jobs, newest first."""

    items = ImportJobOut(many=True)
    has_more = serializers.BooleanField()
    next_cursor = serializers.CharField(allow_null=True)


def _target(target: UploadTarget) -> dict[str, Any]:
    return {"url": target.url, "fields": target.fields, "expires_in_seconds": target.expires_in_seconds}


class ImportViewSet(MailViewSet):
    """Import jobs of one mailbox."""

    @extend_schema(operation_id="imports_list", parameters=[ImportQueryIn], responses=ImportPageOut)
    def list(self, request: ApiRequest, address: str) -> Response:
        """A page of jobs, newest first."""
        query = ImportQueryIn.parse_query(request)
        mailbox = selectors.get_mailbox(request.principal, address, is_whole=False)
        return Response(list_imports(mailbox, limit=query.limit, cursor=query.cursor).body)

    @extend_schema(operation_id="imports_create", request=CreateImportIn, responses={201: CreatedImportOut})
    def create(self, request: ApiRequest, address: str) -> Response:
        """A job that waits for its upload. One can be open for each mailbox, and 20 a day for the organization."""
        mailbox = selectors.get_mailbox(request.principal, address, is_whole=False)
        job = create_import(mailbox, CreateImportIn.parse(request))
        return Response({"job": ImportJobOut.render(job), "upload": _target(upload_target(job))}, status=201)

    @extend_schema(operation_id="imports_retrieve", responses=ImportJobOut)
    def retrieve(self, request: ApiRequest, address: str, job_id: str) -> Response:
        """One job with its progress."""
        mailbox = selectors.get_mailbox(request.principal, address, is_whole=False)
        return Response(ImportJobOut.render(get_import(request.principal, mailbox, job_id)))

    @extend_schema(operation_id="imports_upload_url", request=None, responses=UploadTargetOut)
    def upload_url(self, request: ApiRequest, address: str, job_id: str) -> Response:
        """A fresh upload target, for when the first one has expired."""
        mailbox = selectors.get_mailbox(request.principal, address, is_whole=False)
        return Response(_target(upload_target(get_import(request.principal, mailbox, job_id))))

    @extend_schema(operation_id="imports_start", request=None, responses=ImportJobOut)
    def start(self, request: ApiRequest, address: str, job_id: str) -> Response:
        """Queue the job once its archive is uploaded."""
        mailbox = selectors.get_mailbox(request.principal, address, is_whole=False)
        job = get_import(request.principal, mailbox, job_id)
        start_import(job)
        return Response(ImportJobOut.render(job))

    @extend_schema(operation_id="imports_cancel", request=None, responses=ImportJobOut)
    def cancel(self, request: ApiRequest, address: str, job_id: str) -> Response:
        """End the job. What it has imported stays."""
        mailbox = selectors.get_mailbox(request.principal, address, is_whole=False)
        job = get_import(request.principal, mailbox, job_id)
        cancel_import(job)
        return Response(ImportJobOut.render(job))


class _Receiver(FileUploadHandler):
    """Writes the form's file straight into the upload folder."""

    chunk_size = _PIECE_BYTES

    def __init__(self) -> None:
        super().__init__()
        self.upload: NewUpload | None = None
        self.is_complete = False
        self.is_too_large = False

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        if self.field_name != "file" or self.upload is not None:
            raise SkipFile
        self.upload = NewUpload()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        assert self.upload is not None
        if start + len(raw_data) > limits.UPLOAD_BYTES:
            self.is_too_large = True
            raise SkipFile
        self.upload.write(raw_data)

    def file_complete(self, file_size: int) -> None:
        self.is_complete = True


class UploadViewSet(ApiViewSet):
    """Upload targets. No API key is sent to them: the address and the form fields are signed."""

    is_public = True
    authentication_classes = ()
    parser_classes = (MultiPartParser,)
    http_method_names = ["post"]

    @extend_schema(exclude=True)
    def create(self, request: ApiRequest, token: str) -> Response:
        """Store the file of the form as the upload of the job. Sending it again replaces it."""
        job_id = read_upload_token(token)
        receiver = _Receiver()
        request._request.upload_handlers = [receiver]
        try:
            form = request.POST
            check_upload_fields(job_id, *(form.get(name, "") for name in ("key", "policy", "signature")))
            attach_upload(job_id, _finished(receiver))
        except BaseException:
            if receiver.upload is not None:
                receiver.upload.discard()
            raise
        return Response(status=204)


def _finished(receiver: _Receiver) -> NewUpload:
    """The file of the form, durable. Raises TooLarge or Invalid."""
    if receiver.is_too_large:
        raise TooLarge("An upload may have 1 GiB. Split the archive and import the parts.")
    if receiver.upload is None or not receiver.is_complete:
        raise Invalid("Send the archive as a file in the form field `file`.", loc=("body", "file"))
    if receiver.upload.size_bytes == 0:
        raise Invalid("The uploaded file is empty.", loc=("body", "file"))
    receiver.upload.finish()
    return receiver.upload
