"""Every method of webhooks and signing keys that this client has.

Inputs: ``base_url``, ``api_key``, ``handle``, ``url``.
"""

import inspect
import json
import sys
import time

from inkbox import Inkbox, InkboxAPIError

DELIVERY_SECONDS = 40


def main(inputs):
    with Inkbox(api_key=inputs["api_key"], base_url=inputs["base_url"]) as client:
        identity = client.create_identity(inputs["handle"])
        rows = client.webhooks.subscriptions
        is_modern = "agent_identity_id" in inspect.signature(rows.create).parameters
        owner = {"agent_identity_id": identity.id} if is_modern else {"mailbox_id": identity.mailbox.id}
        result = subscriptions(rows, owner, inputs["url"], is_modern)
        if is_modern:
            result |= options(rows, owner, inputs["url"])
            result |= deliveries(client, identity, inputs["url"])
        result |= signing_keys(client, inputs["handle"], is_modern)
        return result


def refusal(work, *args, **kwargs):
    """Status and detail of a call that is refused."""
    try:
        work(*args, **kwargs)
    except InkboxAPIError as error:
        return [error.status_code, error.detail]
    return None


def subscriptions(rows, owner, url, is_modern):
    """The life of one row."""
    made = rows.create(url=url, event_types=["message.received", "message.sent"], **owner)
    result = {
        "event_types": made.event_types,
        "status": made.status,
        "got": rows.get(made.id).id == made.id,
        "listed": [one.id == made.id for one in rows.list(**owner)],
        "listed_by_url": len(rows.list(url=url)),
        "listed_by_event": [len(rows.list(event_type=name)) for name in ("message.sent", "message.bounced")],
        "duplicate": refusal(rows.create, url=url, event_types=["message.sent"], **owner),
    }
    changed = rows.update(made.id, url=url + "/moved", event_types=["message.bounced"])
    result["changed"] = [changed.url == url + "/moved", changed.event_types]
    if is_modern:
        result["minted"] = (made.signing_key or "").startswith("whsec_")
    rows.delete(made.id)
    result["listed_after"] = len(rows.list(**owner))
    result["got_after"] = refusal(rows.get, made.id)[0]
    return result


def options(rows, owner, url):
    """A mixed row with context and token, of the newest client."""
    made = rows.create(
        url=url,
        event_types=["message.received", "call.ended"],
        context_config={"email": {"mode": "count", "count": 3}},
        auth_token="receiver-token",
        **owner,
    )
    listed = [len(rows.list(**owner)), len(rows.list(scope="identity", **owner))]
    unscoped = refusal(rows.update, made.id, auth_token=None)[0]
    cleared = rows.update(made.id, context_config=None, auth_token=None, scope="identity")
    result = {
        "mixed": {
            "context_config": made.context_config,
            "token": [made.has_auth_token, made.auth_token],
            "listed": listed,
            "unscoped": unscoped,
            "cleared": [cleared.context_config, cleared.has_auth_token],
        }
    }
    rows.delete(made.id, scope="identity")
    return result


def deliveries(client, identity, url):
    """An event that is sent, looked up and sent again."""
    row = client.webhooks.subscriptions.create(url=url, event_types=["message.sent"], agent_identity_id=identity.id)
    identity.send_email(to=[identity.email_address], subject="To myself", body_text="Hello.\n")
    deadline = time.monotonic() + DELIVERY_SECONDS
    found = []
    while not found and time.monotonic() < deadline:
        time.sleep(0.2)
        found = client.webhooks.deliveries.list(subscription_id=row.id, success=True, event_type="message.sent")
    again = client.webhooks.deliveries.replay(found[0].id)
    return {
        "delivery": {
            "status": found[0].response_status,
            "is_replay": [found[0].is_replay, again.is_replay],
            "same_event": found[0].event_id == again.event_id == json.loads(again.request_payload)["id"],
            "failed": len(client.webhooks.deliveries.list(subscription_id=row.id, success=False)),
            "all": len(client.webhooks.deliveries.list(limit=10)),
        }
    }


def signing_keys(client, handle, is_modern):
    """Status, creation and rotation by every way this client knows."""
    if not is_modern:
        keys = [client.create_signing_key().signing_key for _ in range(2)]
        return {"keys": [key.startswith("whsec_") for key in keys], "distinct": len(set(keys))}
    identity = client.get_identity(handle)
    keys = [identity.create_signing_key().signing_key, client.signing_keys.create_or_rotate(handle).signing_key]
    return {
        "keys": [key.startswith("whsec_") for key in keys],
        "distinct": len(set(keys)),
        "configured": [
            identity.get_signing_key_status().configured,
            client.signing_keys.get_status(handle).configured,
            client.signing_keys.get_status().configured,
            client.get_identity(handle).signing_key_configured,
        ],
        "organization": refusal(client.create_signing_key)[0],
    }


if __name__ == "__main__":
    json.dump(main(json.load(sys.stdin)), sys.stdout)
