"""Reply to all, a tracked send, and drafts from creation to sending (0.5.18 and later).

Inputs: ``base_url``, ``api_key``, ``handles`` (two of them).
"""

import base64
import json
import re
import sys
import time

import httpx
from inkbox import Inkbox, InkboxAPIError

DELIVERY_SECONDS = 40


def main(inputs):
    with Inkbox(api_key=inputs["api_key"], base_url=inputs["base_url"]) as client:
        alpha, bravo = [client.create_identity(handle) for handle in inputs["handles"]]
        return {
            "addresses": [alpha.email_address, bravo.email_address],
            "reply": reply_all(client, alpha, bravo),
            "opens": tracked(client, inputs["base_url"], alpha, bravo),
            "draft": drafts(client, alpha, bravo),
            "forward": forward_draft(client, alpha, bravo),
        }


def reply_all(client, alpha, bravo):
    alpha.send_email(to=[bravo.email_address], cc=["ops@customer.example"], subject="Question", body_text="Well?\n")
    question = wait_for_inbound(client, bravo, "Question")
    detail = client.messages.get(bravo.email_address, question.id)
    answer = bravo.reply_all_email(str(question.id), body_text="Yes.", idempotency_key="reply-1")
    again = client.messages.reply_all(
        bravo.email_address, str(question.id), body_text="Yes.", idempotency_key="reply-1"
    )
    shown = detail.reply_all_recipients
    return {
        "shown": [shown.to, shown.cc],
        "sent": [answer.to_addresses, answer.cc_addresses],
        "subject": answer.subject,
        "is_same_thread": answer.thread_id == question.thread_id,
        "is_replayed": answer.id == again.id,
    }


def tracked(client, base_url, alpha, bravo):
    sent = alpha.send_email(to=[bravo.email_address], subject="Tracked", body_html="<p>Hello.</p>", track_opens=True)
    arrived = wait_for_inbound(client, bravo, "Tracked")
    html = client.messages.get(bravo.email_address, arrived.id).body_html
    before = client.messages.get(alpha.email_address, sent.id)
    pixel = re.search(r'src="[^"]*(/i/[^"]+)"', html)[1]
    statuses = [httpx.get(f"{base_url}{pixel}").status_code for _ in range(2)]
    after = client.messages.get(alpha.email_address, sent.id)
    return {
        "stored_html": before.body_html,
        "counts": [before.open_count, after.open_count],
        "is_opened": [before.first_opened_at is not None, after.first_opened_at is not None],
        "statuses": statuses,
    }


def drafts(client, alpha, bravo):
    address = alpha.email_address
    made = alpha.create_email_draft(subject="Draft", idempotency_key="draft-1")
    same = client.drafts.create(address, subject="Draft", idempotency_key="draft-1")
    changed = alpha.update_email_draft(
        made.id, generation=made.generation, recipients={"to": [bravo.email_address]}, body_text="Hello from a draft."
    )
    conflict = error_of(lambda: client.drafts.update(address, made.id, generation=1, subject="Late"))
    file = {"filename": "ü.txt", "content_type": "text/plain", "content_base64": base64.b64encode(b"hi").decode()}
    more = client.drafts.add_attachments(address, made.id, generation=changed.generation, attachments=[file, file])
    download = client.drafts.download_attachment(address, made.id, 0, generation=more.generation)
    less = client.drafts.remove_attachment(address, made.id, 1, generation=more.generation)
    copy = alpha.duplicate_email_draft(made.id, generation=less.generation)
    listed = [str(one.id) for one in alpha.iter_email_drafts(page_size=1)]
    alpha.delete_email_draft(copy.id, generation=copy.generation)
    sent = alpha.send_email_draft(made.id, generation=less.generation)
    again = client.drafts.send(address, made.id, generation=less.generation)
    arrived = wait_for_inbound(client, bravo, "Draft")
    return {
        "is_same": made.id == same.id,
        "generations": [made.generation, changed.generation, more.generation, less.generation, copy.generation],
        "conflict": conflict,
        "download": [download.filename, download.content_type, download.content.decode()],
        "files": [one.filename for one in less.attachment_metadata],
        "is_listed": listed == [str(copy.id), str(made.id)],
        "is_sent_once": sent.id == again.id,
        "gone": error_of(lambda: client.drafts.get(address, made.id)),
        "left": [str(one.id) for one in client.drafts.list(address)],
        "received": client.messages.get(bravo.email_address, arrived.id).body_text.rstrip(),
    }


def forward_draft(client, alpha, bravo):
    source = wait_for_inbound(client, bravo, "Draft")
    made = bravo.create_email_draft(
        to=[alpha.email_address], forward_message_id=source.id, forward_note_text="FYI", forward_mode="inline"
    )
    sent = bravo.send_email_draft(made.id, generation=made.generation)
    arrived = wait_for_inbound(client, alpha, "Fwd: Draft")
    return {
        "source": made.forward_source_message_id == source.id,
        "subject": sent.subject,
        "received": client.messages.get(alpha.email_address, arrived.id).body_text,
    }


def error_of(call):
    try:
        call()
    except InkboxAPIError as error:
        code = error.detail.get("error") if isinstance(error.detail, dict) else None
        return [error.status_code, code]
    return None


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
