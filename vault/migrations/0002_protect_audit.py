from django.db import migrations

from vault.audit_protection import protect_vault_audit, unprotect_vault_audit


def protect(apps, schema_editor):
    protect_vault_audit(schema_editor.connection)


def unprotect(apps, schema_editor):
    unprotect_vault_audit(schema_editor.connection)


class Migration(migrations.Migration):

    dependencies = [
        ('vault', '0001_initial'),
    ]

    operations = [migrations.RunPython(protect, unprotect)]
