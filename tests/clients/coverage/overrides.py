"""Arguments for the few client methods whose signature does not say enough.

Most are "exactly one of these" rules, which neither the required arguments
alone nor all arguments together can satisfy.
"""

from __future__ import annotations

import importlib
import io
from pathlib import Path
from typing import Any

from tests.clients.coverage.dummy_arguments import EMAIL, HANDLE, ID, TOTP_URI, VAULT_KEY
from tests.clients.coverage.plausible_answers import SECRET_IDS


def argument_overrides(base_url: str, scratch: Path) -> dict[str, list[dict[str, Any]]]:
    """Return argument sets by method name; each set is used for one more call.

    ``base_url`` is the recorder, ``scratch`` an empty directory.
    """
    mail = importlib.import_module("inkbox.mail.types")
    vault = importlib.import_module("inkbox.vault.types")
    a2a = importlib.import_module("inkbox.a2a.types")
    policy = importlib.import_module("inkbox.contacts.resources.communication_policy")
    login = {"payload": vault.LoginPayload(password="secret", username="agent")}
    totp = {"totp": TOTP_URI}
    block = {"action": "block"}
    agent_url = f"{base_url}/a2a/{HANDLE}"
    target = {
        "target": a2a.A2AResolvedTarget(
            card_url=f"{agent_url}/card",
            rpc_url=agent_url,
            protocol_version="1.0",
            card=a2a.A2ACard(raw={}),
        )
    }
    reply = {"text": "done", "intent": "complete"}
    upload = {
        "upload_target": mail.MailImportUploadTarget(url=f"{base_url}{UPLOAD_PATH}", fields={}, expires_in_seconds=60),
        "file": io.BytesIO(b"From: a@example.org\r\n\r\nhi"),
        "filename": "one.eml",
    }
    address = policy.ContactAddressUpdate(kind="email", value=EMAIL, action="allow", expected_action="inherit")
    citation = f"/api/v1/contacts/{ID}/facts/{ID}/citations/{ID}"
    tunnel = {"name": HANDLE, "forward_to": "http://127.0.0.1:9", "state_dir": scratch}
    received = {"event_types": ["message.received"], "url": "https://receiver.example/hook"}
    table: dict[str, list[dict[str, Any]]] = {
        "a2a.reply": [reply],
        "identity.a2a_reply": [reply],
        "a2a_client.fetch_card": [{"card_url": f"{agent_url}/card"}],
        "a2a_client.send": [target | {"text": "hello"}],
        "contacts.lookup": [{"email": EMAIL}],
        "contacts.communication_policy.replace": [{"addresses": [address]}],
        "contacts.facts.resolve_citation_url": [{"source_url": citation}],
        "mailboxes.imports.upload": [upload],
        "tunnels.connect": [tunnel],
        "vault.update_key": [{"current_vault_key": VAULT_KEY, "new_vault_key": VAULT_KEY}],
        "webhooks.subscriptions.create": [received | {"agent_identity_id": ID}],
        "identity.create_secret": [login],
        "unlocked.create_secret": [login],
        "unlocked.update_secret": [login],
        "identity.set_totp": [totp],
        "unlocked.set_totp": [totp],
    }
    table |= {f"a2a_client.{name}": [target] for name in ("cancel", "get_task", "list_tasks", "wait")}
    table |= {
        f"{rules}.update": [block]
        for rules in (
            "imessage_contact_rules",
            "mail_contact_rules",
            "mail_identity_contact_rules",
            "phone_contact_rules",
            "phone_identity_contact_rules",
            "slack.contact_rules",
        )
    }
    table |= {f"identity.update_{kind}_contact_rule": [block] for kind in ("mail", "phone")}
    table |= {f"identity.credentials.get_{kind}": [{"secret_id": secret_id}] for kind, secret_id in SECRET_IDS.items()}
    return table


# Where an import is uploaded to is said by the server; this stands for that address.
UPLOAD_PATH = "/upload-target"
