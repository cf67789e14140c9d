"""The audit log: what is written, by whom, and that nobody changes it unnoticed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections, transaction
from django.db.utils import DatabaseError
from django.test import Client

from common.actor import Actor, ActorKind
from identities.audit_chain import canonical_json, entry_hash
from identities.audit_protection import is_audit_log_protected, protect_audit_log, unprotect_audit_log
from identities.enums import AuditAction, Role
from identities.models import AuditHead, AuditRecord, Organization
from identities.services.audit import Detail, Target, record_audit
from identities.services.organizations import delete_organization
from tests.factories.identities import (
    ApiClient,
    admin_client,
    admin_key,
    agent,
    agent_client,
    key_row,
    organization,
    person,
    session,
    session_client,
)
from tests.factories.signup import sign_up

pytestmark = pytest.mark.django_db


def acts(of: Organization | str) -> list[tuple[str, str, str]]:
    """(actor kind, action, target) of an organization's rows, oldest first."""
    rows = AuditRecord.objects.filter(organization_id=of if isinstance(of, str) else of.pk).order_by("seq")
    return [(row.actor_kind, row.action, row.target_label) for row in rows]


def write(of: str, count: int = 3, **details: Detail) -> None:
    for number in range(count):
        with transaction.atomic():
            record_audit(of, AuditAction.ORGANIZATION_UPDATED, Target(of, f"change {number}"), details)


def check(*arguments: str) -> str:
    """The output of `verify_audit`; it fails for want of triggers unless a test has them."""
    out = StringIO()
    call_command("verify_audit", *arguments, stdout=out, stderr=out)
    return out.getvalue()


def faults(*arguments: str) -> str:
    out = StringIO()
    with pytest.raises(CommandError, match="not what was written"):
        call_command("verify_audit", *arguments, stdout=out, stderr=out)
    return out.getvalue()


@pytest.fixture
def protected() -> Iterator[None]:
    """As in production: with triggers."""
    protect_audit_log(connection)
    yield
    unprotect_audit_log(connection)


@pytest.fixture
def as_if_protected(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests that forge rows."""
    monkeypatch.setattr("identities.management.commands.verify_audit.is_audit_log_protected", lambda _: True)


def test_acts_through_the_api_are_recorded_with_their_actors() -> None:
    acme = organization()
    key = admin_key(acme)
    admin = ApiClient(key)
    admin.post("/identities", {"agent_handle": "alpha"})
    admin.patch("/identities/alpha", {"status": "paused", "mail_filter_mode": "whitelist", "display_name": "Alpha"})
    admin.patch("/identities/alpha", {"status": "active", "display_name": "Alpha"})
    owner = session_client(acme)
    made = owner.post("/api-keys", {"label": "ci"}).json()["record"]
    owner.delete(f"/api-keys/{made['id']}")
    owner.delete(f"/api-keys/{made['id']}")
    owner.post("/identities/alpha/signing-key")
    admin.post(
        "/identities/alpha/mail-contact-rules", {"action": "block", "match_type": "domain", "match_target": "x.example"}
    )
    admin.delete("/identities/alpha")

    name = f"{made['id'][:15]} ci"
    assert acts(acme) == [
        ("key", "identity.created", "@alpha"),
        ("key", "identity.paused", "@alpha"),
        ("key", "identity.filter_modes_changed", "@alpha"),
        ("key", "identity.updated", "@alpha"),
        ("key", "identity.resumed", "@alpha"),
        ("user", "api_key.created", name),
        ("user", "api_key.revoked", name),
        ("user", "signing_key.rotated", "@alpha"),
        ("key", "contact_rule.created", "x.example"),
        ("key", "identity.deleted", "@alpha"),
    ]
    first = AuditRecord.objects.get(seq=1)
    assert (first.actor_id, first.actor_label) == (key_row(key).pk, key[:15])
    modes = AuditRecord.objects.get(action="identity.filter_modes_changed")
    assert modes.details == {"mail_inbound_filter_mode": "whitelist", "mail_outbound_filter_mode": "whitelist"}
    assert made["id"] not in str(AuditRecord.objects.filter(action="identity.updated").values())


def test_agents_act_in_their_own_name() -> None:
    identity = agent(handle="alpha")

    agent_client(identity).patch("/identities/alpha", {"description": "Sells."})

    row = AuditRecord.objects.get(action="identity.updated")
    assert (row.actor_kind, row.actor_id, row.actor_label) == ("agent", str(identity.pk), "@alpha")
    assert row.details == {"fields": ["description"]}


def test_the_actor_of_a_request_ends_with_it() -> None:
    acme = organization()
    admin_client(acme).post("/identities", {"agent_handle": "alpha"})

    write(acme.pk, 1)

    assert [kind for kind, _, _ in acts(acme)] == ["key", "system"]


def test_a_refused_act_is_not_recorded() -> None:
    acme = organization()
    agent(acme, "alpha")
    before = acts(acme)

    assert admin_client(acme).post("/identities", {"agent_handle": "alpha"}).status_code == 409
    assert session_client(acme, Role.MEMBER).post("/api-keys", {"label": "x"}).status_code == 403
    assert admin_client(acme).patch("/identities/alpha", {"mail_filter_mode": "greylist"}).status_code == 422

    assert acts(acme) == before


def test_webhook_urls_and_tokens_stay_out() -> None:
    acme = organization()
    identity = agent(acme, "alpha")
    body = {
        "agent_identity_id": str(identity.pk),
        "url": "https://hooks.example.com/in?token=s3cret",
        "event_types": ["message.received"],
        "auth_token": "t0ken",
    }
    admin = admin_client(acme)

    made = admin.post("/webhooks/subscriptions", body)
    admin.patch(f"/webhooks/subscriptions/{made.json()['id']}", {"url": "https://other.example.com/s3cret"})
    admin.delete(f"/webhooks/subscriptions/{made.json()['id']}")

    assert acts(acme)[1:] == [
        ("key", "signing_key.rotated", "@alpha"),
        ("key", "webhook.created", "hooks.example.com"),
        ("key", "webhook.updated", "other.example.com"),
        ("key", "webhook.deleted", "other.example.com"),
    ]
    log = str(list(AuditRecord.objects.values()))
    assert "s3cret" not in log
    assert "t0ken" not in log


def test_claims_are_recorded_where_the_agent_goes(settings: Any) -> None:
    settings.SIGNUPS_PER_IP_PER_HOUR = 0
    acme = organization()
    user = person(acme)
    approved, coded = sign_up(user.email), sign_up(user.email)
    code = coded.code

    client = ApiClient(bearer=session(acme, user=user))
    client.post(f"/agent-signup/{approved.row.identity_id}/approve", {"organization_id": acme.pk})
    coded.client.post("/agent-signup/verify", {"verification_code": code})

    rows = AuditRecord.objects.filter(organization_id=acme.pk, action="claim.approved").order_by("seq")
    assert [(row.actor_kind, row.actor_id, row.actor_label, row.details) for row in rows] == [
        ("user", user.pk, user.email, {"decided_by": "session"}),
        ("user", "", user.email, {"decided_by": "code"}),
    ]
    assert not AuditRecord.objects.exclude(organization_id=acme.pk).exists()


def test_operators_act_in_the_admin() -> None:
    acme = organization()
    key = key_row(admin_key(acme))
    operator = person(is_staff=True, is_superuser=True, email="root@example.com")
    client = Client()
    client.force_login(operator, backend="allauth.account.auth_backends.AuthenticationBackend")

    client.post("/admin/identities/apikey/", {"action": "revoke_keys", "_selected_action": [key.pk]})

    row = AuditRecord.objects.get(organization_id=acme.pk)
    assert (row.actor_kind, row.actor_label, row.action) == ("operator", "root@example.com", "api_key.revoked")
    page = client.get("/admin/identities/auditrecord/")
    assert page.status_code == 200
    assert b"api_key.revoked" in page.content
    assert client.get("/admin/identities/auditrecord/add/").status_code == 403
    assert client.post(f"/admin/identities/auditrecord/{row.pk}/delete/", {"post": "yes"}).status_code == 403


def test_the_log_outlives_its_organization() -> None:
    acme = organization("Acme")
    agent(acme, "alpha")

    delete_organization(acme.pk)
    delete_organization(acme.pk)

    assert acts(acme.pk)[-1] == ("system", "organization.deleted", "Acme")
    assert len(acts(acme.pk)) == 2


def test_a_row_belongs_into_a_transaction() -> None:
    with pytest.raises(RuntimeError, match="transaction"):
        record_audit("org_1", AuditAction.KEY_CREATED, Target("x"))

    assert not AuditRecord.objects.exists()
    assert not AuditHead.objects.exists()


def test_text_is_stored_as_it_was_hashed(as_if_protected: None) -> None:
    with transaction.atomic():
        row = record_audit(
            "org_1",
            AuditAction.KEY_CREATED,
            Target("x", "tab\tnul\x00 é 漢 \U0001f511" + "a" * 400),
            {"text": "\ud800line\nbreak" + "b" * 600, "list": ["ü\x07"], "yes": True, "none": None, "n": 7},
            actor=Actor(ActorKind.USER, "user_1", "Ada\r\n"),
        )

    stored = AuditRecord.objects.get(pk=row.pk)
    assert stored.target_label == ("tab nul  é 漢 \U0001f511" + "a" * 400)[:320]
    assert stored.details == {
        "text": (" line break" + "b" * 600)[:500],
        "list": ["ü "],
        "yes": True,
        "none": None,
        "n": 7,
    }
    assert stored.actor_label == "Ada  "
    assert "org_1 1" in check()


def test_canonical_json_has_one_spelling() -> None:
    assert canonical_json({"b": [1, True, None], "a": "é"}) == b'{"a":"\\u00e9","b":[1,true,null]}'


def test_chains_are_intact_and_apart(protected: None) -> None:
    write("org_1", 3)
    write("org_2", 2)

    heads = {head.pk: (head.seq, head.hash) for head in AuditHead.objects.all()}
    assert heads["org_1"][0] == 3
    assert heads["org_2"][0] == 2
    output = check()
    assert f"org_1 3 {heads['org_1'][1]}" in output
    assert "2 logs are intact." in output
    assert "org_2" not in check("--organization", "org_1")


def test_an_unknown_organization_is_told_so(protected: None) -> None:
    with pytest.raises(CommandError, match="No audit log of org_9"):
        check("--organization", "org_9")


FORGERIES: dict[str, tuple[Callable[[], object], str]] = {
    "details": (lambda: _rows(2).update(details={"x": "y"}), "row 2: it was changed"),
    "actor": (lambda: _rows(2).update(actor_label="somebody"), "row 2: it was changed"),
    "moment": (lambda: _rows(1).update(created_at=AuditRecord.objects.get(seq=2).created_at), "row 1: it was changed"),
    "organization": (lambda: _rows(4).update(organization_id="org_2"), "org_1 row 4: the chain ends at row 3"),
    "first removed": (lambda: _rows(1).delete(), "row 2: row 1 is missing before it"),
    "middle removed": (lambda: AuditRecord.objects.filter(seq__in=(2, 3)).delete(), "row 4: rows 2 to 3 are missing"),
    "last removed": (lambda: _rows(4).delete(), "row 4: the chain ends at row 3 instead"),
    "all removed": (lambda: AuditRecord.objects.all().delete(), "row 4: the chain ends at row 0 instead"),
    "two swapped": (lambda: _swap(2, 3), "row 2: it does not follow from the row before it"),
    "rehashed": (lambda: _rehash(2), "row 3: it does not follow from the row before it"),
    "last rehashed": (lambda: _rehash(4), "row 4: it is not the row that the chain ended with"),
    "added": (lambda: _append(5), "row 5: it was added past the end of the chain"),
    "head removed": (lambda: AuditHead.objects.all().delete(), "row 4: it was added past the end of the chain"),
}


def _rows(seq: int) -> Any:
    return AuditRecord.objects.filter(seq=seq)


def _swap(one: int, other: int) -> None:
    _rows(one).update(seq=99)
    _rows(other).update(seq=one)
    _rows(99).update(seq=other)


def _rehash(seq: int) -> None:
    row = AuditRecord.objects.get(seq=seq)
    row.target_label = "forged"
    row.hash = entry_hash(row)
    row.save()


def _append(seq: int) -> None:
    row = AuditRecord.objects.get(seq=seq - 1)
    forged = AuditRecord(organization_id="org_1", seq=seq, actor_kind="user", action="x.y", previous_hash=row.hash)
    forged.hash = entry_hash(forged)
    forged.save()


@pytest.mark.parametrize("name", FORGERIES)
def test_forgeries_are_found(name: str, as_if_protected: None) -> None:
    forge, expected = FORGERIES[name]
    write("org_1", 4)
    assert "1 logs are intact" in check()

    forge()

    assert expected in faults()


def test_a_log_written_anew_is_found_by_an_old_hash(as_if_protected: None) -> None:
    write("org_1", 2)
    old = AuditHead.objects.get().hash
    assert "intact" in check("--expect", old)

    AuditRecord.objects.all().delete()
    AuditHead.objects.all().delete()
    write("org_1", 3)

    assert "intact" in check()
    assert f"No row has the hash {old}." in faults("--expect", old)


def test_missing_protection_is_a_fault() -> None:
    write("org_1", 1)

    assert "triggers" in faults()


@pytest.mark.parametrize(
    "change",
    [
        lambda: AuditRecord.objects.update(action="x.y"),
        lambda: AuditRecord.objects.all().delete(),
        lambda: AuditRecord.objects.get().save(),
    ],
)
def test_the_database_refuses_changes(change: Callable[[], object], protected: None) -> None:
    write("org_1", 1)
    before = AuditRecord.objects.values().get()

    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        change()

    assert AuditRecord.objects.values().get() == before
    assert is_audit_log_protected(connection)


@pytest.mark.skipif("connection.vendor == 'sqlite'", reason="SQLite has no TRUNCATE")
def test_the_table_cannot_be_truncated(protected: None) -> None:
    write("org_1", 1)

    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("TRUNCATE identities_auditrecord")

    assert AuditRecord.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_acts_that_race_make_one_chain(as_if_protected: None) -> None:
    def act() -> None:
        try:
            write("org_1", 10)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=act) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert list(AuditRecord.objects.order_by("seq").values_list("seq", flat=True)) == list(range(1, 41))
    assert "org_1 40" in check()
