"""Every public method for mail, drafts, imports, sending domains and send look-up of each client generation.

What the methods do is looked at in the other tests; here none of them may be missing, and each has to parse its answer.
"""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from tests.clients.environments import NEWEST, OLDEST, SEED
from tests.clients.live_server import LiveServer
from tests.clients.runner import run_client
from tests.clients.testing_routes import SuiteAccount

pytestmark = [pytest.mark.clients, pytest.mark.timeout(300)]

ARCHIVE = (
    b"From ada@customer.example Mon May  4 10:00:00 2026\n"
    b"From: ada@customer.example\nTo: old.me@former.example\nSubject: Old\nMessage-ID: <old@customer.example>\n"
    b"Date: Mon, 4 May 2026 10:00:00 +0000\n\nHello\n"
)
# The rows of the clients' checklist: mail, drafts, imports, sending domains, send look-up, without what only older
# generations have.
NUMBERS = {NEWEST: 47 + 17 + 8 + 2 + 2, OLDEST: 33 + 2, SEED: 38 + 2}
TYPES = {
    "identity.send_email": "Message",
    "identity.get_message": "MessageDetail",
    "identity.get_thread": "ThreadDetail",
    "mailboxes.list": "Mailbox",
    "mailboxes.search": "Message",
    "messages.list": "Message",
    "messages.update_flags": "Message",
    "messages.get_attachment": "dict",
    "threads.list": "Thread",
    "threads.list_folders": "ThreadFolder",
    "mail_contact_rules.list_all": "MailContactRule",
}
NEWER_TYPES = {
    "mail_identity_contact_rules.list_all": "MailIdentityContactRule",
    "drafts.create": "DraftDetail",
    "drafts.list": "DraftSummary",
    "drafts.download_attachment": "DraftAttachmentContent",
    "drafts.send": "Message",
    "imports.create": "MailImportCreateResult",
    "imports.refresh_upload_target": "MailImportUploadTarget",
    "imports.wait": "MailImportJob",
    "imports.list": "MailImportJobPage",
    "message_sends.lookup": "UUID",
}


@pytest.mark.parametrize("version", [NEWEST, OLDEST, SEED])
def test_every_method_for_mail(server: LiveServer, account: SuiteAccount, version: str, tmp_path: Path) -> None:
    archive = tmp_path / "old.mbox"
    archive.write_bytes(ARCHIVE)

    result = run_client(
        version,
        "mail_every_method",
        base_url=f"{server.base_url}/compat/0.3" if version == SEED else server.base_url,
        api_key=account.api_key,
        suffix=secrets.token_hex(4),
        platform_domain="mail.localhost",
        archive=str(archive),
    )

    assert result["missed"] == []
    assert len(result["returned"]) == NUMBERS[version]
    expected = TYPES | (NEWER_TYPES if version == NEWEST else {})
    assert {name: result["returned"][name] for name in expected} == expected
    assert result["default"] is None
