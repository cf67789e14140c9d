"""Change, create and delete mailboxes by themselves (contract mail.md sections 2.1 to 2.5).

Identities are locked before their mailboxes, as everywhere. What a mailbox shows of its identity (display name, filter
modes) is written there: there is one value of each.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction

from common.clock import now
from common.errors import Forbidden, Invalid
from common.principal import Principal, Profile, Scope
from common.unset import UNSET, Unset
from contacts.enums import RuleAction, RuleChannel
from contacts.selectors import count_active_rules
from identities.channels import MailboxOptions, Provision
from identities.enums import AuditAction, FilterMode
from identities.errors import IdentityNotFound, RoleTooLow
from identities.models import AgentIdentity
from identities.roles import require_manager
from identities.selectors import get_identity, holds_global_name
from identities.services.audit import Target, record_audit
from identities.services.handles import release_orphaned_name
from identities.services.identities import IdentityChanges, update_identity
from mail.addresses import is_valid_local_part
from mail.domain_selectors import choose_mailbox_domain
from mail.errors import AddressTaken, IdentityHasMailbox, MailboxHasNoIdentity, MailboxNotFound
from mail.html_text import html_to_text
from mail.limits import SIGNATURE_MAX_CHARS
from mail.models import Mailbox, Message
from mail.rendering import FilterModeNotice
from mail.services.provisioning import choose_address, create_mailbox, random_local_part
from mail.signature_html import clean_signature_html
from webhooks.enums import Selector
from webhooks.models import Subscription
from webhooks.owners import Owner
from webhooks.services.legacy import set_legacy_url
from webhooks.services.subscriptions import remove_subscriptions

# What a rule of the other action would decide is the mode's own answer already.
REDUNDANT_ACTIONS = {FilterMode.WHITELIST: RuleAction.BLOCK, FilterMode.BLACKLIST: RuleAction.ALLOW}


@dataclass(frozen=True, slots=True)
class MailboxChanges:
    """The body of mailbox update; UNSET means unchanged, None clears."""

    display_name: str | Unset | None = UNSET
    webhook_url: str | Unset | None = UNSET
    filter_mode: str | Unset = UNSET
    signature_html: str | Unset | None = UNSET
    signature_text: str | Unset | None = UNSET
    signature_enabled: bool | Unset = UNSET
    approval_required: bool | Unset = UNSET


@dataclass(frozen=True, slots=True)
class NewMailbox:
    """The body of mailbox create (clients until 0.3.1)."""

    agent_handle: str
    display_name: str | None = None
    email_local_part: str | None = None
    # Absent: the organization's default domain; None: the platform domain.
    sending_domain_id: str | Unset | None = UNSET
    filter_mode: str | None = None


def update_mailbox(
    principal: Principal, mailbox: Mailbox, changes: MailboxChanges, profile: Profile
) -> tuple[Mailbox, FilterModeNotice | None]:
    """Apply the supplied fields, all or none of them.

    Raises Forbidden 403, MailboxNotFound 404 when it was deleted meanwhile, MailboxHasNoIdentity 409, Invalid 422.
    """
    _check_caller(principal, changes)
    columns = _signature_columns(changes)
    if changes == MailboxChanges():
        return mailbox, None
    with transaction.atomic():
        lock_identities(mailbox.identity_id)
        row = lock_mailbox(mailbox)
        notice = _change_identity(principal, row, changes, profile)
        if changes.webhook_url is not UNSET:
            owner = Owner(Selector.MAILBOX, row.pk, row.organization_id, row.identity_id)
            set_legacy_url(owner, changes.webhook_url)
        for name, value in columns.items():
            setattr(row, name, value)
        was_required = row.approval_required
        if changes.approval_required is not UNSET:
            row.approval_required = changes.approval_required
        row.is_untouched = False
        row.save(update_fields=[*columns, "approval_required", "is_untouched", "updated_at"])
        if changes.approval_required is not UNSET and changes.approval_required != was_required:
            record_audit(
                row.organization_id,
                AuditAction.MAILBOX_UPDATED,
                Target(row.pk, row.email_address),
                {"approval_required": row.approval_required},
            )
        if columns:
            # What is kept on the identity or in a subscription, those have recorded.
            record_mailbox(row, AuditAction.MAILBOX_UPDATED, sorted(columns))
    return row, notice


def record_mailbox(row: Mailbox, action: AuditAction, fields: list[str] | None = None) -> None:
    """Write an act on a mailbox to the audit log, inside the caller's transaction."""
    target = Target(row.pk, row.email_address)
    record_audit(row.organization_id, action, target, {"fields": fields} if fields else None)


def open_mailbox(principal: Principal, new: NewMailbox, profile: Profile) -> Mailbox:
    """A mailbox for an identity that has none, or none that anybody asked for or uses: that one gets the new address.

    Raises RoleTooLow 403, IdentityNotFound 404, IdentityHasMailbox and AddressTaken 409, HandleUnavailable 409,
    SendingDomainNotFound 404, SendingDomainNotVerified 409, Invalid 422, NotReady 503.
    """
    require_manager(principal)
    options = MailboxOptions(email_local_part=_local_part(new), sending_domain=new.sending_domain_id)
    identity = get_identity(principal, new.agent_handle)
    with transaction.atomic():
        lock_identities(identity.pk)
        # The older rules of addresses, in both profiles: no newer client calls this.
        request = Provision(Profile.SEED, options, None, holds_global_name(identity))
        row = _open(identity, request)
        changes = IdentityChanges(
            display_name=UNSET if new.display_name is None else new.display_name,
            mail_filter_mode=UNSET if new.filter_mode is None else new.filter_mode,
        )
        row.identity = identity
        if changes != IdentityChanges():
            row.identity = update_identity(principal, identity, changes, profile)
        record_mailbox(row, AuditAction.MAILBOX_CREATED)
    return row


def delete_mailbox(principal: Principal, mailbox: Mailbox) -> None:
    """Hide a mailbox; it receives nothing any more. Its identity stays. Raises RoleTooLow 403, MailboxNotFound 404."""
    require_manager(principal)
    with transaction.atomic():
        lock_identities(mailbox.identity_id)
        moment = now()
        if not Mailbox.objects.alive().filter(pk=mailbox.pk).update(deleted_at=moment, updated_at=moment):
            raise MailboxNotFound
        remove_subscriptions(Subscription.objects.active().filter(mailbox_id=mailbox.pk))
        local_part, _, domain = mailbox.email_address.rpartition("@")
        if domain == settings.MAIL_DOMAIN:
            release_orphaned_name(local_part, mailbox.organization_id)
        record_mailbox(mailbox, AuditAction.MAILBOX_DELETED)


def lock_identities(*ids: UUID | None) -> None:
    """Lock identities in order until the transaction ends. Raises IdentityNotFound when one was deleted meanwhile."""
    wanted = {pk for pk in ids if pk is not None}
    # NO KEY: mail that is being received refers to the identity and goes on meanwhile.
    rows = AgentIdentity.objects.alive().select_for_update(no_key=True).filter(pk__in=wanted).order_by("pk")
    if wanted and len(rows.values_list("pk", flat=True)) < len(wanted):
        raise IdentityNotFound


def lock_mailbox(mailbox: Mailbox) -> Mailbox:
    """The row as it is now, locked. Raises MailboxNotFound when it was deleted or linked elsewhere meanwhile."""
    rows = Mailbox.objects.alive().select_for_update(of=("self",)).select_related("identity")
    row = rows.filter(pk=mailbox.pk, identity_id=mailbox.identity_id).first()
    if row is None:
        raise MailboxNotFound
    return row


def _check_caller(principal: Principal, changes: MailboxChanges) -> None:
    if not (principal.manages_organization or principal.is_agent):
        raise RoleTooLow
    if changes.filter_mode is not UNSET and principal.is_agent:
        raise Forbidden("Filter modes are changed with an admin key, not with an agent key.")
    if changes.approval_required is not UNSET and principal.is_agent:
        raise Forbidden("Whether mail needs approval is changed with an admin key, not with an agent key.")
    if changes.webhook_url is not UNSET and principal.scope is Scope.UNCLAIMED:
        raise Forbidden("An agent that is not claimed yet may not set webhooks. Verify it first.")


def _change_identity(
    principal: Principal, row: Mailbox, changes: MailboxChanges, profile: Profile
) -> FilterModeNotice | None:
    """Write what is kept on the identity. The notice is there only when the mode of a direction really changed."""
    if changes.display_name is UNSET and changes.filter_mode is UNSET:
        return None
    identity = row.identity
    if identity is None:
        raise MailboxHasNoIdentity("display_name" if changes.filter_mode is UNSET else "filter_mode")
    before = {identity.mail_inbound_filter_mode, identity.mail_outbound_filter_mode}
    written = IdentityChanges(display_name=changes.display_name, mail_filter_mode=changes.filter_mode)
    row.identity = update_identity(principal, identity, written, profile)
    if changes.filter_mode is UNSET or before == {changes.filter_mode}:
        return None
    redundant = REDUNDANT_ACTIONS[FilterMode(changes.filter_mode)].value
    count = count_active_rules(identity.pk, RuleChannel.MAIL, redundant)
    return FilterModeNotice(changes.filter_mode, redundant, count)


def _signature_columns(changes: MailboxChanges) -> dict[str, object]:
    """The columns to write. HTML that comes without a text brings its own; a text that is cleared alone stays empty,
    and sending derives one from the HTML."""
    columns: dict[str, object] = {}
    if changes.signature_enabled is not UNSET:
        columns["signature_enabled"] = changes.signature_enabled
    if changes.signature_html is not UNSET:
        source = changes.signature_html
        clean = clean_signature_html(source) if source is not None else None
        columns["signature_html"] = clean
        if clean is not None:
            columns["signature_text"] = html_to_text(clean, max_chars=SIGNATURE_MAX_CHARS) or None
    if changes.signature_text is not UNSET:
        columns["signature_text"] = (changes.signature_text or "").strip() or None
    return columns


def _local_part(new: NewMailbox) -> str | None:
    wanted = (new.email_local_part or "").strip().lower()
    if wanted and not is_valid_local_part(wanted):
        raise Invalid(
            "A local part has 1 to 64 of the characters a-z 0-9 . _ - and starts and ends with a letter or digit.",
            loc=("body", "email_local_part"),
        )
    return wanted or None


def _open(identity: AgentIdentity, request: Provision) -> Mailbox:
    existing = Mailbox.objects.alive().select_for_update().filter(identity=identity).first()
    if existing is None:
        return _create(identity, request)
    if not existing.is_untouched or Message.objects.filter(mailbox=existing).exists():
        raise IdentityHasMailbox
    existing.email_address = choose_address(identity, request)
    existing.is_untouched = False
    try:
        with transaction.atomic():
            existing.save(update_fields=["email_address", "is_untouched", "updated_at"])
    except IntegrityError:
        raise AddressTaken(existing.email_address) from None
    return existing


def _create(identity: AgentIdentity, request: Provision) -> Mailbox:
    options = request.mailbox or MailboxOptions()
    try:
        return create_mailbox(identity, request)
    except AddressTaken:
        is_on_platform = choose_mailbox_domain(identity.organization_id, options.sending_domain) == settings.MAIL_DOMAIN
        if options.email_local_part is not None or not is_on_platform:
            raise
    # Nobody asked for a name, and the address of the handle lives on in a mailbox that was unlinked.
    options = replace(options, email_local_part=random_local_part(identity))
    return create_mailbox(identity, replace(request, mailbox=options))
