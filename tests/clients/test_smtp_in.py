"""Mail that arrives by SMTP, read through the published clients."""

from __future__ import annotations

import base64
import secrets
import smtplib

import pytest

from tests.clients.environments import NEWEST, OLDEST
from tests.clients.live_server import LiveServer
from tests.clients.mail_messages import (
    ATTACHMENT,
    FILENAME,
    HTML,
    SENDER,
    SUBJECT,
    TEXT,
    deliver,
    invoice_mail,
)
from tests.clients.runner import run_client
from tests.clients.testing_routes import SuiteAccount

pytestmark = [pytest.mark.clients, pytest.mark.timeout(300)]


@pytest.mark.parametrize("version", [NEWEST, OLDEST])
def test_smtp_mail_reaches_the_client_unchanged(server: LiveServer, account: SuiteAccount, version: str) -> None:
    address = create_mailbox(server, account, version)
    mail = invoice_mail(address)

    deliver(server, mail)
    seen = run_client(
        version,
        "smtp_in",
        base_url=server.base_url,
        api_key=account.api_key,
        email_address=address,
        filename=FILENAME,
    )

    assert seen["direction"] == "inbound"
    assert seen["subject"] == SUBJECT
    assert seen["body_text"].replace("\r\n", "\n").rstrip() == TEXT.rstrip()
    assert HTML in seen["body_html"]
    assert seen["from_address"] == SENDER
    assert seen["to_addresses"] == [address]
    assert seen["message_id"] == mail["Message-ID"]
    assert seen["has_attachments"] is True
    assert base64.b64decode(seen["download_base64"]) == ATTACHMENT


def test_unknown_recipient_is_refused_at_rcpt(server: LiveServer, account: SuiteAccount) -> None:
    address = create_mailbox(server, account, NEWEST)
    domain = address.partition("@")[2]

    with smtplib.SMTP(*server.smtp_address, timeout=30) as connection:
        connection.ehlo()
        connection.mail(SENDER)
        unknown = connection.rcpt(f"nobody-{secrets.token_hex(6)}@{domain}")
        known = connection.rcpt(address)

    assert unknown[0] == 550
    assert unknown[1].startswith(b"5.1.1 ")
    # The refusal is about one recipient, not about the transaction.
    assert known[0] == 250


def create_mailbox(server: LiveServer, account: SuiteAccount, version: str) -> str:
    made = run_client(
        version,
        "create_identity",
        base_url=server.base_url,
        api_key=account.api_key,
        handle=f"smtp-{secrets.token_hex(4)}",
    )
    address: str = made["email_address"]
    return address
