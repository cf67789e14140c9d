"""Create, change and delete subscriptions (contract webhooks.md section 2)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from common.clock import now
from common.errors import Invalid
from common.http import check_url
from common.principal import Principal, Profile
from common.unset import UNSET, Unset
from identities.enums import AuditAction
from identities.models import AgentIdentity
from identities.services.audit import Detail, Target, record_audit
from identities.services.signing_keys import ensure_signing_key
from webhooks import dispatcher, limits
from webhooks.catalog import families
from webhooks.enums import DispatchState, Selector, SubscriptionStatus
from webhooks.errors import (
    DuplicateSubscription,
    FamilyRefused,
    MixedNeedsScope,
    MixingNeedsScope,
    OwnerNotFound,
    SubscriptionNotFound,
    TooManySubscriptions,
)
from webhooks.models import Dispatch, Subscription
from webhooks.models.subscription import seal_token
from webhooks.owners import Owner, lock_owner, resolve_owner
from webhooks.selectors import require_manager
from webhooks.services.circuits import reset_circuit

LEGACY_FAMILY = {Selector.MAILBOX: "message", Selector.PHONE_NUMBER: "text"}


@dataclass(frozen=True, slots=True)
class NewSubscription:
    """The body of subscription create; exactly one of the three ids."""

    url: str
    event_types: list[str]
    mailbox_id: UUID | None = None
    phone_number_id: UUID | None = None
    agent_identity_id: UUID | None = None
    context_config: dict[str, Any] | None = None
    auth_token: str | None = None
    standard_webhooks: bool = False


@dataclass(frozen=True, slots=True)
class SubscriptionChanges:
    """The body of subscription update; UNSET means unchanged, None clears."""

    url: str | Unset = UNSET
    event_types: list[str] | Unset = UNSET
    context_config: dict[str, Any] | Unset | None = UNSET
    auth_token: str | Unset | None = UNSET
    standard_webhooks: bool | Unset = UNSET


def create_subscription(principal: Principal, new: NewSubscription) -> tuple[Subscription, str | None]:
    """The row, and the signing key when this minted the first one of its identity (shown only here).

    Raises OwnerNotFound 404, RoleTooLow 403, DuplicateSubscription and TooManySubscriptions 409, Invalid 422.
    """
    selector, row_id = _selector(new)
    check_url(new.url, field="url")
    _check_family(selector, new.event_types)
    owner = resolve_owner(principal, selector, row_id)
    if owner is None:
        raise OwnerNotFound(selector)
    require_manager(principal)
    moment = now()
    row = Subscription(
        organization_id=owner.organization_id,
        identity_id=owner.identity_id,
        mailbox_id=new.mailbox_id,
        phone_number_id=new.phone_number_id,
        url=new.url,
        event_types=new.event_types,
        context_config=new.context_config,
        sealed_auth_token=seal_token(new.auth_token),
        standard_webhooks=new.standard_webhooks,
        created_at=moment,
        updated_at=moment,
    )
    with transaction.atomic():
        identity = lock_owner(owner)
        _refuse_duplicate(row)
        _refuse_over_cap(row)
        row.save(force_insert=True)
        signing_key = ensure_signing_key(identity) if identity is not None else None
        record_subscription(row, AuditAction.WEBHOOK_CREATED)
    return row, signing_key


def record_subscription(row: Subscription, action: AuditAction, fields: list[str] | None = None) -> None:
    """Write an act on a subscription to the audit log. Only the host of the URL: the rest may hold a secret."""
    details: dict[str, Detail] = {"event_types": sorted(row.event_types)}
    if fields is not None:
        details["fields"] = fields
    record_audit(row.organization_id, action, Target(row.pk, urlsplit(row.url).hostname or ""), details)


def _selector(new: NewSubscription) -> tuple[Selector, UUID]:
    ids = (
        (Selector.MAILBOX, new.mailbox_id),
        (Selector.PHONE_NUMBER, new.phone_number_id),
        (Selector.IDENTITY, new.agent_identity_id),
    )
    given = [(selector, row_id) for selector, row_id in ids if row_id is not None]
    if len(given) != 1:
        raise Invalid("Send exactly one of mailbox_id, phone_number_id and agent_identity_id.")
    return given[0]


def _check_family(selector: Selector, event_types: list[str]) -> None:
    family = LEGACY_FAMILY.get(selector)
    if family is not None and families(event_types) != {family}:
        raise FamilyRefused(selector, family)


def _siblings(row: Subscription) -> QuerySet[Subscription]:
    """The active rows of the same owner."""
    if row.identity_id is not None:
        return Subscription.objects.active().filter(identity_id=row.identity_id)
    return Subscription.objects.active().filter(**{f"{row.selector.value}_id": row.selector_id})


def _refuse_duplicate(row: Subscription) -> None:
    for other in _siblings(row).filter(url=row.url).exclude(pk=row.pk).order_by("created_at", "pk"):
        if not set(other.event_types).isdisjoint(row.event_types):
            raise DuplicateSubscription(other.pk)


def _refuse_over_cap(row: Subscription) -> None:
    rows = _siblings(row)
    if row.selector is not Selector.IDENTITY:
        cap = limits.SUBSCRIPTIONS_PER_LEGACY_OWNER
        if rows.filter(**{f"{row.selector.value}_id": row.selector_id}).count() >= cap:
            raise TooManySubscriptions(cap)
    if rows.count() >= limits.SUBSCRIPTIONS_PER_IDENTITY:
        raise TooManySubscriptions(limits.SUBSCRIPTIONS_PER_IDENTITY)


def update_subscription(row: Subscription, changes: SubscriptionChanges, *, identity_scope: bool) -> Subscription:
    """Apply the supplied fields. Raises SubscriptionNotFound 404, MixedNeedsScope and DuplicateSubscription 409,
    MixingNeedsScope and FamilyRefused 422."""
    if changes.url is not UNSET:
        check_url(changes.url, field="url")
    with transaction.atomic():
        row = _lock(row)
        if row.is_mixed and not identity_scope:
            raise MixedNeedsScope
        if changes == SubscriptionChanges():
            return row
        if changes.event_types is not UNSET:
            _check_family(row.selector, changes.event_types)
            row.event_types = changes.event_types
            if row.is_mixed and not identity_scope:
                raise MixingNeedsScope
        if changes.url is not UNSET:
            row.url = changes.url
        if changes.url is not UNSET or changes.event_types is not UNSET:
            _refuse_duplicate(row)
        _set_options(row, changes)
        row.updated_at = now()
        row.save()
        if changes.url is not UNSET or changes.auth_token is not UNSET:
            # The owner has seen to it: what failed before says nothing about what comes.
            reset_circuit(row)
        sent = [name for name in SubscriptionChanges.__slots__ if getattr(changes, name) is not UNSET]
        record_subscription(row, AuditAction.WEBHOOK_UPDATED, sorted(sent))
    return row


def _set_options(row: Subscription, changes: SubscriptionChanges) -> None:
    if changes.context_config is not UNSET:
        row.context_config = changes.context_config
    if changes.auth_token is not UNSET:
        row.sealed_auth_token = seal_token(changes.auth_token)
    if changes.standard_webhooks is not UNSET:
        row.standard_webhooks = changes.standard_webhooks


def delete_subscription(row: Subscription, *, identity_scope: bool) -> None:
    """Soft-delete; what is queued for it is cancelled. Raises SubscriptionNotFound 404, MixedNeedsScope 409."""
    with transaction.atomic():
        row = _lock(row)
        if row.is_mixed and not identity_scope:
            raise MixedNeedsScope
        remove_subscriptions(Subscription.objects.filter(pk=row.pk))
        record_subscription(row, AuditAction.WEBHOOK_DELETED)


def _lock(row: Subscription) -> Subscription:
    """The row as it is now, locked after its owner (the order that create uses)."""
    lock_owner(Owner(row.selector, row.selector_id, row.organization_id, row.identity_id))
    locked = Subscription.objects.active().select_for_update().filter(pk=row.pk).first()
    if locked is None:
        raise SubscriptionNotFound
    return locked


def remove_subscriptions(rows: QuerySet[Subscription]) -> None:
    """Soft-delete rows and cancel what is queued for them. Inside the caller's transaction."""
    ids = list(rows.values_list("pk", flat=True))
    if not ids:
        return
    Subscription.objects.filter(pk__in=ids).update(status=SubscriptionStatus.DELETED.value, updated_at=now())
    Dispatch.objects.filter(subscription_id__in=ids, state=DispatchState.PENDING.value).update(
        state=DispatchState.CANCELLED.value, next_attempt_at=None, leased_until=None
    )
    transaction.on_commit(partial(dispatcher.forget, ids))


def release_identity(identity: AgentIdentity, profile: Profile) -> None:
    """The identity is being deleted. Its subscriptions go with it; in the seed profile mailboxes and numbers stay
    behind without an identity, and so do their rows."""
    rows = Subscription.objects.active().filter(identity=identity)
    if profile is Profile.SEED:
        rows.exclude(mailbox_id=None, phone_number_id=None).update(identity=None, updated_at=now())
    remove_subscriptions(rows)


def rebind_subscriptions(owner: Owner) -> None:
    """A mailbox or number has a new identity (or none): its subscriptions follow it."""
    Subscription.objects.active().filter(
        **{f"{owner.selector.value}_id": owner.id}, organization_id=owner.organization_id
    ).update(identity_id=owner.identity_id, updated_at=now())
