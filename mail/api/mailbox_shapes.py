"""Bodies that change mailboxes (contract mail.md sections 2.1 and 2.4, identities.md section 8)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from rest_framework import serializers

from common.api.inputs import CleanText, HeaderText, InputSerializer, StrictBoolean
from identities.enums import FilterMode
from identities.limits import DISPLAY_NAME_MAX_CHARS
from mail import limits
from mail.services.mailboxes import MailboxChanges, NewMailbox

_MODES = [mode.value for mode in FilterMode]


def _mode(**kwargs: Any) -> serializers.ChoiceField:
    message = f"Use one of: {', '.join(_MODES)}."
    return serializers.ChoiceField(choices=_MODES, required=False, error_messages={"invalid_choice": message}, **kwargs)


class MailboxChangesIn(InputSerializer[MailboxChanges]):
    """What to change; null clears. Anything else in the body is refused."""

    into = MailboxChanges
    strict = True
    display_name = HeaderText(max_length=DISPLAY_NAME_MAX_CHARS, allow_blank=False, allow_null=True, required=False)
    webhook_url = CleanText(allow_null=True, required=False)  # until 0.4.5
    filter_mode = _mode()
    signature_html = CleanText(max_length=limits.SIGNATURE_MAX_CHARS, allow_null=True, required=False)  # since 0.7.1
    signature_text = CleanText(max_length=limits.SIGNATURE_MAX_CHARS, allow_null=True, required=False)  # since 0.7.1
    signature_enabled = StrictBoolean(required=False)  # since 0.7.1
    approval_required = StrictBoolean(required=False)  # an addition of this server


class NewMailboxIn(InputSerializer[NewMailbox]):
    """A mailbox for an identity (until 0.3.1)."""

    into = NewMailbox
    agent_handle = CleanText()
    display_name = HeaderText(max_length=DISPLAY_NAME_MAX_CHARS, allow_blank=False, allow_null=True, required=False)
    email_local_part = HeaderText(max_length=limits.LOCAL_PART_MAX_CHARS, allow_null=True, required=False)
    sending_domain_id = HeaderText(max_length=253, allow_blank=False, allow_null=True, required=False)
    filter_mode = _mode(allow_null=True)


@dataclass(frozen=True, slots=True)
class MailboxLink:
    """Which mailbox an identity gets."""

    mailbox_id: UUID


class MailboxLinkIn(InputSerializer[MailboxLink]):
    """A mailbox by its id."""

    into = MailboxLink
    mailbox_id = serializers.UUIDField()
