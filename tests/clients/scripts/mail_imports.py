"""Import archives as the published client does: create, refresh, upload, start, wait, list, cancel, and its errors.

Inputs: ``base_url``, ``api_key``, ``handle``, ``folder`` (with ``mail.mbox``, ``takeout.zip`` and ``one.eml``).
"""

import json
import sys
from pathlib import Path

from inkbox import Inkbox, InkboxAPIError
from inkbox.exceptions import MailImportUploadError

POLL_SECONDS = 0.2


def main(inputs):
    folder = Path(inputs["folder"])
    with Inkbox(api_key=inputs["api_key"], base_url=inputs["base_url"]) as client:
        identity = client.create_identity(inputs["handle"])
        address, imports = identity.email_address, client.mailboxes.imports
        try:
            result = {"mbox": run(imports, address, folder / "mail.mbox", ["me@former.example"], refresh=True)}
            messages = list(client.messages.list(address))
            result["messages"] = sorted(
                [one.subject, one.direction.value, str(one.import_job_id), one.created_at.isoformat(), one.is_read]
                for one in messages
            )
            result["zip"] = run(imports, address, folder / "takeout.zip", None, mark_as_read=False)
            result["eml"] = run(imports, address, folder / "one.eml", None, source_format="eml")
            result |= refusals(imports, address)
            page = imports.list(address, limit=2)
            rest = imports.list(address, limit=50, cursor=page.next_cursor)
            result["listed"] = [str(job.id) for job in page.items + rest.items]
            result["has_more"] = [page.has_more, rest.has_more]
            result["storage"] = client.mailboxes.get(address).storage_used_bytes
        finally:
            identity.delete()
    return result


def run(imports, address, path, original_addresses, *, refresh=False, **options):
    made = imports.create(address, original_addresses=original_addresses, **options)
    target = imports.refresh_upload_target(address, str(made.job.id)) if refresh else made.upload
    imports.upload(target, path)
    started = imports.start(address, str(made.job.id))
    done = imports.wait(address, str(made.job.id), timeout=60, poll_interval=POLL_SECONDS)
    return {
        "id": str(done.id),
        "statuses": [made.job.status.value, started.status.value, done.status.value],
        "expires_in": target.expires_in_seconds,
        "size": started.upload_size_bytes,
        "original_addresses": done.original_addresses,
        "mark_as_read": done.mark_as_read,
        "counters": [
            done.messages_processed,
            done.messages_imported,
            done.messages_skipped_duplicate,
            done.messages_failed,
            done.messages_rejected_unsafe,
        ],
        "error_detail": done.error_detail,
        "is_terminal": done.is_terminal,
    }


def refusals(imports, address):
    """What the client makes of refusals; ends with a cancelled job."""
    made = imports.create(address)
    job_id = str(made.job.id)
    found = {
        "second": status_of(lambda: imports.create(address)),
        "early": status_of(lambda: imports.start(address, job_id)),
    }
    made.upload.fields["signature"] = "0" * 64
    try:
        imports.upload(made.upload, __file__)
    except MailImportUploadError as error:
        found["forged"] = error.status_code
    found["cancelled"] = imports.cancel(address, job_id).status.value
    found["again"] = status_of(lambda: imports.cancel(address, job_id))
    found["got"] = imports.get(address, job_id).status.value
    found["cancelled_id"] = job_id
    return found


def status_of(call):
    try:
        call()
    except InkboxAPIError as error:
        return error.status_code
    return 200


if __name__ == "__main__":
    json.dump(main(json.load(sys.stdin)), sys.stdout)
