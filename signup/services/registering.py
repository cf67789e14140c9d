"""Agents register themselves: a provisional organization, an identity with its channels, a key, a mail to the human."""

from __future__ import annotations

import re
import secrets
import unicodedata
import uuid
from dataclasses import dataclass

from django.conf import settings
from django.db import transaction

from common.errors import NotBuilt, RateLimited
from common.principal import Profile
from common.ratelimit import hit_hourly
from identities.channels import MailboxOptions
from identities.enums import CreatorType
from identities.errors import HandleUnavailable
from identities.handles import RESERVED, normalize_handle
from identities.models import AgentIdentity, Organization
from identities.services.api_keys import mint_api_key
from identities.services.identities import NewIdentity, provision_identity
from identities.services.organizations import delete_organization
from signup import limits
from signup.codes import hash_code, new_code
from signup.errors import TooManySignups, TooManyUnclaimed
from signup.messages import registered_message
from signup.models import Signup
from signup.selectors import address_of
from signup.services.mails import send_verification_mail

_UNFIT = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class NewSignup:
    """The body of register."""

    human_email: str
    note_to_human: str
    display_name: str | None = None
    agent_handle: str | None = None
    email_local_part: str | None = None
    harness: str | None = None
    invitation_token: str | None = None


@dataclass(frozen=True, slots=True)
class Registered:
    """What the agent gets, the key for the only time."""

    email_address: str
    organization_id: str
    api_key: str
    agent_handle: str
    claim_status: str
    human_email: str
    message: str
    invitation: None = None


def count_registration(address: str) -> None:
    """Count an attempt from an IP address. Raises TooManySignups 429."""
    if settings.TESTING_SECRET:
        return  # public suites register more often than any honest agent
    try:
        hit_hourly("signup", address, settings.SIGNUPS_PER_IP_PER_HOUR)
    except RateLimited as refusal:
        raise TooManySignups(refusal.retry_after) from None


def register_agent(new: NewSignup, profile: Profile) -> Registered:
    """Everything a new agent needs, and the mail to its human, in one transaction.

    Raises TooManyUnclaimed 429, HandleUnavailable 409, HandleInvalid and LocalPartMismatch 422, NotBuilt 501.
    """
    if new.invitation_token:
        raise NotBuilt("Invitations are not part of this release. Sign up without invitation_token.")
    with transaction.atomic():
        if Signup.objects.pending().filter(human_email=new.human_email).count() >= settings.UNCLAIMED_AGENTS_PER_EMAIL:
            raise TooManyUnclaimed
        organization = Organization.objects.create(
            id=f"org_agent_{uuid.uuid4()}",
            name=new.display_name or new.agent_handle or new.human_email,
            is_provisional=True,
            compat_profile=profile.value,
        )
        identity = _provision(organization, new, profile)
        key, key_text = mint_api_key(
            organization_id=organization.pk,
            label="signup",
            created_by=str(identity.pk),
            creator_type=CreatorType.AGENT,
            identity=identity,
        )
        code = new_code()
        row = Signup(
            identity=identity,
            key_id=key.pk,
            human_email=new.human_email,
            note_to_human=new.note_to_human,
            harness=(new.harness or "").strip().lower()[: limits.HARNESS_MAX_CHARS],
        )
        row.code_hash = hash_code(row.pk, code)
        row.save(force_insert=True)
        send_verification_mail(row, code)
        return Registered(
            email_address=address_of(identity),
            organization_id=organization.pk,
            api_key=key_text,
            agent_handle=identity.agent_handle,
            claim_status=identity.claim_status,
            human_email=row.human_email,
            message=registered_message(row, settings.UNCLAIMED_SENDS_PER_DAY),
        )


def _provision(organization: Organization, new: NewSignup, profile: Profile) -> AgentIdentity:
    wanted = new.agent_handle
    if not wanted and profile is Profile.MODERN and new.email_local_part:
        # On the platform domain the two are one name, so one of them says it all.
        wanted = new.email_local_part
    if wanted:
        return provision_identity(organization.pk, _identity(wanted, new), profile, human_email=new.human_email)
    slug = _slug(new.display_name or new.human_email.partition("@")[0])
    for _ in range(limits.HANDLE_TRIES - 1):
        candidate = _identity(f"{slug}-{secrets.token_hex(3)}", new)
        try:
            with transaction.atomic():
                return provision_identity(organization.pk, candidate, profile, human_email=new.human_email)
        except HandleUnavailable as taken:
            if candidate.agent_handle not in taken.message:
                raise  # the local part the agent asked for, not the handle made up here
    return provision_identity(
        organization.pk, _identity(f"{slug}-{secrets.token_hex(3)}", new), profile, human_email=new.human_email
    )


def _identity(handle: str, new: NewSignup) -> NewIdentity:
    # In lower case at once, so that the default display name is the handle as it will be.
    name = normalize_handle(handle)
    return NewIdentity(
        agent_handle=handle,
        display_name=new.display_name or name,
        mailbox=MailboxOptions(email_local_part=new.email_local_part),
    )


def _slug(text: str) -> str:
    """The ASCII letters and digits of a name, hyphens between words."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    slug = _UNFIT.sub("-", plain)[: limits.HANDLE_SLUG_MAX_CHARS].strip("-")
    return slug if slug and slug not in RESERVED else "agent"


def remove_provisional_organization(organization_id: str) -> None:
    """Remove a provisional organization that nothing lives in any more. Others are left alone."""
    row = Organization.objects.filter(pk=organization_id, is_provisional=True).first()
    if row is not None and not AgentIdentity.objects.alive().filter(organization=row).exists():
        delete_organization(organization_id)
