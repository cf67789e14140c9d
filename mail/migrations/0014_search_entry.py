import django.db.models.deletion
from django.db import migrations, models

from mail.search.schema import ensure_search_index


def create_index(apps, schema_editor):
    ensure_search_index(schema_editor.connection)


def drop_index(apps, schema_editor):
    if schema_editor.connection.vendor == "sqlite":
        schema_editor.execute("DROP TABLE IF EXISTS mail_search")


class Migration(migrations.Migration):

    dependencies = [
        ('mail', '0013_platform_mail'),
    ]

    operations = [
        migrations.CreateModel(
            name='SearchEntry',
            fields=[
                ('id', models.BigIntegerField(primary_key=True, serialize=False)),
                ('is_pending', models.BooleanField(default=True)),
                ('revision', models.PositiveIntegerField(default=0)),
                ('indexed_terms', models.BinaryField(null=True)),
                ('mailbox', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='mail.mailbox')),
                ('message', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='search_entry', to='mail.message')),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('is_pending', True)), fields=['-id'], name='search_pending')],
            },
        ),
        migrations.RunPython(create_index, drop_index),
    ]
