from django.db import migrations, transaction

from mail.search.entries import entry_number

BATCH = 1000


def request_indexing(apps, schema_editor):
    """Ask for every stored message; the worker indexes them after the upgrade. Safe to interrupt and repeat."""
    Message = apps.get_model("mail", "Message")
    SearchEntry = apps.get_model("mail", "SearchEntry")
    rows = Message.objects.filter(deleted_at__isnull=True, search_entry__isnull=True).order_by("-pk")
    last = None
    while True:
        page = rows if last is None else rows.filter(pk__lt=last)
        batch = list(page.values_list("pk", "mailbox_id", "created_at")[:BATCH])
        if not batch:
            return
        numbers = {pk: entry_number(created_at, pk) for pk, _, created_at in batch}
        taken = set(SearchEntry.objects.filter(pk__in=numbers.values()).values_list("pk", flat=True))
        entries = []
        for pk, mailbox_id, _ in batch:
            number = numbers[pk]
            while number in taken:
                number += 1
            taken.add(number)
            entries.append(SearchEntry(id=number, message_id=pk, mailbox_id=mailbox_id))
        with transaction.atomic():
            SearchEntry.objects.bulk_create(entries)
        last = batch[-1][0]


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ('mail', '0014_search_entry'),
    ]

    operations = [
        migrations.RunPython(request_indexing, migrations.RunPython.noop),
    ]
