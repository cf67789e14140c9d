"""Uses the vault in every way and tells what the server must never learn.

Inputs: ``base_url``, ``admin_key``, ``agent_key``, ``agent``, ``marker`` (a random word). Everything that must stay
with the client is in ``hidden``, as hex; ``stored`` and ``sent`` is what the server has to hold and to receive.
"""

import json
import sys

from inkbox import APIKeyPayload, Inkbox, InkboxAPIError, KeyPairPayload, LoginPayload, OtherPayload, SSHKeyPayload
from inkbox.vault.crypto import compute_auth_hash, derive_master_key, derive_salt


def main(inputs):
    marker = inputs["marker"]
    keys = [f"Vault-key-{number}-{marker}!" for number in range(3)]
    payloads = [
        LoginPayload(password=f"password-{marker}", username=f"username-{marker}", email=f"{marker}@example.com"),
        APIKeyPayload(api_key=f"apikey-{marker}", endpoint=f"https://{marker}.example"),
        KeyPairPayload(access_key=f"access-{marker}", secret_key=f"secret-{marker}"),
        SSHKeyPayload(private_key=f"private-{marker}", passphrase=f"passphrase-{marker}"),
        OtherPayload(data=f"data-{marker}"),
    ]
    seed = "".join(c for c in marker.upper() if c.isalpha())[:16].ljust(16, "Q")
    with Inkbox(api_key=inputs["admin_key"], base_url=inputs["base_url"]) as admin:
        codes = admin.vault.initialize(keys[0]).recovery_codes
        organization_id = admin.vault.info().organization_id
        unlocked = admin.vault.unlock(keys[0])
        secrets = [unlocked.create_secret(f"Name {marker}", payload) for payload in payloads]
        unlocked.set_totp(secrets[0].id, f"otpauth://totp/x?secret={seed}")
        unlocked.get_totp_code(secrets[0].id)
        unlocked.update_secret(secrets[4].id, payload=OtherPayload(data=f"changed-{marker}"))
        admin.get_identity(inputs["agent"]).create_secret("Of the agent", OtherPayload(data=f"agent-{marker}"))
        refuse(unlocked.create_secret, "x" * 300, OtherPayload(data=f"refused-{marker}"))
        refuse(admin.vault.unlock, f"Wrong-key-9-{marker}!")
        admin.vault.update_key(keys[1], current_vault_key=keys[0])
        admin.vault.update_key(keys[2], recovery_code=codes[0])
        admin.vault.unlock(codes[1])
        org_key = admin.vault.unlocked._org_key
        ciphertext = admin.vault._http.get(f"/secrets/{secrets[0].id}")["encrypted_payload"]
    with Inkbox(api_key=inputs["agent_key"], base_url=inputs["base_url"], vault_key=keys[2]) as agent:
        assert [secret.payload.data for secret in agent.vault.unlocked.secrets] == [f"agent-{marker}"]
    passwords = [*keys, *codes[:2], f"Wrong-key-9-{marker}!"]
    masters = [derive_master_key(password, derive_salt(organization_id)) for password in passwords]
    words = ["password", "username", "apikey", "access", "secret", "private", "passphrase"]
    words += ["data", "changed", "agent", "refused"]
    texts = [*(f"{word}-{marker}" for word in words), f"{marker}@", f"https://{marker}", seed, *passwords, *codes]
    return {
        "hidden": sorted({value.hex() for value in [*(text.encode() for text in texts), *masters, org_key]}),
        "stored": ciphertext,
        "sent": f"Name {marker}",
        "auth_hashes": [compute_auth_hash(master) for master in masters],
    }


def refuse(call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except (InkboxAPIError, ValueError):
        return
    raise SystemExit("should have been refused")


if __name__ == "__main__":
    json.dump(main(json.load(sys.stdin)), sys.stdout)
