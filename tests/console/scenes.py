"""What pages show: one of each row that a page names in its address."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from common.clock import now
from contacts.enums import FactKind, FactOrigin
from contacts.models import Contact, ContactFact
from identities.models import Organization, OrganizationDomain
from mail.approvals import ApprovalState
from mail.domain_states import DomainStatus
from mail.enums import Direction, MessageStatus
from mail.models import Approval, Draft, DraftAttachment, Message, MessageContent, SandboxMail, Thread
from notes.models import Note
from tests.factories.domains import sending_domain
from tests.factories.identities import agent
from tests.factories.mail import mailbox_of, raw_mail
from tests.factories.vault import secret_of, vault_of
from tests.factories.webhooks import subscription
from webhooks.models import DeliveryAttempt

# The id of every row of the scene, so that tables of pages can name them.
ID = UUID("00000000-0000-7000-8000-00000000000a")
# The message that waits for approval.
HELD = UUID("00000000-0000-7000-8000-00000000000b")


def furnish(of: Organization, handle: str = "alpha") -> None:
    """An agent with a thread of one message with a file and a held answer, a draft with a file, a mail in the outbox, a
    webhook with one delivery, a sending domain, a claimed domain, a vault with one secret that the agent may read, a
    contact with a fact, and a note.
    """
    identity = agent(of, handle)
    mailbox = mailbox_of(identity)
    raw = raw_mail(mailbox.email_address, attachments=(("a.txt", "text/plain", b"A file."),))
    thread = Thread.objects.create(
        pk=ID, mailbox=mailbox, subject="Hello", message_count=1, last_message_at="2026-05-04T10:00Z"
    )
    part = {
        "filename": "a.txt",
        "content_type": "text/plain",
        "size": 7,
        "part_index": 0,
        "content_id": None,
        "is_inline": False,
    }
    message = Message.objects.create(
        pk=ID,
        mailbox=mailbox,
        thread=thread,
        direction=Direction.INBOUND.value,
        status=MessageStatus.RECEIVED.value,
        message_id="<scene@customer.example>",
        from_address="ada@customer.example",
        to_addresses=[mailbox.email_address],
        subject="Hello",
        has_attachments=True,
        attachment_metadata=[part],
        created_at="2026-05-04T10:00Z",
    )
    MessageContent.objects.create(message=message, body_text="Hi.", body_html="<p>Hi.</p>", raw_inline=raw)
    held = Message.objects.create(
        pk=HELD,
        mailbox=mailbox,
        thread=thread,
        direction=Direction.OUTBOUND.value,
        status=MessageStatus.QUEUED.value,
        approval_state=ApprovalState.PENDING.value,
        message_id="<held@scene.example>",
        from_address=mailbox.email_address,
        to_addresses=["ada@customer.example"],
        subject="Held",
        created_at="2026-05-04T10:01Z",
    )
    MessageContent.objects.create(message=held, body_text="May I?", raw_inline=raw)
    Approval.objects.create(message=held, mailbox=mailbox, expires_at=now() + timedelta(days=1))
    draft = Draft.objects.create(
        pk=ID, mailbox=mailbox, message_id="<draft@x.example>", subject="Draft", attachment_count=1
    )
    DraftAttachment.objects.create(draft=draft, filename="b.txt", content_type="text/plain", size=1, raw_inline=b"B")
    SandboxMail.objects.create(
        pk=ID,
        organization_id=of.pk,
        envelope_from=mailbox.email_address,
        recipients=["ada@customer.example"],
        raw_inline=raw,
    )
    # Nobody listens there, which is found out at once.
    url = "https://127.0.0.1:9/hook"
    hook = subscription(mailbox.identity, "message.received", url=url, pk=ID)
    DeliveryAttempt.objects.create(
        pk=ID, organization=of, identity=mailbox.identity, subscription=hook, event_type="message.received", url=url
    )
    secret_of(vault_of(of), identity, id=str(ID))
    sending_domain(of, "mail.scene.example", DomainStatus.PENDING_DELETION, status_before_deletion="verified")
    OrganizationDomain.objects.create(
        pk=ID, organization=of, domain="scene.example", token="t", checking_until=now() + timedelta(hours=1)
    )
    Contact.objects.create(pk=ID, organization=of, preferred_name="Ada", sort_name="ada", search_text="ada")
    ContactFact.objects.create(
        pk=ID, contact_id=ID, content="Wants PDF.", kind=FactKind.PREFERENCE.value, origin=FactOrigin.USER.value
    )
    Note.objects.create(pk=ID, organization=of, body="Milk", search_text="milk", created_by="user_gone")
