"""Write the audit log, and find out whether somebody else did."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from uuid import UUID

from common.actor import Actor, ActorKind, current_actor
from common.clock import now
from common.db import in_transaction
from identities.audit_chain import Fault, Head, chain_faults, entry_hash
from identities.enums import AuditAction
from identities.models import AgentIdentity, AuditHead, AuditRecord, User

Detail = str | int | bool | None | list[str]

LABEL_MAX_CHARS = 320
DETAIL_MAX_CHARS = 500
_READ_ROWS = 1000


@dataclass(frozen=True, slots=True)
class Target:
    """What was acted on, with its name as it is now."""

    id: object
    label: str = ""


def record_audit(
    organization_id: str,
    action: AuditAction,
    target: Target,
    details: Mapping[str, Detail] | None = None,
    *,
    actor: Actor | None = None,
) -> AuditRecord:
    """Add a row to the organization's log, in the transaction of the act; `details` hold nothing secret.

    Call it last: it holds the end of the chain until the transaction is over, and who waits for other locks meanwhile
    may wait for somebody who waits for this one. Who acts is who the door bound, unless `actor` says otherwise.
    """
    if not in_transaction():
        raise RuntimeError("An audit row belongs into the transaction of the act.")
    actor = actor or current_actor()
    head = AuditHead.objects.select_for_update().get_or_create(organization_id=organization_id)[0]
    row = AuditRecord(
        organization_id=organization_id,
        seq=head.seq + 1,
        created_at=now(),
        actor_kind=actor.kind.value,
        actor_id=actor.id,
        actor_label=_one_line(actor.label or _label(actor), LABEL_MAX_CHARS),
        action=action.value,
        target_id=str(target.id),
        target_label=_one_line(target.label, LABEL_MAX_CHARS),
        details={name: _plain(value) for name, value in (details or {}).items()},
        previous_hash=head.hash,
    )
    row.hash = entry_hash(row)
    row.save(force_insert=True)
    AuditHead.objects.filter(pk=organization_id).update(seq=row.seq, hash=row.hash)
    return row


def identity_target(identity: AgentIdentity) -> Target:
    """An agent."""
    return Target(identity.pk, f"@{identity.agent_handle}")


def verify_chain(organization_id: str) -> tuple[Head, Iterator[Fault]]:
    """The end of an organization's chain, and what does not fit in it. Rows are read as the faults are."""
    head = _head(organization_id)
    return head, _faults(organization_id, head)


def _faults(organization_id: str, head: Head) -> Iterator[Fault]:
    rows = AuditRecord.objects.filter(organization_id=organization_id).order_by("seq")
    yield from chain_faults(rows.filter(seq__lte=head.seq).iterator(chunk_size=_READ_ROWS), head)
    # What was written since the head was read moved the head too.
    last = rows.values_list("seq", flat=True).last() or 0
    if last > head.seq and last > _head(organization_id).seq:
        yield Fault(last, "it was added past the end of the chain")


def _head(organization_id: str) -> Head:
    row = AuditHead.objects.filter(pk=organization_id).first()
    return Head(row.seq, row.hash) if row is not None else Head()


def logged_organizations() -> list[str]:
    """Every organization that has a log, those that were deleted too."""
    ids = set(AuditHead.objects.values_list("organization_id", flat=True))
    return sorted(ids | set(AuditRecord.objects.values_list("organization_id", flat=True).distinct()))


def hashes_not_in_log(hashes: Iterable[str]) -> list[str]:
    """Those of the hashes that no row has."""
    wanted = list(dict.fromkeys(hashes))
    found = set(AuditRecord.objects.filter(hash__in=wanted).values_list("hash", flat=True))
    return [value for value in wanted if value not in found]


def _label(actor: Actor) -> str:
    if actor.kind in (ActorKind.USER, ActorKind.OPERATOR):
        return User.objects.filter(pk=actor.id).values_list("email", flat=True).first() or ""
    if actor.kind is ActorKind.AGENT:
        handle = AgentIdentity.objects.filter(pk=UUID(actor.id)).values_list("agent_handle", flat=True).first()
        return f"@{handle}" if handle else ""
    # `ApiKey_` and eight hex digits, as everywhere.
    return actor.id[:15]


def _plain(value: Detail) -> Detail:
    if isinstance(value, list):
        return [_one_line(item, DETAIL_MAX_CHARS) for item in value]
    return _one_line(value, DETAIL_MAX_CHARS) if isinstance(value, str) else value


def _one_line(text: str, limit: int) -> str:
    """Printable, so that both databases store exactly what was hashed."""
    return "".join(c if c.isprintable() else " " for c in text)[:limit]
