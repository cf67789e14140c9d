"""Claim a domain, verify it, show it next to an agent, give it up.

Inputs: ``base_url``, ``api_key``, ``domain``, ``agent`` (a handle), and ``claim_id`` (or null). The first run, without
a claim, ends when the record is known that has to be published; the second one does the rest.
"""

import dataclasses
import json
import sys
import time

from inkbox import Inkbox, InkboxAPIError


def begin(client, inputs):
    claim = client.organization_domains.create(inputs["domain"])
    identity = client.create_identity(inputs["agent"])
    chosen = client.identities.set_domain_affiliation(identity.agent_handle, claim.id)
    unproven = checked(client, claim.id)
    return {
        "id": claim.id,
        "state": claim.state.value,
        "record": dataclasses.asdict(claim.dns_record),
        "unproven": [unproven.state.value, unproven.last_check_result, unproven.recovery_action],
        "chosen": [chosen.domain_claim_id, chosen.domain, chosen.affiliation is None],
    }


def finish(client, inputs):
    domains, handle, claim_id = client.organization_domains, inputs["agent"], inputs["claim_id"]
    second = domains.create(f"second.{inputs['domain']}")
    first_page = domains.list(limit=1)
    next_page = domains.list(limit=1, cursor=first_page.next_cursor)
    proven = domains.verify(claim_id)
    shown = client.identities.get_domain_affiliation(handle).affiliation
    client.identities.remove_domain_affiliation(handle)
    nothing = client.identities.get_domain_affiliation(handle)
    domains.delete(claim_id)
    return {
        "pages": [[row.id for row in page.items] for page in (first_page, next_page)],
        "end": next_page.next_cursor,
        "second": second.id,
        "proven": [proven.state.value, proven.ownership_conflict, proven.valid_until > proven.verified_at],
        "shown": [shown.domain, shown.verifier, shown.valid_until > shown.last_success_at],
        "nothing": [nothing.domain_claim_id, nothing.domain, nothing.affiliation],
        "released": domains.get(claim_id).state.value,
        "left": [row.id for row in domains.list().items],
        "refused": refusal(lambda: domains.verify(claim_id)),
    }


def checked(client, claim_id):
    # The server may be looking by itself at this moment, and then does not look twice.
    for _ in range(5):
        claim = client.organization_domains.verify(claim_id)
        if claim.last_checked_at is not None:
            break
        time.sleep(1)
    return claim


def refusal(call):
    try:
        call()
    except InkboxAPIError as error:
        return error.status_code
    return None


def main(inputs):
    with Inkbox(api_key=inputs["api_key"], base_url=inputs["base_url"]) as client:
        return finish(client, inputs) if inputs["claim_id"] else begin(client, inputs)


if __name__ == "__main__":
    json.dump(main(json.load(sys.stdin)), sys.stdout)
