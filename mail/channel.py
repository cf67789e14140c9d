"""The mailbox of an identity: created, embedded and removed with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.conf import settings

from common.clock import now
from common.principal import Principal, Profile
from identities.channels import Channel, Provision
from identities.enums import Namespace
from identities.models import AgentIdentity, IdempotencyRecord
from identities.services.handles import hand_over_name, held_names
from mail.models import Mailbox, SandboxMail
from mail.rendering import mailbox_body
from mail.services.imports import move_imports
from mail.services.jobs import bring_back, put_aside
from mail.services.provisioning import create_mailbox
from webhooks.owners import ResolvedOwner
from webhooks.services.legacy import legacy_urls


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

    def moved(self, identity: AgentIdentity, previous_organization_id: str) -> None:
        rows = Mailbox.objects.filter(identity=identity)
        # Deleted ones too. Locked first, as by receiving: mail that is being stored now gets the right organization.
        ids = list(rows.select_for_update(of=("self",)).order_by("pk").values_list("pk", flat=True))
        rows.update(organization_id=identity.organization_id, updated_at=now())
        move_imports(ids, identity.organization_id)
        SandboxMail.objects.filter(message__mailbox_id__in=ids).update(organization_id=identity.organization_id)
        # A send that is repeated after the move is still recognized.
        IdempotencyRecord.objects.filter(
            organization_id=previous_organization_id, sender__in=[str(pk) for pk in ids]
        ).update(organization_id=identity.organization_id)

    def deleted(self, identity: AgentIdentity, profile: Profile) -> None:
        rows = Mailbox.objects.alive().filter(identity=identity)
        if profile is Profile.SEED:
            rows.update(identity=None, updated_at=now())
        else:
            rows.update(deleted_at=now(), updated_at=now())
        self._keep_names_of_others(identity)

    def suspended(self, organization_id: str) -> None:
        put_aside(organization_id)

    def resumed(self, organization_id: str) -> None:
        bring_back(organization_id)

    def _keep_names_of_others(self, identity: AgentIdentity) -> None:
        """Addresses with a name of this identity may live on: in a mailbox of nobody, or one that moved."""
        addresses = [f"{name}@{settings.MAIL_DOMAIN}" for name in held_names(identity)]
        alive = Mailbox.objects.alive().filter(email_address__in=addresses)
        for address, holder in alive.values_list("email_address", "identity_id"):
            hand_over_name(address.rpartition("@")[0], Namespace.MAIL, identity, holder)


def resolve_owner(kind: str, row_id: UUID, principal: Principal) -> ResolvedOwner | None:
    """The identity behind a mailbox id, for webhook subscriptions that name the mailbox as their owner."""
    if kind != "mailbox":
        return None
    row = Mailbox.objects.visible_to(principal).filter(pk=row_id).values_list("organization_id", "identity_id").first()
    return ResolvedOwner(organization_id=row[0], identity_id=row[1]) if row is not None else None
