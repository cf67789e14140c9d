"""Every notes method, with an admin key and the keys of two agents.

Inputs: ``base_url``, ``admin_key``, ``alpha_key``, ``alpha_id``, ``bravo_key``, ``bravo_id``.
"""

import json
import sys

from inkbox import Inkbox, InkboxAPIError


def main(inputs):
    with (
        Inkbox(api_key=inputs["admin_key"], base_url=inputs["base_url"]) as admin,
        Inkbox(api_key=inputs["alpha_key"], base_url=inputs["base_url"]) as alpha,
        Inkbox(api_key=inputs["bravo_key"], base_url=inputs["base_url"]) as bravo,
    ):
        made = alpha.notes.create(body="# Plan\r\n\r\nBuy **Äpfel** \n", title="Plan")
        private = admin.notes.create(body="For people only")
        return {
            "made": shown(made),
            "private": shown(private),
            "got": shown(alpha.notes.get(made.id)),
            "alpha_may_not_get": status(lambda: alpha.notes.get(private.id)),
            "lists": lists(admin, alpha, inputs),
            "access": access(admin, alpha, bravo, made, inputs),
            "changes": changes(alpha, made),
            "deleted": [alpha.notes.delete(made.id), status(lambda: alpha.notes.get(made.id))],
            "left": bodies(admin.notes.list()),
        }


def shown(note):
    return {
        "id": str(note.id),
        "organization_id": note.organization_id,
        "created_by": note.created_by,
        "title": note.title,
        "body": note.body,
        "status": note.status,
        "access": [str(row.identity_id) for row in note.access],
        "is_dated": note.updated_at >= note.created_at and note.created_at.tzinfo is not None,
    }


def bodies(notes):
    return [note.body for note in notes]


def status(call):
    try:
        call()
    except InkboxAPIError as error:
        return error.status_code
    return 200


def lists(admin, alpha, inputs):
    return {
        "admin": len(admin.notes.list()),
        "alpha": len(alpha.notes.list()),
        "found": len(admin.notes.list(q="ÄPFEL")),
        "created": bodies(admin.notes.list(order="created", limit=1)),
        "second": bodies(admin.notes.list(order="created", limit=1, offset=1)),
        "of_alpha": len(admin.notes.list(identity_id=inputs["alpha_id"])),
        "of_bravo": len(admin.notes.list(identity_id=inputs["bravo_id"])),
        "too_many": status(lambda: admin.notes.list(limit=201)),
    }


def access(admin, alpha, bravo, note, inputs):
    granted = admin.notes.access.grant(note.id, identity_id=inputs["bravo_id"])
    result = {
        "granted": [str(granted.note_id), str(granted.identity_id)],
        "again": status(lambda: admin.notes.access.grant(note.id, identity_id=inputs["bravo_id"])),
        "by_agent": status(lambda: alpha.notes.access.grant(note.id, identity_id=inputs["bravo_id"])),
        "listed": [str(row.identity_id) for row in bravo.notes.access.list(note.id)],
        "seen_by_bravo": bodies(bravo.notes.list()),
        "peer": status(lambda: bravo.notes.access.revoke(note.id, inputs["alpha_id"])),
    }
    bravo.notes.access.revoke(note.id, inputs["bravo_id"])
    result["after"] = [status(lambda: bravo.notes.get(note.id)), len(admin.notes.access.list(note.id))]
    return result


def changes(alpha, note):
    cleared = alpha.notes.update(note.id, title=None)
    rewritten = alpha.notes.update(note.id, body="New", title="Title")
    return {
        "cleared": [cleared.title, cleared.body == note.body],
        "rewritten": [rewritten.title, rewritten.body],
        "unchanged": shown(alpha.notes.update(note.id)) == shown(rewritten),
        "no_body": status(lambda: alpha.notes.update(note.id, body=None)),
        "too_long": status(lambda: alpha.notes.update(note.id, title="t" * 256)),
    }


if __name__ == "__main__":
    json.dump(main(json.load(sys.stdin)), sys.stdout)
