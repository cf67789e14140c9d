"""A message is forwarded to a third agent, inline and wrapped; every client generation can do this.

Inputs: ``base_url``, ``api_key``, ``handles`` (three of them).
"""

import base64
import inspect
import json
import sys
import time

from inkbox import Inkbox

DELIVERY_SECONDS = 40


def main(inputs):
    with Inkbox(api_key=inputs["api_key"], base_url=inputs["base_url"]) as client:
        alpha, bravo, carol = [create(client, handle) for handle in inputs["handles"]]
        file = {
            "filename": "plan.txt",
            "content_type": "text/plain",
            "content_base64": base64.b64encode(b"the plan").decode(),
        }
        alpha.send_email(to=[bravo.email_address], subject="Plan", body_text="See the file.\n", attachments=[file])
        original = wait_for_inbound(client, bravo, "Plan")
        inline = bravo.forward_email(str(original.id), to=[carol.email_address], body_text="FYI")
        wrapped = client.messages.forward(
            bravo.email_address,
            str(original.id),
            to=[carol.email_address],
            mode="wrapped",
            subject="Wrapped",
            reply_to=alpha.email_address,
        )
        return {
            "inline": sent(inline),
            "wrapped": sent(wrapped),
            "source_thread": str(original.thread_id),
            "received_inline": received(client, carol, "Fwd: Plan"),
            "received_wrapped": received(client, carol, "Wrapped"),
        }


def create(client, handle):
    # The seed generation makes a mailbox only when it is asked for one.
    asks = "create_mailbox" in inspect.signature(client.create_identity).parameters
    return client.create_identity(handle, **({"create_mailbox": True} if asks else {}))


def sent(one):
    return {"subject": one.subject, "thread": str(one.thread_id), "direction": one.direction.value}


def received(client, identity, subject):
    found = wait_for_inbound(client, identity, subject)
    detail = client.messages.get(identity.email_address, found.id)
    return {
        "body_text": detail.body_text,
        "files": [(one["filename"], one["content_type"]) for one in detail.attachment_metadata or []],
    }


def wait_for_inbound(client, identity, subject):
    deadline = time.monotonic() + DELIVERY_SECONDS
    while time.monotonic() < deadline:
        for one in client.messages.list(identity.email_address):
            if one.subject == subject and one.direction == "inbound":
                return one
        time.sleep(0.25)
    raise TimeoutError(f"{subject!r} did not arrive within {DELIVERY_SECONDS} s")


if __name__ == "__main__":
    json.dump(main(json.load(sys.stdin)), sys.stdout)
