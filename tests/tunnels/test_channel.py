"""Tunnels in the life of an identity."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from pytest_django.fixtures import Settings

from common.clock import now
from common.principal import Principal, Profile, Scope
from tests.factories.identities import admin_client, admin_principal, agent, organization
from tunnels.channel import TunnelChannel
from tunnels.models import Tunnel

pytestmark = pytest.mark.django_db


def test_the_embedded_tunnel() -> None:
    acme = organization()

    body = admin_client(acme).post("/identities", {"agent_handle": "alpha"}).json()

    row = Tunnel.objects.get()
    tunnel: dict[str, Any] = body["tunnel"]
    assert UUID(tunnel.pop("id")) == row.pk
    assert tunnel.pop("created_at").endswith("Z")
    assert tunnel.pop("updated_at").endswith("Z")
    assert tunnel == {
        "organization_id": acme.pk,
        "agent_identity_id": body["id"],
        "tunnel_name": "alpha",
        "public_host": "alpha.localhost",
        "zone": "localhost",
        "tls_mode": "edge",
        "status": "active",
        "cert_pem": None,
        "cert_fingerprint_sha256": None,
        "cert_expires_at": None,
        "last_connected_at": None,
        "last_connected_ip_addr": None,
        "last_disconnected_at": None,
        "currently_connected": False,
        "metadata": {},
    }


def test_the_zone_is_read_when_rendered(settings: Settings) -> None:
    acme = organization()
    agent(acme, "alpha")
    settings.TUNNEL_ZONE = "development.inkboxwire.com"

    tunnel = admin_client(acme).get("/identities/alpha").json()["tunnel"]

    assert (tunnel["public_host"], tunnel["zone"]) == (
        "alpha.development.inkboxwire.com",
        "development.inkboxwire.com",
    )


def test_many_tunnels_are_embedded_by_one_query() -> None:
    acme = organization()
    identities = [agent(acme) for _ in range(5)]

    with CaptureQueriesContext(connection) as captured:
        embedded = TunnelChannel().embed(identities)

    assert len(captured) == 1
    assert {key: value["tunnel_name"] for key, value in embedded.items()} == {
        identity.pk: identity.agent_handle for identity in identities
    }


def test_a_deleted_tunnel_is_not_embedded_and_frees_its_name() -> None:
    acme = organization()
    alpha = agent(acme, "alpha")

    TunnelChannel().deleted(alpha, Profile.MODERN)

    assert TunnelChannel().embed([alpha]) == {}
    row = Tunnel.objects.get()
    assert (row.status, row.identity_id) == ("deleted", alpha.pk)
    TunnelChannel().deleted(alpha, Profile.MODERN)
    Tunnel.objects.create(organization=acme, identity=alpha, tunnel_name="alpha", status="active")


@pytest.mark.parametrize("clash", ["name", "identity"])
def test_names_and_identities_have_one_living_tunnel(clash: str) -> None:
    alpha = agent(handle="alpha")
    fields = {"tunnel_name": "alpha"} if clash == "name" else {"tunnel_name": "other", "identity": alpha}

    with pytest.raises(IntegrityError), transaction.atomic():
        Tunnel.objects.create(organization=alpha.organization, status="active", **fields)


@pytest.mark.parametrize(("status", "deleted"), [("deleted", False), ("active", True)])
def test_a_deleted_tunnel_says_when(status: str, deleted: bool) -> None:
    acme = organization()

    with pytest.raises(IntegrityError, match="tunnel_deleted_has_time"), transaction.atomic():
        Tunnel.objects.create(
            organization=acme, tunnel_name="alpha", status=status, deleted_at=now() if deleted else None
        )


def test_who_sees_tunnels() -> None:
    acme = organization()
    alpha, bravo = agent(acme, "alpha"), agent(acme, "bravo")
    agent(handle="foreign")
    gone = agent(acme, "gone")
    TunnelChannel().deleted(gone, Profile.MODERN)

    def names(principal: Principal) -> set[str]:
        return set(Tunnel.objects.visible_to(principal).values_list("tunnel_name", flat=True))

    assert names(admin_principal(acme)) == {"alpha", "bravo"}
    assert names(Principal(scope=Scope.AGENT, organization_id=acme.pk, identity_id=bravo.pk)) == {"bravo"}
    assert names(Principal(scope=Scope.SESSION, organization_id=None)) == set()
    assert alpha.pk != bravo.pk
