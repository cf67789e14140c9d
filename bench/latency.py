"""From the 250 of an SMTP session to the webhook request that reports the message, on an idle server."""

from __future__ import annotations

import http.server
import smtplib
import threading
import time
from email.message import EmailMessage
from typing import Any

from harness import percentile, running_server

MESSAGES, PAUSE_SECONDS = 60, 0.1


class Receiver(http.server.BaseHTTPRequestHandler):
    """Notes when each request arrived."""

    protocol_version = "HTTP/1.1"
    arrived: list[float] = []
    signal = threading.Event()

    def do_POST(self) -> None:
        """Take the time first, then read and answer."""
        self.arrived.append(time.perf_counter())
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
        self.signal.set()

    def log_message(self, *_: Any) -> None:
        """Quiet."""


def run() -> None:
    """One message at a time; the server is idle in between."""
    receiver = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    waits: list[float] = []
    with running_server() as server:
        identity = server.call("POST", "/api/v1/identities", {"agent_handle": "latency-box"})
        url = f"http://127.0.0.1:{receiver.server_port}/hook"
        server.call(
            "POST",
            "/api/v1/webhooks/subscriptions",
            {"url": url, "event_types": ["message.received"], "agent_identity_id": identity["id"]},
        )
        with smtplib.SMTP("127.0.0.1", server.smtp_port) as client:
            for number in range(MESSAGES):
                mail = EmailMessage()
                mail["From"], mail["To"] = "load@bench.example", identity["email_address"]
                mail["Message-ID"], mail["Subject"] = f"<{number}.{time.time_ns()}@bench.example>", "ping"
                mail.set_content("ping")
                Receiver.signal.clear()
                client.send_message(mail)
                accepted = time.perf_counter()
                if not Receiver.signal.wait(10):
                    raise RuntimeError("no webhook within ten seconds")
                waits.append((Receiver.arrived[-1] - accepted) * 1000)
                time.sleep(PAUSE_SECONDS)
    receiver.shutdown()
    receiver.server_close()
    print(f"   250 to webhook, median      {percentile(waits, 0.5):8.1f} ms   (target below 50)")
    print(f"   95th percentile             {percentile(waits, 0.95):8.1f} ms")
