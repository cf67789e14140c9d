"""What newer clients read before they subscribe."""

from __future__ import annotations

import pytest

from tests.factories.identities import admin_client, agent_client, unclaimed_agent
from webhooks.catalog import EVENTS

pytestmark = pytest.mark.django_db


def test_the_catalog() -> None:
    answer = admin_client().get("/webhooks/catalog")

    assert answer.status_code == 200
    body = answer.json()
    assert body["supports_identity_subscriptions"] is True
    assert body["example_signature_headers"] == {
        "X-Inkbox-Request-ID": "req_0001",
        "X-Inkbox-Timestamp": "1767323045",
        "X-Inkbox-Signature": "sha256=09a7124a2d3d1f238bff1e7aba62883ddbac231941d353580ee7071e75e216de",
    }
    assert body["events"] == list(EVENTS)
    families = [name.partition(".")[0] for name in EVENTS]
    assert {name: families.count(name) for name in families} == {
        "message": 6,
        "text": 5,
        "imessage": 5,
        "call": 1,
        "a2a": 4,
        "slack": 23,
    }
    assert len(set(EVENTS)) == len(EVENTS)
    assert "phone.incoming_call" not in EVENTS


def test_any_key_reads_it() -> None:
    assert agent_client(unclaimed_agent()).get("/webhooks/catalog").status_code == 200
