from itertools import islice

from django.db import migrations, transaction

from common.addresses import counterparty_address

BATCH = 1000
# As in mail/limits.py when this was written.
CORRESPONDENTS_MAX = 200


def note_correspondents(apps, schema_editor):
    """Whom the stored messages are with. Safe to interrupt and repeat."""
    Message = apps.get_model("mail", "Message")
    Correspondent = apps.get_model("mail", "Correspondent")
    rows = Message.objects.filter(deleted_at__isnull=True, correspondents__isnull=True).order_by("-pk")
    columns = ("pk", "mailbox_id", "created_at", "direction", "from_address", "to_addresses", "cc_addresses", "bcc_addresses")
    last = None
    while True:
        page = rows if last is None else rows.filter(pk__lt=last)
        batch = list(page.values_list(*columns)[:BATCH])
        if not batch:
            return
        found = []
        for pk, mailbox_id, created_at, direction, sender, to, cc, bcc in batch:
            addresses = [sender] if direction == "inbound" else [*to, *(cc or ()), *(bcc or ())]
            known = dict.fromkeys(counterparty_address(address) for address in addresses if address)
            found += [
                Correspondent(message_id=pk, mailbox_id=mailbox_id, address=address, occurred_at=created_at)
                for address in islice(known, CORRESPONDENTS_MAX)
            ]
        with transaction.atomic():
            Correspondent.objects.bulk_create(found)
        last = batch[-1][0]


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("mail", "0022_correspondents"),
    ]

    operations = [
        migrations.RunPython(note_correspondents, migrations.RunPython.noop),
    ]
