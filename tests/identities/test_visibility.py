"""Identities that are open to other agents (contract identities.md section 9)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from common.errors import DomainError
from common.principal import Profile
from identities.enums import Role
from identities.models import AgentIdentity, AuditRecord, IdentityAccess, Organization
from identities.services.identities import delete_identity
from identities.services.moves import move_identity
from identities.services.visibility import open_identity
from tests.factories.identities import (
    ApiClient,
    admin_client,
    admin_principal,
    agent,
    agent_client,
    organization,
    session_client,
    unclaimed_agent,
)
from tests.identities.rows import all_rows

pytestmark = pytest.mark.django_db

ACCESS = "/identities/target/access"


@pytest.fixture
def acme() -> Organization:
    return organization()


@pytest.fixture
def target(acme: Organization) -> AgentIdentity:
    return agent(acme, "target")


def seen_by(identity: AgentIdentity) -> list[str]:
    """The handles that an agent lists, which are also those that it can get."""
    client = agent_client(identity)
    listed = [row["agent_handle"] for row in client.get("/identities").json()]
    for handle in ("target", "viewer", "other"):
        assert client.get(f"/identities/{handle}").status_code == (200 if handle in listed else 404)
    return listed


def test_one_viewer_sees_it_and_nobody_else(acme: Organization, target: AgentIdentity) -> None:
    viewer, other = agent(acme, "viewer"), agent(acme, "other")
    client = admin_client(acme)

    answer = client.post(ACCESS, {"viewer_identity_id": str(viewer.pk)})

    assert answer.status_code == 201
    assert answer.json() == {
        "id": str(IdentityAccess.objects.get().pk),
        "target_identity_id": str(target.pk),
        "viewer_identity_id": str(viewer.pk),
        "created_at": answer.json()["created_at"],
    }
    assert client.get(ACCESS).json() == [answer.json()]
    assert seen_by(viewer) == ["viewer", "target"]
    assert seen_by(other) == ["other"]
    # Directed: the target sees nobody.
    assert seen_by(target) == ["target"]


def test_the_viewer_gets_the_whole_object_without_its_access(acme: Organization, target: AgentIdentity) -> None:
    viewer = agent(acme, "viewer")
    client = admin_client(acme)
    row = client.post(ACCESS, {"viewer_identity_id": str(viewer.pk)}).json()

    whole = client.get("/identities/target").json()
    seen = agent_client(viewer).get("/identities/target").json()

    assert whole["access"] == [row]
    assert {**whole, "access": []} == seen
    assert seen["email_address"] == "target@mail.localhost"
    [listed] = [one for one in client.get("/identities").json() if one["agent_handle"] == "target"]
    assert listed == whole
    assert agent_client(target).get("/identities/target").json()["access"] == []


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "/identities/target", {"description": "mine now"}),
        ("DELETE", "/identities/target", None),
        ("POST", "/identities/target/signing-key", {}),
        ("POST", ACCESS, {}),
    ],
)
def test_a_viewer_changes_nothing(acme: Organization, target: AgentIdentity, method: str, path: str, body: Any) -> None:
    open_identity(admin_principal(acme), target, None)
    client = agent_client(agent(acme, "viewer"))
    before = all_rows()

    answer = client.call(method, path, body)

    assert answer.status_code == 403
    assert all_rows() == before


@pytest.mark.parametrize(
    "path",
    [
        "/identities/target/signing-key",
        "/identities/target/mail-contact-rules",
        "/mail/mailboxes/target@mail.localhost",
        "/mail/mailboxes/target@mail.localhost/messages",
    ],
)
def test_what_belongs_to_the_target_stays_closed(acme: Organization, target: AgentIdentity, path: str) -> None:
    open_identity(admin_principal(acme), target, None)

    assert agent_client(agent(acme, "viewer")).get(path).status_code == 404


@pytest.mark.parametrize("body", [{}, {"viewer_identity_id": None}, None])
def test_a_wildcard_takes_the_place_of_all_viewers(acme: Organization, target: AgentIdentity, body: Any) -> None:
    viewer, other = agent(acme, "viewer"), agent(acme, "other")
    client = admin_client(acme)
    client.post(ACCESS, {"viewer_identity_id": str(viewer.pk)})

    made = client.post(ACCESS, body)

    assert (made.status_code, made.json()["viewer_identity_id"]) == (201, None)
    assert client.get(ACCESS).json() == [made.json()]
    assert seen_by(viewer) == ["viewer", "target"]
    assert seen_by(other) == ["other", "target"]
    # Those who come later see it too.
    assert [row["agent_handle"] for row in agent_client(agent(acme, "late")).get("/identities").json()] == [
        "late",
        "target",
    ]
    before = all_rows()
    again = client.post(ACCESS, body)
    assert (again.status_code, again.json()) == (201, made.json())
    assert all_rows() == before


def test_a_viewer_is_redundant_beside_the_wildcard(acme: Organization, target: AgentIdentity) -> None:
    viewer, client = agent(acme, "viewer"), admin_client(acme)
    client.post(ACCESS, {})
    before = all_rows()

    answer = client.post(ACCESS, {"viewer_identity_id": str(viewer.pk)})

    detail = answer.json()["detail"]
    assert answer.status_code == 409
    assert (detail["error"], detail["code"]) == ("redundant_grant", "redundant_grant")
    assert detail["detail"] == detail["message"]
    assert all_rows() == before


def test_the_same_viewer_again_is_a_plain_conflict(acme: Organization, target: AgentIdentity) -> None:
    viewer, client = agent(acme, "viewer"), admin_client(acme)
    client.post(ACCESS, {"viewer_identity_id": str(viewer.pk)})
    before = all_rows()

    answer = client.post(ACCESS, {"viewer_identity_id": str(viewer.pk)})

    assert (answer.status_code, answer.json()) == (409, {"detail": "This identity is open to that viewer already."})
    assert all_rows() == before


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"viewer_identity_id": "viewer"}, "viewer_identity_id"),
        ({"viewer_identity_id": ["x"]}, "viewer_identity_id"),
        # Would be a wildcard if it were ignored.
        ({"viewer_id": "00000000-0000-7000-8000-000000000000"}, "viewer_id"),
    ],
)
def test_what_names_no_viewer_is_refused(
    acme: Organization, target: AgentIdentity, body: dict[str, Any], field: str
) -> None:
    client = admin_client(acme)
    before = all_rows()

    answer = client.post(ACCESS, body)

    assert answer.status_code == 422
    assert [issue["loc"] for issue in answer.json()["detail"]] == [["body", field]]
    assert all_rows() == before


def test_the_target_itself_and_strangers_are_refused(acme: Organization, target: AgentIdentity) -> None:
    gone = agent(acme)
    delete_identity(gone, Profile.MODERN)
    client = admin_client(acme)
    viewers = (uuid4(), agent().pk, gone.pk)
    before = all_rows()

    own = client.post(ACCESS, {"viewer_identity_id": str(target.pk)})
    unknown = [client.post(ACCESS, {"viewer_identity_id": str(viewer)}).status_code for viewer in viewers]

    assert (own.status_code, own.json()["detail"][0]["loc"]) == (422, ["body", "viewer_identity_id"])
    assert unknown == [404, 404, 404]
    assert all_rows() == before


def test_closing_to_one_viewer(acme: Organization, target: AgentIdentity) -> None:
    viewer, other = agent(acme, "viewer"), agent(acme, "other")
    client = admin_client(acme)
    for one in (viewer, other):
        client.post(ACCESS, {"viewer_identity_id": str(one.pk)})

    assert client.delete(f"{ACCESS}/{viewer.pk}").status_code == 204
    assert seen_by(viewer) == ["viewer"]
    assert seen_by(other) == ["other", "target"]
    assert client.delete(f"{ACCESS}/{viewer.pk}").status_code == 404
    assert client.delete(f"{ACCESS}/{other.pk}").status_code == 204
    assert client.get(ACCESS).json() == []


@pytest.mark.parametrize("wildcard", ["*", "%2A"])
def test_the_wildcard_ends_only_by_its_own_name(acme: Organization, target: AgentIdentity, wildcard: str) -> None:
    viewer, client = agent(acme, "viewer"), admin_client(acme)
    client.post(ACCESS, {})
    before = all_rows()

    assert client.delete(f"{ACCESS}/{viewer.pk}").status_code == 404
    assert client.delete(f"{ACCESS}/no-uuid").status_code == 404
    assert all_rows() == before
    assert client.delete(f"{ACCESS}/{wildcard}").status_code == 204
    assert seen_by(viewer) == ["viewer"]
    assert client.delete(f"{ACCESS}/{wildcard}").status_code == 404


def test_unclaimed_agents_see_only_themselves(acme: Organization, target: AgentIdentity) -> None:
    newcomer = unclaimed_agent(acme, "newcomer")
    principal = admin_principal(acme)
    open_identity(principal, target, newcomer.pk)
    open_identity(principal, agent(acme, "other"), None)

    assert seen_by(newcomer) == ["newcomer"]


def test_another_organization_is_never_seen(acme: Organization, target: AgentIdentity) -> None:
    open_identity(admin_principal(acme), target, None)

    assert seen_by(agent(organization(), "viewer")) == ["viewer"]


@pytest.mark.parametrize("profile", list(Profile))
@pytest.mark.parametrize("role", ["target", "viewer"])
def test_access_ends_with_either_identity(
    acme: Organization, target: AgentIdentity, role: str, profile: Profile
) -> None:
    viewer, other = agent(acme, "viewer"), agent(acme, "other")
    principal = admin_principal(acme)
    open_identity(principal, target, viewer.pk)
    kept = open_identity(principal, other, None)

    delete_identity({"target": target, "viewer": viewer}[role], profile)

    assert list(IdentityAccess.objects.all()) == [kept]


@pytest.mark.parametrize("role", ["target", "viewer"])
def test_access_does_not_follow_to_another_organization(acme: Organization, target: AgentIdentity, role: str) -> None:
    viewer = agent(acme, "viewer")
    open_identity(admin_principal(acme), target, viewer.pk)

    move_identity({"target": target, "viewer": viewer}[role], organization())

    assert not IdentityAccess.objects.exists()
    viewer.refresh_from_db()
    assert seen_by(viewer) == ["viewer"]


def test_both_ways_are_in_the_audit_log(acme: Organization, target: AgentIdentity) -> None:
    viewer, client = agent(acme, "viewer"), admin_client(acme)
    client.post(ACCESS, {"viewer_identity_id": str(viewer.pk)})
    client.delete(f"{ACCESS}/{viewer.pk}")
    client.post(ACCESS, {})
    client.delete(f"{ACCESS}/*")

    rows = AuditRecord.objects.filter(target_id=str(target.pk), action__contains="viewer").order_by("seq")

    assert [(row.action, row.target_label, row.details) for row in rows] == [
        ("identity.opened_to_viewer", "@target", {"viewer": "@viewer"}),
        ("identity.closed_to_viewer", "@target", {"viewer": "@viewer"}),
        ("identity.opened_to_viewer", "@target", {"viewer": "every agent"}),
        ("identity.closed_to_viewer", "@target", {"viewer": "every agent"}),
    ]


def test_members_read_and_do_not_change(acme: Organization, target: AgentIdentity) -> None:
    client = session_client(acme, Role.MEMBER)
    row = open_identity(admin_principal(acme), target, None)

    assert [one["id"] for one in client.get(ACCESS).json()] == [str(row.pk)]
    assert client.post(ACCESS, {}).status_code == 403
    assert client.delete(f"{ACCESS}/*").status_code == 403
    assert list(IdentityAccess.objects.all()) == [row]


def test_the_database_refuses_what_no_target_has(acme: Organization, target: AgentIdentity) -> None:
    viewer = agent(acme, "viewer")
    IdentityAccess.objects.create(target=target, viewer=viewer)
    IdentityAccess.objects.create(target=target)

    for wrong in (viewer, None, target):
        with pytest.raises(IntegrityError), transaction.atomic():
            IdentityAccess.objects.create(target=target, viewer=wrong)


def _queries(client: ApiClient, path: str) -> int:
    client.get(path)  # the first use of a key is written down
    with CaptureQueriesContext(connection) as captured:
        assert client.get(path).status_code == 200
    return len(captured)


def test_seeing_more_costs_no_more_queries(acme: Organization, target: AgentIdentity) -> None:
    viewer = agent(acme, "viewer")
    alone = _queries(agent_client(viewer), "/identities")
    principal = admin_principal(acme)
    for _ in range(10):
        open_identity(principal, agent(acme), viewer.pk)

    assert _queries(agent_client(viewer), "/identities") == alone == 5
    assert len(agent_client(viewer).get("/identities").json()) == 11


def _at_once(*calls: Callable[[], Any]) -> list[str]:
    """Run the calls in threads that start together; the class of each error, or `done`, sorted."""
    together = threading.Barrier(len(calls))
    outcomes: list[str] = []

    def run(call: Callable[[], Any]) -> None:
        try:
            together.wait(timeout=10)
            call()
            outcomes.append("done")
        except DomainError as error:
            outcomes.append(type(error).__name__)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    return sorted(outcomes)


@pytest.mark.django_db(transaction=True)
def test_of_two_viewers_at_once_one_is_let_in() -> None:
    acme = organization()
    target, viewer, principal = agent(acme), agent(acme), admin_principal(acme)

    assert _at_once(*[lambda: open_identity(principal, target, viewer.pk)] * 2) == ["AlreadyVisible", "done"]
    assert IdentityAccess.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_viewer_and_the_wildcard_at_once_never_stand_side_by_side() -> None:
    acme = organization()
    principal = admin_principal(acme)
    for _ in range(5):
        target, viewer = agent(acme), agent(acme)

        outcomes = _at_once(
            lambda target=target: open_identity(principal, target, None),  # type: ignore[misc]
            lambda target=target, viewer=viewer: open_identity(principal, target, viewer.pk),  # type: ignore[misc]
        )

        assert outcomes in (["RedundantAccess", "done"], ["done", "done"])
        assert [row.viewer_id for row in IdentityAccess.objects.filter(target=target)] == [None]


@pytest.mark.django_db(transaction=True)
def test_a_viewer_that_is_deleted_meanwhile_leaves_no_row() -> None:
    acme = organization()
    target, principal = agent(acme), admin_principal(acme)
    for _ in range(5):
        viewer = agent(acme)

        outcomes = _at_once(
            lambda viewer=viewer: open_identity(principal, target, viewer.pk),  # type: ignore[misc]
            lambda viewer=viewer: delete_identity(viewer, Profile.MODERN),  # type: ignore[misc]
        )

        assert outcomes in (["ViewerNotFound", "done"], ["done", "done"])
        assert not IdentityAccess.objects.exists()
