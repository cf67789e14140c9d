"""A webhook subscribed, delivered and verified with the published clients."""

from __future__ import annotations

import base64
import json
import secrets

import pytest

from tests.clients.environments import NEWEST, OLDEST
from tests.clients.live_server import LiveServer, WebhookReceiver
from tests.clients.mail_messages import SENDER, SUBJECT, deliver, invoice_mail
from tests.clients.runner import run_client
from tests.clients.testing_routes import SuiteAccount

pytestmark = [pytest.mark.clients, pytest.mark.timeout(300)]

DELIVERY_SECONDS = 40
OWNER = {NEWEST: "agent_identity_id", OLDEST: "mailbox_id"}


@pytest.mark.parametrize("version", [NEWEST, OLDEST])
def test_received_mail_is_delivered_and_verifies(
    server: LiveServer, account: SuiteAccount, receiver: WebhookReceiver, version: str
) -> None:
    made = run_client(
        version,
        "webhook_subscribe",
        base_url=server.base_url,
        api_key=account.api_key,
        handle=f"hook-{secrets.token_hex(4)}",
        url=receiver.url("/hook"),
    )
    mail = invoice_mail(made["email_address"])

    deliver(server, mail)
    (delivery,) = receiver.wait_for(1, DELIVERY_SECONDS, path="/hook")

    assert made["status"] == "active"
    assert made["url"] == receiver.url("/hook")
    assert made["event_types"] == ["message.received"]
    owner_id = made["mailbox_id"] if version == OLDEST else made["identity_id"]
    assert made["owner"] == {OWNER[version]: owner_id}
    assert made["is_listed"] is True
    assert made["signing_key"].startswith("whsec_")

    event = json.loads(delivery.body)
    message = event["data"]["message"]
    assert event["event_type"] == "message.received"
    assert event["id"].startswith("evt_")
    assert message["message_id"] == mail["Message-ID"]
    assert message["mailbox_id"] == made["mailbox_id"]
    assert message["email_address"] == made["email_address"]
    assert message["from_address"] == SENDER
    assert message["subject"] == SUBJECT
    assert message["direction"] == "inbound"
    assert message["has_attachments"] is True
    assert delivery.headers["content-type"].startswith("application/json")

    tampered = delivery.body.replace(b"inbound", b"outbound")
    assert tampered != delivery.body
    verdicts = run_client(
        version,
        "webhook_verify",
        secret=made["signing_key"],
        headers=delivery.headers,
        bodies_base64=[base64.b64encode(body).decode() for body in (delivery.body, tampered)],
    )
    assert verdicts == {"verdicts": [True, False]}
