"""Django's way to send mail (`EMAIL_BACKEND`), over the transport of this server.

Whatever the server itself sends (verification codes, password resets, invitations) is queued as a row in the
transaction that caused it, so it is neither lost in a crash nor sent when the transaction fails.
"""

from __future__ import annotations

from collections.abc import Sequence
from email.utils import parseaddr
from typing import Any

from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

from mail.addresses import parse_recipient
from mail.services.platform_mail import queue_platform_mail


class PlatformBackend(BaseEmailBackend):
    """Queues each message once for each recipient."""

    def __init__(self, fail_silently: bool = False, **kwargs: Any) -> None:
        super().__init__(fail_silently=fail_silently)

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """How many messages were queued. Raises ValueError for a sender or recipient that is no address."""
        for message in email_messages:
            built: Any = message.message()  # the stubs know only the class of the standard library
            raw = built.as_bytes(linesep="\r\n")
            sender, subject = _address(message.from_email), str(message.subject)
            for recipient in message.recipients():
                queue_platform_mail(sender=sender, recipient=_address(recipient), subject=subject, raw=raw)
        return len(email_messages)


def _address(text: str) -> str:
    address = parse_recipient(parseaddr(text)[1])
    if address is None:
        raise ValueError("not an email address")
    return address
