"""List sending domains, choose the default, create identities on each kind of domain.

Inputs: ``base_url``, ``api_key``, ``domain`` (verified), ``pending`` (not verified), ``handles`` (three free ones), and
``domain_id`` for clients that create mailboxes by themselves.
"""

import inspect
import json
import sys

from inkbox import Inkbox, InkboxAPIError


def main(inputs):
    with Inkbox(api_key=inputs["api_key"], base_url=inputs["base_url"]) as client:
        domains = client.domains
        status_type = type(domains.list()[0].status)
        result = {
            "all": [shown(row) for row in domains.list()],
            "verified": [shown(row) for row in domains.list(status=status_type("verified"))],
            "failed": [shown(row) for row in domains.list(status=status_type("failed"))],
            "chosen": domains.set_default(inputs["domain"]),
            "defaults": [row.domain for row in domains.list() if row.is_default],
            "refused": refusal(lambda: domains.set_default(inputs["pending"])),
            "unknown": refusal(lambda: domains.set_default("unknown.acme.org")),
            "addresses": addresses(client, inputs),
            "cleared": domains.set_default("mail.localhost"),
        }
        result["defaults_after"] = [row.domain for row in domains.list() if row.is_default]
        return result


def addresses(client, inputs):
    first, second, third = inputs["handles"]
    create = client.create_identity
    if "create_mailbox" in inspect.signature(create).parameters:
        # The seed generation makes mailboxes on request, and names the domain by the id of its row.
        by_id = client.create_identity(first)
        made = by_id.create_mailbox(sending_domain_id=inputs["domain_id"], email_local_part=first)
        return [made.email_address]
    on_default = create(first)
    on_platform = create(second, sending_domain=None)
    named = create(third, sending_domain=inputs["domain"], email_local_part="sales.eu")
    refused = refusal(lambda: create(f"{third}-x", sending_domain=inputs["pending"]))
    return [on_default.email_address, on_platform.email_address, named.email_address, refused]


def shown(row):
    return [row.id, row.domain, row.status.value, row.is_default, row.verified_at is not None]


def refusal(call):
    try:
        call()
    except InkboxAPIError as error:
        return error.status_code
    return None


if __name__ == "__main__":
    json.dump(main(json.load(sys.stdin)), sys.stdout)
