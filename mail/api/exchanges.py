"""Resuming what the brakes paused. Not part of the original contract: an addition for administrators."""

from __future__ import annotations

from typing import ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from common.api.viewsets import ApiRequest, ApiViewSet
from common.principal import Scope
from mail import selectors
from mail.api.serializers import MailboxOut, ThreadOut
from mail.rendering import mailbox_body
from mail.services.bounce_brake import resume_sending
from mail.services.exchanges import resume_thread
from webhooks.services.legacy import legacy_urls


class ThreadPauseViewSet(ApiViewSet):
    """The brake on mail between agents."""

    allowed: ClassVar = {Scope.ADMIN, Scope.SESSION}
    http_method_names = ["post"]

    @extend_schema(operation_id="threads_resume", request=None, responses=ThreadOut)
    def resume(self, request: ApiRequest, address: str, thread_id: str) -> Response:
        """Let a paused exchange go on at once. A thread that is not paused stays as it is."""
        mailbox = selectors.get_mailbox(request.principal, address, is_whole=False)
        thread = selectors.get_thread(request.principal, mailbox, thread_id)
        resume_thread(request.principal, thread)
        return Response(ThreadOut.render(thread))


class SendingPauseViewSet(ApiViewSet):
    """The brake on bounces."""

    allowed: ClassVar = {Scope.ADMIN, Scope.SESSION}
    http_method_names = ["post"]

    @extend_schema(operation_id="mailboxes_resume_sending", request=None, responses=MailboxOut)
    def resume(self, request: ApiRequest, address: str) -> Response:
        """Let a mailbox send again that was paused because too much of its mail came back."""
        mailbox = resume_sending(request.principal, selectors.get_mailbox(request.principal, address))
        return Response(mailbox_body(mailbox, legacy_urls([mailbox.pk]).get(mailbox.pk)))
