"""Link mailboxes to identities and unlink them (contract identities.md section 8; clients until 0.3.1)."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction

from common.principal import Principal, Profile
from identities.enums import AuditAction
from identities.models import AgentIdentity
from identities.roles import require_manager
from identities.services.handles import adopt_name
from mail.errors import IdentityHasMailbox, MailboxLinkedElsewhere, MailboxNotFound
from mail.models import Mailbox
from mail.services.mailboxes import lock_identities, lock_mailbox, record_mailbox
from webhooks.enums import Selector
from webhooks.owners import Owner
from webhooks.services.subscriptions import rebind_subscriptions


def link_mailbox(principal: Principal, identity: AgentIdentity, mailbox_id: UUID, profile: Profile) -> None:
    """Give the identity a mailbox of its organization; in the seed profile also one of another identity.

    Its webhook subscriptions follow. Nothing happens when it is linked already. Raises RoleTooLow 403, MailboxNotFound
    and IdentityNotFound 404, MailboxLinkedElsewhere and IdentityHasMailbox 409.
    """
    require_manager(principal)
    with transaction.atomic():
        seen = Mailbox.objects.visible_to(principal).filter(pk=mailbox_id).first()
        if seen is None:
            raise MailboxNotFound
        lock_identities(identity.pk, seen.identity_id)
        try:
            mailbox = lock_mailbox(seen)
        except MailboxNotFound:
            # Somebody else was quicker: to delete it, or to link it.
            if Mailbox.objects.visible_to(principal).filter(pk=mailbox_id).exists():
                raise MailboxLinkedElsewhere from None
            raise
        if mailbox.identity_id == identity.pk:
            return
        if mailbox.identity_id is not None and profile is Profile.MODERN:
            raise MailboxLinkedElsewhere
        try:
            with transaction.atomic():
                _set_identity(mailbox, identity)
        except IntegrityError:
            raise IdentityHasMailbox from None
        local_part, _, domain = mailbox.email_address.rpartition("@")
        if domain == settings.MAIL_DOMAIN:
            adopt_name(local_part, identity)
        record_mailbox(mailbox, AuditAction.MAILBOX_UPDATED, ["identity"])


def unlink_mailbox(principal: Principal, identity: AgentIdentity) -> None:
    """Take the mailbox from the identity. It goes on receiving, without an identity. Raises MailboxNotFound 404."""
    require_manager(principal)
    with transaction.atomic():
        lock_identities(identity.pk)
        seen = Mailbox.objects.visible_to(principal).filter(identity=identity).first()
        if seen is None:
            raise MailboxNotFound
        mailbox = lock_mailbox(seen)
        _set_identity(mailbox, None)
        record_mailbox(mailbox, AuditAction.MAILBOX_UPDATED, ["identity"])


def _set_identity(mailbox: Mailbox, identity: AgentIdentity | None) -> None:
    mailbox.identity = identity
    mailbox.is_untouched = False
    mailbox.save(update_fields=["identity", "is_untouched", "updated_at"])
    rebind_subscriptions(
        Owner(Selector.MAILBOX, mailbox.pk, mailbox.organization_id, identity.pk if identity is not None else None)
    )
