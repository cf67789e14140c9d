"""Bodies of mailbox responses. Apart from the serializers, because the identity object embeds a mailbox too."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from identities.enums import FilterMode
from mail.models import Mailbox


@dataclass(frozen=True, slots=True)
class FilterModeNotice:
    """Rules that have no effect in the new mode; they stay, and count again when the mode changes back."""

    new_filter_mode: str
    redundant_rule_action: str
    redundant_rule_count: int


def mailbox_body(mailbox: Mailbox, webhook_url: str | None, notice: FilterModeNotice | None = None) -> dict[str, Any]:
    """The superset mailbox object of every client generation (contract mail.md section 2.2).

    `notice` says what a change of the filter mode, which this answers, left without effect.
    """
    identity = mailbox.identity
    mode = FilterMode.BLACKLIST.value
    return {
        "id": mailbox.pk,
        "email_address": mailbox.email_address,
        "sending_domain": mailbox.sending_domain,
        "display_name": identity.display_name if identity is not None else None,
        "status": "active",
        "webhook_url": webhook_url,
        "agent_identity_id": mailbox.identity_id,
        "filter_mode": identity.mail_filter_mode if identity is not None else mode,
        "inbound_filter_mode": identity.mail_inbound_filter_mode if identity is not None else mode,
        "outbound_filter_mode": identity.mail_outbound_filter_mode if identity is not None else mode,
        "filter_mode_change_notice": asdict(notice) if notice is not None else None,
        "storage_used_bytes": mailbox.storage_used_bytes,
        "storage_limit_bytes": mailbox.storage_limit_bytes,
        "signature_html": mailbox.signature_html,
        "signature_text": mailbox.signature_text,
        "signature_enabled": mailbox.signature_enabled,
        "approval_required": mailbox.approval_required,
        "sending_paused_at": mailbox.sending_paused_at,
        "sending_paused_reason": mailbox.sending_paused_reason,
        "created_at": mailbox.created_at,
        "updated_at": mailbox.updated_at,
    }
