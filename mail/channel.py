"""The mailbox of an identity: created, embedded and removed with it."""

from __future__ import annotations

import secrets
import string
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction

from common.clock import now
from common.errors import Invalid, NotReady
from common.principal import Principal, Profile
from common.unset import UNSET
from identities.channels import Channel, MailboxOptions, Provision
from identities.enums import Namespace
from identities.errors import HandleUnavailable
from identities.models import AgentIdentity
from identities.services.handles import claim_handle, keep_name_without_identity
from mail.addresses import is_valid_local_part
from mail.errors import AddressTaken, LocalPartMismatch, SendingDomainNotFound
from mail.models import Mailbox
from mail.rendering import mailbox_body
from webhooks.owners import ResolvedOwner
from webhooks.services.legacy import legacy_urls

_RANDOM_CHARS = 12
_RANDOM_TRIES = 5


class MailChannel(Channel):
    """Gives an identity its mailbox."""

    key = "mailbox"

    def provision(self, identity: AgentIdentity, request: Provision) -> None:
        if request.mailbox is not None:
            create_mailbox(identity, request)

    def embed(self, identities: Sequence[AgentIdentity]) -> dict[UUID, dict[str, Any]]:
        by_id = {identity.pk: identity for identity in identities}
        rows = list(Mailbox.objects.alive().filter(identity_id__in=by_id))
        urls = legacy_urls([row.pk for row in rows])
        bodies = {}
        for row in rows:
            assert row.identity_id is not None
            row.identity = by_id[row.identity_id]  # already loaded: no query per row
            bodies[row.identity_id] = mailbox_body(row, urls.get(row.pk))
        return bodies

    def deleted(self, identity: AgentIdentity, profile: Profile) -> None:
        rows = Mailbox.objects.alive().filter(identity=identity)
        if profile is Profile.SEED:
            for row in rows:
                local_part, _, domain = row.email_address.rpartition("@")
                if domain == settings.MAIL_DOMAIN:
                    keep_name_without_identity(local_part, Namespace.MAIL, identity)
            rows.update(identity=None, updated_at=now())
        else:
            rows.update(deleted_at=now(), updated_at=now())


def create_mailbox(identity: AgentIdentity, request: Provision) -> Mailbox:
    """The mailbox of a new identity.

    Raises LocalPartMismatch, SendingDomainNotFound, AddressTaken or HandleUnavailable.
    """
    options = request.mailbox or MailboxOptions()
    domain = settings.MAIL_DOMAIN if options.sending_domain in (UNSET, None) else str(options.sending_domain).lower()
    if domain != settings.MAIL_DOMAIN:
        raise SendingDomainNotFound(domain)
    address = f"{_local_part(identity, options, request)}@{domain}"
    try:
        with transaction.atomic():
            return Mailbox.objects.create(
                organization_id=identity.organization_id, identity=identity, email_address=address
            )
    except IntegrityError:
        raise AddressTaken(address) from None


def _local_part(identity: AgentIdentity, options: MailboxOptions, request: Provision) -> str:
    """The local part on the platform domain (contract identities.md section 5 and 19)."""
    wanted = (options.email_local_part or "").strip().lower()
    handle = identity.agent_handle
    if wanted and not is_valid_local_part(wanted):
        raise Invalid(
            "A local part has 1 to 64 of the characters a-z 0-9 . _ - and starts and ends with a letter or digit.",
            loc=("body", "mailbox", "email_local_part"),
        )
    if wanted and wanted != handle:
        # Clients from 0.4.0 on never send mailbox.display_name, so its presence marks an older body.
        if request.profile is Profile.MODERN and options.display_name is UNSET:
            raise LocalPartMismatch
        claim_handle(wanted, Namespace.MAIL, identity)
        return wanted
    if request.owns_global_name:
        return handle
    if wanted:
        raise HandleUnavailable(wanted, Namespace.MAIL)
    return _random_local_part(identity)


def _random_local_part(identity: AgentIdentity) -> str:
    alphabet = string.ascii_lowercase + string.digits
    for _ in range(_RANDOM_TRIES):
        candidate = "".join(secrets.choice(alphabet) for _ in range(_RANDOM_CHARS))
        try:
            claim_handle(candidate, Namespace.MAIL, identity)
        except HandleUnavailable:
            continue
        return candidate
    raise NotReady("Could not find a free address. Try again.")


def resolve_owner(kind: str, row_id: UUID, principal: Principal) -> ResolvedOwner | None:
    """The identity behind a mailbox id, for webhook subscriptions that name the mailbox as their owner."""
    if kind != "mailbox":
        return None
    row = Mailbox.objects.visible_to(principal).filter(pk=row_id).values_list("organization_id", "identity_id").first()
    return ResolvedOwner(organization_id=row[0], identity_id=row[1]) if row is not None else None
