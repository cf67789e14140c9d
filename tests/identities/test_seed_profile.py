"""The seed profile, by mount prefix and by organization setting (contract identities.md sections 5, 7, 19)."""

from __future__ import annotations

from typing import Any

import pytest

from identities.models import AgentIdentity, HandleClaim
from mail.models import Mailbox
from tests.factories.identities import ApiClient, admin_client, agent_key, organization
from tests.identities.rows import all_rows
from tunnels.models import Tunnel

pytestmark = pytest.mark.django_db

SEED: dict[str, Any] = {"prefix": "/compat/0.3"}


def test_without_a_mailbox_key_there_is_no_channel() -> None:
    answer = admin_client(**SEED).post("/identities/", {"agent_handle": "@Alpha"})

    assert answer.status_code == 201
    body = answer.json()
    assert (body["mailbox"], body["tunnel"], body["email_address"]) == (None, None, None)
    assert body["display_name"] == "alpha"
    assert not Mailbox.objects.exists()
    assert not Tunnel.objects.exists()


@pytest.mark.parametrize("mailbox", [{}, {"email_local_part": None}])
def test_an_empty_mailbox_key_makes_a_mailbox(mailbox: dict[str, Any]) -> None:
    body = admin_client(**SEED).post("/identities/", {"agent_handle": "alpha", "mailbox": mailbox}).json()

    assert body["email_address"] == "alpha@mail.localhost"
    assert body["mailbox"]["display_name"] == "alpha"
    assert body["tunnel"] is None


def test_local_part_and_display_name_are_honoured() -> None:
    mailbox = {"email_local_part": "sales.team", "display_name": "Sales"}

    body = admin_client(**SEED).post("/identities/", {"agent_handle": "alpha", "mailbox": mailbox}).json()

    assert body["email_address"] == "sales.team@mail.localhost"
    assert (body["display_name"], body["mailbox"]["display_name"]) == ("Sales", "Sales")
    claims = set(HandleClaim.objects.values_list("name", "namespace"))
    assert claims == {("alpha", "identities"), ("sales.team", "mail")}


def test_handles_are_unique_in_each_organization_only() -> None:
    acme, other = organization(), organization()
    first = admin_client(acme, **SEED)
    second = admin_client(other, **SEED)
    first.post("/identities/", {"agent_handle": "alpha", "mailbox": {}})

    answer = second.post("/identities/", {"agent_handle": "alpha", "mailbox": {}, "tunnel": {}})

    assert answer.status_code == 201
    body = answer.json()
    # Somebody else holds the global name: no tunnel, and a random local part of 12 characters.
    assert body["tunnel"] is None
    local_part = body["email_address"].partition("@")[0]
    assert len(local_part) == 12
    assert local_part.isalnum()
    assert first.get("/identities/alpha").json()["organization_id"] == acme.pk
    assert second.get("/identities/alpha").json()["organization_id"] == other.pk
    before = all_rows()
    assert second.post("/identities/", {"agent_handle": "alpha"}).status_code == 409
    assert all_rows() == before


@pytest.mark.parametrize("handle", ["ab", "a" * 64])
def test_handles_that_fit_no_host_name_have_no_global_name(handle: str) -> None:
    body = {"agent_handle": handle, "mailbox": {}, "tunnel": {}}

    answer = admin_client(**SEED).post("/identities/", body)

    assert answer.status_code == 201
    assert answer.json()["tunnel"] is None
    assert not HandleClaim.objects.filter(name=handle).exists()


def test_the_organization_setting_selects_the_profile_for_unannounced_callers() -> None:
    acme = organization(compat_profile="seed")

    unannounced = admin_client(acme).post("/identities", {"agent_handle": "alpha"}).json()
    announced = (
        admin_client(acme, user_agent="inkbox-python/0.7.20").post("/identities", {"agent_handle": "bravo"}).json()
    )

    assert unannounced["mailbox"] is None
    assert announced["mailbox"]["email_address"] == "bravo@mail.localhost"


def test_the_mount_prefix_wins_over_an_announced_client() -> None:
    client = admin_client(user_agent="inkbox-python/0.7.20", **SEED)

    assert client.post("/identities", {"agent_handle": "alpha"}).json()["mailbox"] is None


def test_both_prefixes_serve_the_same_rows() -> None:
    acme = organization()
    seed, modern = admin_client(acme, **SEED), admin_client(acme)
    modern.post("/identities", {"agent_handle": "alpha"})

    assert seed.get("/identities/alpha").json() == modern.get("/identities/alpha").json()
    assert seed.get("/api/whoami").json()["organization_id"] == acme.pk


def test_deleting_unlinks_the_channels_and_revokes_the_keys() -> None:
    acme = organization()
    client = admin_client(acme, **SEED)
    client.post("/identities/", {"agent_handle": "alpha", "mailbox": {}, "tunnel": {}})
    key = agent_key(AgentIdentity.objects.get())

    answer = client.delete("/identities/alpha")

    assert answer.status_code == 204
    assert client.get("/identities/alpha").status_code == 404
    assert ApiClient(key).get("/whoami").status_code == 401
    mailbox, tunnel = Mailbox.objects.get(), Tunnel.objects.get()
    assert (mailbox.deleted_at, mailbox.identity_id) == (None, None)
    assert (tunnel.deleted_at, tunnel.identity_id, tunnel.status) == (None, None, "active")


def test_the_name_of_an_unlinked_tunnel_stays_taken() -> None:
    acme = organization()
    client = admin_client(acme, **SEED)
    client.post("/identities/", {"agent_handle": "alpha", "tunnel": {}})
    client.delete("/identities/alpha")
    modern = admin_client(acme)
    before = all_rows()

    answer = modern.post("/identities", {"agent_handle": "alpha"})

    assert answer.status_code == 409
    assert answer.json()["detail"]["blocking_namespace"] == "tunnels"
    assert all_rows() == before


def test_a_rename_to_a_name_held_elsewhere_leaves_the_tunnel_as_it_is() -> None:
    admin_client().post("/identities", {"agent_handle": "bravo"})
    client = admin_client(**SEED)
    client.post("/identities/", {"agent_handle": "alpha", "tunnel": {}})

    body = client.patch("/identities/alpha", {"agent_handle": "bravo"}).json()

    assert body["agent_handle"] == "bravo"
    assert body["tunnel"]["tunnel_name"] == "alpha"
    assert HandleClaim.objects.get(name="alpha").released_at is None
