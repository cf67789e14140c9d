"""Webhook and signing-key methods of the published clients, and their payload types against real deliveries."""

from __future__ import annotations

import json
import secrets
from email.message import EmailMessage
from email.utils import make_msgid

import pytest

from tests.clients.environments import NEWEST, OLDEST
from tests.clients.live_server import LiveServer, WebhookReceiver
from tests.clients.mail_messages import deliver, invoice_mail
from tests.clients.runner import run_client
from tests.clients.testing_routes import SuiteAccount
from tests.faults.api import Api, mail_to, send_path

pytestmark = [pytest.mark.clients, pytest.mark.timeout(300)]

MESSAGE_EVENTS = ("received", "sent", "forwarded", "delivered", "bounced", "failed")


def test_every_method_of_the_newest_client(
    server: LiveServer, account: SuiteAccount, receiver: WebhookReceiver
) -> None:
    url = receiver.url("/hook")

    made = run_client(
        NEWEST,
        "webhook_rows",
        base_url=server.base_url,
        api_key=account.api_key,
        handle=f"rows-{secrets.token_hex(4)}",
        url=url,
    )

    status, detail = made.pop("duplicate")
    assert status == 409
    assert "active subscription already exists for this url" in detail
    assert made == {
        "event_types": ["message.received", "message.sent"],
        "status": "active",
        "got": True,
        "listed": [True],
        "listed_by_url": 1,
        "listed_by_event": [1, 0],
        "changed": [True, ["message.bounced"]],
        "minted": True,
        "listed_after": 0,
        "got_after": 404,
        "mixed": {
            "context_config": {"email": {"mode": "count", "count": 3}, "texts": None, "calls": None},
            "token": [True, "receiver-token"],
            "listed": [0, 1],
            "unscoped": 409,
            "cleared": [None, False],
        },
        "delivery": {"status": 200, "is_replay": [False, True], "same_event": True, "failed": 0, "all": 2},
        "keys": [True, True],
        "distinct": 2,
        "configured": [True, True, True, True],
        "organization": 409,
    }


def test_every_method_of_the_oldest_client(
    server: LiveServer, account: SuiteAccount, receiver: WebhookReceiver
) -> None:
    made = run_client(
        OLDEST,
        "webhook_rows",
        base_url=server.base_url,
        api_key=account.api_key,
        handle=f"rows-{secrets.token_hex(4)}",
        url=receiver.url("/hook"),
    )

    assert made.pop("duplicate")[0] == 409
    assert made == {
        "event_types": ["message.received", "message.sent"],
        "status": "active",
        "got": True,
        "listed": [True],
        "listed_by_url": 1,
        "listed_by_event": [1, 0],
        "changed": [True, ["message.bounced"]],
        "listed_after": 0,
        "got_after": 404,
        "keys": [True, True],
        "distinct": 2,
    }


def test_deliveries_have_the_types_that_the_client_publishes(server: LiveServer, receiver: WebhookReceiver) -> None:
    handle = secrets.token_hex(4)
    with Api(server) as api:
        alpha = api.create_identity(f"types-{handle}")
        bravo = api.create_identity(f"peer-{handle}")
        box, peer = alpha["mailbox"]["email_address"], bravo["mailbox"]["email_address"]
        row = {
            "agent_identity_id": alpha["id"],
            "url": receiver.url("/types"),
            "event_types": [f"message.{name}" for name in MESSAGE_EVENTS],
            "context_config": {
                name: {"mode": "window", "hours": 24} if name == "calls" else {"mode": "count", "count": 3}
                for name in ("email", "texts", "calls")
            },
        }
        assert api.try_post("/api/v1/webhooks/subscriptions", row).status_code == 201  # type: ignore[union-attr]
        first = invoice_mail(box)
        deliver(server, first)
        answer = _answer_to(first, box, peer)
        deliver(server, answer)
        assert api.try_post(send_path(box), mail_to(peer, subject="hello")).status_code == 201  # type: ignore[union-attr]
        assert api.try_post(send_path(box), mail_to(f"missing-{handle}@{box.partition('@')[2]}", subject="lost"))
        received = receiver.wait_for(6, 40, path="/types")

    payloads = [request.body.decode() for request in received]
    kinds = {json.loads(text)["event_type"] for text in payloads}
    assert {"message.received", "message.sent", "message.delivered"} <= kinds
    contexts = [json.loads(text)["data"].get("context") for text in payloads]
    assert [len(context["email"]["items"]) for context in contexts if context] == [0, 1]
    assert run_client(NEWEST, "webhook_types", payloads=payloads) == {"problems": []}
    broken = json.loads(payloads[0])
    broken["data"]["message"]["direction"] = "sideways"
    del broken["data"]["contacts"]
    assert len(run_client(NEWEST, "webhook_types", payloads=[json.dumps(broken)])["problems"]) == 2


def _answer_to(mail: EmailMessage, box: str, cc: str) -> EmailMessage:
    answer = EmailMessage()
    answer["From"], answer["To"], answer["Cc"] = "ada@customer.example", box, cc
    answer["Subject"], answer["Message-ID"] = f"Re: {mail['Subject']}", make_msgid(domain="customer.example")
    answer["In-Reply-To"] = mail["Message-ID"]
    answer.set_content("And another thing.\n")
    return answer
