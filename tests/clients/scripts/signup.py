"""Sign an agent up and verify it with the code that its human reads in a mailbox of the same server.

Inputs: ``base_url``, ``api_key`` (of the human's organization), ``human`` (a handle), ``agent`` (a handle),
``local_part``, ``harness`` (or null, for clients that do not know it).
"""

import json
import re
import sys
import time

from inkbox import Inkbox

WAIT_SECONDS = 30


def code_of(identity, subject_end):
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        for message in identity.iter_emails():
            if message.subject.endswith(subject_end):
                return re.search(r"^    (\d{6})$", identity.get_message(str(message.id)).body_text, re.MULTILINE)[1]
        time.sleep(0.2)
    raise TimeoutError("the verification mail did not arrive")


def main(inputs):
    base_url = inputs["base_url"]
    with Inkbox(api_key=inputs["api_key"], base_url=base_url) as client:
        human = client.create_identity(inputs["human"], **inputs["create"])
        extra = {"harness": inputs["harness"]} if inputs["harness"] else {}
        made = Inkbox.signup(
            human_email=human.email_address,
            note_to_human="Please verify me.",
            display_name="New Agent",
            agent_handle=inputs["agent"],
            email_local_part=inputs["local_part"],
            base_url=base_url,
            **extra,
        )
        before = Inkbox.get_signup_status(made.api_key, base_url=base_url)
        code = code_of(human, "asks you to verify it")
        verified = Inkbox.verify_signup(made.api_key, code, base_url=base_url)
        resent = Inkbox.resend_signup_verification(made.api_key, base_url=base_url)
        after = Inkbox.get_signup_status(made.api_key, base_url=base_url)
    with Inkbox(api_key=made.api_key, base_url=base_url) as agent:
        mine = agent.get_identity(made.agent_handle)
        return {
            "human_email": made.human_email,
            "email_address": made.email_address,
            "organization_id": made.organization_id,
            "claimed_at_first": made.claim_status,
            "before": [before.claim_status, before.human_state, before.restrictions.allowed_recipients],
            "verified": verified.claim_status,
            "resent": resent.claim_status,
            "after": [after.claim_status, after.restrictions.allowed_recipients],
            "own_address": mine.email_address,
            "message": made.message,
        }


if __name__ == "__main__":
    json.dump(main(json.load(sys.stdin)), sys.stdout)
