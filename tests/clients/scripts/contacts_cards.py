"""vCards in and out; every client generation can do this, newer ones export several at once.

Inputs: ``base_url``, ``api_key``.
"""

import json
import sys

from inkbox import Inkbox, InkboxAPIError

FILE = (
    "BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Ada Lovelace\r\nN:Lovelace;Ada;;;\r\nEMAIL;TYPE=PREF:ada@cards.example\r\n"
    "END:VCARD\r\n"
    "BEGIN:VCARD\r\nVERSION:3.0\r\nEND:VCARD\r\n"
    "BEGIN:VCARD\r\nVERSION:4.0\r\nFN:Ada again\r\nEMAIL:ADA@cards.example\r\nEND:VCARD\r\n"
)


def main(inputs):
    with Inkbox(api_key=inputs["api_key"], base_url=inputs["base_url"]) as client:
        try:
            return cards(client)
        finally:
            for one in client.contacts.list(limit=200):
                client.contacts.delete(one.id)


def cards(client):
    vcards = client.contacts.vcards
    done = vcards.import_vcards(FILE)
    ada = client.contacts.lookup(email="ada@cards.example")[0]
    text = vcards.export_vcard(ada.id)
    text = text.decode() if isinstance(text, bytes) else text
    found = {
        "counts": [done.created_count, done.error_count],
        "statuses": [str(getattr(one.status, "value", one.status)) for one in done.results],
        "made": done.results[0].contact.preferred_name,
        "is_primary": done.results[0].contact.emails[0].is_primary,
        "export": [text.startswith("BEGIN:VCARD\r\nVERSION:4.0\r\n"), "FN:Ada Lovelace" in text],
        "no_cards": status(lambda: vcards.import_vcards("nothing")),
        "gone": status(lambda: vcards.export_vcard(unknown_id())),
    }
    if hasattr(vcards, "export_vcards"):
        bob = client.contacts.create(given_name="Bob")
        several = vcards.export_vcards([bob.id, ada.id])
        found["several"] = [
            several.content_type,
            several.contact_count,
            several.vcard.index("Bob") < several.vcard.index("Ada"),
        ]
        found["conflict"] = str(done.results[2].conflicting_contact_id) == str(ada.id)
    return found


def unknown_id():
    """An id that nothing has."""
    return "00000000-0000-7000-8000-000000000000"


def status(call):
    try:
        call()
    except InkboxAPIError as error:
        return error.status_code
    return 200


if __name__ == "__main__":
    json.dump(main(json.load(sys.stdin)), sys.stdout)
