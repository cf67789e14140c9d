"""Two agents write to each other: send, reply, threads, flags, attachment, delete.

Inputs: ``base_url``, ``api_key``, ``alpha`` and ``bravo`` (handles), ``attachment_base64``.
The organization must have no identities; both are deleted again in any case.
"""

import base64
import inspect
import json
import sys
import time

import httpx
from inkbox import Inkbox, InkboxAPIError

DELIVERY_SECONDS = 40
ATTACHMENT = "report ü.bin"


def main(inputs):
    with Inkbox(api_key=inputs["api_key"], base_url=inputs["base_url"]) as client:
        result = {"organization_id": client.whoami().organization_id}
        result["handles_before"] = handles(client)
        try:
            alpha = create(client, inputs["alpha"])
            bravo = create(client, inputs["bravo"])
            result["handles"] = handles(client)
            result["addresses"] = [alpha.email_address, bravo.email_address]
            result |= exchange(client, alpha, bravo)
            result |= search(client, alpha, bravo)
            result |= flags(client, bravo, result["received"]["id"])
            result |= attach(client, alpha, bravo, inputs["attachment_base64"])
        finally:
            for name in handles(client):
                client.get_identity(name).delete()
        result["handles_after"] = handles(client)
    return result


def create(client, handle):
    # The seed generation makes a mailbox only when it is asked for one.
    asks = "create_mailbox" in inspect.signature(client.create_identity).parameters
    return client.create_identity(handle, **({"create_mailbox": True} if asks else {}))


def handles(client):
    return sorted(one.agent_handle for one in client.list_identities())


def exchange(client, alpha, bravo):
    """A question and its answer; returns both, and each side's threads."""
    question = alpha.send_email(to=[bravo.email_address], subject="Grüße from alpha", body_text="Are you there?\n")
    received = wait_for_inbound(client, bravo, "Grüße from alpha")
    detail = client.messages.get(bravo.email_address, received.id)
    bravo.send_email(
        to=[alpha.email_address],
        subject="Re: Grüße from alpha",
        body_text="I am here.\n",
        in_reply_to_message_id=received.message_id,
    )
    answer = wait_for_inbound(client, alpha, "Re: Grüße from alpha")
    answer_detail = client.messages.get(alpha.email_address, answer.id)
    return {
        "question": message(question),
        "received": message(detail) | {"body_text": detail.body_text},
        "answer": message(answer_detail) | {"body_text": answer_detail.body_text},
        "alpha_threads": threads(client, alpha.email_address),
        "bravo_threads": threads(client, bravo.email_address),
    }


def search(client, alpha, bravo):
    """Full text search by every method the client has for it: subjects of what is found."""

    def subjects(found):
        return [one.subject for one in found]

    return {
        "found": subjects(client.mailboxes.search(bravo.email_address, q="grusse alpha", limit=5)),
        "found_phrase": subjects(client.mailboxes.search(bravo.email_address, q='"are you there"')),
        "found_sent": subjects(client.mailboxes.search(alpha.email_address, q="-answer subject:grüße", limit=5)),
        "not_found": subjects(client.mailboxes.search(alpha.email_address, q='"there you are"')),
    }


def flags(client, bravo, message_id):
    """Read and star flags, and what the unread iterator shows before and after."""
    address = bravo.email_address
    client.messages.mark_unread(address, message_id)
    unread_before = [str(one.id) for one in bravo.iter_unread_emails()]
    read = client.messages.mark_read(address, message_id)
    unread_after = [str(one.id) for one in bravo.iter_unread_emails()]
    starred = client.messages.star(address, message_id)
    unstarred = client.messages.unstar(address, message_id)
    return {
        "unread_before": unread_before,
        "unread_after": unread_after,
        "is_read": read.is_read,
        "is_starred": [starred.is_starred, unstarred.is_starred],
    }


def attach(client, alpha, bravo, content):
    """An attachment's way through, then the message is deleted."""
    alpha.send_email(
        to=[bravo.email_address],
        subject="With a file",
        body_text="See the file.",
        attachments=[
            {
                "filename": ATTACHMENT,
                "content_type": "application/octet-stream",
                "content_base64": content,
            }
        ],
    )
    received = wait_for_inbound(client, bravo, "With a file")
    found = client.messages.get_attachment(bravo.email_address, received.id, ATTACHMENT)
    # No API key on this request: the address itself is the permission.
    download = httpx.get(found["url"])
    client.messages.delete(bravo.email_address, received.id)
    try:
        client.messages.get(bravo.email_address, received.id)
        status_after_delete = 200
    except InkboxAPIError as error:
        status_after_delete = error.status_code
    return {
        "has_attachments": received.has_attachments,
        "attachment_filename": found["filename"],
        "expires_in": found["expires_in"],
        "download_status": download.status_code,
        "download_base64": base64.b64encode(download.content).decode(),
        "status_after_delete": status_after_delete,
        "subjects_after_delete": sorted(one.subject for one in client.messages.list(bravo.email_address)),
    }


def wait_for_inbound(client, identity, subject):
    deadline = time.monotonic() + DELIVERY_SECONDS
    while time.monotonic() < deadline:
        for one in client.messages.list(identity.email_address):
            if one.subject == subject and one.direction == "inbound":
                return one
        time.sleep(0.25)
    raise TimeoutError(f"{subject!r} did not arrive within {DELIVERY_SECONDS} s")


def threads(client, address):
    """Each thread with its messages as (direction, subject), in the order the server gives."""
    return [
        {
            "id": str(thread.id),
            "message_count": thread.message_count,
            "messages": [[one.direction.value, one.subject] for one in client.threads.get(address, thread.id).messages],
        }
        for thread in client.threads.list(address)
    ]


def message(one):
    return {
        "id": str(one.id),
        "thread_id": str(one.thread_id),
        "direction": one.direction.value,
        "subject": one.subject,
        "from_address": one.from_address,
        "to_addresses": one.to_addresses,
    }


if __name__ == "__main__":
    json.dump(main(json.load(sys.stdin)), sys.stdout)
