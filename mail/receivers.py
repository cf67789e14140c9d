"""What anymail's webhook views announce, handed to the services. Connected when the app is ready."""

from __future__ import annotations

from typing import Any

import structlog
from anymail.signals import AnymailInboundEvent, AnymailTrackingEvent, EventType, inbound, tracking
from django.dispatch import receiver

from mail.api.esp_events import provider_event, raw_mail, recipients
from mail.services.arrivals import accept_arrival
from mail.services.feedback import record_provider_event

log = structlog.get_logger(__name__)


def _esp(view: type) -> str:
    """The name of the backend behind a webhook view: the word after `anymail:`."""
    return view.__module__.rpartition(".")[2]


@receiver(tracking)
def on_tracking(sender: type, event: AnymailTrackingEvent, **_: Any) -> None:
    """A delivery, bounce or complaint. An error here makes the provider repeat the event."""
    esp = _esp(sender)
    found = provider_event(esp, event)
    if found is not None:
        is_ours = record_provider_event(found)
        log.info("mail.provider_event", provider=esp, kind=event.event_type, is_ours=is_ours)


@receiver(inbound)
def on_inbound(sender: type, event: AnymailInboundEvent | None, **_: Any) -> None:
    """Mail that the provider received for a mailbox here."""
    esp = _esp(sender)
    if event is None:
        return  # a trial of the address
    if event.event_type != EventType.INBOUND or event.message is None:
        log.warning("mail.provider_inbound_failed", provider=esp)
        return
    fate = accept_arrival(raw_mail(esp, event), event.message.envelope_sender, recipients(esp, event))
    log.info("mail.provider_inbound", provider=esp, fate=fate.value)
