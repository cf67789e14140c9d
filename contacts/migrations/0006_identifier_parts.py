from django.db import migrations

from contacts.parts import drop_parts_index, make_parts_index


def make(apps, schema_editor):
    make_parts_index(schema_editor.connection)


def drop(apps, schema_editor):
    drop_parts_index(schema_editor.connection)


class Migration(migrations.Migration):

    dependencies = [
        ('contacts', '0005_automatic_contacts'),
    ]

    operations = [
        migrations.RunPython(make, drop),
    ]
