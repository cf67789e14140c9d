
import common.clock
import common.ids
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('identities', '0004_protect_audit_log'),
    ]

    operations = [
        migrations.CreateModel(
            name='Vault',
            fields=[
                ('id', models.UUIDField(default=common.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('salt_organization_id', models.CharField(editable=False, max_length=64)),
                ('created_at', models.DateTimeField(default=common.clock.now, editable=False)),
                ('updated_at', models.DateTimeField(default=common.clock.now, editable=False)),
                ('organization', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='vault', to='identities.organization')),
            ],
        ),
        migrations.CreateModel(
            name='VaultSecret',
            fields=[
                ('id', models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=255)),
                ('description', models.TextField(blank=True, null=True)),
                ('secret_type', models.CharField(choices=[('api_key', 'api_key'), ('key_pair', 'key_pair'), ('login', 'login'), ('ssh_key', 'ssh_key'), ('other', 'other')], max_length=16)),
                ('encrypted_payload', models.TextField(editable=False)),
                ('size_bytes', models.IntegerField(editable=False, help_text='Name, description and payload.')),
                ('revision', models.IntegerField(default=1, editable=False)),
                ('created_at', models.DateTimeField(default=common.clock.now, editable=False)),
                ('updated_at', models.DateTimeField(default=common.clock.now, editable=False)),
                ('vault', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='secrets', to='vault.vault')),
            ],
        ),
        migrations.CreateModel(
            name='SecretAccess',
            fields=[
                ('id', models.UUIDField(default=common.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=common.clock.now, editable=False)),
                ('identity', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='secret_access', to='identities.agentidentity')),
                ('vault_secret', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='access_rules', to='vault.vaultsecret')),
            ],
            options={
                'verbose_name_plural': 'secret access',
            },
        ),
        migrations.CreateModel(
            name='VaultAuditEntry',
            fields=[
                ('id', models.UUIDField(default=common.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('vault_id', models.UUIDField()),
                ('action', models.CharField(choices=[('vault_initialized', 'vault_initialized'), ('vault_deleted', 'vault_deleted'), ('info_read', 'info_read'), ('keys_listed', 'keys_listed'), ('key_added', 'key_added'), ('key_changed', 'key_changed'), ('key_recovered', 'key_recovered'), ('key_deleted', 'key_deleted'), ('key_refused', 'key_refused'), ('unlocked', 'unlocked'), ('bundle_read', 'bundle_read'), ('secrets_listed', 'secrets_listed'), ('secret_read', 'secret_read'), ('secret_created', 'secret_created'), ('secret_updated', 'secret_updated'), ('secret_deleted', 'secret_deleted'), ('access_listed', 'access_listed'), ('access_granted', 'access_granted'), ('access_revoked', 'access_revoked')], max_length=24)),
                ('caller_scope', models.CharField(help_text='Kind of credential or caller.', max_length=16)),
                ('caller_id', models.CharField(help_text='API key or person.', max_length=64)),
                ('caller_identity_id', models.UUIDField(help_text='The identity of an agent key.', null=True)),
                ('secret_id', models.UUIDField(null=True)),
                ('key_id', models.UUIDField(help_text='The vault key that was used, made or removed.', null=True)),
                ('identity_id', models.UUIDField(help_text='Whose access was granted or revoked.', null=True)),
                ('secret_count', models.IntegerField(help_text='How many secrets the caller was handed.', null=True)),
                ('created_at', models.DateTimeField(default=common.clock.now, editable=False)),
                ('organization', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='vault_audit', to='identities.organization')),
            ],
            options={
                'verbose_name_plural': 'audit entries',
                'indexes': [models.Index(fields=['organization', '-created_at', '-id'], name='vault_audit_newest'), models.Index(fields=['organization', 'secret_id', '-created_at'], name='vault_audit_of_secret'), models.Index(fields=['created_at'], name='vault_audit_oldest')],
            },
        ),
        migrations.CreateModel(
            name='VaultKey',
            fields=[
                ('id', models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ('key_type', models.CharField(choices=[('primary', 'primary'), ('recovery', 'recovery')], max_length=8)),
                ('auth_digest', models.BinaryField(max_length=32)),
                ('wrapped_org_encryption_key', models.CharField(editable=False, max_length=80)),
                ('created_by', models.CharField(max_length=64)),
                ('created_at', models.DateTimeField(default=common.clock.now, editable=False)),
                ('updated_at', models.DateTimeField(default=common.clock.now, editable=False)),
                ('vault', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='keys', to='vault.vault')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('vault', 'auth_digest'), name='vault_key_digest_unique'), models.CheckConstraint(condition=models.Q(('key_type__in', ['primary', 'recovery'])), name='vault_key_type_known')],
            },
        ),
        migrations.AddIndex(
            model_name='vaultsecret',
            index=models.Index(fields=['vault', '-created_at'], name='vault_secret_newest'),
        ),
        migrations.AddConstraint(
            model_name='vaultsecret',
            constraint=models.CheckConstraint(condition=models.Q(('secret_type__in', ['api_key', 'key_pair', 'login', 'ssh_key', 'other'])), name='vault_secret_type_known'),
        ),
        migrations.AddConstraint(
            model_name='secretaccess',
            constraint=models.UniqueConstraint(fields=('vault_secret', 'identity'), name='vault_access_unique'),
        ),
    ]
