"""A send that a person has to approve first.

Inputs: ``base_url``, ``api_key`` (an admin key), ``handle``, ``to``, and ``message_id``: empty to send, else the
message to read until it is not queued any more.
"""

import json
import sys
import time

from inkbox import Inkbox

DELIVERY_SECONDS = 40


def main(inputs):
    with Inkbox(api_key=inputs["api_key"], base_url=inputs["base_url"]) as client:
        agent = client.get_identity(inputs["handle"])
        if inputs["message_id"]:
            return seen(wait_until_decided(client, agent, inputs["message_id"]))
        sent = agent.send_email(to=[inputs["to"]], subject="Offer", body_text="May I?")
        read = client.messages.get(agent.email_address, sent.id)
        return seen(sent) | {"read": seen(read), "listed": [seen(one) for one in listed(client, agent)]}


def listed(client, agent):
    return [one for one in client.messages.list(agent.email_address) if one.direction == "outbound"]


def wait_until_decided(client, agent, message_id):
    deadline = time.monotonic() + DELIVERY_SECONDS
    while time.monotonic() < deadline:
        found = client.messages.get(agent.email_address, message_id)
        if status(found) != "queued":
            return found
        time.sleep(0.25)
    raise TimeoutError(f"{message_id} is still queued after {DELIVERY_SECONDS} s")


def seen(message):
    return {"id": str(message.id), "status": status(message), "to": list(message.to_addresses)}


def status(message):
    # An enum in newer generations, a string in older ones.
    return getattr(message.status, "value", message.status)


if __name__ == "__main__":
    json.dump(main(json.load(sys.stdin)), sys.stdout)
