"""Give the events that are there already their positions, and their streams and organizations their counters."""

from datetime import UTC, datetime

from django.db import migrations

_BATCH = 1000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def number_events(apps, schema_editor):
    Event = apps.get_model("webhooks", "Event")
    EventLog = apps.get_model("webhooks", "EventLog")
    EventStream = apps.get_model("webhooks", "EventStream")
    last = {}
    owners = {}
    batch = []
    rows = Event.objects.order_by("created_at", "stream_id", "seq")
    for row in list(rows.values_list("pk", "organization_id", "stream_id", "created_at")):
        pk, organization, stream, created_at = row
        moment = int((created_at - _EPOCH).total_seconds() * 1_000_000)
        last[organization] = max(last.get(organization, 0) + 1, moment)
        owners[stream] = organization
        batch.append(Event(pk=pk, position=last[organization]))
        if len(batch) >= _BATCH:
            Event.objects.bulk_update(batch, ["position"])
            batch = []
    Event.objects.bulk_update(batch, ["position"])
    for organization, position in last.items():
        EventLog.objects.update_or_create(organization_id=organization, defaults={"last_position": position})
    for stream, organization in owners.items():
        EventStream.objects.filter(pk=stream).update(organization_id=organization)


class Migration(migrations.Migration):
    dependencies = [("webhooks", "0002_event_positions")]

    operations = [migrations.RunPython(number_events, migrations.RunPython.noop)]
