"""Identities are made of several rows of several apps; a kill leaves all of them or none."""

from __future__ import annotations

import itertools
import time

import httpx
import pytest

from tests.clients.live_server import LiveServer
from tests.faults.api import Api
from tests.faults.conftest import StartServer
from tests.faults.crashes import RETRY_SECONDS, Load, crash_repeatedly, load, rounds
from tests.faults.rows import Rows

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]

_PATH = "/api/v1/identities"


def test_identities_are_created_completely_or_not_at_all(start_server: StartServer) -> None:
    server = start_server()
    created: set[str] = set()
    in_doubt: set[str] = set()

    with load() as running:
        for client in range(3):
            running.add(lambda client=client: create_many(server, running, client, created, in_doubt))  # type: ignore[misc]
        crash_repeatedly(server, running, rounds(4), busy_seconds=(0.1, 0.6), aim_seconds=0.03)

    complete = check_identities(Rows(server))
    assert created <= complete <= created | in_doubt
    assert in_doubt, "no kill hit a request; the test proved nothing"
    survived = len(in_doubt & complete)
    with Api(server) as api:
        assert {row["agent_handle"] for row in api.get(_PATH)} == complete
        for handle in sorted(in_doubt):
            repeated = api.try_post(_PATH, {"agent_handle": handle})
            assert repeated is not None
            # Taken by the first request, which nobody heard the answer of; else it was never there.
            assert repeated.status_code == (409 if handle in complete else 201)
        identities = {row["agent_handle"]: row for row in api.get(_PATH)}
        assert set(identities) == created | in_doubt
        for handle, identity in identities.items():
            assert identity["mailbox"]["email_address"].startswith(f"{handle}@")
            assert identity["tunnel"]["tunnel_name"] == handle
    assert check_identities(Rows(server)) == created | in_doubt
    print(
        f"\nIdentities: {rounds(4)} kills, {len(created)} created, {len(in_doubt)} without an answer "
        f"({survived} of them complete, {len(in_doubt) - survived} absent and created by the repeat)"
    )


def create_many(server: LiveServer, running: Load, client: int, created: set[str], in_doubt: set[str]) -> None:
    with Api(server) as api:
        for number in itertools.count():
            if running.is_over.is_set():
                return
            handle = f"agent-{client}-{number}"
            response: httpx.Response | None = None
            # While nobody listens nothing is sent, so the handle is not in doubt.
            while not api.is_listening():
                time.sleep(RETRY_SECONDS)
            running.under_way.set()
            response = api.try_post(_PATH, {"agent_handle": handle})
            if response is None:
                in_doubt.add(handle)
                continue
            assert response.status_code == 201, response.text
            created.add(handle)
            time.sleep(0.01)


def check_identities(rows: Rows) -> set[str]:
    """Handles of the identities; each has its mailbox, tunnel and claim, and there are no others of these."""
    rows.check_database()
    handles: dict[str, str] = dict(
        rows.read("SELECT id, agent_handle FROM identities_agentidentity WHERE deleted_at IS NULL")
    )
    mailboxes = rows.read("SELECT identity_id, email_address FROM mail_mailbox WHERE deleted_at IS NULL")
    tunnels = rows.read("SELECT identity_id, tunnel_name FROM tunnels_tunnel WHERE deleted_at IS NULL")
    claims = rows.read("SELECT identity_id, name FROM identities_handleclaim WHERE released_at IS NULL")
    assert {identity: address.partition("@")[0] for identity, address in mailboxes} == handles
    assert dict(tunnels) == handles
    assert dict(claims) == handles
    assert len(mailboxes) == len(tunnels) == len(claims) == len(handles)
    return set(handles.values())
