"""Whether an identity may write to some addresses at this moment: asked when a message is accepted, and again when a
held one is approved.
"""

from __future__ import annotations

from collections.abc import Sequence

from contacts.rules import decide
from contacts.selectors import rules_for
from identities.enums import ClaimStatus
from identities.errors import IdentityPaused
from mail.addresses import normalize_address, parse_recipient
from mail.errors import RecipientBlocked, SendingPaused, UnclaimedRecipient
from mail.models import Mailbox


def check_permission(mailbox: Mailbox, addresses: Sequence[str]) -> None:
    """Raises SendingPaused, IdentityPaused, UnclaimedRecipient or RecipientBlocked 403.

    A mailbox without an identity has no rules.
    """
    if mailbox.sending_paused_at is not None:
        raise SendingPaused(mailbox.sending_paused_reason or "", mailbox.sending_paused_at)
    identity = mailbox.identity
    if identity is None:
        return
    if identity.is_paused:
        raise IdentityPaused
    if identity.claim_status != ClaimStatus.CLAIMED:
        human = normalize_address(parse_recipient(identity.human_email or "") or "")
        if any(normalize_address(address) != human for address in addresses):
            raise UnclaimedRecipient
    rules = rules_for([identity.pk], "mail", map(normalize_address, addresses)).get(identity.pk, [])
    for address in addresses:
        verdict = decide(identity.mail_outbound_filter_mode, rules, normalize_address(address), "outbound")
        if not verdict.allowed:
            raise RecipientBlocked(address, verdict.matched_rule_id, verdict.reason)
