"""Models, one aggregate a module."""

from mail.models.approval import Approval
from mail.models.attachment_text import AttachmentText
from mail.models.correspondent import Correspondent
from mail.models.dkim import DkimKey
from mail.models.draft import Draft, DraftAttachment, SentDraft
from mail.models.exchange import Exchange
from mail.models.import_job import ImportJob
from mail.models.mailbox import Mailbox
from mail.models.message import Message, MessageContent
from mail.models.outbound import OutboundJob, OutboundRecipient, SandboxMail, SendAttempt
from mail.models.platform import PlatformMail
from mail.models.search import SearchEntry
from mail.models.send_window import SendWindow
from mail.models.sending_domain import SendingDomain
from mail.models.suppression import Suppression
from mail.models.thread import Thread

__all__ = [
    "Approval",
    "AttachmentText",
    "Correspondent",
    "DkimKey",
    "Draft",
    "DraftAttachment",
    "Exchange",
    "ImportJob",
    "Mailbox",
    "Message",
    "MessageContent",
    "OutboundJob",
    "OutboundRecipient",
    "PlatformMail",
    "SandboxMail",
    "SearchEntry",
    "SendAttempt",
    "SendWindow",
    "SendingDomain",
    "SentDraft",
    "Suppression",
    "Thread",
]
