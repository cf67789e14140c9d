"""Contact rules over REST (contract mail.md section 8)."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import time_machine
from django.db import connection
from pytest_django import Settings

from common.principal import Profile
from contacts import limits
from contacts.models import ContactRule, ContactRuleAlias
from identities.channels import MailboxOptions
from identities.models import AgentIdentity
from mail.models import Mailbox, OutboundJob
from tests.factories.contacts import rule
from tests.factories.identities import ApiClient, admin_client, agent, agent_client, organization, unclaimed_agent
from tests.factories.mail import mailbox_of, receive
from tests.identities.rows import all_rows

pytestmark = pytest.mark.django_db

NEW = {"action": "block", "match_type": "domain", "match_target": "spam.example"}


@pytest.fixture
def identity() -> AgentIdentity:
    return agent(handle="billing-bot")


@pytest.fixture
def client(identity: AgentIdentity) -> ApiClient:
    return admin_client(identity.organization)


@pytest.fixture(
    params=["/mail/mailboxes/billing-bot@mail.localhost/contact-rules", "/identities/billing-bot/mail-contact-rules"]
)
def path(request: pytest.FixtureRequest, identity: AgentIdentity) -> str:
    """The same five routes, by mailbox and by identity."""
    return str(request.param)


# --- create


@time_machine.travel("2026-05-04T11:00:00Z", tick=False)
def test_a_new_rule_has_every_field_of_both_parsers(identity: AgentIdentity, client: ApiClient, path: str) -> None:
    response = client.post(path, NEW)

    row = ContactRule.objects.get()
    assert response.status_code == 201
    assert response.json() == {
        "id": str(row.pk),
        "mailbox_id": str(mailbox_of(identity).pk),
        "agent_identity_id": str(identity.pk),
        "action": "block",
        "match_type": "domain",
        "match_target": "spam.example",
        "direction": "both",
        "status": "active",
        "contact": None,
        "created_at": "2026-05-04T11:00:00Z",
        "updated_at": "2026-05-04T11:00:00Z",
    }
    assert client.get(f"{path}/{row.pk}").json() == response.json()
    assert client.get(path).json() == [response.json()]
    assert client.get("/mail/contact-rules").json() == [response.json()]


@pytest.mark.parametrize(
    ("match_type", "sent", "stored"),
    [
        ("domain", "Spam.Example", "spam.example"),
        ("domain", "@spam.example", "spam.example"),
        ("domain", " spam.example. ", "spam.example"),
        ("domain", "b\u00fccher.example", "xn--bcher-kva.example"),
        ("domain", "localhost", "localhost"),
        ("domain", "xn--ls8h.example", "xn--ls8h.example"),
        ("exact_email", "Eve@Spam.Example", "eve@spam.example"),
        ("exact_email", "<eve@spam.example>", "eve@spam.example"),
        ("exact_email", "eve+tag@b\u00fccher.example", "eve+tag@xn--bcher-kva.example"),
    ],
)
def test_a_target_has_one_spelling(client: ApiClient, path: str, match_type: str, sent: str, stored: str) -> None:
    created = client.post(path, {**NEW, "match_type": match_type, "match_target": sent})

    assert (created.status_code, created.json()["match_target"]) == (201, stored)
    assert client.post(path, {**NEW, "match_type": match_type, "match_target": stored}).status_code == 409


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no action": ({"action": None}, "action"),
    "unknown action": ({"action": "drop"}, "action"),
    "unknown match type": ({"match_type": "exact_number"}, "match_type"),
    "number as match type": ({"match_type": 7}, "match_type"),
    "unknown direction": ({"direction": "sideways"}, "direction"),
    "null direction": ({"direction": None}, "direction"),
    "status": ({"status": "paused"}, "status"),
    "no target": ({"match_target": None}, "match_target"),
    "empty target": ({"match_target": ""}, "match_target"),
    "address as domain": ({"match_target": "eve@spam.example"}, "match_target"),
    "wildcard": ({"match_target": "*.spam.example"}, "match_target"),
    "URL": ({"match_target": "https://spam.example/"}, "match_target"),
    "two domains": ({"match_target": "a.example,b.example"}, "match_target"),
    "line break": ({"match_target": "spam.example\n"}, "match_target"),
    "NUL": ({"match_target": "spam\x00.example"}, "match_target"),
    "long domain": ({"match_target": "a" * 64 + ".example"}, "match_target"),
    "too long": ({"match_target": "a." * 130}, "match_target"),
    "domain as address": ({"match_type": "exact_email"}, "match_target"),
    "name and address": ({"match_type": "exact_email", "match_target": "Eve <eve@spam.example>"}, "match_target"),
    "list": ({"match_target": ["spam.example"]}, "match_target"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_bad_rule_is_refused_and_nothing_is_stored(client: ApiClient, path: str, name: str) -> None:
    changes, field = REFUSED[name]
    before = all_rows()

    response = client.post(path, {**NEW, **changes})

    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == ["body", field]
    assert all_rows() == before


@pytest.mark.parametrize("status", ["active", "paused"])
@pytest.mark.parametrize("action", ["block", "allow"])
def test_a_covered_target_is_refused_with_the_rule_that_covers_it(
    identity: AgentIdentity, client: ApiClient, path: str, action: str, status: str
) -> None:
    stored = rule(identity, status=status)
    before = all_rows()

    response = client.post(path, {**NEW, "action": action})

    assert response.status_code == 409
    detail = response.json()["detail"]
    assert set(detail) == {"existing_rule_id", "message"}
    assert detail["existing_rule_id"] == str(stored.pk)
    assert all_rows() == before


def test_the_same_target_of_another_identity_or_kind_is_free(
    identity: AgentIdentity, client: ApiClient, path: str
) -> None:
    rule(agent(identity.organization))
    rule(identity, "eve@spam.example")

    assert client.post(path, NEW).status_code == 201


def test_a_missing_side_extends_the_rule(identity: AgentIdentity, client: ApiClient, path: str) -> None:
    stored = rule(identity, action="allow", direction="inbound")

    response = client.post(path, {**NEW, "action": "allow", "direction": "outbound"})

    assert (response.status_code, response.json()["id"], response.json()["direction"]) == (201, str(stored.pk), "both")
    assert ContactRule.objects.count() == 1


def test_a_different_action_on_the_other_side_is_a_rule_of_its_own(
    identity: AgentIdentity, client: ApiClient, path: str
) -> None:
    stored = rule(identity, action="allow", direction="inbound")

    response = client.post(path, {**NEW, "direction": "outbound"})

    assert (response.status_code, response.json()["direction"]) == (201, "outbound")
    assert set(ContactRule.objects.values_list("pk", "action", "direction")) == {
        (stored.pk, "allow", "inbound"),
        (ContactRule.objects.latest("pk").pk, "block", "outbound"),
    }


def test_a_full_identity_takes_no_more_rules(
    identity: AgentIdentity, client: ApiClient, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "RULES_PER_IDENTITY_MAX", 2)
    rule(identity, "a.example")
    rule(identity, "b.example")
    before = all_rows()

    response = client.post(path, NEW)

    assert (response.status_code, response.json()["detail"]["error"]) == (409, "too_many_contact_rules")
    assert "existing_rule_id" not in response.json()["detail"]
    assert all_rows() == before


@pytest.mark.parametrize(("is_allowed", "claimed"), [(False, 403), (True, 201)])
def test_whether_agents_create_rules_is_up_to_the_operator(
    identity: AgentIdentity, path: str, settings: Settings, is_allowed: bool, claimed: int
) -> None:
    settings.AGENTS_CREATE_CONTACT_RULES = is_allowed
    own = agent_client(identity)
    before = all_rows()

    response = own.post(path, NEW)

    assert response.status_code == claimed
    if claimed == 403:
        assert isinstance(response.json()["detail"], str)
        assert all_rows() == before


def test_an_unclaimed_agent_never_creates_rules(settings: Settings) -> None:
    settings.AGENTS_CREATE_CONTACT_RULES = True
    newcomer = unclaimed_agent(handle="newcomer")

    assert agent_client(newcomer).post("/identities/newcomer/mail-contact-rules", NEW).status_code == 403
    assert not ContactRule.objects.exists()


def test_a_mailbox_without_identity_has_no_rules() -> None:
    acme = organization()
    box = mailbox_of(agent(acme, profile=Profile.SEED, mailbox=MailboxOptions()))
    Mailbox.objects.filter(pk=box.pk).update(identity=None)
    path = f"/mail/mailboxes/{box.pk}/contact-rules"
    client = admin_client(acme)
    before = all_rows()

    assert client.get(path).json() == []
    assert client.get(f"{path}/{box.pk}").status_code == 404
    refused = client.post(path, NEW)

    assert refused.status_code == 409
    assert "existing_rule_id" not in str(refused.json())
    assert all_rows() == before


# --- change


def test_every_generation_changes_a_rule_its_own_way(identity: AgentIdentity, client: ApiClient, path: str) -> None:
    stored = rule(identity)
    one = f"{path}/{stored.pk}"

    paused = client.patch(one, {"action": "allow", "status": "paused"})  # until 0.5.4
    turned = client.patch(one, {"action": "block"})  # until 0.7.2
    narrowed = client.patch(one, {"action": "allow", "direction": "inbound"})  # since 0.7.3

    assert [(r.status_code, r.json()["id"]) for r in (paused, turned, narrowed)] == [(200, str(stored.pk))] * 3
    assert (paused.json()["action"], paused.json()["status"]) == ("allow", "paused")
    assert (turned.json()["action"], turned.json()["status"]) == ("block", "paused")
    assert (narrowed.json()["action"], narrowed.json()["direction"], narrowed.json()["status"]) == (
        "allow",
        "inbound",
        "paused",
    )
    assert narrowed.json()["created_at"] == paused.json()["created_at"]
    assert narrowed.json()["updated_at"] > paused.json()["updated_at"]


def test_one_side_is_split_off(identity: AgentIdentity, client: ApiClient, path: str) -> None:
    stored = rule(identity, action="allow")

    response = client.patch(f"{path}/{stored.pk}", {"action": "block", "apply_to": "outbound"})

    assert response.status_code == 200
    assert (response.json()["id"], response.json()["action"], response.json()["direction"]) == (
        str(stored.pk),
        "block",
        "outbound",
    )
    other = ContactRule.objects.exclude(pk=stored.pk).get()
    assert (other.action, other.direction, other.created_at) == ("allow", "inbound", stored.created_at)


def test_ids_that_were_merged_away_keep_working(identity: AgentIdentity, client: ApiClient, path: str) -> None:
    inbound = rule(identity, action="allow", direction="inbound")
    outbound = rule(identity, action="block", direction="outbound")

    merged = client.patch(f"{path}/{inbound.pk}", {"action": "block"})

    assert (merged.status_code, merged.json()["id"], merged.json()["direction"]) == (200, str(inbound.pk), "both")
    assert client.get(f"{path}/{outbound.pk}").json() == merged.json()
    assert len(client.get(path).json()) == 1
    changed = client.patch(f"{path}/{outbound.pk}", {"action": "allow"})
    assert (changed.status_code, changed.json()["id"], changed.json()["action"]) == (200, str(inbound.pk), "allow")
    assert client.delete(f"{path}/{outbound.pk}").status_code == 204
    assert not ContactRule.objects.exists()
    assert not ContactRuleAlias.objects.exists()
    assert {client.get(f"{path}/{pk}").status_code for pk in (inbound.pk, outbound.pk)} == {404}


def test_aliases_follow_a_second_merge(identity: AgentIdentity, client: ApiClient, path: str) -> None:
    inbound = rule(identity, action="allow", direction="inbound")
    outbound = rule(identity, action="block", direction="outbound")
    client.patch(f"{path}/{inbound.pk}", {"direction": "both"})
    client.patch(f"{path}/{inbound.pk}", {"action": "block", "apply_to": "inbound"})
    split = ContactRule.objects.exclude(pk=inbound.pk).get()

    merged = client.patch(f"{path}/{split.pk}", {"direction": "both"})

    assert merged.json()["id"] == str(split.pk)
    for alias in (inbound.pk, outbound.pk):
        assert client.get(f"{path}/{alias}").json() == merged.json()
    assert ContactRule.objects.count() == 1


BAD_CHANGES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "empty": ({}, ["body"]),
    "unknown field only": ({"contact": None}, ["body"]),
    "match type": ({"action": "allow", "match_type": "domain"}, ["body", "match_type"]),
    "match target": ({"match_target": "other.example"}, ["body", "match_target"]),
    "unknown action": ({"action": "drop"}, ["body", "action"]),
    "null action": ({"action": None}, ["body", "action"]),
    "unknown status": ({"status": "deleted"}, ["body", "status"]),
    "unknown direction": ({"direction": ""}, ["body", "direction"]),
    "side without action": ({"apply_to": "inbound"}, ["body", "action"]),
    "side and direction": ({"action": "allow", "apply_to": "inbound", "direction": "both"}, ["body", "direction"]),
    "side and status": ({"action": "allow", "apply_to": "inbound", "status": "paused"}, ["body", "status"]),
    "both sides": ({"action": "allow", "apply_to": "both"}, ["body", "apply_to"]),
    "a side it does not cover": ({"action": "allow", "apply_to": "outbound"}, ["body", "apply_to"]),
}


@pytest.mark.parametrize("name", BAD_CHANGES)
def test_a_bad_change_is_refused_and_changes_nothing(
    identity: AgentIdentity, client: ApiClient, path: str, name: str
) -> None:
    body, loc = BAD_CHANGES[name]
    stored = rule(identity, direction="inbound")
    before = all_rows()

    response = client.patch(f"{path}/{stored.pk}", body)

    assert (response.status_code, response.json()["detail"][0]["loc"]) == (422, loc)
    assert all_rows() == before


@pytest.mark.parametrize("row_id", ["00000000-0000-7000-8000-000000000000", "17", "%00"])
@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_an_unknown_rule_is_not_found(client: ApiClient, path: str, method: str, row_id: str) -> None:
    response = client.call(method, f"{path}/{row_id}", {"action": "allow"} if method == "PATCH" else None)

    assert (response.status_code, response.json()) == (404, {"detail": "Contact rule not found"})


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_a_rule_is_found_below_its_own_identity_only(
    identity: AgentIdentity, client: ApiClient, path: str, method: str
) -> None:
    other = rule(agent(identity.organization))
    before = all_rows()

    response = client.call(method, f"{path}/{other.pk}", {"action": "allow"} if method == "PATCH" else None)

    assert response.status_code == 404
    assert all_rows() == before


# --- lists


def test_a_list_is_newest_first_and_filtered(identity: AgentIdentity, client: ApiClient, path: str) -> None:
    one = rule(identity, "a.example", action="allow", direction="inbound")
    two = rule(identity, "b.example", direction="outbound", status="paused")
    three = rule(identity, "eve@c.example")

    def ids(query: str) -> list[str]:
        response = client.get(f"{path}?{query}")
        assert response.status_code == 200
        return [row["id"] for row in response.json()]

    first, second, third = str(one.pk), str(two.pk), str(three.pk)
    assert ids("") == [third, second, first]
    assert ids("direction=inbound") == [third, first]
    assert ids("direction=outbound") == [third, second]
    assert ids("direction=both") == [third]
    assert ids("action=allow") == [first]
    assert ids("match_type=exact_email") == [third]
    assert ids("action=block&match_type=domain&unknown=1") == [second]
    assert ids("limit=1") == [third]
    assert ids("limit=1&offset=1") == [second]
    assert ids("offset=3") == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=x", "limit"),
        ("offset=-1", "offset"),
        ("offset=99999999999999999999", "offset"),
        ("action=drop", "action"),
        ("match_type=phone", "match_type"),
        ("direction=left", "direction"),
    ],
)
def test_a_bad_filter_is_refused(client: ApiClient, path: str, query: str, field: str) -> None:
    for one in (path, "/mail/contact-rules"):
        response = client.get(f"{one}?{query}")

        assert (response.status_code, response.json()["detail"][0]["loc"]) == (422, ["query", field])


def test_the_organization_list_serves_both_parsers() -> None:
    acme = organization()
    alpha, bravo = agent(acme, "alpha"), agent(acme, "bravo")
    of_alpha, of_bravo = rule(alpha), rule(bravo)
    unlinked = agent(acme, "charlie")
    of_charlie = rule(unlinked)
    Mailbox.objects.filter(identity=unlinked).update(identity=None)
    rule(agent())
    client = admin_client(acme)
    path = "/mail/contact-rules"

    rows = client.get(path).json()
    by_mailbox = client.get(f"{path}?mailbox_id={mailbox_of(alpha).pk}").json()
    by_identity = client.get(f"{path}?agent_identity_id={bravo.pk}").json()

    # Every row has both ids, so a rule whose identity has no mailbox appears only when it is asked for.
    assert [(row["id"], row["mailbox_id"], row["agent_identity_id"]) for row in rows] == [
        (str(of_bravo.pk), str(mailbox_of(bravo).pk), str(bravo.pk)),
        (str(of_alpha.pk), str(mailbox_of(alpha).pk), str(alpha.pk)),
    ]
    assert by_mailbox == [rows[1]]
    assert by_identity == [rows[0]]
    asked = client.get(f"{path}?agent_identity_id={unlinked.pk}").json()
    assert [(row["id"], row["mailbox_id"]) for row in asked] == [(str(of_charlie.pk), None)]
    assert client.get(f"{path}?mailbox_id={mailbox_of(alpha).pk}&agent_identity_id={bravo.pk}").json() == []
    assert client.get(f"{path}?mailbox_id=00000000-0000-7000-8000-000000000000").json() == []
    for name in ("mailbox_id", "agent_identity_id"):
        assert client.get(f"{path}?{name}=alpha").status_code == 422


# --- what rules do


def test_rules_govern_receiving_and_sending(identity: AgentIdentity, client: ApiClient, path: str) -> None:
    box = mailbox_of(identity)
    created = client.post(path, NEW).json()
    send = {"recipients": {"to": ["eve@spam.example"]}, "subject": "Hello"}
    messages = f"/mail/mailboxes/{box.pk}/messages"

    blocked = receive(box, sender="Eve <Eve@SPAM.example>")
    refused = client.post(messages, send)

    assert blocked.is_blocked
    assert (refused.status_code, refused.json()["detail"]["matched_rule_id"]) == (403, created["id"])
    client.patch(f"{path}/{created['id']}", {"action": "allow", "apply_to": "outbound"})
    assert client.post(messages, send).status_code == 201
    assert receive(box, sender="eve@spam.example").is_blocked
    client.patch(f"{path}/{created['id']}", {"direction": "both"})
    assert not receive(box, sender="eve@spam.example").is_blocked
    client.patch(f"{path}/{created['id']}", {"action": "block", "status": "paused"})
    assert not receive(box, sender="eve@spam.example").is_blocked
    client.patch(f"{path}/{created['id']}", {"status": "active"})
    assert receive(box, sender="eve@spam.example").is_blocked
    client.delete(f"{path}/{created['id']}")
    assert not receive(box, sender="eve@spam.example").is_blocked
    assert OutboundJob.objects.count() == 1


def test_a_rule_for_an_international_domain_meets_mail_that_spells_it_in_utf8(
    identity: AgentIdentity, client: ApiClient, path: str
) -> None:
    client.post(path, {**NEW, "match_target": "b\u00fccher.example"})

    raw = "From: eve@b\u00fccher.example\r\nTo: billing-bot@mail.localhost\r\nSubject: x\r\n\r\nHi\r\n".encode()

    assert receive(mailbox_of(identity), raw).is_blocked


# --- races


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("directions", [["both"] * 4, ["inbound", "outbound"] * 2], ids=["the same", "two sides"])
def test_concurrent_creates_make_one_rule(directions: list[str]) -> None:
    identity = agent(handle="billing-bot")
    key = admin_client(identity.organization)._headers["X-API-Key"]
    together = threading.Barrier(4)
    statuses: list[int] = []

    def run(direction: str) -> None:
        try:
            together.wait(10)
            answer = ApiClient(key).post("/identities/billing-bot/mail-contact-rules", {**NEW, "direction": direction})
            statuses.append(answer.status_code)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(direction,)) for direction in directions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert sorted(statuses) == ([201, 409, 409, 409] if directions[0] == "both" else [201, 201, 409, 409])
    assert ContactRule.objects.get().direction == "both"


@pytest.mark.django_db(transaction=True)
def test_concurrent_changes_of_two_rules_end_in_one_rule() -> None:
    identity = agent(handle="billing-bot")
    rows = [rule(identity, action="allow", direction="inbound"), rule(identity, direction="outbound")]
    key = admin_client(identity.organization)._headers["X-API-Key"]
    together = threading.Barrier(2)
    statuses: list[int] = []

    def run(row: ContactRule) -> None:
        try:
            together.wait(10)
            one = f"/identities/billing-bot/mail-contact-rules/{row.pk}"
            statuses.append(ApiClient(key).patch(one, {"direction": "both", "action": "allow"}).status_code)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(row,)) for row in rows]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert statuses == [200, 200]
    left = ContactRule.objects.get()
    assert (left.action, left.direction) == ("allow", "both")
    assert {left.pk, ContactRuleAlias.objects.get().pk} == {row.pk for row in rows}
