"""What the newest client knows of contacts beyond the address book: facts, merges, permissions, policies, timelines.

Inputs: ``base_url``, ``api_key``, ``alpha`` and ``bravo`` (handles of new identities, deleted at the end).
"""

import json
import sys

from inkbox import Inkbox, InkboxAPIError
from inkbox.contacts.resources.communication_policy import ContactAddressUpdate
from inkbox.contacts.resources.correspondence import ContactCorrespondenceOptions
from inkbox.contacts.types import (
    ContactChannelAccessUpdate,
    ContactCreatePermissions,
    ContactEmail,
    ContactPhone,
    ContactReviewStatus,
)

PHONE = "+14155550100"


def main(inputs):
    with Inkbox(api_key=inputs["api_key"], base_url=inputs["base_url"]) as client:
        try:
            alpha = client.create_identity(inputs["alpha"])
            bravo = client.create_identity(inputs["bravo"])
            return {
                "address": bravo.email_address,
                "facts": facts(client, alpha, bravo),
                "merge": merge(client),
                "permissions": permissions(client, alpha),
                "access": access(client, alpha),
                "policy": policy(client, alpha),
                "timeline": timeline(client, alpha, bravo),
            }
        finally:
            clear(client)
            for one in client.list_identities():
                if one.agent_handle in (inputs["alpha"], inputs["bravo"]):
                    client.get_identity(one.agent_handle).delete()


def clear(client):
    ids = [one.id for one in client.contacts.list(limit=100)]
    return client.contacts.bulk_delete(ids) if ids else None


def status(call):
    try:
        call()
    except InkboxAPIError as error:
        return error.status_code
    return 200


def facts(client, alpha, bravo):
    api = client.contacts.facts
    ada = client.contacts.create(given_name="Ada")
    made = api.create(ada.id, content="Likes tea", kind="preference")
    other = api.create(ada.id, content="Writes programs", kind="profile")
    changed = api.update(ada.id, made.id, content="Likes coffee")
    message = alpha.send_email(to=[bravo.email_address], subject="Source", body_text="Tea, please.\n")
    # The published client does not write citations; the server of this test does.
    cited = client.contacts._http.post(
        f"/contacts/{ada.id}/facts",
        json={
            "content": "Asked for tea",
            "kind": "context",
            "citations": [{"source_type": "email", "source_id": str(message.id)}],
        },
    )
    read = api.get(ada.id, cited["id"])
    citation = read.citations[0]
    by_url = api.resolve_citation_url(citation.source_url)
    by_id = api.resolve_citation(ada.id, cited["id"], citation.source_url.rpartition("/")[2])
    listed = [one.content for one in api.list(ada.id, include_expired=True)]
    deleted = api.delete(ada.id, other.id)
    return {
        "made": [made.content, made.origin.value, made.kind.value],
        "changed": changed.content,
        "listed": sorted(listed),
        "citation": [citation.availability.value, str(by_url.source_id) == str(by_id.source_id) == str(message.id)],
        "deleted": [str(deleted.deleted_fact_id) == str(other.id), deleted.memory_count],
        "summary": client.contacts.get(ada.id).memory_count,
    }


def merge(client):
    contacts = client.contacts
    one = contacts.create(given_name="Ada", emails=[ContactEmail(None, "ada@one.example", is_primary=True)])
    two = contacts.create(given_name="Augusta", emails=[ContactEmail(None, "ada@two.example", is_primary=True)])
    merged = contacts.merge(one.id, losing_contact_ids=[two.id], field_sources={"given_name": two.id})
    outcome = contacts.bulk_delete([one.id, two.id])
    return {
        "emails": [row.value for row in merged.emails],
        "name": merged.given_name,
        "deleted": [outcome.deleted_count, [row.status.value for row in outcome.results]],
    }


def permissions(client, alpha):
    emails = [ContactEmail(None, "ada@p.example"), ContactEmail(None, "ada@q.example")]
    ada = client.contacts.create(
        given_name="Ada",
        emails=emails,
        phones=[ContactPhone(None, PHONE)],
        permissions=ContactCreatePermissions(identity_id=alpha.id, emails={"ada@q.example": False}),
    )
    api = client.contacts.permissions
    first = api.get(alpha.agent_handle, ada.id)
    second = api.update(alpha.agent_handle, ada.id, inbound_phones={PHONE: False}, memories=False)
    third = api.update(alpha.agent_handle, ada.id, profile=False)
    refused = status(lambda: alpha.send_email(to=["ada@q.example"], subject="No", body_text="x"))
    return {
        "first": first.emails,
        "second": [second.inbound_phones, second.outbound_phones, second.memories],
        "third": [third.profile, *third.emails.values()],
        "refused": refused,
    }


def access(client, alpha):
    ada = client.contacts.create(given_name="Ada", emails=[ContactEmail(None, "ada@r.example")])
    api = client.contacts.access
    first = api.get(alpha.agent_handle, ada.id)
    second = api.update(alpha.agent_handle, ada.id, email=ContactChannelAccessUpdate(outbound_contactable=[]))
    third = api.update(alpha.agent_handle, ada.id, email=ContactChannelAccessUpdate(visible=False))
    return {
        "first": [first.email.visible, first.email.contactable, first.memories],
        "second": [second.email.inbound_contactable, second.email.outbound_contactable],
        "third": [third.email.visible, third.email.inbound_contactable],
        "listed": [one.identity_id for one in api.list(ada.id)],
    }


def policy(client, alpha):
    api = client.contacts.communication_policy
    ada = client.contacts.create(given_name="Grace", emails=[ContactEmail(None, "ada@s.example")])
    before = api.get(ada.id, alpha.id)
    update = ContactAddressUpdate(kind="email", value="ada@s.example", action="block", expected_action="inherit")
    after = api.replace(
        ada.id,
        expected_revision=before.revision,
        identity_id=alpha.id,
        addresses=[update],
        visibility=before.visibility,
    )
    stale = status(lambda: api.replace(ada.id, expected_revision=before.revision, identity_id=alpha.id, addresses=[]))
    preview = api.preview(ada.id, alpha.id)
    roster = api.list_management_for_identity(
        alpha.agent_handle, q="grace", review_status=[ContactReviewStatus.CONFIRMED]
    )
    visible = alpha.list_contact_communication_policies(limit=1)
    return {
        "before": [before.addresses[0].action, before.addresses[0].allowed],
        "after": [after.revision - before.revision, after.addresses[0].action, after.addresses[0].allowed_inbound],
        "stale": stale,
        "preview": [preview.contact.given_name, preview.email, preview.full_profile],
        "roster": [[one.contact.given_name, one.effective.email, one.access.email.contactable] for one in roster.items],
        "visible": [len(visible.items), visible.has_more],
        "without_identity": api.get(ada.id).effective_visibility,
    }


def timeline(client, alpha, bravo):
    peer = client.contacts.create(given_name="Peer", emails=[ContactEmail(None, bravo.email_address)])
    api = client.contacts.correspondence
    options = ContactCorrespondenceOptions(identity_id=alpha.id, content="full", limit_per_channel=1)
    alpha.send_email(to=[bravo.email_address], subject="Second", body_text="Hello.\n")
    first = api.get(peer.id, options)
    options.cursor = first.next_cursor
    second = api.list(peer.id, options)
    item = first.items[0]
    return {
        "items": [item.subject, item.direction.value, item.channel.value, item.to_addresses, item.body_text.strip()],
        "channels": [[one.channel.value, one.status.value, one.returned] for one in first.channels],
        "second": [[one.subject for one in second.items], second.next_cursor],
        "nobody": status(lambda: api.get(peer.id)),
    }


if __name__ == "__main__":
    json.dump(main(json.load(sys.stdin)), sys.stdout)
