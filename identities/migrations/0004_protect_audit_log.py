from django.db import migrations

from identities.audit_protection import protect_audit_log, unprotect_audit_log


def protect(apps, schema_editor):
    protect_audit_log(schema_editor.connection)


def unprotect(apps, schema_editor):
    unprotect_audit_log(schema_editor.connection)


class Migration(migrations.Migration):

    dependencies = [
        ('identities', '0003_audit_log'),
    ]

    operations = [migrations.RunPython(protect, unprotect)]
