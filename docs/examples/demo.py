"""Two agents get an address each and exchange mail, with nothing but the standard library.

Needs a running server and an admin API key in INKBOX_API_KEY; `make demo` sees to the key.
"""

# ruff: noqa: T201  (a demonstration speaks to whoever runs it)
from __future__ import annotations

import json
import os
import secrets
import smtplib
import sys
import time
import urllib.error
import urllib.request
from email.message import EmailMessage
from typing import Any

BASE_URL = os.environ.get("INKBOX_BASE_URL", "http://localhost:8000")
SMTP_HOST = os.environ.get("INKBOX_SMTP_HOST", "127.0.0.1")
SMTP_PORT = int(os.environ.get("INKBOX_SMTP_PORT", "2525"))
API_KEY = os.environ.get("INKBOX_API_KEY", "")
PATIENCE_SECONDS = 30


def main() -> None:
    """Run the demonstration."""
    if not API_KEY:
        sys.exit("Set INKBOX_API_KEY to an admin key. `make demo` does it for you.")
    alpha, bravo = create_identity("alpha"), create_identity("bravo")

    print(f"\nA person writes to {alpha} by SMTP ({SMTP_HOST}:{SMTP_PORT}).")
    send_by_smtp(sender="person@example.com", recipient=alpha)
    show(alpha, wait_for_message(alpha))

    print(f"\n{alpha} writes to {bravo} by the API.")
    body = {"recipients": {"to": [bravo]}, "subject": "Lunch?", "body_text": "A person asks. Will you join us?"}
    call("POST", f"/mail/mailboxes/{alpha}/messages", body)
    show(bravo, wait_for_message(bravo))

    print(f"\nDone. The API reference is at {BASE_URL}/api/docs")


def create_identity(name: str) -> str:
    """A new agent identity; returns its email address."""
    identity = call("POST", "/identities", {"agent_handle": f"demo-{name}-{secrets.token_hex(3)}"})
    print(f"Created identity {identity['agent_handle']} with mailbox {identity['email_address']}")
    return str(identity["email_address"])


def send_by_smtp(*, sender: str, recipient: str) -> None:
    """Hand a message to the server as any mail server would."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, recipient, "Hello, agent"
    message.set_content("Are you free for lunch?")
    with smtplib.SMTP(SMTP_HOST, SMTP_PORT, timeout=10) as client:
        client.send_message(message)


def wait_for_message(address: str) -> dict[str, Any]:
    """The newest received message of a mailbox, with its text."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        found = call("GET", f"/mail/mailboxes/{address}/messages?direction=inbound")["items"]
        if found:
            message: dict[str, Any] = call("GET", f"/mail/mailboxes/{address}/messages/{found[0]['id']}")
            return message
        time.sleep(0.2)
    sys.exit(f"Nothing arrived at {address} within {PATIENCE_SECONDS} seconds. `make doctor` may know why.")


def show(address: str, message: dict[str, Any]) -> None:
    """Print what the agent reads."""
    print(f"{address} received from {message['from_address']}: {message['subject']!r}")
    print(f"    {message['body_text'].strip()}")


def call(method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    """One API request. Ends the program with the server's words when it is refused."""
    request = urllib.request.Request(  # noqa: S310  (the address is the reader's own)
        f"{BASE_URL}/api/v1{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"X-API-Key": API_KEY, "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
            return json.load(response)
    except urllib.error.HTTPError as error:
        sys.exit(f"{method} {path} was refused: {error.code} {error.read().decode(errors='replace')}")
    except urllib.error.URLError as error:
        sys.exit(f"No server answers at {BASE_URL} ({error.reason}). Start it with `make run`.")


if __name__ == "__main__":
    main()
