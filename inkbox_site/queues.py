"""How long and how old the queues are. The rows are the queues, so one small query each answers it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db.models import QuerySet
from django.utils.module_loading import import_string

from common.clock import now

Probe = Callable[[], datetime | None]


@lru_cache(maxsize=1)
def age_probes() -> dict[str, Probe]:
    """Since when the longest waiting row of each queue is due, by queue name.

    Apps above `webhooks` name theirs in `settings.QUEUE_AGE_PROBES`; one that cannot be imported is left out.
    """
    found: dict[str, Probe] = {"webhooks": oldest_due_dispatch_at}
    for path in settings.QUEUE_AGE_PROBES:
        try:
            found[path.partition(".")[0]] = import_string(path)
        except ImportError:
            continue
    return found


def missing_probes() -> list[str]:
    """Dotted paths that cannot be imported (for the system check)."""
    return [path for path in settings.QUEUE_AGE_PROBES if path.partition(".")[0] not in age_probes()]


def oldest_due_dispatch_at() -> datetime | None:
    """Since when the longest waiting webhook dispatch could have been sent."""
    # Here, because the models are not loaded yet when this module is.
    from webhooks.services.dispatches import oldest_sendable_at

    return oldest_sendable_at()


def depths() -> dict[str, int]:
    """Rows that are due now, by queue; a leased row counts, because its work is not done."""
    jobs = apps.get_model("mail", "OutboundJob")._default_manager.filter(is_open=True, due_at__lte=now())
    imports = apps.get_model("mail", "ImportJob")._default_manager.filter(status__in=("queued", "running"))
    return {"mail": jobs.count(), "webhooks": _due_dispatches().count(), "imports": imports.count()}


@dataclass(frozen=True, slots=True)
class QueueState:
    """One kind of queued row. `oldest_at`: since when the longest waiting one is due.

    `is_watched`: readiness and metrics look at its age (age_probes); the others are what nobody waits for.
    """

    name: str
    title: str
    depth: int
    oldest_at: datetime | None
    admin_page: str
    is_watched: bool = False


def states() -> list[QueueState]:
    """Every queue, with what is due in it. Two queries for each; ages of watched ones are those of readiness."""
    moment = now()
    probes = age_probes()
    jobs = _rows("mail", "OutboundJob").filter(is_open=True, due_at__lte=moment)
    platform = _rows("mail", "PlatformMail").filter(state="queued", due_at__lte=moment)
    imports = _rows("mail", "ImportJob").filter(status__in=("queued", "running"))
    texts = _rows("mail", "AttachmentText").filter(status="pending")
    index = _rows("mail", "SearchEntry").filter(is_pending=True)
    mail_probe = probes.get("mail")
    return [
        QueueState(
            "mail",
            "Outgoing mail",
            jobs.count(),
            mail_probe() if mail_probe is not None else None,
            "admin:mail_outboundjob_changelist",
            is_watched=True,
        ),
        QueueState(
            "webhooks",
            "Webhook deliveries",
            _due_dispatches().count(),
            probes["webhooks"](),
            "admin:webhooks_dispatch_changelist",
            is_watched=True,
        ),
        QueueState(
            "platform",
            "Codes and invitations",
            platform.count(),
            _first(platform, "due_at"),
            "admin:mail_platformmail_changelist",
        ),
        QueueState(
            "imports",
            "Mailbox imports",
            imports.count(),
            _first(imports, "created_at"),
            "admin:mail_importjob_changelist",
        ),
        QueueState("index", "Messages to index", index.count(), _first(index, "message__created_at", "pk"), ""),
        QueueState(
            "reading",
            "Attachments to read",
            texts.count(),
            _first(texts, "created_at", "pk"),
            "admin:mail_attachmenttext_changelist",
        ),
    ]


def _rows(app: str, model: str) -> Any:
    return apps.get_model(app, model)._default_manager


def _first(rows: QuerySet[Any], column: str, order: str | None = None) -> datetime | None:
    found: datetime | None = rows.order_by(order or column).values_list(column, flat=True).first()
    return found


def _due_dispatches() -> QuerySet[Any]:
    dispatches = apps.get_model("webhooks", "Dispatch")._default_manager
    return dispatches.filter(state="pending", next_attempt_at__lte=now())
