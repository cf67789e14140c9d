"""Receive webhooks and verify their signatures, with nothing but the standard library.

    INKBOX_SIGNING_KEY=whsec_... python docs/examples/webhook_receiver.py [PORT]

Answers 204 to a genuine request and 401 to any other, and prints each event once.
"""

# ruff: noqa: T201  (an example speaks to whoever runs it)
from __future__ import annotations

import hashlib
import hmac
import json
import os
import sys
import time
from collections import OrderedDict
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# A request that is older was recorded by somebody and is being played back.
TOLERANCE_SECONDS = 300
MAX_BODY_BYTES = 10 * 1024 * 1024
# Ids of events that were handled: the same event comes again when our answer got lost. Keep yours in a database.
_seen: OrderedDict[str, None] = OrderedDict()
_MAX_SEEN = 10_000


def is_genuine(body: bytes, headers: Mapping[str, str], signing_key: str, now: float | None = None) -> bool:
    """Whether the server made this request. `body` must be the exact bytes that arrived."""
    names = {name.lower(): value for name, value in headers.items()}
    request_id = names.get("x-inkbox-request-id", "")
    timestamp = names.get("x-inkbox-timestamp", "")
    if not timestamp.isdigit() or abs((time.time() if now is None else now) - int(timestamp)) > TOLERANCE_SECONDS:
        return False
    # The key is the text after the prefix, as it is: neither hexadecimal nor base64.
    key = signing_key.removeprefix("whsec_").encode()
    message = f"{request_id}.{timestamp}.".encode() + body
    expected = "sha256=" + hmac.new(key, message, hashlib.sha256).hexdigest()
    # For a day after a rotation the old key signs too, in a header of its own: so there is time to change keys here.
    given = (names.get("x-inkbox-signature", ""), names.get("x-inkbox-signature-previous", ""))
    return any(hmac.compare_digest(expected.encode(), signature.encode()) for signature in given)


class Receiver(BaseHTTPRequestHandler):
    """Answers first and works later: a slow receiver is taken for a broken one after ten seconds."""

    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_POST(self) -> None:
        """One delivery."""
        length = int(self.headers.get("Content-Length", "0"))
        if length > MAX_BODY_BYTES:
            self._answer(413)
            return
        body = self.rfile.read(length)
        if not is_genuine(body, dict(self.headers.items()), os.environ["INKBOX_SIGNING_KEY"]):
            self._answer(401)
            return
        self._answer(204)
        event = json.loads(body)
        if event["id"] not in _seen:
            _seen[event["id"]] = None
            if len(_seen) > _MAX_SEEN:
                _seen.popitem(last=False)
            print(event["event_type"], event["id"], flush=True)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Quiet."""


def main() -> None:
    """Listen until interrupted."""
    if not os.environ.get("INKBOX_SIGNING_KEY"):
        sys.exit("Set INKBOX_SIGNING_KEY to the signing key of the identity.")
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 9000), Receiver)
    print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
