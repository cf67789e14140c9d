"""Operators see the logs, never what is in people's mail, and change nothing."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from tests.factories.identities import person
from tests.factories.webhooks import bare_agent, happen, subscription
from webhooks.models import DeliveryAttempt, Dispatch, EventStream

pytestmark = pytest.mark.django_db

SECRET = "the-secret-subject"
TOKEN = "the-bearer-token"


@pytest.fixture(autouse=True)
def admin_urls(settings: object) -> None:
    """Admin pages, whatever the site mounts."""
    settings.ROOT_URLCONF = "tests.webhooks.admin_urls"  # type: ignore[attr-defined]


def _operator() -> Client:
    client = Client()
    client.force_login(person(is_staff=True, is_superuser=True))
    return client


def test_no_page_shows_bodies_or_tokens_or_offers_a_change() -> None:
    identity = bare_agent()
    config = {"email": {"mode": "count", "count": 1}, "texts": None, "calls": None}
    row = subscription(identity, token=TOKEN, context_config=config)
    event = happen(identity, data={"message": {"subject": SECRET}})
    dispatch = Dispatch.objects.get()
    attempt = DeliveryAttempt.objects.create(
        organization=identity.organization,
        identity=identity,
        subscription=row,
        event=event,
        event_type=event.event_type,
        url=row.url,
        request_id="r",
        body=SECRET,
        response_body=SECRET,
    )
    client = _operator()
    rows = {
        "event": event.pk,
        "eventstream": EventStream.objects.get().pk,
        "subscription": row.pk,
        "dispatch": dispatch.pk,
        "deliveryattempt": attempt.pk,
    }

    for model, pk in rows.items():
        listing = client.get(reverse(f"admin:webhooks_{model}_changelist"), {"q": str(pk)})
        page = client.get(reverse(f"admin:webhooks_{model}_change", args=[pk]))
        for answer in (listing, page):
            assert answer.status_code == 200
            assert SECRET not in answer.content.decode()
            assert TOKEN not in answer.content.decode()
        assert str(pk) in listing.content.decode()
        assert client.get(reverse(f"admin:webhooks_{model}_add")).status_code == 403
        assert client.post(reverse(f"admin:webhooks_{model}_delete", args=[pk]), {"post": "yes"}).status_code == 403
