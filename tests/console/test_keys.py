"""API keys in the console: made, shown once, revoked."""

from __future__ import annotations

import re
from base64 import b64decode
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from common.clock import now
from identities.enums import Role
from identities.models import AgentIdentity, ApiKey, Organization
from identities.services.api_keys import authenticate_api_key
from tests.console.pages import signed_in, text
from tests.factories.identities import admin_key, agent, agent_key, key_row, organization, person

pytestmark = pytest.mark.django_db

KEY = re.compile(r"ApiKey_[0-9a-f-]{36}\.[\w-]{43}")


def _mint(client: Client, path: str, label: str = "worker") -> str:
    """The key as the page shows it."""
    response = client.post(path, {"label": label}, follow=True)
    shown: set[str] = set(KEY.findall(text(response)))
    assert len(shown) == 1
    return shown.pop()


@pytest.fixture
def acme() -> Organization:
    return organization("Acme")


def test_a_key_is_shown_once(acme: Organization) -> None:
    agent(acme, "alpha")
    client = signed_in(acme)

    for path in (reverse("console:keys"), reverse("console:agent_keys", args=["alpha"])):
        key = _mint(client, path)
        secret = key.partition(".")[2]

        assert authenticate_api_key(key).organization_id == acme.pk
        for again in (path, reverse("console:keys"), reverse("console:overview")):
            assert secret not in text(client.get(again))


def test_sessions_make_admin_keys_and_agent_keys(acme: Organization) -> None:
    identity = agent(acme, "alpha")
    user = person(acme)
    client = signed_in(user=user)

    admin = key_row(_mint(client, reverse("console:keys"), "robot"))
    scoped = key_row(_mint(client, reverse("console:agent_keys", args=["alpha"])))

    assert (admin.scoped_identity, admin.label, admin.created_by) == (None, "robot", user.pk)
    assert (scoped.scoped_identity, scoped.organization) == (identity, acme)


def test_a_secret_waits_sealed_and_only_for_its_page(acme: Organization) -> None:
    agent(acme, "alpha")
    agent(acme, "bravo")
    client = signed_in(acme)
    path = reverse("console:agent_keys", args=["alpha"])
    client.post(path, {"label": "worker"})
    stored = "".join(str(row.get_decoded()) for row in Session.objects.all())
    sealed = re.search(r"'sealed': '([^']+)'", stored)

    assert sealed is not None
    assert not KEY.search(stored)
    assert b"ApiKey_" not in b64decode(sealed[1])
    for other in (reverse("console:keys"), reverse("console:agent_keys", args=["bravo"])):
        assert not KEY.search(text(client.get(other)))
    assert client.head(path).status_code == 200
    assert KEY.search(text(client.get(path)))
    assert not KEY.search(text(client.get(path)))


def test_a_secret_that_nobody_looked_at_is_forgotten(acme: Organization) -> None:
    client = signed_in(acme)
    path = reverse("console:keys")
    client.post(path, {"label": "worker"})

    with time_machine.travel(now() + timedelta(minutes=11)):
        assert not KEY.search(text(client.get(path)))


def test_keys_are_revoked(acme: Organization) -> None:
    identity = agent(acme, "alpha")
    rows = [key_row(admin_key(acme)), key_row(agent_key(identity))]
    client = signed_in(acme)

    first = client.post(reverse("console:revoke_key", args=[rows[0].pk]))
    second = client.post(reverse("console:revoke_key", args=[rows[1].pk]), {"agent": "alpha"})

    assert first.headers["Location"] == reverse("console:keys")
    assert second.headers["Location"] == reverse("console:agent_keys", args=["alpha"])
    assert not ApiKey.objects.filter(revoked_at__isnull=True).exists()
    assert rows[1].display_prefix not in text(client.get(reverse("console:agent_keys", args=["alpha"])))
    revoked = text(client.get(reverse("console:keys"), {"revoked": "1"}))
    assert rows[0].display_prefix in revoked
    assert rows[1].display_prefix in revoked


def test_members_look_and_change_nothing(acme: Organization) -> None:
    identity = agent(acme, "alpha")
    row = key_row(agent_key(identity))
    client = signed_in(acme, Role.MEMBER)
    paths = (reverse("console:keys"), reverse("console:agent_keys", args=["alpha"]))

    for path in paths:
        page = text(client.get(path))
        assert row.display_prefix in page
        assert "/revoke" not in page
        assert "New " not in page
        assert client.post(path, {"label": "mine"}).status_code == 403
    assert client.post(reverse("console:revoke_key", args=[row.pk])).status_code == 403
    row.refresh_from_db()
    assert (row.revoked_at, ApiKey.objects.count()) == (None, 1)


def test_keys_of_others_are_neither_seen_nor_revoked(acme: Organization) -> None:
    foreign = key_row(admin_key(organization()))
    client = signed_in(acme)

    assert foreign.display_prefix not in text(client.get(reverse("console:keys")))
    assert client.post(reverse("console:revoke_key", args=[foreign.pk])).status_code == 404
    foreign.refresh_from_db()
    assert foreign.revoked_at is None


@pytest.mark.parametrize("label", ["", "x" * 256, "two\nlines", "nul\x00"])
def test_bad_labels_make_no_key(acme: Organization, label: str) -> None:
    response = signed_in(acme).post(reverse("console:keys"), {"label": label})

    assert response.status_code == 422
    assert not ApiKey.objects.exists()


def test_a_list_of_many_keys_costs_what_a_list_of_one_costs(acme: Organization) -> None:
    client = signed_in(acme)
    path = reverse("console:keys")
    counts = []
    for _ in range(2):
        for _ in range(4):
            agent_key(agent(acme))
        client.get(path)
        with CaptureQueriesContext(connection) as queries:
            client.get(path)
        counts.append(len(queries))

    assert counts[0] == counts[1] <= 10


def test_long_lists_have_pages(acme: Organization, monkeypatch: Any) -> None:
    monkeypatch.setattr("console.paging.PAGE_ROWS", 2)
    rows = [key_row(admin_key(acme)) for _ in range(5)]
    client = signed_in(acme)
    path = reverse("console:keys")

    shown = [
        [row.display_prefix in text(client.get(path, {"page": page})) for row in reversed(rows)]
        for page in ("1", "2", "3", "nonsense")
    ]

    assert shown == [
        [True, True, False, False, False],
        [False, False, True, True, False],
        [False, False, False, False, True],
        [True, True, False, False, False],
    ]
    assert AgentIdentity.objects.count() == 0
