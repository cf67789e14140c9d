"""An import goes on after every kill, and ends with each message of the archive exactly once."""

from __future__ import annotations

import random
import secrets
import time
from collections import Counter

import httpx
import pytest

from tests.clients.live_server import LiveServer
from tests.factories.imports import as_mbox, as_zip, old_mail
from tests.faults.api import Api
from tests.faults.conftest import StartServer
from tests.faults.crashes import crash, rounds, wait_until
from tests.faults.rows import Rows, check_mail

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]

MESSAGES = 4000
THREAD_MESSAGES = 4
# Every so often one that is too large for its row and becomes a file.
_LARGE_EVERY, _LARGE_CHARS, _CHARS = 97, 200_000, 4000
DUPLICATES = 50


def mails() -> list[bytes]:
    """Conversations in disorder, and some messages a second time."""
    made = [
        old_mail(
            number,
            references=f"<{number - number % THREAD_MESSAGES}@old.example>" if number % THREAD_MESSAGES else None,
            # Text that does not shrink so much that it looks like a bomb in a zip.
            text=secrets.token_hex((_LARGE_CHARS if number % _LARGE_EVERY == 0 else _CHARS) // 2),
        )
        for number in range(MESSAGES)
    ]
    made += made[:DUPLICATES]
    random.Random(7).shuffle(made)
    return made


@pytest.mark.parametrize("form", ["mbox", "zip"])
def test_an_import_survives_kills_without_loss_or_repetition(start_server: StartServer, form: str) -> None:
    server = start_server()
    with Api(server) as api:
        box = api.create_identity("archive")["mailbox"]["email_address"]
        base = f"/api/v1/mail/mailboxes/{box}/imports"
        content = as_mbox(mails())
        job = upload_and_start(api, base, content if form == "mbox" else as_zip({"All mail.mbox": content}))

        positions = kill_while_running(server, api, f"{base}/{job}", rounds(6))
        wait_until(
            lambda: api.get(f"{base}/{job}")["status"] not in ("queued", "running"), "the end of the import", 120
        )

        done = api.get(f"{base}/{job}")
        found = Counter(row["message_id"] for row in api.messages(box))
        threads = api.threads(box)
    assert (done["status"], done["error_detail"]) == ("completed", None)
    assert (done["messages_failed"], done["messages_rejected_unsafe"]) == (0, 0)
    assert found == Counter(f"<{number}@old.example>" for number in range(MESSAGES))
    assert done["messages_processed"] == MESSAGES + DUPLICATES
    assert done["messages_imported"] == MESSAGES
    assert done["messages_skipped_duplicate"] == DUPLICATES
    assert Counter(row["message_count"] for row in threads) == {THREAD_MESSAGES: MESSAGES // THREAD_MESSAGES}
    assert positions == sorted(positions), "a counter went back"
    survey = check_mail(Rows(server))
    assert survey.messages == MESSAGES
    assert survey.events == 0
    assert not list((Rows(server).blob_dir / "uploads").glob("*")), "the upload was left behind"
    print(f"\nImport of {form}: killed after {positions} of {MESSAGES + DUPLICATES} messages, {survey.blobs} files")


def upload_and_start(api: Api, base: str, content: bytes) -> str:
    made = api.try_post(base, {})
    assert made is not None
    target, job = made.json()["upload"], str(made.json()["job"]["id"])
    sent = httpx.post(target["url"], data=target["fields"], files={"file": content}, timeout=60, trust_env=False)
    assert sent.status_code == 204, sent.text
    started = api.try_post(f"{base}/{job}/start", {})
    assert started is not None
    assert started.status_code == 200, started.text
    return job


def kill_while_running(server: LiveServer, api: Api, path: str, count: int) -> list[int]:
    """Kill `count` times, each time after some progress; returns how far the job was after each kill."""
    chance = random.SystemRandom()
    positions = [0]
    for _ in range(count):
        wait_until(lambda: api.get(path)["messages_processed"] > positions[-1], "progress")
        time.sleep(chance.uniform(0, 0.15))
        crash(server)
        job = api.get(path)
        positions.append(job["messages_processed"])
        if job["status"] not in ("queued", "running"):
            break
    assert len(positions) > 2, "the import was over before it was killed twice"
    return positions
