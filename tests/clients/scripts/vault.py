"""The vault and the credentials of identities: keys, recovery codes, secrets, TOTP, access, an agent's own view.

Inputs: ``base_url``, ``admin_key``, ``alpha_key``, ``bravo_key`` (keys of two agents) and their handles and ids.
"""

import json
import sys
import time

from inkbox import (
    APIKeyPayload,
    Inkbox,
    InkboxAPIError,
    KeyPairPayload,
    LoginPayload,
    OtherPayload,
    SSHKeyPayload,
    generate_totp,
    parse_totp_uri,
)

KEY, SECOND_KEY, THIRD_KEY = "First-vault-key-01!", "Second-vault-key-02!", "Third-vault-key-03!"
TOTP_URI = "otpauth://totp/Bank:ann?secret=JBSWY3DPEHPK3PXP&issuer=Bank&digits=8"
PAYLOADS = {
    "login": LoginPayload(
        password="correct horse", username="ann", email="ann@example.com", url="https://bank.example"
    ),
    "api key": APIKeyPayload(api_key="sk-live-1", endpoint="https://api.example"),
    "key pair": KeyPairPayload(access_key="AKIA1", secret_key="shhh", endpoint="https://s3.example"),
    "ssh key": SSHKeyPayload(private_key="-----BEGIN KEY-----", public_key="ssh-ed25519 AAAA", passphrase="p"),
    "other": OtherPayload(data="any text, äöü"),
}


def main(inputs):
    with client(inputs, "admin_key") as admin:
        result = {"before": admin.vault.info(), "opened": initialize(admin)}
        codes = result["opened"].pop("codes")
        admin.vault.unlock(KEY)
        result["secrets"] = secrets(admin)
        result["totp"] = totp(admin.vault.unlocked, admin.vault.unlocked.secrets[0].id)
        result["access"] = access(admin, inputs)
        result["identity"] = of_identity(admin, inputs["alpha"])
        result["agent"] = of_agent(inputs)
        result["created_with"] = created_with(admin, inputs)
        result["keys"] = keys(inputs, admin, codes)
        return result


def client(inputs, key, **options):
    return Inkbox(api_key=inputs[key], base_url=inputs["base_url"], **options)


def status_of(call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except InkboxAPIError as error:
        return error.status_code
    except (ValueError, KeyError, TypeError) as error:
        return type(error).__name__
    return 200


def text(value):
    return getattr(value, "value", value)


def initialize(admin):
    made = admin.vault.initialize(KEY)
    info = admin.vault.info()
    listed = admin.vault.list_keys()
    return {
        "codes": made.recovery_codes,
        "count": [len(made.recovery_codes), made.recovery_key_count],
        "same_vault": made.vault_id == info.id,
        "same_key": made.vault_key_id == listed[0].id,
        "organization_id": info.organization_id,
        "info": [info.key_count, info.recovery_key_count, info.secret_count],
        "keys": [text(key.key_type) for key in listed],
        "primary": len(admin.vault.list_keys(key_type="primary")),
        "recovery": len(admin.vault.list_keys(key_type="recovery")),
        "again": status_of(admin.vault.initialize, KEY),
        "wrong_key": status_of(admin.vault.unlock, "Wrong-vault-key-01!"),
    }


def secrets(admin):
    unlocked = admin.vault.unlocked
    made = {name: unlocked.create_secret(name, payload, description=f"a {name}") for name, payload in PAYLOADS.items()}
    login = made["login"]
    read = unlocked.get_secret(login.id)
    before = [read.name, read.description, read.payload == PAYLOADS["login"]]
    changed = unlocked.update_secret(login.id, name="Bank", description=None, payload=LoginPayload(password="new"))
    again = unlocked.get_secret(login.id)
    unlocked.delete_secret(made["other"].id)
    admin.vault.delete_secret(made["ssh key"].id)
    fresh = admin.vault.unlock(KEY)
    return {
        "types": {name: text(secret.secret_type) for name, secret in made.items()},
        "access": [secret.access for secret in made.values() if hasattr(secret, "access")],
        "before": before,
        "changed": [changed.name, changed.description, again.payload.password, again.created_at == read.created_at],
        "wrong_type": status_of(unlocked.update_secret, login.id, payload=OtherPayload(data="x")),
        "gone": [status_of(unlocked.get_secret, made[name].id) for name in ("other", "ssh key")],
        "listed": [secret.name for secret in admin.vault.list_secrets()],
        "by_type": [secret.name for secret in admin.vault.list_secrets(secret_type="api_key")],
        "in_bundle": sorted(secret.name for secret in fresh.secrets),
        "opens": {s.name: s.payload == PAYLOADS[s.name] for s in fresh.secrets if s.name in PAYLOADS},
        "info": admin.vault.info().secret_count,
        "refused": status_of(unlocked.create_secret, "x" * 256, PAYLOADS["other"]),
    }


def totp(holder, _):
    login = holder.create_secret("With a code", LoginPayload(password="p"))
    result = with_totp(holder, login.id)
    result["not_a_login"] = status_of(holder.set_totp, holder.create_secret("o", PAYLOADS["other"]).id, TOTP_URI)
    return result


def with_totp(holder, secret_id):
    """Set, use and remove the codes of a login, through the unlocked vault or an identity."""
    without = status_of(holder.get_totp_code, secret_id)
    set_ = holder.set_totp(secret_id, TOTP_URI)
    stored = holder.get_secret(secret_id).payload.totp
    for _ in range(3):
        code, expected = holder.get_totp_code(secret_id), generate_totp(parse_totp_uri(TOTP_URI))
        if code.period_start == expected.period_start:
            break
        time.sleep(0.1)  # a period ended between the two
    removed = holder.remove_totp(secret_id)
    return {
        "without": without,
        "same_secret": set_.id == removed.id,
        "stored": [stored.secret, stored.digits, stored.period, stored.issuer, text(stored.algorithm)],
        "code": [len(code.code), code.code == expected.code],
        "removed": holder.get_secret(secret_id).payload.totp,
        "password": holder.get_secret(secret_id).payload.password,
    }


def access(admin, inputs):
    secret = admin.vault.unlocked.create_secret("Shared", OtherPayload(data="for two"))
    granted = [admin.vault.grant_access(secret.id, inputs[f"{name}_id"]) for name in ("alpha", "bravo")]
    listed = admin.vault.list_access_rules(secret.id)
    filtered = admin.vault.unlock(KEY, identity_id=inputs["bravo_id"])
    result = {
        "granted": [[str(rule.vault_secret_id) == str(secret.id), str(rule.identity_id)] for rule in granted],
        "listed": [rule.id for rule in listed] == [rule.id for rule in granted],
        "again": status_of(admin.vault.grant_access, secret.id, inputs["alpha_id"]),
        "unknown": status_of(admin.vault.grant_access, secret.id, "99999999-9999-4999-8999-999999999999"),
        "of_bravo": [one.name for one in filtered.secrets],
    }
    admin.vault.revoke_access(secret.id, inputs["bravo_id"])
    result["left"] = [str(rule.identity_id) for rule in admin.vault.list_access_rules(secret.id)]
    result["again_revoked"] = status_of(admin.vault.revoke_access, secret.id, inputs["bravo_id"])
    return result


def of_identity(caller, handle):
    """The helpers of an identity, which the caller may be itself."""
    identity = caller.get_identity(handle)
    names = {"login": "Own login", "api key": "Own API key", "key pair": "Own key pair", "ssh key": "Own SSH key"}
    made = {kind: identity.create_secret(name, PAYLOADS[kind]) for kind, name in names.items()}
    login = made["login"].id
    identity.set_totp(login, TOTP_URI)
    credentials = identity.credentials
    kinds = (credentials.list_logins, credentials.list_api_keys, credentials.list_key_pairs, credentials.list_ssh_keys)
    result = {
        "own": [str(rule.identity_id) for rule in caller.vault.list_access_rules(login)] == [str(identity.id)],
        "listed": sorted(one.name for one in credentials.list() if one.name in names.values()),
        "by_kind": [[one.name for one in list_() if one.name in names.values()] for list_ in kinds],
        "got": credentials.get(login).name,
        "payloads": [
            credentials.get_login(login).password == PAYLOADS["login"].password,
            credentials.get_api_key(made["api key"].id) == PAYLOADS["api key"],
            credentials.get_key_pair(made["key pair"].id) == PAYLOADS["key pair"],
            credentials.get_ssh_key(made["ssh key"].id) == PAYLOADS["ssh key"],
        ],
        "code": len(credentials.get_totp_code(login).code),
        "wrong_kind": status_of(credentials.get_login, made["api key"].id),
    }
    identity.remove_totp(login)
    result["totp"] = with_totp(identity, login)
    result["read"] = identity.get_secret(made["api key"].id).payload.api_key
    identity.delete_secret(made["api key"].id)
    identity.revoke_credential_access(made["key pair"].id)
    result["deleted"] = status_of(identity.get_secret, made["api key"].id)
    result["given_up"] = status_of(identity.get_secret, made["key pair"].id)
    return result


def of_agent(inputs):
    with client(inputs, "alpha_key", vault_key=KEY) as alpha:
        seen = sorted(secret.name for secret in alpha.vault.unlocked.secrets)
        result = {
            "seen": seen,
            "listed": sorted(secret.name for secret in alpha.vault.list_secrets()) == seen,
            "credentials": sorted(one.name for one in alpha.get_identity(inputs["alpha"]).credentials.list()) == seen,
            "identity": of_identity(alpha, inputs["alpha"]),
            "may_not": [
                status_of(alpha.vault.initialize, KEY),
                status_of(alpha.vault.update_key, SECOND_KEY, current_vault_key=KEY),
                status_of(alpha.vault.delete_key, "0" * 64),
                status_of(alpha.vault.grant_access, alpha.vault.unlocked.secrets[0].id, inputs["bravo_id"]),
            ],
        }
        own = alpha.vault.unlocked.create_secret("Of alpha", OtherPayload(data="mine"))
    with client(inputs, "bravo_key", vault_key=KEY) as bravo:
        result["bravo"] = [secret.name for secret in bravo.vault.unlocked.secrets]
        result["bravo_may_not"] = [
            status_of(bravo.vault.unlocked.get_secret, own.id),
            status_of(bravo.vault.unlocked.update_secret, own.id, name="Mine"),
            status_of(bravo.vault.delete_secret, own.id),
            status_of(bravo.vault.list_access_rules, own.id),
        ]
    return result


def created_with(admin, inputs):
    """An identity that may read a secret from its first day on."""
    secret = admin.vault.unlocked.create_secret("For the new one", OtherPayload(data="hello"))
    found = []
    for number, wanted in enumerate((secret.id, [str(secret.id)], "*")):
        made = admin.create_identity(f"{inputs['alpha']}-{number}", vault_secret_ids=wanted)
        found.append(str(made.id) in [str(r.identity_id) for r in admin.vault.list_access_rules(secret.id)])
        made.delete()
    unknown = "99999999-9999-4999-8999-999999999999"
    refused = status_of(admin.create_identity, f"{inputs['alpha']}-x", vault_secret_ids=unknown)
    return [found, refused, len(admin.vault.list_access_rules(secret.id))]


def keys(inputs, admin, codes):
    vault = admin.vault
    count = len(vault.list_secrets())
    changed = vault.update_key(SECOND_KEY, current_vault_key=KEY)
    result = {
        "changed": text(changed.key_type),
        "old_key": status_of(vault.unlock, KEY),
        "new_key": len(vault.unlock(SECOND_KEY).secrets) == count,
        "by_code": len(vault.unlock(codes[0]).secrets) == count,
        "by_code_again": len(vault.unlock(codes[0]).secrets) == count,
        "wrong_proof": status_of(vault.update_key, THIRD_KEY, current_vault_key=KEY),
    }
    recovered = vault.update_key(THIRD_KEY, recovery_code=codes[1])
    info = vault.info()
    result |= {
        "recovered": text(recovered.key_type),
        "used_code": [status_of(vault.unlock, codes[1]), status_of(vault.update_key, KEY, recovery_code=codes[1])],
        "ended_key": status_of(vault.unlock, SECOND_KEY),
        "third_key": len(vault.unlock(THIRD_KEY).secrets) == count,
        "left": [info.key_count, info.recovery_key_count],
        "constructor": len(unlocked_by(inputs, codes[2])) == count,
        "delete_unknown": status_of(vault.delete_key, "0" * 64),
        "delete_last": status_of(vault.delete_key, hash_of(THIRD_KEY, info.organization_id)),
        "delete_code": status_of(vault.delete_key, hash_of(codes[3], info.organization_id)),
        "deleted_code": status_of(vault.unlock, codes[3]),
        "at_last": [text(key.key_type) for key in vault.list_keys()],
    }
    return result


def unlocked_by(inputs, code):
    with client(inputs, "admin_key", vault_key=code) as other:
        return other.vault.unlocked.secrets


def hash_of(password, organization_id):
    from inkbox.vault.crypto import compute_auth_hash, derive_master_key, derive_salt

    return compute_auth_hash(derive_master_key(password, derive_salt(organization_id)))


if __name__ == "__main__":
    json.dump(main(json.load(sys.stdin)), sys.stdout)
