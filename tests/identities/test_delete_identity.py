"""DELETE /api/v1/identities/{handle}, modern profile."""

from __future__ import annotations

import threading

import pytest
from django.db import connection

from common.principal import Profile
from contacts.models import ContactRule
from identities.errors import IdentityNotFound
from identities.models import AgentIdentity, ApiKey, HandleClaim, SigningKey
from identities.services.identities import delete_identity
from mail.models import Mailbox
from tests.factories.identities import ApiClient, admin_client, agent, agent_client, agent_key, organization
from tests.identities.rows import all_rows
from tunnels.models import Tunnel

pytestmark = pytest.mark.django_db


def test_everything_of_the_identity_ends() -> None:
    acme = organization()
    alpha = agent(acme, "alpha")
    client = admin_client(acme)
    keys = [agent_key(alpha), agent_key(alpha)]
    client.post("/identities/alpha/signing-key")
    ContactRule.objects.create(
        organization=acme,
        identity=alpha,
        channel="mail",
        action="block",
        match_type="domain",
        match_target="spam.example",
    )

    answer = client.delete("/identities/@alpha/")

    assert (answer.status_code, answer.content) == (204, b"")
    assert client.get("/identities").json() == []
    assert client.get("/identities/alpha").status_code == 404
    assert [ApiClient(key).get("/whoami").status_code for key in keys] == [401, 401]
    assert ApiKey.objects.filter(scoped_identity=alpha, revoked_at__isnull=True).count() == 0
    assert not SigningKey.objects.exists()
    assert not ContactRule.objects.exists()
    assert not Mailbox.objects.alive().exists()
    assert Mailbox.objects.count() == 1
    assert not Tunnel.objects.alive().exists()
    assert (Tunnel.objects.get().status, Tunnel.objects.get().deleted_at is None) == ("deleted", False)
    assert HandleClaim.objects.get().released_at is not None
    assert AgentIdentity.objects.get().deleted_at is not None
    # The admin key is not one of the identity's.
    assert client.get("/whoami").status_code == 200


def test_a_second_delete_is_not_found() -> None:
    acme = organization()
    agent(acme, "alpha")
    client = admin_client(acme)
    client.delete("/identities/alpha")
    before = all_rows()

    assert client.delete("/identities/alpha").status_code == 404
    assert all_rows() == before


def test_an_agent_that_deletes_itself_is_locked_out() -> None:
    client = agent_client(agent(handle="alpha"))

    assert client.delete("/identities/alpha").status_code == 204
    assert client.delete("/identities/alpha").status_code == 401
    assert client.get("/whoami").status_code == 401


def test_others_are_left_alone() -> None:
    acme = organization()
    agent(acme, "alpha")
    bravo_client = agent_client(agent(acme, "bravo"))

    admin_client(acme).delete("/identities/alpha")

    body = bravo_client.get("/identities/bravo").json()
    assert body["email_address"] == "bravo@mail.localhost"
    assert body["tunnel"]["status"] == "active"


@pytest.mark.django_db(transaction=True)
def test_of_two_deletes_at_once_one_succeeds() -> None:
    alpha = agent(handle="alpha")
    together = threading.Barrier(2)
    outcomes: list[str] = []

    def delete() -> None:
        try:
            together.wait(timeout=10)
            delete_identity(alpha, Profile.MODERN)
            outcomes.append("deleted")
        except IdentityNotFound:
            outcomes.append("not found")
        finally:
            connection.close()

    threads = [threading.Thread(target=delete) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)

    assert sorted(outcomes) == ["deleted", "not found"]
