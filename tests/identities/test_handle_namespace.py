"""The one namespace of handles, tunnel names and mail local parts."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
import time_machine
from django.db import close_old_connections, connection

from common.clock import now
from common.errors import DomainError
from common.principal import Profile
from identities.enums import Namespace
from identities.errors import HandleInvalid, HandleUnavailable
from identities.handles import RESERVED
from identities.limits import HANDLE_MIN_CHARS
from identities.models import AgentIdentity, HandleClaim
from identities.services.handles import claim_handle
from identities.services.identities import NewIdentity, create_identity
from identities.services.organizations import delete_organization
from tests.factories.identities import admin_client, admin_principal, agent, organization
from tests.identities.rows import all_rows
from tunnels.models import Tunnel

pytestmark = pytest.mark.django_db


def _status(handle: str, of: object = None) -> int:
    return admin_client(of).post("/identities", {"agent_handle": handle}).status_code  # type: ignore[arg-type]


def test_handles_are_unique_across_organizations() -> None:
    agent(organization(), "alpha")
    client = admin_client(organization())
    before = all_rows()

    answer = client.post("/identities", {"agent_handle": "alpha"})

    assert answer.status_code == 409
    assert answer.json()["detail"]["blocking_namespace"] == "identities"
    assert all_rows() == before


@pytest.mark.parametrize("namespace", list(Namespace))
def test_the_namespace_that_holds_a_name_is_told(namespace: Namespace) -> None:
    claim_handle("taken", namespace, agent(handle="owner"))

    detail = admin_client().post("/identities", {"agent_handle": "taken"}).json()["detail"]

    assert detail["blocking_namespace"] == namespace.value


@pytest.mark.parametrize("handle", sorted(RESERVED))
@pytest.mark.parametrize("profile", list(Profile))
def test_reserved_names_are_taken(handle: str, profile: Profile) -> None:
    acme = organization()

    too_short = profile is Profile.MODERN and len(handle) < HANDLE_MIN_CHARS
    with pytest.raises(HandleInvalid if too_short else HandleUnavailable):
        create_identity(admin_principal(acme), NewIdentity(agent_handle=handle), profile)

    assert not AgentIdentity.objects.exists()
    assert not HandleClaim.objects.exists()


@pytest.mark.parametrize("handle", ["support-bot", "sales-bot", "sales-agent", "alpha", "bravo", "my-app"])
def test_ordinary_names_are_free(handle: str) -> None:
    assert _status(handle) == 201


def test_after_deletion_the_same_organization_may_use_the_handle_at_once() -> None:
    acme = organization()
    client = admin_client(acme)
    agent(acme, "alpha")
    client.delete("/identities/alpha")

    answer = client.post("/identities", {"agent_handle": "alpha"})

    assert answer.status_code == 201
    assert answer.json()["email_address"] == "alpha@mail.localhost"
    assert answer.json()["tunnel"]["tunnel_name"] == "alpha"
    assert HandleClaim.objects.get().identity_id == AgentIdentity.objects.alive().get().pk


def test_after_deletion_other_organizations_wait_thirty_days() -> None:
    acme = organization()
    agent(acme, "alpha")
    start = now()
    with time_machine.travel(start, tick=False):
        admin_client(acme).delete("/identities/alpha")
    other = organization()

    with time_machine.travel(start + timedelta(days=30), tick=False):
        assert _status("alpha", other) == 409
    with time_machine.travel(start + timedelta(days=30, seconds=1), tick=False):
        assert _status("alpha", other) == 201

    assert HandleClaim.objects.get().organization_id == other.pk


def test_a_rename_moves_the_tunnel_and_keeps_the_address() -> None:
    acme = organization()
    client = admin_client(acme)
    agent(acme, "alpha")

    answer = client.patch("/identities/alpha", {"agent_handle": "@Bravo"})

    assert answer.status_code == 200
    body = answer.json()
    assert (body["agent_handle"], body["email_address"]) == ("bravo", "alpha@mail.localhost")
    assert (body["tunnel"]["tunnel_name"], body["tunnel"]["public_host"]) == ("bravo", "bravo.localhost")
    assert client.get("/identities/alpha").status_code == 404
    assert client.get("/identities/bravo").json() == body
    claims = {claim.name: claim.namespace for claim in HandleClaim.objects.all()}
    assert claims == {"alpha": "mail", "bravo": "identities"}


def test_the_old_handle_stays_taken_by_the_mailbox() -> None:
    acme = organization()
    agent(acme, "alpha")
    client = admin_client(acme)
    client.patch("/identities/alpha", {"agent_handle": "bravo"})
    before = all_rows()

    answer = client.post("/identities", {"agent_handle": "alpha"})

    assert answer.status_code == 409
    assert answer.json()["detail"]["blocking_namespace"] == "mail"
    assert all_rows() == before


def test_renaming_back_is_possible() -> None:
    acme = organization()
    agent(acme, "alpha")
    client = admin_client(acme)
    client.patch("/identities/alpha", {"agent_handle": "bravo"})

    answer = client.patch("/identities/bravo", {"agent_handle": "alpha"})

    assert answer.status_code == 200
    assert answer.json()["tunnel"]["tunnel_name"] == "alpha"
    claims = {claim.name: claim.released_at is None for claim in HandleClaim.objects.all()}
    # Only the name of the mailbox is kept: renaming is no way to collect names.
    assert claims == {"alpha": True, "bravo": False}


def test_the_same_handle_is_no_rename() -> None:
    acme = organization()
    agent(acme, "alpha")

    answer = admin_client(acme).patch("/identities/alpha", {"agent_handle": "@ALPHA"})

    assert answer.status_code == 200
    assert HandleClaim.objects.get().namespace == "identities"


@pytest.mark.parametrize("profile", list(Profile))
def test_a_rename_to_a_taken_handle_changes_nothing(profile: Profile) -> None:
    acme = organization(compat_profile=profile.value)
    agent(acme, "alpha")
    agent(acme, "bravo")
    client = admin_client(acme)
    before = all_rows()

    answer = client.patch("/identities/alpha", {"agent_handle": "bravo", "description": "also this"})

    assert answer.status_code == 409
    assert answer.json()["detail"]["blocking_namespace"] == "identities"
    assert all_rows() == before


def test_a_rename_sends_a_passthrough_tunnel_back_to_waiting_for_a_certificate() -> None:
    acme = organization()
    client = admin_client(acme)
    client.post("/identities", {"agent_handle": "alpha", "tunnel": {"tls_mode": "passthrough"}})
    Tunnel.objects.update(status="active", cert_pem="pem", cert_fingerprint_sha256="f" * 64, cert_expires_at=now())

    tunnel = client.patch("/identities/alpha", {"agent_handle": "bravo"}).json()["tunnel"]

    assert (tunnel["status"], tunnel["cert_pem"], tunnel["cert_expires_at"]) == ("awaiting_cert", None, None)


def test_deleting_a_renamed_identity_releases_all_its_names() -> None:
    acme = organization()
    agent(acme, "alpha")
    client = admin_client(acme)
    client.patch("/identities/alpha", {"agent_handle": "bravo"})

    client.delete("/identities/bravo")

    assert HandleClaim.objects.count() == 2
    assert not HandleClaim.objects.filter(released_at__isnull=True).exists()


@pytest.mark.parametrize(("at_once", "status"), [(True, 201), (False, 409)])
def test_deleting_an_organization_releases_its_names(at_once: bool, status: int) -> None:
    acme = organization()
    agent(acme, "alpha")

    delete_organization(acme.pk, free_names_at_once=at_once)

    assert _status("alpha", organization()) == status


@pytest.mark.django_db(transaction=True)
def test_of_two_that_race_for_a_handle_one_wins() -> None:
    principals = [admin_principal(organization()) for _ in range(2)]
    together = threading.Barrier(2)
    outcomes: list[str] = []

    def create(number: int) -> None:
        try:
            together.wait(timeout=10)
            create_identity(principals[number], NewIdentity(agent_handle="alpha"), Profile.MODERN)
            outcomes.append("created")
        except DomainError as error:
            outcomes.append(str(error.code))
        finally:
            connection.close()

    threads = [threading.Thread(target=create, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)

    assert sorted(outcomes) == ["agent_handle_unavailable", "created"]
    assert AgentIdentity.objects.count() == 1
    assert HandleClaim.objects.count() == 1
    assert Tunnel.objects.count() == 1
    close_old_connections()


@pytest.mark.django_db(transaction=True)
def test_of_two_that_race_inside_one_organization_one_wins() -> None:
    principal = admin_principal(organization())
    together = threading.Barrier(2)
    outcomes: list[str] = []

    def create() -> None:
        try:
            together.wait(timeout=10)
            create_identity(principal, NewIdentity(agent_handle="alpha"), Profile.SEED)
            outcomes.append("created")
        except DomainError as error:
            outcomes.append(str(error.code))
        finally:
            connection.close()

    threads = [threading.Thread(target=create) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)

    assert sorted(outcomes) == ["agent_handle_unavailable", "created"]
    assert AgentIdentity.objects.count() == 1
