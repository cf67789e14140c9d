"""Grants on notes, and what becomes of them when identities are deleted or move (contract contacts-notes.md 6)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection

from common.errors import DomainError
from common.principal import Principal, Profile, Scope
from identities.models import AgentIdentity, AuditRecord
from identities.services.identities import delete_identity
from identities.services.moves import move_identity
from notes.models import Note, NoteAccess
from notes.services.access import grant_access, revoke_access
from notes.services.notes import NewNote, NoteChanges, create_note, delete_note, update_note
from tests.factories.identities import (
    ApiClient,
    admin_client,
    admin_principal,
    agent,
    agent_client,
    agent_key,
    key_row,
    organization,
)
from tests.factories.notes import grant, note
from tests.identities.rows import all_rows

pytestmark = pytest.mark.django_db


def test_a_grant_opens_the_note_and_a_revocation_closes_it() -> None:
    acme = organization()
    alpha = agent(acme)
    row, admin, client = note(acme), admin_client(acme), agent_client(alpha)
    path = f"/notes/{row.pk}"
    assert client.get(path).status_code == 404

    made = admin.post(f"{path}/access", {"identity_id": str(alpha.pk)})

    assert made.status_code == 201
    assert made.json() == {
        "id": str(NoteAccess.objects.get().pk),
        "note_id": str(row.pk),
        "identity_id": str(alpha.pk),
        "created_at": made.json()["created_at"],
    }
    assert admin.get(f"{path}/access").json() == client.get(f"{path}/access").json() == [made.json()]
    assert client.get(path).json()["access"] == [made.json()]

    assert admin.delete(f"{path}/access/{alpha.pk}").status_code == 204
    assert client.get(path).status_code == 404
    assert admin.get(f"{path}/access").json() == []
    assert admin.delete(f"{path}/access/{alpha.pk}").status_code == 404


def test_grants_are_listed_in_the_order_of_granting() -> None:
    acme = organization()
    one, two, three = agent(acme), agent(acme), agent(acme)
    row = note(acme, "x", two, three, one)

    found = admin_client(acme).get(f"/notes/{row.pk}/access").json()

    assert [each["identity_id"] for each in found] == [str(each.pk) for each in (two, three, one)]


def test_a_second_grant_is_a_conflict() -> None:
    acme = organization()
    alpha = agent(acme)
    row, client = note(acme, "x", alpha), admin_client(acme)
    before = all_rows()

    answer = client.post(f"/notes/{row.pk}/access", {"identity_id": str(alpha.pk)})

    assert (answer.status_code, answer.json()) == (409, {"detail": "This identity has access to the note already."})
    assert all_rows() == before


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "identity_id"),
        ({"identity_id": None}, "identity_id"),
        ({"identity_id": "alpha"}, "identity_id"),
        ({"identity_id": "00000000-0000-7000-8000-000000000000", "wildcard": True}, "wildcard"),
    ],
)
def test_there_are_no_wildcards(body: dict[str, Any], field: str) -> None:
    acme = organization()
    row, client = note(acme), admin_client(acme)
    before = all_rows()

    answer = client.post(f"/notes/{row.pk}/access", body)

    assert answer.status_code == 422
    assert [issue["loc"] for issue in answer.json()["detail"]] == [["body", field]]
    assert all_rows() == before


def test_identities_that_are_not_the_organizations_are_unknown() -> None:
    acme = organization()
    gone = agent(acme)
    delete_identity(gone, Profile.MODERN)
    row, client = note(acme), admin_client(acme)
    before = all_rows()

    for identity_id in (uuid4(), agent().pk, gone.pk):
        assert client.post(f"/notes/{row.pk}/access", {"identity_id": str(identity_id)}).status_code == 404
    assert NoteAccess.objects.count() == 0
    assert before["notes.Note"] == all_rows()["notes.Note"]


def test_an_agent_ends_only_its_own_access() -> None:
    acme = organization()
    alpha, bravo = agent(acme), agent(acme)
    row = note(acme, "x", alpha, bravo)
    client = agent_client(alpha)

    refused = client.delete(f"/notes/{row.pk}/access/{bravo.pk}")
    unknown = client.delete(f"/notes/{row.pk}/access/{uuid4()}")

    assert (refused.status_code, unknown.status_code) == (403, 403)
    assert NoteAccess.objects.count() == 2
    assert client.delete(f"/notes/{row.pk}/access/{alpha.pk}").status_code == 204
    assert client.get(f"/notes/{row.pk}").status_code == 404
    assert client.delete(f"/notes/{row.pk}/access/{alpha.pk}").status_code == 404


def test_an_administrator_ends_the_access_of_the_writer() -> None:
    acme = organization()
    alpha = agent(acme)
    client = agent_client(alpha)
    note_id = client.post("/notes", {"body": "Mine"}).json()["id"]

    assert admin_client(acme).delete(f"/notes/{note_id}/access/{alpha.pk}").status_code == 204
    assert client.get("/notes").json() == []
    assert admin_client(acme).get(f"/notes/{note_id}").json()["body"] == "Mine"


def test_grants_are_in_the_audit_log_without_the_title() -> None:
    acme = organization()
    alpha = agent(acme, "reader-bot")
    row, client = note(acme, title="Confidential"), admin_client(acme)
    client.post(f"/notes/{row.pk}/access", {"identity_id": str(alpha.pk)})
    client.delete(f"/notes/{row.pk}/access/{alpha.pk}")

    found = AuditRecord.objects.filter(target_id=str(row.pk)).order_by("seq")

    assert [(each.action, each.target_label, each.details) for each in found] == [
        ("note.access_granted", "", {"agent": "@reader-bot"}),
        ("note.access_ended", "", {"agent": "@reader-bot"}),
    ]


@pytest.mark.parametrize("identity_id", ["no-uuid", "%00", "*"])
def test_what_is_no_identity_has_no_grant(identity_id: str) -> None:
    acme = organization()
    row = note(acme)

    assert admin_client(acme).delete(f"/notes/{row.pk}/access/{identity_id}").status_code == 404


@pytest.mark.parametrize("profile", list(Profile))
def test_deleting_an_identity_drops_its_grants_and_keeps_the_notes(profile: Profile) -> None:
    acme = organization()
    alpha, bravo = agent(acme), agent(acme)
    note_id = agent_client(alpha).post("/notes", {"body": "Mine"}).json()["id"]
    note(acme, "shared", alpha, bravo)

    delete_identity(alpha, profile)

    assert set(NoteAccess.objects.values_list("identity_id", flat=True)) == {bravo.pk}
    assert admin_client(acme).get(f"/notes/{note_id}").json()["access"] == []
    assert Note.objects.count() == 2


def test_deleting_an_organization_deletes_its_notes() -> None:
    acme, other = organization(), organization()
    note(acme, "x", agent(acme))
    kept = note(other)

    acme.delete()

    assert list(Note.objects.all()) == [kept]
    assert not NoteAccess.objects.exists()


def test_an_identity_that_moves_takes_what_only_it_wrote_and_sees() -> None:
    before, after = organization(), organization()
    alpha, bravo = agent(before), agent(before)
    key = agent_key(alpha)
    client = ApiClient(key)
    own = client.post("/notes", {"body": "own"}).json()["id"]
    shared = client.post("/notes", {"body": "shared"}).json()["id"]
    grant(Note.objects.get(pk=shared), bravo)
    given = note(before, "given", alpha)
    revoked = client.post("/notes", {"body": "revoked"}).json()["id"]
    client.delete(f"/notes/{revoked}/access/{alpha.pk}")

    moved = move_identity(alpha, after)

    found = client.get("/notes").json()
    assert [(row["id"], row["organization_id"]) for row in found] == [(own, after.pk)]
    assert found[0]["access"][0]["identity_id"] == str(moved.pk)
    assert found[0]["created_by"] == key_row(key).pk
    assert [row["id"] for row in admin_client(after).get("/notes").json()] == [own]
    left = {row["id"] for row in admin_client(before).get("/notes").json()}
    assert left == {shared, str(given.pk), revoked}
    assert set(NoteAccess.objects.values_list("note_id", "identity_id")) == {
        (Note.objects.get(pk=own).pk, alpha.pk),
        (Note.objects.get(pk=shared).pk, bravo.pk),
    }


def test_a_key_that_was_read_before_the_move_writes_nothing_into_the_old_organization() -> None:
    before, after = organization(), organization()
    alpha = agent(before)
    stale = Principal(Scope.AGENT, before.pk, identity_id=alpha.pk, key_id="ApiKey_test")
    row = note(before, "given", alpha)
    move_identity(alpha, after)

    with pytest.raises(DomainError, match="Identity not found"):
        create_note(stale, NewNote("x"))
    with pytest.raises(DomainError, match="Note not found"):
        update_note(stale, str(row.pk), NoteChanges(body="x"))
    assert [each.body for each in Note.objects.all()] == ["given"]


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
def test_of_two_grants_at_once_one_is_made() -> None:
    acme = organization()
    alpha, row, principal = agent(acme), note(acme), admin_principal(acme)

    outcomes = _at_once(*[lambda: grant_access(principal, str(row.pk), alpha.pk)] * 2)

    assert outcomes == ["AlreadyGranted", "done"]
    assert NoteAccess.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_revocations_at_once_one_ends_the_access() -> None:
    acme = organization()
    alpha = agent(acme)
    row, principal = note(acme, "x", alpha), admin_principal(acme)

    assert _at_once(*[lambda: revoke_access(principal, row, alpha.pk)] * 2) == ["GrantNotFound", "done"]


@pytest.mark.django_db(transaction=True)
def test_a_grant_given_while_the_note_is_deleted_leaves_nothing() -> None:
    acme = organization()
    principal = admin_principal(acme)
    for _ in range(5):
        alpha, row = agent(acme), note(acme)

        outcomes = _at_once(
            lambda row=row, alpha=alpha: grant_access(principal, str(row.pk), alpha.pk),  # type: ignore[misc]
            lambda row=row: delete_note(principal, str(row.pk)),  # type: ignore[misc]
        )

        assert outcomes in (["NoteNotFound", "done"], ["done", "done"])
        assert not Note.objects.exists()
        assert not NoteAccess.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_grant_given_while_the_identity_is_deleted_does_not_outlive_it() -> None:
    acme = organization()
    row, principal = note(acme), admin_principal(acme)
    for _ in range(5):
        alpha: AgentIdentity = agent(acme)

        outcomes = _at_once(
            lambda alpha=alpha: grant_access(principal, str(row.pk), alpha.pk),  # type: ignore[misc]
            lambda alpha=alpha: delete_identity(alpha, Profile.MODERN),  # type: ignore[misc]
        )

        assert outcomes in (["IdentityNotFound", "done"], ["done", "done"])
        assert not NoteAccess.objects.exists()
