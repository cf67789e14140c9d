"""Positions: the order of all events of an organization."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('identities', '0001_initial'),
        ('webhooks', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='EventLog',
            fields=[
                ('organization', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='+', serialize=False, to='identities.organization')),
                ('last_position', models.BigIntegerField(default=0)),
                ('last_batch', models.PositiveIntegerField(default=0)),
                ('purged_position', models.BigIntegerField(default=0, help_text='Events up to here may have been deleted.')),
            ],
        ),
        migrations.AddField(
            model_name='event',
            name='position',
            field=models.BigIntegerField(default=0, editable=False),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='eventstream',
            name='organization',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='identities.organization'),
        ),
        migrations.AddField(
            model_name='eventstream',
            name='purged_position',
            field=models.BigIntegerField(default=0, help_text='Events up to here may have been deleted.'),
        ),
        migrations.AlterField(
            model_name='event',
            name='organization',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='identities.organization'),
        ),
        migrations.AddIndex(
            model_name='event',
            index=models.Index(fields=['organization', 'position'], name='event_in_organization'),
        ),
        migrations.AddIndex(
            model_name='event',
            index=models.Index(fields=['stream_id', 'position'], name='event_in_stream'),
        ),
    ]
