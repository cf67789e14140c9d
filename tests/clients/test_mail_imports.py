"""The newest published client imports archives into a live server."""

from __future__ import annotations

import secrets
import time
from pathlib import Path

import httpx
import pytest

from mail.imports.states import ImportStatus
from tests.clients.environments import NEWEST
from tests.clients.live_server import LiveServer
from tests.clients.runner import run_client
from tests.clients.testing_routes import SuiteAccount, http_client
from tests.factories.imports import as_mbox, as_zip, old_mail

pytestmark = [pytest.mark.clients, pytest.mark.timeout(300)]


def test_imports(server: LiveServer, account: SuiteAccount, tmp_path: Path) -> None:
    assert account.api_key is not None
    mbox = as_mbox([old_mail(1), old_mail(2, sender="Me <me@former.example>", references="<1@old.example>")])
    (tmp_path / "mail.mbox").write_bytes(mbox)
    (tmp_path / "takeout.zip").write_bytes(
        as_zip({"Takeout/Mail/All mail.mbox": mbox, "three.eml": old_mail(3), "broken.mbox": b"no mbox"})
    )
    (tmp_path / "one.eml").write_bytes(old_mail(4))

    result = run_client(
        NEWEST,
        "mail_imports",
        base_url=server.base_url,
        api_key=account.api_key,
        handle=f"archive-{secrets.token_hex(4)}",
        folder=str(tmp_path),
    )

    assert result["mbox"] == {
        "id": result["mbox"]["id"],
        "statuses": ["pending_upload", "queued", "completed"],
        "expires_in": 300,
        "size": len(mbox),
        "original_addresses": ["me@former.example"],
        "mark_as_read": True,
        "counters": [2, 2, 0, 0, 0],
        "error_detail": None,
        "is_terminal": True,
    }
    date = "2015-01-05T10:00:00+00:00"
    assert result["messages"] == [
        ["Number 1", "inbound", result["mbox"]["id"], date, True],
        ["Number 2", "outbound", result["mbox"]["id"], date, True],
    ]
    assert (result["zip"]["statuses"][-1], result["zip"]["counters"]) == ("completed", [4, 1, 2, 1, 0])
    assert (result["zip"]["mark_as_read"], result["zip"]["original_addresses"]) == (False, [])
    assert (result["eml"]["statuses"][-1], result["eml"]["counters"]) == ("completed", [1, 1, 0, 0, 0])
    assert (result["second"], result["early"], result["forged"]) == (409, 409, 403)
    assert (result["cancelled"], result["again"], result["got"]) == ("cancelled", 409, "cancelled")
    jobs = [result["mbox"]["id"], result["zip"]["id"], result["eml"]["id"], result["cancelled_id"]]
    assert result["listed"] == jobs[::-1]
    assert result["has_more"] == [True, False]
    mails = [old_mail(1), old_mail(2, sender="Me <me@former.example>", references="<1@old.example>")]
    mails += [old_mail(3), old_mail(4)]
    assert result["storage"] == sum(len(mail.replace(b"\n", b"\r\n")) for mail in mails)


def test_a_large_upload_passes_and_a_forged_one_is_refused_at_its_end(
    server: LiveServer, account: SuiteAccount
) -> None:
    assert account.api_key is not None
    # More than fits into an ordinary request body.
    large = as_mbox([old_mail(1), old_mail(2)]) + b"From x@y Thu Jan  1 00:00:00 2015\nSubject: large\n\n"
    large += b"x" * 60 * 1024 * 1024
    with http_client(server, **{"X-API-Key": account.api_key}) as client:
        box = client.post("/api/v1/identities", json={"agent_handle": f"large-{secrets.token_hex(4)}"}).json()
        base = f"/api/v1/mail/mailboxes/{box['email_address']}/imports"
        made = client.post(base, json={}).json()
        target, job = made["upload"], f"{base}/{made['job']['id']}"

        forged = httpx.post(f"{server.base_url}/uploads/forged", data=target["fields"], files={"file": large})
        sent = httpx.post(target["url"], data=target["fields"], files={"file": large}, timeout=60)
        assert client.post(f"{job}/start").status_code == 200
        while (state := client.get(job).json())["status"] not in (ImportStatus.COMPLETED, ImportStatus.FAILED):
            time.sleep(0.1)

    assert (forged.status_code, forged.json()["detail"]["error"]) == (403, "upload_target_refused")
    assert sent.status_code == 204
    assert (state["status"], state["messages_imported"], state["messages_failed"]) == ("completed", 2, 1)
    assert state["upload_size_bytes"] == len(large)
