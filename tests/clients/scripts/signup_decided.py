"""Sign an agent up, or look at one whose human has decided.

Inputs: ``base_url``; then either ``human_email``, ``agent`` (a handle), ``local_part`` and ``harness`` (or null), or
the ``api_key`` and ``agent`` of an agent that signed itself up before.
"""

import json
import sys

from inkbox import Inkbox, InkboxAPIError


def register(inputs):
    extra = {"harness": inputs["harness"]} if inputs["harness"] else {}
    made = Inkbox.signup(
        human_email=inputs["human_email"],
        note_to_human="Please decide about me.",
        display_name="New Agent",
        agent_handle=inputs["agent"],
        email_local_part=inputs["local_part"],
        base_url=inputs["base_url"],
        **extra,
    )
    status = Inkbox.get_signup_status(made.api_key, base_url=inputs["base_url"])
    return {
        "api_key": made.api_key,
        "agent": made.agent_handle,
        "email_address": made.email_address,
        "organization_id": made.organization_id,
        "states": [made.claim_status, status.claim_status, status.human_state],
    }


def look(inputs):
    status = Inkbox.get_signup_status(inputs["api_key"], base_url=inputs["base_url"])
    result = {"status": status.claim_status, "recipients": status.restrictions.allowed_recipients, "refused": None}
    with Inkbox(api_key=inputs["api_key"], base_url=inputs["base_url"]) as client:
        try:
            mine = client.get_identity(inputs["agent"])
        except InkboxAPIError as error:
            result["refused"] = error.status_code
        else:
            result["email_address"] = mine.email_address
    return result


def main(inputs):
    return look(inputs) if "api_key" in inputs else register(inputs)


if __name__ == "__main__":
    json.dump(main(json.load(sys.stdin)), sys.stdout)
