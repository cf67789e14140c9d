"""Contacts, with whatever of them a client version has.

Inputs: ``base_url``, ``api_key``, ``alpha`` and ``bravo`` (handles of new identities, deleted at the end).
"""

import inspect
import json
import sys
from datetime import date

from inkbox import Inkbox, InkboxAPIError
from inkbox.contacts.types import (
    ContactAddress,
    ContactCustomField,
    ContactDate,
    ContactEmail,
    ContactPhone,
    ContactWebsite,
)


def main(inputs):
    with Inkbox(api_key=inputs["api_key"], base_url=inputs["base_url"]) as client:
        try:
            alpha = client.create_identity(inputs["alpha"])
            bravo = client.create_identity(inputs["bravo"])
            return {
                "ids": [str(alpha.id), str(bravo.id)],
                "crud": crud(client),
                "access": access(client, alpha, bravo),
            }
        finally:
            for one in client.contacts.list(limit=200):
                client.contacts.delete(one.id)
            for one in client.list_identities():
                if one.agent_handle in (inputs["alpha"], inputs["bravo"]):
                    client.get_identity(one.agent_handle).delete()


def knows(method, parameter):
    return parameter in inspect.signature(method).parameters


def status_of(call):
    try:
        call()
    except InkboxAPIError as error:
        return error.status_code
    return None


def crud(client):
    contacts = client.contacts
    made = contacts.create(
        given_name="Ada",
        family_name="Lovelace",
        name_prefix="Countess",
        company_name="Engines",
        birthday=date(1815, 12, 10),
        notes="First programmer",
        emails=[ContactEmail(label="work", value="ada@example.com", is_primary=True)],
        phones=[ContactPhone(label=None, value="+14155550100")],
        websites=[ContactWebsite(label=None, value="https://ada.example/")],
        dates=[ContactDate(label="wedding", value=date(1835, 7, 8))],
        addresses=[
            ContactAddress(label="home", street=None, city="London", region=None, postal_code="SW1Y", country=None)
        ],
        custom_fields=[ContactCustomField(label="Favourite", value="Numbers")],
    )
    other = contacts.create(preferred_name="Bob", emails=[ContactEmail(label=None, value="bob@mail.example")])
    changed = contacts.update(made.id, job_title="Poet", notes=None, emails=[])
    found = {
        "made": [made.preferred_name, str(made.birthday), made.emails[0].value, made.phones[0].value],
        "lists": [
            made.websites[0].value,
            str(made.dates[0].value),
            made.addresses[0].postal_code,
            made.custom_fields[0].value,
        ],
        "wildcard": [one.identity_id for one in made.access],
        "same": contacts.get(made.id).preferred_name,
        "changed": [changed.job_title, changed.notes, changed.emails, changed.given_name],
        "by_name": [one.preferred_name for one in contacts.list()],
        "recent": [one.preferred_name for one in contacts.list(order="recent", limit=1)],
        "page": [one.preferred_name for one in contacts.list(limit=1, offset=1)],
        "found": [one.preferred_name for one in contacts.list(q="engin")],
        "lookups": [
            [one.preferred_name for one in contacts.lookup(**{name: value})]
            for name, value in (
                ("email", "BOB@mail.example"),
                ("email_contains", "bob"),
                ("email_domain", "mail.example"),
                ("phone", "+14155550100"),
                ("phone_contains", "5550"),
                ("email", "ada@example.com"),
            )
        ],
        "nameless": status_of(lambda: contacts.create(notes="nobody")),
        "invalid": status_of(lambda: contacts.create(given_name="x", phones=[ContactPhone(label=None, value="555")])),
    }
    if knows(contacts.list, "review_status"):
        seen = contacts.update(other.id, review_status="unreviewed")
        found["review"] = [
            seen.review_status.value,
            seen.is_confirmed,
            [one.preferred_name for one in contacts.list(review_status=["unreviewed"])],
            made.creation_source.value,
            made.preferred_name_source.value,
        ]
    contacts.delete(other.id)
    found["gone"] = status_of(lambda: contacts.get(other.id))
    contacts.delete(made.id)
    return found


def access(client, alpha, bravo):
    contacts = client.contacts
    row = contacts.create(given_name="Ada")
    if not hasattr(contacts.access, "grant"):
        listed = [one.identity_id for one in contacts.access.list(row.id)]
        return {"listed": listed}

    from inkbox import RedundantContactAccessGrantError

    try:
        contacts.access.grant(row.id, identity_id=alpha.id)
        redundant = None
    except RedundantContactAccessGrantError as error:
        redundant = [error.status_code, error.error, bool(error.detail_message)]
    contacts.access.revoke(row.id, alpha.id)
    after_revoke = [str(one.identity_id) for one in contacts.access.list(row.id)]
    granted = contacts.access.grant(row.id, identity_id=alpha.id)
    again = status_of(lambda: contacts.access.grant(row.id, identity_id=alpha.id))
    wildcard = contacts.access.grant(row.id, wildcard=True)
    hidden = contacts.create(given_name="Hidden", access_identity_ids=[])
    listed = contacts.create(given_name="Listed", access_identity_ids=[alpha.id])
    return {
        "redundant": redundant,
        "after_revoke": after_revoke,
        "granted": str(granted.identity_id),
        "again": again,
        "wildcard": wildcard.identity_id,
        "hidden": hidden.access,
        "listed": [str(one.identity_id) for one in listed.access],
    }


if __name__ == "__main__":
    json.dump(main(json.load(sys.stdin)), sys.stdout)
