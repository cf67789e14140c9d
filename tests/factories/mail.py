"""Mailboxes and messages, made through the services that make them in production."""

from __future__ import annotations

from email.message import EmailMessage
from itertools import count

from django.db import transaction

from common.principal import Principal, Scope
from identities.models import AgentIdentity
from mail.mime.parse import parse_mail
from mail.models import Mailbox, Message
from mail.raw import store_raw
from mail.services.composing import Recipients, SendMessage, prepare_message
from mail.services.queueing import queue_message
from mail.services.receiving import Acceptance, InboundMail, accept_batch
from mail.services.relaying import relay_message
from mail.services.sending import send_message

_numbers = count(1)


def mailbox_of(identity: AgentIdentity) -> Mailbox:
    """The mailbox of an identity."""
    return Mailbox.objects.select_related("identity").get(identity=identity, deleted_at__isnull=True)


def raw_mail(
    to: str,
    *,
    sender: str = "Ada L. <ada@customer.example>",
    subject: str = "Invoice 4417",
    text: str = "Hi, the total looks off by 20.\n",
    message_id: str | None = None,
    in_reply_to: str | None = None,
    cc: str | None = None,
    attachments: tuple[tuple[str, str, bytes], ...] = (),
    html: str | None = None,
) -> bytes:
    """RFC 5322 bytes as another mail system would write them."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = sender, to, subject
    mail["Message-ID"] = message_id or f"<m{next(_numbers)}@customer.example>"
    mail["Date"] = "Mon, 04 May 2026 10:01:12 +0000"
    if cc:
        mail["Cc"] = cc
    if in_reply_to:
        mail["In-Reply-To"] = in_reply_to
        mail["References"] = in_reply_to
    mail.set_content(text)
    if html:
        mail.add_alternative(html, subtype="html")
    for name, content_type, content in attachments:
        maintype, _, subtype = content_type.partition("/")
        mail.add_attachment(content, maintype=maintype, subtype=subtype, filename=name)
    return mail.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def inbound(raw: bytes, *mailboxes: Mailbox) -> InboundMail:
    """A parsed message for some mailboxes."""
    return InboundMail(parse_mail(raw), store_raw(raw), len(raw), tuple(box.pk for box in mailboxes))


def receive(mailbox: Mailbox, raw: bytes | None = None, **fields: object) -> Message:
    """Store one message and return its row."""
    raw = raw or raw_mail(mailbox.email_address, **fields)  # type: ignore[arg-type]
    outcome = accept_batch([inbound(raw, mailbox)])[0][mailbox.pk]
    assert outcome is Acceptance.STORED
    return Message.objects.filter(mailbox=mailbox).latest("pk")


def principal_of(mailbox: Mailbox) -> Principal:
    """The agent key of the mailbox's identity, as a caller."""
    return Principal(scope=Scope.AGENT, organization_id=mailbox.organization_id, identity_id=mailbox.identity_id)


def queue(mailbox: Mailbox, to: str, **fields: object) -> Message:
    """Accept a message for sending, as the API does."""
    values = {"subject": "Hello", "body_text": "Hi there.", **fields}
    recipients = Recipients(to=[to], cc=values.pop("cc", ()), bcc=values.pop("bcc", ()))  # type: ignore[arg-type]
    send = SendMessage(recipients, **values)  # type: ignore[arg-type]
    prepared = prepare_message(principal_of(mailbox), mailbox, send)
    with transaction.atomic():
        return queue_message(principal_of(mailbox), mailbox, prepared)


def send(message: Message) -> None:
    """Both stages of sending, as the workers run them one after the other."""
    send_message(message.pk)
    relay_message(message.pk)
