"""Mailbox imports: messages a second through the worker, beside parsing the same messages and nothing else.

The upload is not timed; the clock runs from `start` to the last commit, as the job itself tells.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
import uuid
from datetime import datetime
from statistics import median
from typing import Any

from harness import ROOT, Server, running_server
from smtp_load import message

MESSAGES, SIZE_BYTES, ROUNDS = 5000, 4096, 3
FROM_LINE = b"From load@bench.example Mon May  4 10:01:12 2026\n"
POLL_SECONDS = 0.1
# The baseline runs in a process of its own, as the worker does.
PARSE = """
import json, sys, time
from mail.imports.mbox import MboxReader
from mail.mime.parse import parse_mail
messages = [m.content for m in MboxReader(sys.stdin.buffer.read)]
started = time.perf_counter()
for content in messages:
    parse_mail(content)
print(json.dumps(len(messages) / (time.perf_counter() - started)))
"""


def mbox() -> bytes:
    """Messages of one round; every round has others, or they would be duplicates."""
    mails = (message(number, SIZE_BYTES, "me@bench.example") for number in range(MESSAGES))
    return b"".join(FROM_LINE + mail.replace(b"\r\n", b"\n") + b"\n" for mail in mails)


def parsing(content: bytes) -> float:
    """The baseline."""
    result = subprocess.run([sys.executable, "-c", PARSE], input=content, cwd=ROOT, check=True, capture_output=True)
    return float(json.loads(result.stdout))


def upload(target: dict[str, Any], content: bytes) -> None:
    """The form that clients send: the fields, then the file."""
    boundary = uuid.uuid4().hex
    body = b"".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in target["fields"].items()
    )
    body += f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="a.mbox"\r\n\r\n'.encode()
    body += content + f"\r\n--{boundary}--\r\n".encode()
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    urllib.request.urlopen(urllib.request.Request(target["url"], data=body, headers=headers), timeout=60).close()


def importing(server: Server, content: bytes) -> float:
    """Messages a second of one job."""
    suffix = uuid.uuid4().hex[:8]
    box = server.call("POST", "/api/v1/identities", {"agent_handle": f"import-{suffix}"})["email_address"]
    base = f"/api/v1/mail/mailboxes/{box}/imports"
    created = server.call("POST", base, {})
    upload(created["upload"], content)
    job = server.call("POST", f"{base}/{created['job']['id']}/start")
    while job["status"] in ("queued", "running"):
        time.sleep(POLL_SECONDS)
        job = server.call("GET", f"{base}/{job['id']}")
    if (job["status"], job["messages_imported"]) != ("completed", MESSAGES):
        raise RuntimeError(f"The job ended as {job}")
    began, ended = (datetime.fromisoformat(job[name]) for name in ("started_at", "finished_at"))
    return float(MESSAGES / (ended - began).total_seconds())


def run() -> None:
    """Alternate baseline and server, print the medians and what the server needed in memory."""
    ours, baseline = [], []
    with running_server() as server:
        before = server.rss_mb()
        for _ in range(ROUNDS):
            content = mbox()
            baseline.append(parsing(content))
            ours.append(importing(server, content))
        grown = server.rss_mb() - before
    print(f"   parsing alone               {median(baseline):8.0f} messages/s")
    print(f"   imported and committed      {median(ours):8.0f} messages/s   (target 150)")
    print(f"   ratio                       {median(ours) / median(baseline):8.2f}")
    print(f"   memory                      {grown:8.0f} MB more than before")
