"""Send a draft: claim it, build the message outside of any transaction, accept it and remove the draft in one.

A process that dies before that commit has sent nothing and leaves a claim that runs out; one that dies after it leaves
the message and the SentDraft row, which answers a repeated request. There is no moment in which both or neither exist.
"""

from __future__ import annotations

from uuid import UUID, uuid4

from django.db import transaction
from django.db.models import Q

from common.clock import now
from common.errors import Invalid
from common.principal import Principal
from mail import limits
from mail.draft_errors import DraftNotFound, DraftSendInProgress
from mail.draft_selectors import answered_message, draft_files, draft_link, get_draft, sent_message
from mail.draft_states import DraftAction, SendState
from mail.enums import ForwardMode
from mail.mime.build import OutgoingAttachment
from mail.models import Draft, Mailbox, Message, SentDraft
from mail.raw import load_raw
from mail.services.attachments import check_attachments
from mail.services.composing import (
    Composition,
    PreparedMessage,
    Recipients,
    build_message,
    check_automatic_reply,
    check_tracking,
    parse_recipients,
)
from mail.services.drafts import check_draft
from mail.services.forwarding import ForwardMessage, prepare_forward
from mail.services.queueing import queue_message
from mail.services.storage import charge_storage
from mail.signatures import sign_bodies, signature_of


def send_draft(principal: Principal, mailbox: Mailbox, row_id: str, generation: int) -> Message:
    """The accepted message; the same one again when the draft was sent already at this generation.

    Raises what a send raises (and is a draft again then), DraftNotFound, DraftGenerationConflict, DraftSendInProgress
    or DraftDeliveryUncertain.
    """
    try:
        draft = get_draft(principal, mailbox, row_id)
    except DraftNotFound:
        return sent_message(principal, mailbox, row_id, generation)
    check_draft(draft, generation, DraftAction.SEND)
    claim = _claim(draft)
    if claim is None:
        # Another request was faster: it sends, has sent, or has changed the draft.
        return _overtaken(principal, mailbox, row_id, generation)
    try:
        prepared = _prepare(principal, mailbox, draft)
        return _accept(principal, mailbox, draft, claim, prepared)
    except Exception:
        Draft.objects.filter(pk=draft.pk, claim=claim).update(
            send_state=SendState.DRAFT.value, claim=None, claimed_until=None
        )
        raise


def release_leases() -> int:
    """Free the claims of a process that is known to be dead. Only for one that is alone with its database."""
    claimed = Draft.objects.filter(send_state=SendState.SENDING.value)
    return claimed.update(send_state=SendState.DRAFT.value, claim=None, claimed_until=None)


def _claim(draft: Draft) -> UUID | None:
    """Mark it as being sent: of all requests that try, one succeeds."""
    claim, moment = uuid4(), now()
    free = Q(send_state=SendState.DRAFT.value) | Q(send_state=SendState.SENDING.value, claimed_until__lte=moment)
    rows = Draft.objects.filter(free, pk=draft.pk, generation=draft.generation)
    claimed = rows.update(send_state=SendState.SENDING.value, claim=claim, claimed_until=moment + limits.DRAFT_CLAIM)
    return claim if claimed else None


def _overtaken(principal: Principal, mailbox: Mailbox, row_id: str, generation: int) -> Message:
    try:
        draft = get_draft(principal, mailbox, row_id)
    except DraftNotFound:
        return sent_message(principal, mailbox, row_id, generation)
    check_draft(draft, generation, DraftAction.SEND)
    raise DraftSendInProgress


def _prepare(principal: Principal, mailbox: Mailbox, draft: Draft) -> PreparedMessage:
    """Now it must be complete. Raises what a send or forward raises."""
    recipients = Recipients(draft.to_addresses, draft.cc_addresses, draft.bcc_addresses)
    files = tuple(
        OutgoingAttachment(row.filename, row.content_type, load_raw(row), row.content_id) for row in draft_files(draft)
    )
    if draft.forward_message_id is not None:
        forward = ForwardMessage(
            recipients,
            ForwardMode(draft.forward_mode),
            draft.include_original_attachments,
            draft.subject,
            draft.forward_note_text,
            draft.forward_note_html,
            files,
            draft.reply_to,
            draft.track_opens,
            draft.auto_submitted,
        )
        source_id = str(draft.forward_message_id)
        return prepare_forward(principal, mailbox, source_id, forward, own_message_id=draft.message_id)
    addressed = parse_recipients(recipients)
    if draft.subject is None:
        raise Invalid("This draft has no subject. Set one, it may be empty.", loc=("body", "subject"))
    check_attachments(files, draft.body_html)
    check_tracking(draft.track_opens, draft.body_html)
    parent = answered_message(principal, draft)
    check_automatic_reply(draft.auto_submitted, parent)
    body_text, body_html = sign_bodies(draft.body_text, draft.body_html, signature_of(mailbox))
    return build_message(
        mailbox,
        Composition(
            recipients=addressed,
            subject=draft.subject,
            body_text=body_text,
            body_html=body_html,
            attachments=files,
            reply_to=draft.reply_to,
            link=draft_link(draft, parent),
            tracks_opens=draft.track_opens,
            message_id=draft.message_id,
            auto_submitted=draft.auto_submitted,
        ),
    )


def _accept(principal: Principal, mailbox: Mailbox, draft: Draft, claim: UUID, prepared: PreparedMessage) -> Message:
    with transaction.atomic():
        # The draft makes room for the message it becomes.
        charge_storage(mailbox.pk, -draft.size_bytes)
        mine = Draft.objects.select_for_update(of=("self",)).filter(pk=draft.pk, claim=claim).first()
        if mine is None:
            raise DraftSendInProgress  # building took longer than the claim, and another request took over
        message = queue_message(principal, mailbox, prepared)
        SentDraft.objects.create(draft_id=draft.pk, generation=draft.generation, mailbox=mailbox, message=message)
        mine.delete()
    return message
