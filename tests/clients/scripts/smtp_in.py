"""Read a message that came in by SMTP, and download its attachment.

Inputs: ``base_url``, ``api_key``, ``email_address``, ``filename``.
"""

import base64
import json
import sys
import time

import httpx
from inkbox import Inkbox

DELIVERY_SECONDS = 40


def main(inputs):
    address = inputs["email_address"]
    with Inkbox(api_key=inputs["api_key"], base_url=inputs["base_url"]) as client:
        listed = wait_for_message(client, address)
        detail = client.messages.get(address, listed.id)
        found = client.messages.get_attachment(address, listed.id, inputs["filename"])
        download = httpx.get(found["url"])
        return {
            "direction": listed.direction.value,
            "has_attachments": listed.has_attachments,
            "subject": detail.subject,
            "body_text": detail.body_text,
            "body_html": detail.body_html,
            "from_address": detail.from_address,
            "to_addresses": detail.to_addresses,
            "message_id": detail.message_id,
            "download_base64": base64.b64encode(download.content).decode(),
        }


def wait_for_message(client, address):
    deadline = time.monotonic() + DELIVERY_SECONDS
    while time.monotonic() < deadline:
        for one in client.messages.list(address):
            return one
        time.sleep(0.25)
    raise TimeoutError(f"Nothing arrived within {DELIVERY_SECONDS} s")


if __name__ == "__main__":
    json.dump(main(json.load(sys.stdin)), sys.stdout)
