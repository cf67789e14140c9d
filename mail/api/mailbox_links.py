"""The mailbox of an identity, linked and unlinked (contract identities.md section 8)."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.response import Response

from common.api.viewsets import ApiRequest
from identities.api.serializers import IdentityOut
from identities.api.viewsets import MANAGERS, caller_profile
from identities.selectors import describe_identity, get_identity
from mail.api.mailbox_shapes import MailboxLinkIn
from mail.api.viewsets import MailViewSet
from mail.services.links import link_mailbox, unlink_mailbox


class MailboxLinkViewSet(MailViewSet):
    """Routes of the clients until 0.3.1, for which channels are things of their own."""

    allowed: ClassVar[Any] = MANAGERS

    @extend_schema(operation_id="link_mailbox", request=MailboxLinkIn, responses=IdentityOut)
    def create(self, request: ApiRequest, handle: str) -> Response:
        """Link a mailbox. The seed profile moves one that another identity has."""
        link = MailboxLinkIn.parse(request)
        identity = get_identity(request.principal, handle)
        link_mailbox(request.principal, identity, link.mailbox_id, caller_profile(request))
        return Response(IdentityOut.render(describe_identity(request.principal, identity)))

    @extend_schema(operation_id="unlink_mailbox", responses={204: None})
    def destroy(self, request: ApiRequest, handle: str) -> Response:
        """Unlink the mailbox, which goes on receiving by itself."""
        unlink_mailbox(request.principal, get_identity(request.principal, handle))
        return Response(status=status.HTTP_204_NO_CONTENT)
