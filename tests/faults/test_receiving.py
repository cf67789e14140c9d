"""Mail comes in by SMTP while the server is killed: a 250 is a promise, and its absence costs nothing but a repeat."""

from __future__ import annotations

import base64
import itertools
import secrets
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.clients.live_server import LiveServer
from tests.faults.api import Api
from tests.faults.conftest import StartServer
from tests.faults.crashes import Load, crash_repeatedly, load, rounds
from tests.faults.mail_source import SENDER, Ledger, Mail, MailSource, text_mail
from tests.faults.rows import Rows, check_mail

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]

SESSIONS = 4
# Every conversation of a session: one message and its answers.
THREAD_MESSAGES = 5
_PAUSE_SECONDS = 0.003


def test_acknowledged_mail_is_stored_exactly_once(start_server: StartServer) -> None:
    server = start_server()
    with Api(server) as api:
        boxes = [api.create_identity(f"box-{number}")["mailbox"]["email_address"] for number in range(2)]
    ledger = Ledger()
    rows = Rows(server)
    survivors: set[str] = set()

    def note_survivors() -> None:
        stored = {row[0] for row in rows.read("SELECT message_id FROM mail_message")}
        survivors.update(stored & ledger.unanswered)

    with load() as running:
        for session in range(SESSIONS):
            source = MailSource(server, boxes, ledger)
            running.add(
                lambda source=source, session=session: source.send(  # type: ignore[misc]
                    conversations(running, session), under_way=running.under_way.set
                )
            )
        crash_repeatedly(server, running, rounds(6), while_down=note_survivors)
        time.sleep(0.3)

    assert ledger.unanswered == set()
    assert ledger.repeated, "no kill hit a message on its way; the test proved nothing"
    survey = check_mail(rows)
    with Api(server) as api:
        for box in boxes:
            messages = api.messages(box)
            threads = api.threads(box)
            assert Counter(row["message_id"] for row in messages) == Counter(ledger.acknowledged)
            assert sum(row["message_count"] for row in threads) == len(messages)
            # Each conversation stayed together, across kills and repeats.
            assert Counter(row["message_count"] for row in threads)[THREAD_MESSAGES] >= len(threads) - SESSIONS
            stored = api.get(f"/api/v1/mail/mailboxes/{box}")["storage_used_bytes"]
            sizes = rows.read("SELECT mailbox_id, size_bytes FROM mail_message")
            assert stored == sum(size for mailbox_id, size in sizes if mailbox_id == messages[0]["mailbox_id"])
    assert survey.messages == 2 * len(ledger.acknowledged)
    assert survey.events == survey.messages
    print(
        f"\nSMTP: {rounds(6)} kills, {len(ledger.acknowledged)} messages acknowledged, {len(ledger.repeated)} repeated "
        f"of which {len(survivors & ledger.repeated)} were stored already, "
        f"{survey.messages} rows, {survey.threads} threads, {survey.events} events"
    )


def conversations(running: Load, session: int) -> Iterator[Mail]:
    """Numbered messages; each that does not begin a conversation answers the one that did."""
    root = ""
    for number in itertools.count():
        if running.is_over.is_set():
            return
        message_id = f"<{session}.{number}@customer.example>"
        is_answer = number % THREAD_MESSAGES > 0
        root = root if is_answer else message_id
        yield text_mail(message_id, f"number {session}.{number}", in_reply_to=root if is_answer else None)
        time.sleep(_PAUSE_SECONDS)


MEBIBYTE = 1024 * 1024


def test_large_mail_is_stored_completely_or_not_at_all(start_server: StartServer) -> None:
    server = start_server()
    with Api(server) as api:
        box = api.create_identity("archive")["mailbox"]["email_address"]
    ledger = Ledger()
    files: dict[str, bytes] = {}

    with load() as running:
        for session in range(3):
            source = MailSource(server, [box], ledger)
            running.add(
                lambda source=source, session=session: source.send(  # type: ignore[misc]
                    large_mails(running, session, files),
                    under_way=running.under_way.set,
                    # The last one gives up what was not answered: that mail may be there or not, but never in parts.
                    keeps_trying=session < 2,
                )
            )
        crash_repeatedly(server, running, rounds(3), busy_seconds=(0.3, 0.9), aim_seconds=0.2)

    survey = check_mail(Rows(server))
    with Api(server) as api:
        messages = api.messages(box)
        found = Counter(row["message_id"] for row in messages)
        assert set(found.values()) == {1}
        assert ledger.acknowledged <= set(found) <= set(files)
        for row in messages:
            assert api.download(box, row["id"], "scan.bin") == files[row["message_id"]]
            assert api.download(box, row["id"], "note.txt") == row["message_id"].encode()
    assert survey.blobs == survey.messages == len(messages)
    in_doubt = ledger.unanswered
    print(
        f"\nLarge mail: {rounds(3)} kills, {len(ledger.acknowledged)} acknowledged, {len(ledger.repeated)} repeated, "
        f"{len(in_doubt)} given up without an answer ({len(in_doubt & set(found))} of them complete, "
        f"{len(in_doubt - set(found))} absent), {sum(map(len, files.values())) // MEBIBYTE} MiB of attachments, "
        f"{unfinished_blobs(server)} unfinished files left in the blob folder"
    )


def large_mails(running: Load, session: int, files: dict[str, bytes]) -> Iterator[Mail]:
    """Multipart messages of a few MiB; what is in them is noted before they are sent."""
    for number in itertools.count():
        if running.is_over.is_set():
            return
        message_id = f"<{session}.{number}.large@customer.example>"
        files[message_id] = secrets.token_bytes((1 + number % 3) * MEBIBYTE)
        yield Mail(message_id, multipart(message_id, files[message_id]))
        time.sleep(_PAUSE_SECONDS)


def multipart(message_id: str, file: bytes) -> bytes:
    """A text, a small and a large attachment; by hand, because the standard library takes a second for it."""
    head = (
        f"From: Ada <{SENDER}>\r\nTo: agents@example.com\r\nSubject: Scan\r\nMessage-ID: {message_id}\r\n"
        "Date: Mon, 05 Jan 2026 10:00:00 +0000\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/mixed; boundary="b0undary"\r\n\r\n'
    )
    parts = (
        ("text/plain; charset=utf-8", "", b"See the scan."),
        ("text/plain", 'Content-Disposition: attachment; filename="note.txt"\r\n', message_id.encode()),
        ("application/octet-stream", 'Content-Disposition: attachment; filename="scan.bin"\r\n', file),
    )
    content = head.encode()
    for content_type, disposition, body in parts:
        encoded = base64.encodebytes(body).replace(b"\n", b"\r\n")
        content += (
            f"--b0undary\r\nContent-Type: {content_type}\r\nContent-Transfer-Encoding: base64\r\n{disposition}\r\n"
        ).encode() + encoded
    return content + b"--b0undary--\r\n"


def unfinished_blobs(server: LiveServer) -> int:
    """Files that a kill left behind in the middle of being written; no row refers to one."""
    return len(list(Rows(server).blob_dir.glob("??/.new-*")))
