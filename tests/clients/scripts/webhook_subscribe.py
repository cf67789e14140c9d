"""Subscribe a receiver to ``message.received`` of a new identity.

Inputs: ``base_url``, ``api_key``, ``handle``, ``url``.

Clients that know identity-owned subscriptions get the signing key with the
first one. Before that, a mailbox owns the subscription and one key, made
separately, signs for the whole organization.
"""

import inspect
import json
import sys

from inkbox import Inkbox


def main(inputs):
    with Inkbox(api_key=inputs["api_key"], base_url=inputs["base_url"]) as client:
        identity = client.create_identity(inputs["handle"])
        create = client.webhooks.subscriptions.create
        if "agent_identity_id" in inspect.signature(create).parameters:
            owner = {"agent_identity_id": identity.id}
            key = None
        else:
            owner = {"mailbox_id": identity.mailbox.id}
            key = client.create_signing_key().signing_key
        made = create(url=inputs["url"], event_types=["message.received"], **owner)
        listed = client.webhooks.subscriptions.list(**owner)
        return {
            "identity_id": str(identity.id),
            "mailbox_id": str(identity.mailbox.id),
            "email_address": identity.email_address,
            "signing_key": key or made.signing_key,
            "status": made.status,
            "url": made.url,
            "event_types": made.event_types,
            "owner": {name: str(getattr(made, name)) for name in owner},
            "is_listed": [one.id for one in listed] == [made.id],
        }


if __name__ == "__main__":
    json.dump(main(json.load(sys.stdin)), sys.stdout)
