"""Mail through one relay that the operator chose: an ISP's or company's server, or a local one."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from mail.providers.base import Envelope, Outcome, RecipientResult
from mail.providers.idle_sessions import IdleSessions
from mail.providers.outcomes import same_for_all
from mail.providers.smtp_client import Submission, deliver
from mail.providers.smtp_session import HostUnavailable, Server, Timeouts

log = structlog.get_logger(__name__)


class SmarthostTransport:
    """Gives every envelope to one server. Its address may be private: the operator configured it."""

    name = "smtp"

    def __init__(self, server: Server, timeouts: Timeouts | None = None, sessions: IdleSessions | None = None) -> None:
        self.server = server
        self.timeouts = timeouts
        self.sessions = sessions

    def send(self, envelope: Envelope, hand_off: Callable[[], None]) -> list[RecipientResult]:
        """One transaction for all recipients. A relay that cannot be reached or refuses us defers the mail."""
        submission = Submission(envelope.sender_for(envelope.recipients), envelope.recipients, envelope.content)
        try:
            return deliver(self.server, submission, hand_off, self.timeouts, self.sessions)
        except HostUnavailable as error:
            log.warning("mail.smarthost_unavailable", message=str(envelope.message_row_id), reason=error.detail)
            return same_for_all(envelope.recipients, Outcome.DEFERRED, error.detail)
