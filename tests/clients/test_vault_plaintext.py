"""What is secret never reaches the server: not its socket, its memory, its database, its files or its log.

The real client uses the vault in every way through a proxy that keeps what it sends. Then everything the server got
and everything it has is searched for the secrets, the vault keys, the recovery codes and the keys derived from them.
"""

from __future__ import annotations

import base64
import secrets
import string
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from tests.clients import process_memory
from tests.clients.environments import NEWEST
from tests.clients.live_server import LiveServer
from tests.clients.recording_proxy import RecordingProxy
from tests.clients.runner import run_client
from tests.clients.test_vault import two_agents
from tests.clients.testing_routes import create_account

pytestmark = [pytest.mark.clients, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def talkative(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server of its own that logs as much as it can."""
    running = LiveServer(tmp_path_factory.mktemp("vault"), environment={"INKBOX_LOG_LEVEL": "debug"})
    yield running
    running.close()


def forms(needle: bytes) -> set[bytes]:
    """The ways in which bytes may be written: as they are, in hex, in base64 at any place of a longer text."""
    found = {needle, needle.hex().encode(), needle.hex().upper().encode()}
    for shift in range(3):
        # Only characters that nothing but these bytes decides, whatever stands beside them.
        first, end = -(-8 * shift // 6), 8 * (shift + len(needle)) // 6
        found.add(base64.b64encode(bytes(shift) + needle)[first:end])
    return {form for form in found if len(form) >= 8}


def database_dump(server: LiveServer) -> bytes:
    """Every row of PostgreSQL as text; nothing on SQLite, whose files are in the data directory."""
    url = server.environment.get("DATABASE_URL")
    if url is None:
        return b""
    dump = bytearray()
    with psycopg.connect(url) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        for (name,) in tables:
            with connection.cursor().copy(sql.SQL("COPY {} TO STDOUT").format(sql.Identifier(name))) as copy:
                for part in copy:
                    dump += part
    return bytes(dump)


def files_of(server: LiveServer) -> bytes:
    """The data directory: database with its journal, blobs, everything."""
    return b"\n".join(path.read_bytes() for path in sorted(Path(server.data_dir).rglob("*")) if path.is_file())


def test_forms_find_what_is_encoded() -> None:
    needle = b"correct horse battery"
    encoded = [base64.b64encode(b"y" * before + needle + b"z" * after) for before in range(6) for after in range(3)]

    for text in (b"x" + needle, needle.hex().encode(), needle.hex().upper().encode(), *encoded):
        assert any(form in text for form in forms(needle))
    assert not any(form in b"correct horse" * 9 for form in forms(needle))


def test_no_secret_reaches_the_server(talkative: LiveServer) -> None:
    account = create_account(talkative)
    agents = two_agents(talkative, account)
    marker = "".join(secrets.choice(string.ascii_letters) for _ in range(20))

    with RecordingProxy(talkative.http_port) as proxy:
        found: dict[str, Any] = run_client(
            NEWEST,
            "vault_plaintext",
            base_url=proxy.base_url,
            admin_key=account.api_key,
            agent_key=agents["alpha_key"],
            agent=agents["alpha"],
            marker=marker,
        )
    received = proxy.sent
    held = files_of(talkative) + database_dump(talkative)
    log = talkative.log_path.read_bytes()
    hidden = [bytes.fromhex(value) for value in found["hidden"]]

    # The search would find something: this is what the server does get, and keep.
    assert len(hidden) > 25
    assert found["sent"].encode() in received
    assert found["sent"].encode() in held
    assert found["stored"].encode() in received
    assert found["stored"].encode() in held
    assert len(log) > 100
    for place, content in (("received", received), ("database and files", held), ("log", log)):
        assert not [needle for needle in hidden if any(form in content for form in forms(needle))], place
    # Auth hashes are sent, but of them only a digest is kept, and nothing is logged.
    for value in found["auth_hashes"]:
        assert value.encode() in received
        for content in (held, log):
            assert not any(form in content for form in forms(bytes.fromhex(value)))


@pytest.mark.skipif(not process_memory.is_available(), reason="reads /proc")
def test_no_secret_is_in_the_memory_of_the_server(talkative: LiveServer) -> None:
    account = create_account(talkative)
    agents = two_agents(talkative, account)
    marker = "".join(secrets.choice(string.ascii_letters) for _ in range(20))
    found = run_client(
        NEWEST,
        "vault_plaintext",
        base_url=talkative.base_url,
        admin_key=account.api_key,
        agent_key=agents["alpha_key"],
        agent=agents["alpha"],
        marker=marker,
    )
    hidden = {bytes.fromhex(value) for value in found["hidden"]}
    control = talkative.testing_secret.encode()
    assert talkative._process is not None

    seen = process_memory.found_in_memory(talkative._process.pid, hidden | {control})

    assert seen == {control}
