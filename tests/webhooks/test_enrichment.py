"""The hook by which the app of contacts names the other side of an event."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

import pytest

from identities.models import AgentIdentity
from tests.factories.webhooks import bare_agent
from webhooks.enrichment import KnownContact, Peer, PeerKind, resolve_contacts

pytestmark = pytest.mark.django_db

ADA = KnownContact(UUID(int=7), "Ada", ("Likes tea",), ("ada@example.com",))


def fake_resolver(peers: Collection[Peer]) -> Mapping[Peer, KnownContact]:
    return {peer: ADA for peer in peers if peer.value == "ada@example.com"}


def broken_resolver(peers: Collection[Peer]) -> Mapping[Peer, KnownContact]:
    AgentIdentity.objects.filter(pk="not a uuid")
    raise AssertionError("not reached")


def _peer(value: str) -> Peer:
    return Peer("org_1", UUID(int=1), PeerKind.EMAIL, value)


def test_without_a_resolver_nobody_is_known() -> None:
    assert resolve_contacts([_peer("ada@example.com")]) == {}


def test_matches_come_from_the_configured_function(settings: Any) -> None:
    settings.WEBHOOK_CONTACT_RESOLVER = f"{__name__}.fake_resolver"

    found = resolve_contacts({_peer("ada@example.com"), _peer("bob@example.com")})

    assert found == {_peer("ada@example.com"): ADA}
    assert ADA.body == {"id": UUID(int=7), "name": "Ada", "memories": ["Likes tea"]}
    assert ADA.legacy_body == {"id": UUID(int=7), "name": "Ada"}


@pytest.mark.parametrize("name", ["broken_resolver", "missing"])
def test_a_failure_means_that_nobody_is_known_and_the_transaction_goes_on(name: str, settings: Any) -> None:
    settings.WEBHOOK_CONTACT_RESOLVER = f"{__name__}.{name}"

    assert resolve_contacts([_peer("ada@example.com")]) == {}
    assert bare_agent().pk
