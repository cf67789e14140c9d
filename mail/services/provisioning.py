"""Find an address for a mailbox and create it (contract mail.md section 2.3, identities.md sections 5, 8 and 19)."""

from __future__ import annotations

import secrets
import string

from django.conf import settings
from django.db import IntegrityError, transaction

from common.errors import Invalid, NotReady
from common.principal import Profile
from common.unset import UNSET
from identities.channels import MailboxOptions, Provision
from identities.enums import Namespace
from identities.errors import HandleUnavailable
from identities.models import AgentIdentity
from identities.services.handles import claim_handle
from mail import limits
from mail.addresses import is_valid_local_part
from mail.domain_selectors import choose_mailbox_domain
from mail.errors import AddressTaken, LocalPartMismatch
from mail.models import Mailbox

_RANDOM_CHARS = 12
_RANDOM_TRIES = 5


def create_mailbox(identity: AgentIdentity, request: Provision) -> Mailbox:
    """The mailbox of an identity that has none.

    Raises LocalPartMismatch, SendingDomainNotFound, SendingDomainNotVerified, AddressTaken or HandleUnavailable.
    """
    address = choose_address(identity, request)
    try:
        with transaction.atomic():
            return Mailbox.objects.create(
                organization_id=identity.organization_id,
                identity=identity,
                email_address=address,
                is_untouched=request.profile is Profile.MODERN and request.mailbox == MailboxOptions(),
            )
    except IntegrityError:
        raise AddressTaken(address) from None


def choose_address(identity: AgentIdentity, request: Provision) -> str:
    """The address that the options come down to; its name on the platform domain is claimed. Raises as above."""
    options = request.mailbox or MailboxOptions()
    domain = choose_mailbox_domain(identity.organization_id, options.sending_domain)
    if domain == settings.MAIL_DOMAIN:
        return f"{_local_part(identity, options, request)}@{domain}"
    return f"{_custom_local_part(identity, options)}@{domain}"


def _local_part(identity: AgentIdentity, options: MailboxOptions, request: Provision) -> str:
    """The local part on the platform domain (contract identities.md section 5 and 19)."""
    wanted = _wanted_local_part(options)
    handle = identity.agent_handle
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
    return random_local_part(identity)


def _custom_local_part(identity: AgentIdentity, options: MailboxOptions) -> str:
    """Any free one, the handle by default: a domain of the organization's own shares no namespace with handles."""
    return _wanted_local_part(options) or identity.agent_handle[: limits.LOCAL_PART_MAX_CHARS].rstrip("-")


def _wanted_local_part(options: MailboxOptions) -> str:
    """Lower case; empty when none was asked for."""
    wanted = (options.email_local_part or "").strip().lower()
    if wanted and not is_valid_local_part(wanted):
        raise Invalid(
            "A local part has 1 to 64 of the characters a-z 0-9 . _ - and starts and ends with a letter or digit.",
            loc=("body", "mailbox", "email_local_part"),
        )
    return wanted


def random_local_part(identity: AgentIdentity) -> str:
    """A free name on the platform domain, claimed for the identity. Raises NotReady 503."""
    alphabet = string.ascii_lowercase + string.digits
    for _ in range(_RANDOM_TRIES):
        candidate = "".join(secrets.choice(alphabet) for _ in range(_RANDOM_CHARS))
        try:
            claim_handle(candidate, Namespace.MAIL, identity)
        except HandleUnavailable:
            continue
        return candidate
    raise NotReady("Could not find a free address. Try again.")
