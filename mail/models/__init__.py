"""Models, one aggregate a module."""

from mail.models.dkim import DkimKey
from mail.models.mailbox import Mailbox
from mail.models.message import Message, MessageContent
from mail.models.outbound import OutboundJob, OutboundRecipient, SandboxMail, SendAttempt
from mail.models.thread import Thread

__all__ = [
    "DkimKey",
    "Mailbox",
    "Message",
    "MessageContent",
    "OutboundJob",
    "OutboundRecipient",
    "SandboxMail",
    "SendAttempt",
    "Thread",
]
