"""People who write for the first time become contacts (contract contacts-notes.md section 5)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol
from uuid import UUID

from contacts.enums import IdentifierKind
from contacts.services.automatic import Stranger, make_contacts, recognize
from mail.addresses import counterparty_address, domain_of
from mail.domains import domains_with_mailboxes
from mail.mime.parse import ParsedMail
from mail.models import Mailbox


class _Recipient(Protocol):
    """The part of a mailbox that says who was written to."""

    @property
    def organization_id(self) -> str: ...
    @property
    def identity_id(self) -> UUID | None: ...


def meet_senders(received: Sequence[tuple[_Recipient, ParsedMail]]) -> None:
    """Make contacts of the senders that the organizations of the mailboxes do not know, in the caller's transaction.

    One query for senders that are known, and none while automatic contacts are off.
    """
    unknown = recognize(
        Stranger(box.organization_id, box.identity_id, IdentifierKind.EMAIL, mail.from_address, mail.from_display_name)
        for box, mail in received
    )
    if unknown:
        ours = _agents_of(unknown)
        make_contacts([one for one in unknown if (one.organization_id, counterparty_address(one.value)) not in ours])


def _agents_of(strangers: Collection[Stranger]) -> set[tuple[str, str]]:
    """Those that are mailboxes of the organization itself: its agents are known to it as such."""
    addresses = {counterparty_address(one.value) for one in strangers}
    local = domains_with_mailboxes({domain_of(address) for address in addresses})
    addresses = {address for address in addresses if domain_of(address) in local}
    if not addresses:
        return set()
    rows = Mailbox.objects.alive().filter(
        email_address__in=addresses, organization_id__in={one.organization_id for one in strangers}
    )
    return set(rows.values_list("organization_id", "email_address"))
