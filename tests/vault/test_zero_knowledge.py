"""The server cannot decrypt: it has no key, no code for it, and gives back what it got, byte for byte."""

from __future__ import annotations

import ast
import base64
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.serializers import ValidationError

import vault
from tests.factories.identities import admin_client, organization
from tests.factories.vault import new_vault_body
from tests.factories.vault_envelope import decrypt, derive_master_key, encrypt, hash_of
from vault.api.fields import Ciphertext

VECTORS = json.loads(Path(__file__).with_name("vectors.json").read_text())
ORG_KEY, NONCE = bytes.fromhex(VECTORS["org_encryption_key"]), bytes.fromhex(VECTORS["nonce"])
SOURCES = sorted(path for path in Path(vault.__file__).parent.rglob("*.py"))

# The only cryptography in reach: one keyed digest, which nothing turns back.
ALLOWED = {"hashlib", "hmac"}
FORBIDDEN = {"cryptography", "nacl", "argon2", "Crypto", "jwt", "ssl", "secrets", "_hashlib", "ctypes"}


def _imports(path: Path) -> set[str]:
    """Imported modules, and the names taken from common.sealed."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
            if node.module in {"common.sealed", "common"}:
                found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_there_is_no_code_to_decrypt_with() -> None:
    imported = {name for path in SOURCES for name in _imports(path)}

    assert len(SOURCES) > 20
    assert not {name for name in imported if name.partition(".")[0] in FORBIDDEN}
    assert {name for name in imported if name.startswith("common.sealed")} == {
        "common.sealed",
        "common.sealed.purpose_key",
    }
    assert {path.name for path in SOURCES if _imports(path) & {"hashlib", "common.sealed"}} == {"digests.py"}
    # hmac elsewhere is for comparing in constant time.
    assert {path.name for path in SOURCES if "hmac" in _imports(path)} == {"digests.py", "keyring.py"}


def test_nothing_of_the_vault_is_logged() -> None:
    imported = {name for path in SOURCES for name in _imports(path)}

    assert not {"logging", "structlog", "warnings"} & imported
    calls = {
        node.func.id
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert "print" not in calls


# --- Test vectors ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", VECTORS["keys"], ids=lambda key: key["key_type"])
def test_vectors_of_keys(key: dict[str, str]) -> None:
    master_key = derive_master_key(key["password"], VECTORS["organization_id"])

    assert master_key.hex() == key["master_key"]
    assert hash_of(master_key) == key["auth_hash"]
    assert encrypt(master_key, ORG_KEY, key["id"], NONCE) == key["wrapped_org_encryption_key"]
    assert decrypt(master_key, key["wrapped_org_encryption_key"], key["id"]) == ORG_KEY


@pytest.mark.parametrize("secret", VECTORS["secrets"], ids=lambda secret: secret["secret_type"])
def test_vectors_of_secrets(secret: dict[str, str]) -> None:
    assert encrypt(ORG_KEY, secret["payload"].encode(), secret["id"], NONCE) == secret["encrypted_payload"]
    assert decrypt(ORG_KEY, secret["encrypted_payload"], secret["id"]).decode() == secret["payload"]
    with pytest.raises(InvalidTag):
        decrypt(ORG_KEY, secret["encrypted_payload"], secret["id"].replace("2", "3"))


@pytest.mark.django_db
@pytest.mark.parametrize("key", VECTORS["keys"], ids=lambda key: key["key_type"])
def test_what_comes_back_opens(key: dict[str, str]) -> None:
    acme = organization(id=VECTORS["organization_id"])
    client, body = admin_client(acme), new_vault_body()
    names = ("id", "wrapped_org_encryption_key", "auth_hash", "key_type")
    body["vault_key"] = {name: VECTORS["keys"][0][name] for name in names}
    body["recovery_keys"][2] = {name: VECTORS["keys"][1][name] for name in names}
    assert client.post("/vault/initialize", body).status_code == 201
    for secret in VECTORS["secrets"]:
        sent = {name: secret[name] for name in ("id", "secret_type", "encrypted_payload")}
        assert client.post("/vault/secrets", {**sent, "name": "Bank"}).status_code == 201

    # As a client does it: the salt from info, the key id by trying those of the list.
    salt = client.get("/vault/info").json()["organization_id"]
    master_key = derive_master_key(key["password"], salt)
    bundle = client.get(f"/vault/unlock?auth_hash={hash_of(master_key)}").json()
    org_key = _try_ids(master_key, bundle["wrapped_org_encryption_key"], client.get("/vault/keys").json())

    opened = [decrypt(org_key, row["encrypted_payload"], row["id"]).decode() for row in bundle["encrypted_secrets"]]
    assert opened == [secret["payload"] for secret in VECTORS["secrets"]]


def _try_ids(master_key: bytes, wrapped: str, keys: list[dict[str, Any]]) -> bytes:
    for row in keys:
        try:
            return decrypt(master_key, wrapped, row["id"])
        except InvalidTag:
            continue
    raise AssertionError("no id of the list opens the key")


# --- The form of ciphertext --------------------------------------------------------------------------------------


@given(st.binary(min_size=28, max_size=400))
def test_any_bytes_are_ciphertext(content: bytes) -> None:
    text = base64.b64encode(content).decode()

    assert Ciphertext(low=28, high=400).to_internal_value(text) == text


@given(st.text(max_size=200))
def test_other_text_is_refused_or_is_base64(text: str) -> None:
    try:
        kept = Ciphertext(low=0, high=150).to_internal_value(text)
    except ValidationError:
        return
    assert kept == text
    assert len(base64.b64decode(text, validate=True)) <= 150


# --- Logs --------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/vault/keys/{}", "/vault/unlock?auth_hash={}"])
def test_a_failure_does_not_log_the_auth_hash(
    path: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    client, value = admin_client(), "ab" * 32

    def fail(*_: Any) -> None:
        raise RuntimeError("away")

    monkeypatch.setattr("vault.services.keys.get_vault", fail)
    monkeypatch.setattr("vault.services.reading.get_vault", fail)
    client._client.raise_request_exception = False

    answer = client.call("DELETE" if "keys" in path else "GET", path.format(value))

    assert answer.status_code == 500
    assert "Internal Server Error: /api/v1/vault/" in caplog.text
    assert value not in caplog.text
