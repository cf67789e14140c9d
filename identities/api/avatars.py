"""The picture of an identity (contract identities.md section 10)."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.utils.cache import get_conditional_response
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.parsers import MultiPartParser
from rest_framework.response import Response

from common.api.renderers import AlwaysJson
from common.api.viewsets import ApiRequest, ApiViewSet
from common.errors import Invalid
from identities.api.serializers import IdentityOut
from identities.selectors import describe_identity, get_avatar, get_identity, get_managed_identity
from identities.services.avatars import check_avatar_size, read_avatar, remove_avatar, set_avatar

_FORM = {
    "multipart/form-data": {
        "type": "object",
        "properties": {"file": {"type": "string", "format": "binary"}},
        "required": ["file"],
    }
}


class _FormsOnly(AlwaysJson):
    """Bodies of any other type are 415."""

    def select_parser(self, request: Any, parsers: Any) -> Any:
        is_form = (request.content_type or "").partition(";")[0].strip().lower() == MultiPartParser.media_type
        return parsers[0] if is_form else None


class AvatarViewSet(ApiViewSet):
    """JPEG, PNG, GIF or WebP in, a JPEG of 600 by 600 pixels out. An agent key has that of its own identity."""

    parser_classes = (MultiPartParser,)
    content_negotiation_class = _FormsOnly

    @extend_schema(operation_id="set_identity_avatar", request=_FORM, responses=IdentityOut)
    def update(self, request: ApiRequest, handle: str) -> Response:
        """Use a picture: borders of one colour are trimmed, the middle is cut out as a square, set on white."""
        identity = get_managed_identity(request.principal, handle)
        set_avatar(request.principal, identity, _uploaded(request))
        identity = get_identity(request.principal, handle)
        return Response(IdentityOut.render(describe_identity(request.principal, identity)))

    @extend_schema(operation_id="get_identity_avatar", responses={(200, "image/jpeg"): OpenApiTypes.BINARY})
    def retrieve(self, request: ApiRequest, handle: str) -> HttpResponse:
        """The picture; 304 to who has it already."""
        avatar = get_avatar(get_identity(request.principal, handle))
        etag = f'"{avatar.blob_key}"'
        response = get_conditional_response(request, etag=etag) or HttpResponse(
            read_avatar(avatar), content_type="image/jpeg"
        )
        response.headers["ETag"] = etag
        response.headers["Cache-Control"] = "private, no-cache"
        response.headers["Content-Disposition"] = 'inline; filename="avatar.jpg"'
        response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
        return response

    @extend_schema(operation_id="delete_identity_avatar", responses={204: None})
    def destroy(self, request: ApiRequest, handle: str) -> Response:
        """Remove the picture."""
        remove_avatar(request.principal, get_managed_identity(request.principal, handle))
        return Response(status=status.HTTP_204_NO_CONTENT)


def _uploaded(request: ApiRequest) -> bytes:
    files = request.FILES.getlist("file")
    if len(files) != 1:
        raise Invalid("Send the picture as a form with one file part named file.", loc=("body", "file"))
    check_avatar_size(files[0].size or 0)
    content: bytes = files[0].read()
    return content
