"""Create, change and delete identities, each with its channels in one transaction (contract identities.md 5-7)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from django.db import IntegrityError, transaction

from common.clock import now
from common.errors import Forbidden, Invalid, NotBuilt
from common.principal import Principal, Profile
from common.unset import UNSET, Unset
from identities.allowances import refuse_agent_over_limit
from identities.channels import InitialSecrets, MailboxOptions, Provision, TunnelOptions, channels
from identities.enums import AuditAction, ClaimStatus, FilterMode, IdentityStatus, Namespace
from identities.errors import HandleUnavailable, IdentityNotFound, StatusInvalid
from identities.handles import RESERVED, fits_global_namespace, parse_handle
from identities.models import AgentIdentity, ApiKey, Avatar, SigningKey
from identities.roles import require_manager
from identities.services.affiliations import drop_affiliation
from identities.services.audit import Detail, identity_target, record_audit
from identities.services.handles import claim_handle, give_up_handle, release_handles
from identities.services.visibility import drop_access

FILTER_CHANNELS = ("mail", "phone", "slack")


@dataclass(frozen=True, slots=True)
class NewIdentity:
    """The body of identity create."""

    agent_handle: str
    display_name: str | Unset | None = UNSET
    description: str | None = None
    imessage_enabled: bool = False
    contact_sharing_enabled: bool = True
    claim_imessage_number: bool = False
    imessage_number_type: str | None = None
    mailbox: MailboxOptions | None = None
    tunnel: TunnelOptions | None = None
    phone_number: dict[str, object] | None = None
    vault_secret_ids: InitialSecrets | None = None


@dataclass(frozen=True, slots=True)
class IdentityChanges:
    """The body of identity update; UNSET means unchanged."""

    agent_handle: str | Unset = UNSET
    status: str | Unset = UNSET
    display_name: str | Unset | None = UNSET
    description: str | Unset | None = UNSET
    imessage_enabled: bool | Unset = UNSET
    contact_sharing_enabled: bool | Unset = UNSET
    slack_enabled: bool | Unset = UNSET
    claim_imessage_number: bool | Unset = UNSET
    imessage_number_type: str | Unset | None = UNSET
    imessage_number_id: str | Unset | None = UNSET
    mail_filter_mode: str | Unset = UNSET
    mail_inbound_filter_mode: str | Unset = UNSET
    mail_outbound_filter_mode: str | Unset = UNSET
    phone_filter_mode: str | Unset = UNSET
    imessage_filter_mode: str | Unset = UNSET
    phone_inbound_filter_mode: str | Unset = UNSET
    phone_outbound_filter_mode: str | Unset = UNSET
    slack_filter_mode: str | Unset = UNSET
    slack_inbound_filter_mode: str | Unset = UNSET
    slack_outbound_filter_mode: str | Unset = UNSET


def create_identity(principal: Principal, new: NewIdentity, profile: Profile) -> AgentIdentity:
    """An identity with its mailbox and tunnel (seed profile: only what the body asks for), or nothing at all.

    Raises RoleTooLow 403, HandleInvalid 422, HandleUnavailable 409, NotBuilt 501 for channels that do not exist yet,
    and whatever a channel refuses with.
    """
    require_manager(principal)
    assert principal.organization_id is not None
    with transaction.atomic():
        identity = provision_identity(principal.organization_id, new, profile)
        record_audit(identity.organization_id, AuditAction.IDENTITY_CREATED, identity_target(identity))
    return identity


def provision_identity(
    organization_id: str, new: NewIdentity, profile: Profile, *, human_email: str | None = None
) -> AgentIdentity:
    """As `create_identity`, for a caller who was found to be allowed to. With `human_email` the identity is unclaimed:
    an agent signed itself up, and this person has to vouch for it.
    """
    _refuse_unbuilt(new)
    handle = parse_handle(new.agent_handle, profile)
    display_name = new.display_name
    if display_name is UNSET and new.mailbox is not None and new.mailbox.display_name is not UNSET:
        display_name = new.mailbox.display_name
    with transaction.atomic():
        refuse_agent_over_limit(organization_id)
        identity = AgentIdentity(
            organization_id=organization_id,
            claim_status=(ClaimStatus.CLAIMED if human_email is None else ClaimStatus.UNCLAIMED).value,
            human_email=human_email,
            agent_handle=handle,
            display_name=handle if display_name is UNSET else display_name,
            description=new.description,
            imessage_enabled=new.imessage_enabled,
            contact_sharing_enabled=new.contact_sharing_enabled,
        )
        try:
            with transaction.atomic():
                identity.save(force_insert=True)
        except IntegrityError:
            raise HandleUnavailable(handle, Namespace.IDENTITIES) from None
        owns_name = _claim_global_name(identity, profile)
        provision = Provision(profile, new.mailbox, new.tunnel, owns_name, new.vault_secret_ids or ())
        if profile is Profile.MODERN:
            provision = replace(
                provision, mailbox=new.mailbox or MailboxOptions(), tunnel=new.tunnel or TunnelOptions()
            )
        for channel in channels():
            channel.provision(identity, provision)
    return identity


def _claim_global_name(identity: AgentIdentity, profile: Profile) -> bool:
    if not fits_global_namespace(identity.agent_handle) and identity.agent_handle not in RESERVED:
        return False
    try:
        claim_handle(identity.agent_handle, Namespace.IDENTITIES, identity)
    except HandleUnavailable:
        # Seed handles are unique per organization; such an identity simply has no global name.
        if profile is Profile.MODERN or identity.agent_handle in RESERVED:
            raise
        return False
    return True


def _refuse_unbuilt(new: NewIdentity) -> None:
    if new.phone_number is not None:
        raise NotBuilt("Phone numbers are not available on this server yet. Create the identity without phone_number.")
    if new.claim_imessage_number or new.imessage_number_type is not None:
        if not new.imessage_enabled:
            raise Invalid("A line is claimed only with imessage_enabled: true.", loc=("body", "imessage_enabled"))
        raise NotBuilt("iMessage lines are not available on this server yet. Leave the claim out.")


def update_identity(
    principal: Principal, identity: AgentIdentity, changes: IdentityChanges, profile: Profile
) -> AgentIdentity:
    """Apply the supplied fields. Agent keys may change neither filter modes nor the iMessage line (403)."""
    modes = _mode_changes(changes)
    if modes and not principal.manages_organization:
        raise Forbidden("Filter modes are changed with an admin key, not with an agent key.")
    _refuse_unbuilt_changes(principal, changes)
    if changes.status is not UNSET and changes.status not in set(IdentityStatus):
        raise StatusInvalid
    with transaction.atomic():
        # NO KEY: mail that is being received refers to the identity and goes on meanwhile.
        row = AgentIdentity.objects.alive().select_for_update(no_key=True).filter(pk=identity.pk).first()
        if row is None:
            raise IdentityNotFound
        plain = (
            ("status", changes.status),
            ("display_name", changes.display_name),
            ("description", changes.description),
            ("imessage_enabled", changes.imessage_enabled),
            ("contact_sharing_enabled", changes.contact_sharing_enabled),
            ("slack_enabled", changes.slack_enabled),
        )
        before = {name: getattr(row, name) for name in (*dict(plain), *modes, "agent_handle")}
        for name, value in (*plain, *modes.items()):
            if value is not UNSET:
                setattr(row, name, value)
        _follow_directions(row)
        if changes.agent_handle is not UNSET:
            _rename(row, parse_handle(changes.agent_handle, profile), profile)
        row.save()
        _record_changes(row, {name: old for name, old in before.items() if getattr(row, name) != old})
    return row


def _record_changes(row: AgentIdentity, changed: dict[str, str | bool | None]) -> None:
    """Audit rows of what is different now: the status, the filter modes and the rest apart."""
    target = identity_target(row)
    modes: dict[str, Detail] = {name: getattr(row, name) for name in changed if name.endswith("_filter_mode")}
    rest: dict[str, Detail] = {"fields": sorted(set(changed) - set(modes) - {"status"})}
    if "agent_handle" in changed:
        rest["previous_handle"] = changed["agent_handle"]
    if "status" in changed:
        action = AuditAction.IDENTITY_PAUSED if row.is_paused else AuditAction.IDENTITY_RESUMED
        record_audit(row.organization_id, action, target)
    if modes:
        record_audit(row.organization_id, AuditAction.IDENTITY_FILTERED, target, modes)
    if rest["fields"]:
        record_audit(row.organization_id, AuditAction.IDENTITY_UPDATED, target, rest)


def _refuse_unbuilt_changes(principal: Principal, changes: IdentityChanges) -> None:
    claims = bool(changes.claim_imessage_number or changes.imessage_number_type)
    attaches = bool(changes.imessage_number_id)
    if not (claims or changes.imessage_number_id is not UNSET):
        return
    if not principal.manages_organization:
        raise Forbidden("iMessage lines are attached with an admin key, not with an agent key.")
    if claims and changes.imessage_number_id is not UNSET:
        raise Invalid("Send either a claim or imessage_number_id, not both.", loc=("body", "imessage_number_id"))
    if changes.imessage_enabled is False and (claims or attaches):
        raise Invalid("A line cannot be set while disabling iMessage.", loc=("body", "imessage_enabled"))
    if claims or attaches:
        raise NotBuilt("iMessage lines are not available on this server yet. Leave the claim out.")


def _rename(row: AgentIdentity, handle: str, profile: Profile) -> None:
    old = row.agent_handle
    if handle == old:
        return
    row.agent_handle = handle
    try:
        with transaction.atomic():
            row.save(update_fields=["agent_handle", "updated_at"])
    except IntegrityError:
        raise HandleUnavailable(handle, Namespace.IDENTITIES) from None
    if _claim_global_name(row, profile):
        # Otherwise the tunnel keeps its old name, which therefore stays taken.
        give_up_handle(old, row)
    for channel in channels():
        channel.renamed(row)


def _follow_directions(row: AgentIdentity) -> None:
    """The shared mode is that of both directions; while they differ it keeps what they last agreed on."""
    for channel in FILTER_CHANNELS:
        inbound = getattr(row, f"{channel}_inbound_filter_mode")
        if inbound == getattr(row, f"{channel}_outbound_filter_mode"):
            setattr(row, f"{channel}_filter_mode", inbound)


def _mode_changes(changes: IdentityChanges) -> dict[str, FilterMode | str]:
    """The directional columns to write. A shared mode sets both directions and excludes directional fields."""
    if UNSET not in (changes.phone_filter_mode, changes.imessage_filter_mode) and (
        changes.phone_filter_mode != changes.imessage_filter_mode
    ):
        raise Invalid(
            "Phone and iMessage share one filter mode: send the same value for both.",
            loc=("body", "imessage_filter_mode"),
        )
    result: dict[str, FilterMode | str] = {}
    for channel in FILTER_CHANNELS:
        shared = getattr(changes, f"{channel}_filter_mode")
        if channel == "phone" and shared is UNSET:
            shared = changes.imessage_filter_mode
        sides = {
            name: getattr(changes, name)
            for name in (f"{channel}_inbound_filter_mode", f"{channel}_outbound_filter_mode")
            if getattr(changes, name) is not UNSET
        }
        if shared is not UNSET and sides:
            raise Invalid(
                f"Send either {channel}_filter_mode or the directional modes, not both.",
                loc=("body", f"{channel}_filter_mode"),
            )
        if shared is not UNSET:
            sides = {f"{channel}{side}_filter_mode": shared for side in ("_inbound", "_outbound")}
        result.update(sides)
    return result


def delete_identity(identity: AgentIdentity, profile: Profile) -> None:
    """Soft-delete; keys are revoked, names released, channels cascade (modern) or are unlinked (seed).

    Raises IdentityNotFound when it was deleted meanwhile, so of two deletes exactly one succeeds.
    """
    with transaction.atomic():
        deleted = AgentIdentity.objects.alive().filter(pk=identity.pk).update(deleted_at=now(), updated_at=now())
        if not deleted:
            raise IdentityNotFound
        for channel in reversed(channels()):
            channel.deleted(identity, profile)
        ApiKey.objects.filter(scoped_identity=identity, revoked_at__isnull=True).update(
            revoked_at=now(), updated_at=now()
        )
        SigningKey.objects.filter(identity=identity).delete()
        drop_access(identity)
        drop_affiliation(identity)
        Avatar.objects.filter(identity=identity).delete()
        release_handles(identity)
        record_audit(identity.organization_id, AuditAction.IDENTITY_DELETED, identity_target(identity))
