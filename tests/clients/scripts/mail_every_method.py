"""Calls every public method for mail that a client version has, and reports what was called and what was not.

Inputs: ``base_url``, ``api_key``, ``suffix`` (of new handles, deleted at the end), ``platform_domain``, ``archive``
(the path of an mbox file).
"""

import base64
import inspect
import json
import sys
import time
import types

from inkbox import Inkbox
from inkbox.agent_identity import AgentIdentity

DELIVERY_SECONDS = 40
FILE = {"filename": "a.txt", "content_type": "text/plain", "content_base64": base64.b64encode(b"hi").decode()}
RESOURCES = (
    "mailboxes",
    "messages",
    "threads",
    "drafts",
    "mail_contact_rules",
    "mail_identity_contact_rules",
    "domains",
    "message_sends",
)
# The parsed types of what each method returned, by the name of the method.
returned = {}


def main(inputs):
    with Inkbox(api_key=inputs["api_key"], base_url=inputs["base_url"]) as client:
        methods = watch(client)
        names = [f"{word}-{inputs['suffix']}" for word in ("alpha", "bravo", "carol")]
        try:
            alpha, bravo, carol = [create(client, name) for name in names]
            messages(client, alpha, bravo)
            mailboxes(client, alpha)
            rules(client, alpha)
            if hasattr(client, "drafts"):
                drafts(client, alpha, bravo)
            if hasattr(client.mailboxes, "imports"):
                imports(client, carol, inputs["archive"])
            client.domains.list()
            default = client.domains.set_default(inputs["platform_domain"])
            if hasattr(client.mailboxes, "create"):
                seed(client, carol)
            threads(client, bravo)
        finally:
            for one in client.list_identities():
                if one.agent_handle in names:
                    client.get_identity(one.agent_handle).delete()
    return {"missed": sorted(set(methods) - set(returned)), "returned": returned, "default": default}


def watch(client):
    """Let every method for mail note that it was called; returns their names."""
    owners = [(name, type(getattr(client, name))) for name in RESOURCES if hasattr(client, name)]
    if hasattr(client.mailboxes, "imports"):
        owners.append(("imports", type(client.mailboxes.imports)))
    found = []
    for owner, kind in [*owners, ("identity", AgentIdentity)]:
        for name, function in inspect.getmembers(kind, inspect.isfunction):
            if name.startswith("_") or (kind is AgentIdentity and not is_for_mail(name)):
                continue
            found.append(f"{owner}.{name}")
            setattr(kind, name, noted(f"{owner}.{name}", function))
    return found


def is_for_mail(name):
    return name in ("get_message", "get_thread") or ("mail" in name and "imessage" not in name)


def noted(name, function):
    def call(*args, **kwargs):
        value = function(*args, **kwargs)
        if isinstance(value, types.GeneratorType):
            # Lists ask page by page while they are read.
            value = list(value)
        shown = value[0] if isinstance(value, list) and value else value
        if returned.get(name) in (None, "list"):  # an empty list tells nothing yet
            returned[name] = type(shown).__name__
        return iter(value) if isinstance(value, list) and name.endswith(("iter_emails", "drafts.list")) else value

    call.__signature__ = inspect.signature(function)
    return call


def knows(method, parameter):
    return parameter in inspect.signature(method).parameters


def create(client, handle):
    asks = "create_mailbox" in inspect.signature(client.create_identity).parameters
    return client.create_identity(handle, **({"create_mailbox": True} if asks else {}))


def messages(client, alpha, bravo):
    address, resource = bravo.email_address, client.messages
    alpha.send_email(to=[address], cc=["ops@customer.example"], subject="One", body_text="1", attachments=[FILE])
    one = arrival(client, bravo, "One")
    resource.send(alpha.email_address, to=[address], subject="Two", body_html="<p>2</p>")
    two = arrival(client, bravo, "Two")
    bravo.get_message(str(one.id))
    resource.get(address, two.id)
    bravo.get_thread(str(one.thread_id))
    list(bravo.iter_emails(page_size=1))
    if knows(resource.list, "tz"):
        list(bravo.iter_emails(start_datetime="2020-01-01", end_datetime="2099-01-01", tz="Europe/Berlin"))
    resource.mark_unread(address, one.id)
    list(bravo.iter_unread_emails())
    bravo.mark_emails_read([str(one.id), str(two.id)])
    if hasattr(bravo, "mark_emails_unread"):
        bravo.mark_emails_unread([str(one.id)])
    resource.mark_read(address, one.id)
    resource.star(address, one.id)
    resource.unstar(address, one.id)
    resource.update_flags(address, one.id, is_read=False, is_starred=True)
    resource.get_attachment(address, one.id, "a.txt")
    resource.get_attachment(address, one.id, "a.txt", redirect=True)
    bravo.forward_email(str(one.id), to=["dan@customer.example"], body_text="FYI", additional_attachments=[FILE])
    resource.forward(address, two.id, to=["dan@customer.example"], mode="wrapped", reply_to=alpha.email_address)
    if hasattr(resource, "reply_all"):
        bravo.reply_all_email(str(one.id), body_text="Yes")
        resource.reply_all(address, two.id, body_html="<p>No</p>")
    if hasattr(client, "message_sends"):
        sent = resource.send(address, to=["dan@customer.example"], subject="Key", idempotency_key="every-method")
        lookup = client.message_sends
        found = lookup.lookup(
            sender_kind="mailbox", sender_id=bravo.mailbox.id, operation="mail.send", idempotency_key="every-method"
        )
        again = lookup.lookup_email(address, idempotency_key="every-method")
        assert str(found) == str(again) == str(sent.id)
    resource.delete(address, two.id)


def mailboxes(client, alpha):
    resource, address = client.mailboxes, alpha.email_address
    resource.list()
    resource.get(address)
    resource.search(address, q="one", limit=5)
    options = {"filter_mode": "blacklist"}
    if knows(resource.update, "signature_html"):
        options |= {"signature_html": "<p>A</p>", "signature_enabled": False}
    if knows(resource.update, "display_name"):
        options |= {"display_name": "Ms Alpha"}
    resource.update(address, **options)


def rules(client, alpha):
    walk_rules(client.mail_contact_rules, alpha.email_address, {"mailbox_id": alpha.mailbox.id}, "one.example")
    if hasattr(client, "mail_identity_contact_rules"):
        walk_rules(
            client.mail_identity_contact_rules, alpha.agent_handle, {"agent_identity_id": alpha.id}, "two.example"
        )
        made = alpha.create_mail_contact_rule(action="block", match_type="domain", match_target="three.example")
        alpha.get_mail_contact_rule(made.id)
        alpha.list_mail_contact_rules(action="block", match_type="domain", limit=1, offset=0, direction="both")
        alpha.update_mail_contact_rule(made.id, action="allow", apply_to="outbound")
        for one in alpha.list_mail_contact_rules():
            alpha.delete_mail_contact_rule(one.id)


def walk_rules(resource, owner, everywhere, target):
    made = resource.create(owner, action="block", match_type="domain", match_target=target)
    resource.get(owner, made.id)
    resource.list(owner, action="block", match_type="domain", limit=10, offset=0)
    resource.list_all(**everywhere)
    if knows(resource.update, "status"):
        resource.update(owner, made.id, status="paused")
    resource.update(owner, made.id, action="allow")
    resource.delete(owner, made.id)


def drafts(client, alpha, bravo):
    resource, address = client.drafts, alpha.email_address
    made = resource.create(address, to=[bravo.email_address], subject="Draft", body_text="x")
    resource.get(address, made.id)
    more = resource.add_attachments(address, made.id, generation=1, attachments=[FILE])
    resource.download_attachment(address, made.id, 0, generation=more.generation)
    less = resource.remove_attachment(address, made.id, 0, generation=more.generation)
    changed = resource.update(address, made.id, generation=less.generation, subject="Better")
    copy = resource.duplicate(address, made.id, generation=changed.generation)
    list(resource.list(address, page_size=1))
    resource.delete(address, copy.id, generation=1)
    resource.send(address, made.id, generation=changed.generation)
    own = alpha.create_email_draft(to=[bravo.email_address], subject="Own", body_text="x")
    alpha.get_email_draft(own.id)
    changed = alpha.update_email_draft(own.id, generation=1, body_text="y")
    copy = alpha.duplicate_email_draft(own.id, generation=changed.generation)
    list(alpha.iter_email_drafts())
    alpha.delete_email_draft(copy.id, generation=1)
    alpha.send_email_draft(own.id, generation=changed.generation)


def imports(client, carol, archive):
    resource, address = client.mailboxes.imports, carol.email_address
    made = resource.create(address, original_addresses=["old.me@former.example"])
    target = resource.refresh_upload_target(address, str(made.job.id))
    resource.upload(target, archive)
    resource.start(address, str(made.job.id))
    resource.wait(address, str(made.job.id), timeout=60, poll_interval=0.2)
    done = resource.get(address, str(made.job.id))
    assert done.status.value == "completed", done.error_detail
    resource.list(address, limit=1)
    other = resource.create(address)
    resource.cancel(address, str(other.job.id))


def seed(client, carol):
    """Mailboxes of the first generation are made, linked and deleted by themselves."""
    old = carol.mailbox
    carol.unlink_mailbox()
    carol.create_mailbox(display_name="Carol")
    carol.unlink_mailbox()
    carol.assign_mailbox(str(old.id))
    carol.unlink_mailbox()
    made = client.mailboxes.create(agent_handle=carol.agent_handle, email_local_part=f"made-{carol.agent_handle}")
    client.mailboxes.delete(made.email_address)


def threads(client, bravo):
    resource, address = client.threads, bravo.email_address
    resource.list_folders(address)
    first = next(iter(resource.list(address, folder="inbox", page_size=1)))
    resource.get(address, first.id)
    resource.update(address, first.id, folder="archive")
    resource.delete(address, first.id)


def arrival(client, identity, subject):
    deadline = time.monotonic() + DELIVERY_SECONDS
    while time.monotonic() < deadline:
        for one in client.messages.list(identity.email_address):
            if one.subject == subject and one.direction == "inbound":
                return one
        time.sleep(0.25)
    raise TimeoutError(f"{subject!r} did not arrive within {DELIVERY_SECONDS} s")


if __name__ == "__main__":
    json.dump(main(json.load(sys.stdin)), sys.stdout, default=str)
