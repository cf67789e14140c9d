"""The other side of the console's vault: reads what a page has stored, stores what a page reads.

Inputs: ``base_url``, ``api_key``, ``vault_key`` (a passphrase or a recovery code), ``store`` (name, password and TOTP
address of a login to make; or null).
"""

import json
import sys
from dataclasses import asdict

from inkbox import Inkbox, LoginPayload, parse_totp_uri


def main(inputs):
    with Inkbox(api_key=inputs["api_key"], base_url=inputs["base_url"]) as client:
        unlocked = client.vault.unlock(inputs["vault_key"])
        read = {secret.name: members(secret.payload) for secret in unlocked.secrets}
        types = {secret.name: getattr(secret.secret_type, "value", secret.secret_type) for secret in unlocked.secrets}
        codes = {
            secret.name: unlocked.get_totp_code(secret.id).code
            for secret in unlocked.secrets
            if read[secret.name].get("totp")
        }
        if inputs["store"]:
            name, password, address = inputs["store"]
            unlocked.create_secret(name, LoginPayload(password=password, totp=parse_totp_uri(address)))
    return {"read": read, "types": types, "codes": codes}


def members(payload):
    return {name: value for name, value in asdict(payload).items() if value is not None}


print(json.dumps(main(json.load(sys.stdin)), default=str))
