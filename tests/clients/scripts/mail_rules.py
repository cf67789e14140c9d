"""Mailboxes, contact rules, threads and send look-up, with whatever of them a client version has.

Inputs: ``base_url``, ``api_key``, ``alpha`` and ``bravo`` (handles of new identities, deleted at the end).
"""

import inspect
import json
import sys
import time

from inkbox import DuplicateContactRuleError, Inkbox, InkboxAPIError, RecipientBlockedError

DELIVERY_SECONDS = 40


def main(inputs):
    with Inkbox(api_key=inputs["api_key"], base_url=inputs["base_url"]) as client:
        try:
            alpha = client.create_identity(inputs["alpha"])
            bravo = client.create_identity(inputs["bravo"])
            return {
                "id": str(alpha.id),
                "mailbox_id": str(alpha.mailbox.id),
                "email_address": alpha.email_address,
                "mailbox": mailboxes(client, alpha),
                "rules": rules(client, alpha),
                "identity_rules": identity_rules(client, alpha),
                "enforced": enforced(client, alpha, bravo),
                "threads": threads(client, alpha, bravo),
                "lookup": lookup(client, alpha, bravo),
            }
        finally:
            for one in client.list_identities():
                if one.agent_handle in (inputs["alpha"], inputs["bravo"]):
                    client.get_identity(one.agent_handle).delete()


def knows(method, parameter):
    return parameter in inspect.signature(method).parameters


def shown(rule):
    names = ("action", "match_type", "match_target", "direction", "status")
    found = {name: getattr(rule, name) for name in names if hasattr(rule, name)}
    owner = {name: str(getattr(rule, name)) for name in ("mailbox_id", "agent_identity_id") if hasattr(rule, name)}
    return {name: getattr(value, "value", value) for name, value in found.items()} | owner | {"id": str(rule.id)}


def mailboxes(client, alpha):
    address = alpha.email_address
    client.mail_contact_rules.create(address, action="block", match_type="domain", match_target="old.example")
    update = client.mailboxes.update
    changed = update(address, filter_mode="whitelist")
    notice = changed.filter_mode_change_notice
    result = {
        "listed": address in [one.email_address for one in client.mailboxes.list()],
        "filter_mode": changed.filter_mode.value,
        "notice": [notice.new_filter_mode.value, notice.redundant_rule_action, notice.redundant_rule_count],
        "notice_without_change": update(address, filter_mode="whitelist").filter_mode_change_notice,
        "back": update(address, filter_mode="blacklist").filter_mode.value,
    }
    for rule in client.mail_contact_rules.list(address):
        client.mail_contact_rules.delete(address, rule.id)
    if knows(update, "signature_html"):
        signed = update(address, signature_html="<p>Alpha<br>Example Org</p>", signature_enabled=True)
        result["signature"] = [signed.signature_html, signed.signature_text, signed.signature_enabled]
        cleared = update(address, signature_html=None, signature_text=None, signature_enabled=False)
        result["cleared"] = [cleared.signature_html, cleared.signature_text, cleared.signature_enabled]
    return result


def rules(client, alpha):
    address, resource = alpha.email_address, client.mail_contact_rules
    made = resource.create(address, action="block", match_type="domain", match_target="Spam.Example")
    try:
        resource.create(address, action="block", match_type="domain", match_target="spam.example")
        duplicate = None
    except DuplicateContactRuleError as error:
        duplicate = [error.status_code, str(error.existing_rule_id)]
    result = {
        "made": shown(made),
        "duplicate": duplicate,
        "got": shown(resource.get(address, made.id)),
        "listed": [shown(one) for one in resource.list(address, action="block", match_type="domain", limit=10)],
        "page_after": [shown(one) for one in resource.list(address, offset=1)],
        "organization": [shown(one) for one in resource.list_all(mailbox_id=alpha.mailbox.id)],
    }
    if knows(resource.update, "status"):
        result["paused"] = shown(resource.update(address, made.id, status="paused"))
    if knows(resource.update, "apply_to"):
        result["split"] = shown(resource.update(address, made.id, action="allow", apply_to="inbound"))
        result["outbound"] = [shown(one) for one in resource.list(address, direction="outbound")]
        result["merged"] = shown(resource.update(address, made.id, direction="both"))
    result["changed"] = shown(resource.update(address, made.id, action="allow"))
    resource.delete(address, made.id)
    try:
        resource.get(address, made.id)
        result["status_after_delete"] = 200
    except InkboxAPIError as error:
        result["status_after_delete"] = error.status_code
    result["left"] = [shown(one) for one in resource.list(address)]
    for one in resource.list(address):
        resource.delete(address, one.id)
    return result


def identity_rules(client, alpha):
    resource = getattr(client, "mail_identity_contact_rules", None)
    if resource is None:
        return None
    handle = alpha.agent_handle
    inbound = resource.create(
        handle, action="allow", match_type="exact_email", match_target="ada@customer.example", direction="inbound"
    )
    both = resource.create(
        handle, action="allow", match_type="exact_email", match_target="ada@customer.example", direction="outbound"
    )
    result = {
        "extended": shown(both),
        "same_id": both.id == inbound.id,
        "got": shown(resource.get(handle, inbound.id)),
        "listed": [shown(one) for one in resource.list(handle, direction="inbound")],
        "organization": [shown(one) for one in resource.list_all(agent_identity_id=alpha.id)],
        "changed": shown(resource.update(handle, inbound.id, action="block")),
    }
    resource.delete(handle, inbound.id)
    result["left"] = len(resource.list(handle))
    return result


def enforced(client, alpha, bravo):
    rule = client.mail_contact_rules.create(
        alpha.email_address, action="block", match_type="exact_email", match_target=bravo.email_address
    )
    try:
        alpha.send_email(to=[bravo.email_address], subject="Not sent", body_text="x")
        refused = None
    except RecipientBlockedError as error:
        refused = [error.status_code, str(error.matched_rule_id) == str(rule.id), error.address, bool(error.reason)]
    bravo.send_email(to=[alpha.email_address], subject="Unwanted", body_text="x")
    thread = wait_for_thread(client, alpha, "Unwanted")
    moved = client.threads.update(alpha.email_address, thread.id, folder="inbox")
    client.mail_contact_rules.delete(alpha.email_address, rule.id)
    return {"refused": refused, "folder": thread.folder.value, "moved": moved.folder.value}


def threads(client, alpha, bravo):
    address = alpha.email_address
    bravo.send_email(to=[address], subject="Wanted", body_text="x")
    thread = wait_for_thread(client, alpha, "Wanted")
    archived = client.threads.update(address, thread.id, folder="archive")
    result = {
        "folder": thread.folder.value,
        "archived": archived.folder.value,
        "unchanged": client.threads.update(address, thread.id).folder.value,
        "folders": [folder.value for folder in client.threads.list_folders(address)],
        "in_archive": [one.subject for one in client.threads.list(address, folder="archive")],
    }
    client.threads.delete(address, thread.id)
    result["left"] = [one.subject for one in client.threads.list(address)]
    return result


def lookup(client, alpha, bravo):
    resource = getattr(client, "message_sends", None)
    if resource is None:
        return None
    address = alpha.email_address
    sent = client.messages.send(
        address, to=[bravo.email_address], subject="Looked up", body_text="x", idempotency_key="rules-lookup"
    )
    direct = resource.lookup(
        sender_kind="mailbox", sender_id=alpha.mailbox.id, operation="mail.send", idempotency_key="rules-lookup"
    )
    try:
        resource.lookup_email(address, idempotency_key="never-used")
        unknown = 200
    except InkboxAPIError as error:
        unknown = error.status_code
    by_address = resource.lookup_email(address, idempotency_key="rules-lookup")
    return {"found": [str(one) == str(sent.id) for one in (direct, by_address)], "unknown": unknown}


def wait_for_thread(client, identity, subject):
    deadline = time.monotonic() + DELIVERY_SECONDS
    while time.monotonic() < deadline:
        for thread in client.threads.list(identity.email_address):
            if thread.subject == subject:
                return thread
        time.sleep(0.2)
    raise SystemExit(f"no thread {subject!r} within {DELIVERY_SECONDS} s")


if __name__ == "__main__":
    json.dump(main(json.load(sys.stdin)), sys.stdout)
