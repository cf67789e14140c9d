"""Who may see and write to whom (contract contacts-notes.md section 4.4)."""

from __future__ import annotations

import threading
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from contacts import limits
from contacts.models import Contact, ContactRule, ContactVisibility
from identities.models import AgentIdentity, Organization
from mail.models import Message
from tests.factories.contacts import contact, rule
from tests.factories.identities import ApiClient, admin_client, agent, agent_client, organization
from tests.factories.mail import mailbox_of, receive
from tests.identities.rows import all_rows

pytestmark = pytest.mark.django_db

ADA, HOME, PHONE = "ada@customer.example", "Ada@home.example", "+14155550100"


@pytest.fixture
def acme() -> Organization:
    return organization()


@pytest.fixture
def alpha(acme: Organization) -> AgentIdentity:
    return agent(acme, "alpha")


@pytest.fixture
def ada(acme: Organization) -> Contact:
    return contact(acme, "Ada", emails=[ADA, {"value": HOME, "label": "home"}], phones=[PHONE])


@pytest.fixture
def client(acme: Organization) -> ApiClient:
    return admin_client(acme)


def permissions(row: Contact) -> str:
    return f"/identities/alpha/contacts/{row.pk}/permissions"


def access(row: Contact) -> str:
    return f"/identities/alpha/contacts/{row.pk}/access"


def policy(row: Contact) -> str:
    return f"/contacts/{row.pk}/communication-policy"


def rules() -> set[tuple[str, str, str]]:
    return set(ContactRule.objects.values_list("match_target", "direction", "action"))


def revision(row: Contact) -> int:
    return Contact.objects.get(pk=row.pk).revision


# --- permissions


def test_without_decisions_everything_is_allowed(alpha: AgentIdentity, ada: Contact, client: ApiClient) -> None:
    emails, phones = {ADA: True, HOME: True}, {PHONE: True}

    assert client.get(permissions(ada)).json() == {
        "emails": emails,
        "phones": phones,
        "profile": True,
        "memories": True,
        "inbound_emails": emails,
        "outbound_emails": emails,
        "inbound_phones": phones,
        "outbound_phones": phones,
    }


def test_a_choice_is_a_contact_rule_that_sends_and_receipts_follow(
    alpha: AgentIdentity, ada: Contact, client: ApiClient
) -> None:
    box = mailbox_of(alpha)
    send = {"recipients": {"to": [HOME]}, "subject": "Hi", "body_text": "x"}

    answer = client.patch(permissions(ada), {"outbound_emails": {HOME.lower(): False}, "inbound_emails": {ADA: False}})

    assert answer.status_code == 200
    assert answer.json()["emails"] == {ADA: True, HOME: False}
    assert answer.json()["inbound_emails"] == {ADA: False, HOME: True}
    assert rules() == {("ada@home.example", "outbound", "block"), (ADA, "inbound", "block")}
    refused = agent_client(alpha).post(f"/mail/mailboxes/{box.pk}/messages", send)
    assert refused.status_code == 403
    assert refused.json()["detail"]["error"] == "recipient_blocked"
    assert receive(box, sender=ADA).is_blocked is True
    assert receive(box, sender=HOME).is_blocked is False

    client.patch(permissions(ada), {"emails": {HOME: True, ADA: True}})

    assert rules() == {("ada@home.example", "both", "allow"), (ADA, "both", "allow")}
    assert agent_client(alpha).post(f"/mail/mailboxes/{box.pk}/messages", send).status_code == 201
    assert Message.objects.filter(mailbox=box, direction="outbound").count() == 1


def test_what_is_left_out_stays(alpha: AgentIdentity, ada: Contact, client: ApiClient) -> None:
    rule(alpha, ADA, action="allow", direction="inbound")
    rule(alpha, ADA, action="block", direction="outbound")

    client.patch(permissions(ada), {"phones": {PHONE: False}})
    client.patch(permissions(ada), {"memories": False})
    before = revision(ada)
    assert client.patch(permissions(ada), {}).json()["memories"] is False

    assert rules() == {(ADA, "inbound", "allow"), (ADA, "outbound", "block"), (PHONE, "both", "block")}
    assert revision(ada) == before == 2


def test_modes_and_domains_decide_where_no_choice_was_made(
    alpha: AgentIdentity, ada: Contact, client: ApiClient
) -> None:
    AgentIdentity.objects.update(mail_outbound_filter_mode="whitelist", phone_inbound_filter_mode="whitelist")
    rule(alpha, "home.example", action="allow")
    rule(alpha, "customer.example", action="block")

    found = client.get(permissions(ada)).json()

    assert found["outbound_emails"] == {ADA: False, HOME: True}
    assert found["inbound_emails"] == {ADA: False, HOME: True}
    assert (found["inbound_phones"], found["outbound_phones"]) == ({PHONE: False}, {PHONE: True})


def test_turning_the_profile_off_turns_everything_off(alpha: AgentIdentity, ada: Contact, client: ApiClient) -> None:
    other = agent(alpha.organization, "other")

    found = client.patch(permissions(ada), {"profile": False}).json()

    assert found["profile"] is found["memories"] is False
    assert not any(found["inbound_emails"].values() or found["outbound_phones"].values())
    assert agent_client(alpha).get(f"/contacts/{ada.pk}").status_code == 404
    assert receive(mailbox_of(alpha), sender=ADA).is_blocked is True
    assert agent_client(other).get(f"/contacts/{ada.pk}").status_code == 200
    assert receive(mailbox_of(other), sender=ADA).is_blocked is False

    # On again, each part is turned on for itself.
    found = client.patch(permissions(ada), {"profile": True, "emails": {ADA: True}}).json()
    assert found["emails"] == {ADA: True, HOME: False}
    seen = agent_client(alpha).get(f"/contacts/{ada.pk}").json()
    assert [one["value"] for one in seen["emails"]] == [ADA, HOME]
    assert (seen["phones"], seen["memory_count"]) == ([], None)


@pytest.mark.parametrize(
    ("body", "loc"),
    [
        ({"profile": False, "memories": True}, ["body", "profile"]),
        ({"profile": False, "emails": {ADA: True}}, ["body", "profile"]),
        ({"profile": False, "outbound_phones": {PHONE: True}}, ["body", "profile"]),
        ({"emails": {ADA: True}, "inbound_emails": {ADA: True}}, ["body", "inbound_emails"]),
        ({"inbound_emails": None}, ["body", "inbound_emails"]),
        ({"emails": {ADA: "yes"}}, ["body", "emails", ADA]),
        ({"emails": {"bob@example.com": True}}, ["body", "emails", "bob@example.com"]),
        ({"phones": {ADA: True}}, ["body", "phones", ADA]),
        ({"profile": None}, ["body", "profile"]),
        ({"emails": [ADA]}, ["body", "emails"]),
    ],
)
def test_bad_permissions_change_nothing(
    alpha: AgentIdentity, ada: Contact, client: ApiClient, body: Any, loc: list[Any]
) -> None:
    before = all_rows()

    answer = client.patch(permissions(ada), body)

    assert answer.status_code == 422, answer.content
    assert answer.json()["detail"][0]["loc"] == loc
    assert all_rows() == before


def test_nothing_is_applied_when_the_rules_are_too_many(
    monkeypatch: pytest.MonkeyPatch, alpha: AgentIdentity, ada: Contact, client: ApiClient
) -> None:
    monkeypatch.setattr(limits, "RULES_PER_IDENTITY_MAX", 1)
    before = all_rows()

    assert client.patch(permissions(ada), {"memories": False, "emails": {ADA: True, HOME: True}}).status_code == 409
    assert all_rows() == before


# --- access settings


def test_groups_show_visibility_and_complete_lists(alpha: AgentIdentity, ada: Contact, client: ApiClient) -> None:
    both = {"contactable": [ADA, HOME], "inbound_contactable": [ADA, HOME], "outbound_contactable": [ADA, HOME]}
    phones = {name: [PHONE] for name in both}

    assert client.get(access(ada)).json() == {
        "email": {"visible": True, **both},
        "phone": {"visible": True, **phones},
        "profile": True,
        "memories": True,
    }

    answer = client.patch(access(ada), {"email": {"contactable": [HOME]}, "phone": {"inbound_contactable": []}})

    assert answer.json()["email"] == {"visible": True, **{name: [HOME] for name in both}}
    assert answer.json()["phone"] == {"visible": True, **phones, "inbound_contactable": []}
    assert rules() == {(ADA, "both", "block"), ("ada@home.example", "both", "allow"), (PHONE, "inbound", "block")}
    assert revision(ada) == 1


def test_a_hidden_group_is_absent_and_denied(alpha: AgentIdentity, ada: Contact, client: ApiClient) -> None:
    found = client.patch(access(ada), {"email": {"visible": False}}).json()

    assert found["email"] == {
        "visible": False,
        "contactable": [],
        "inbound_contactable": [],
        "outbound_contactable": [],
    }
    assert found["phone"]["contactable"] == [PHONE]
    assert agent_client(alpha).get(f"/contacts/{ada.pk}").json()["emails"] == []
    assert client.patch(access(ada), {"email": {"contactable": [ADA]}}).status_code == 422

    shown = client.patch(access(ada), {"email": {"visible": True, "outbound_contactable": [ADA]}}).json()
    assert (shown["email"]["outbound_contactable"], shown["email"]["inbound_contactable"]) == ([ADA], [])


def test_without_the_profile_groups_are_hidden_and_stay_so(
    alpha: AgentIdentity, ada: Contact, client: ApiClient
) -> None:
    found = client.patch(access(ada), {"profile": False}).json()
    assert [found["email"]["visible"], found["phone"]["visible"], found["memories"]] == [False] * 3

    for body in ({"memories": True}, {"email": {"visible": True}}, {"phone": {"contactable": [PHONE]}}):
        assert client.patch(access(ada), body).status_code == 422

    found = client.patch(access(ada), {"profile": True}).json()
    assert [found["email"]["visible"], found["phone"]["visible"], found["memories"]] == [False] * 3


@pytest.mark.parametrize(
    "body",
    [
        {"email": {"contactable": [ADA], "inbound_contactable": [ADA]}},
        {"email": {"contactable": None}},
        {"email": {"visible": False, "outbound_contactable": [ADA]}},
        {"email": {"contactable": ["bob@example.com"]}},
        {"email": None},
        {"profile": False, "phone": {"contactable": [PHONE]}},
        {"profile": False, "email": {"visible": True}},
    ],
)
def test_bad_access_settings_change_nothing(alpha: AgentIdentity, ada: Contact, client: ApiClient, body: Any) -> None:
    before = all_rows()

    assert client.patch(access(ada), body).status_code == 422
    assert all_rows() == before


# --- a new contact


def test_a_contact_is_made_together_with_its_permissions(alpha: AgentIdentity, client: ApiClient) -> None:
    body = {
        "preferred_name": "Ada",
        "emails": [{"value": ADA}],
        "permissions": {"identity_id": str(alpha.pk), "emails": {ADA: False}, "memories": False},
    }

    answer = client.post("/contacts/with-permissions", body)

    assert answer.status_code == 201
    made = Contact.objects.get()
    assert answer.json()["id"] == str(made.pk)
    found = client.get(permissions(made)).json()
    assert (found["emails"], found["memories"], found["profile"]) == ({ADA: False}, False, True)


def test_groups_work_for_a_new_contact_too(alpha: AgentIdentity, client: ApiClient) -> None:
    body = {
        "preferred_name": "Ada",
        "emails": [{"value": ADA}],
        "permissions": {"identity_id": str(alpha.pk), "email": {"visible": False}},
    }

    assert client.post("/contacts/with-permissions", body).status_code == 201
    assert client.get(access(Contact.objects.get())).json()["email"]["visible"] is False


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"emails": {"bob@example.com": True}}, 422),
        ({"emails": {ADA: True}, "email": {"visible": True}}, 422),
        ({"profile": False, "emails": {ADA: True}}, 422),
        ({"identity_id": str(uuid4())}, 404),
        ({"identity_id": None}, 422),
    ],
)
def test_a_contact_with_bad_permissions_is_not_made(
    alpha: AgentIdentity, client: ApiClient, change: Any, status: int
) -> None:
    body = {
        "preferred_name": "Ada",
        "emails": [{"value": ADA}],
        "permissions": {"identity_id": str(alpha.pk), **change},
    }

    answer = client.post("/contacts/with-permissions", body)

    assert answer.status_code == status, answer.content
    assert Contact.objects.count() == ContactRule.objects.count() == 0


# --- policies


def put(client: ApiClient, row: Contact, alpha: AgentIdentity, **changes: Any) -> Any:
    body = {"expected_revision": revision(row), "identity_id": str(alpha.pk), "addresses": [], **changes}
    return client.put(policy(row), body)


def choice(value: str = ADA, action: str = "block", **fields: Any) -> dict[str, Any]:
    return {"kind": "phone" if value == PHONE else "email", "value": value, "action": action, **fields}


def test_a_policy_shows_choices_and_outcomes(alpha: AgentIdentity, ada: Contact, client: ApiClient) -> None:
    rule(alpha, HOME.lower(), direction="inbound")
    other = agent(alpha.organization)
    ContactVisibility.objects.create(contact=ada, identity=other, memories="block")
    visibility = {
        "defaults": {"profile": "inherit", "memories": "inherit"},
        "identities": [{"identity_id": str(other.pk), "profile": "inherit", "memories": "block"}],
    }

    found = client.get(f"{policy(ada)}?identity_id={alpha.pk}").json()

    assert found["addresses"][1] == {
        "kind": "email",
        "value": HOME,
        "label": "home",
        "action": "inherit",
        "allowed": True,
        "inbound_action": "block",
        "outbound_action": "inherit",
        "allowed_inbound": False,
        "allowed_outbound": True,
    }
    assert [one["value"] for one in found["addresses"]] == [ADA, HOME, PHONE]
    assert {name: found[name] for name in ("contact_id", "revision", "identity_id", "effective_visibility")} == {
        "contact_id": str(ada.pk),
        "revision": 0,
        "identity_id": str(alpha.pk),
        "effective_visibility": {"profile": True, "memories": True},
    }
    assert found["visibility"] == visibility
    general = client.get(policy(ada)).json()
    assert (general["identity_id"], general["effective_visibility"], general["addresses"]) == (None, None, [])
    assert general["visibility"] == visibility


def test_only_listed_addresses_and_sides_change(alpha: AgentIdentity, ada: Contact, client: ApiClient) -> None:
    rule(alpha, ADA)
    addresses = [
        choice(ADA, "inherit", direction="outbound", expected_action="block"),
        choice(PHONE, "allow", expected_inbound_action="inherit", expected_outbound_action="inherit"),
    ]

    answer = put(client, ada, alpha, addresses=addresses)

    assert answer.status_code == 200, answer.content
    assert answer.json()["revision"] == 1 == revision(ada)
    assert rules() == {(ADA, "inbound", "block"), (PHONE, "both", "allow")}

    assert put(client, ada, alpha, addresses=[choice(ADA, "inherit"), choice(PHONE, "inherit")]).status_code == 200
    assert rules() == set()


@pytest.mark.parametrize(
    "changes",
    [
        {"expected_revision": 7},
        {"addresses": [choice(ADA, "allow", expected_action="inherit")]},
        {"addresses": [choice(HOME, "allow"), choice(ADA, "allow", expected_inbound_action="allow")]},
    ],
)
def test_what_has_changed_meanwhile_is_not_overwritten(
    alpha: AgentIdentity, ada: Contact, client: ApiClient, changes: Any
) -> None:
    rule(alpha, ADA)
    before = all_rows()

    answer = put(client, ada, alpha, **changes)

    assert answer.status_code == 409
    assert answer.json()["detail"]["error"] == "contact_policy_stale"
    assert all_rows() == before


def test_visibility_is_replaced_as_a_whole(alpha: AgentIdentity, ada: Contact, client: ApiClient) -> None:
    bravo, charlie = agent(alpha.organization, "bravo"), agent(alpha.organization, "charlie")
    ContactVisibility.objects.create(contact=ada, identity=charlie, memories="block", phone="block")
    seen = [{"identity_id": str(one.pk), "profile": "allow", "memories": "allow"} for one in (alpha, bravo)]
    visibility = {"defaults": {"profile": "block", "memories": "block"}, "identities": seen}

    answer = put(client, ada, alpha, visibility=visibility)

    assert answer.json()["visibility"] == visibility
    assert answer.json()["effective_visibility"] == {"profile": True, "memories": True}
    statuses = [agent_client(one).get(f"/contacts/{ada.pk}").status_code for one in (alpha, bravo, charlie)]
    assert statuses == [200, 200, 404]
    # The groups of an identity are no part of the policy.
    assert ContactVisibility.objects.get(identity=charlie).decisions.phone == "block"
    assert put(client, ada, alpha).json()["visibility"] == visibility


def test_a_profile_that_goes_off_takes_the_addresses_along(
    alpha: AgentIdentity, ada: Contact, client: ApiClient
) -> None:
    bravo = agent(alpha.organization, "bravo")
    off = [{"identity_id": str(bravo.pk), "profile": "block", "memories": "block"}]
    visibility = {"defaults": {"profile": "inherit", "memories": "inherit"}, "identities": off}

    assert put(client, ada, alpha, visibility=visibility).status_code == 200

    assert set(ContactRule.objects.values_list("identity__agent_handle", "action")) == {("bravo", "block")}
    assert ContactRule.objects.count() == 3
    assert receive(mailbox_of(bravo), sender=ADA).is_blocked is True


_OPEN = {"profile": "inherit", "memories": "inherit"}


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"addresses": [choice("bob@example.com")]}, 422),
        ({"addresses": [choice(ADA), choice(ADA, "allow", direction="inbound")]}, 422),
        ({"addresses": [choice(ADA, "maybe")]}, 422),
        ({"addresses": [{**choice(ADA), "kind": "fax"}]}, 422),
        ({"addresses": [choice(ADA, direction="up")]}, 422),
        ({"expected_revision": None}, 422),
        ({"identity_id": str(uuid4())}, 404),
        ({"visibility": {"defaults": {"profile": "block", "memories": "inherit"}}}, 422),
        ({"visibility": {"defaults": _OPEN, "identities": [{"identity_id": str(uuid4()), **_OPEN}]}}, 404),
        (
            {
                "visibility": {"defaults": {"profile": "block", "memories": "block"}},
                "addresses": [choice(ADA, "allow")],
            },
            422,
        ),
        ({"visibility": {"identities": []}}, 422),
        ({"visibility": None}, 422),
    ],
)
def test_bad_policies_change_nothing(
    alpha: AgentIdentity, ada: Contact, client: ApiClient, changes: Any, status: int
) -> None:
    before = all_rows()

    answer = put(client, ada, alpha, **changes)

    assert answer.status_code == status, answer.content
    assert all_rows() == before


@pytest.mark.django_db(transaction=True)
def test_of_policies_that_are_replaced_at_once_one_wins() -> None:
    acme = organization()
    identity = agent(acme, "alpha")
    row = contact(acme, "Ada", emails=[ADA])
    client = admin_client(acme)
    statuses: list[int] = []
    start = threading.Barrier(4)

    def run(action: str) -> None:
        try:
            body = {"expected_revision": 0, "identity_id": str(identity.pk), "addresses": [choice(ADA, action)]}
            start.wait(10)
            statuses.append(client.put(policy(row), body).status_code)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(action,)) for action in ("allow", "block") * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(statuses) == [200, 409, 409, 409]
    assert Contact.objects.get().revision == 1
    assert ContactRule.objects.count() == 1


# --- previews and lists


def test_a_preview_is_what_the_identity_sees(alpha: AgentIdentity, ada: Contact, client: ApiClient) -> None:
    client.patch(access(ada), {"phone": {"visible": False}, "email": {"outbound_contactable": []}})
    path = f"/contacts/{ada.pk}/communication-preview"

    found = client.get(f"{path}?identity_id={alpha.pk}").json()

    assert found.pop("contact") == agent_client(alpha).get(f"/contacts/{ada.pk}").json()
    assert found == {
        "identity_id": str(alpha.pk),
        "email": False,
        "phone": False,
        "full_profile": True,
        "visibility": {"profile": True, "memories": True},
        "inbound_email": True,
        "outbound_email": False,
        "inbound_phone": False,
        "outbound_phone": False,
    }
    assert client.get(path).status_code == 422
    assert client.get(f"{path}?identity_id={uuid4()}").status_code == 404
    client.patch(permissions(ada), {"profile": False})
    hidden = client.get(f"{path}?identity_id={alpha.pk}").json()
    assert (hidden["contact"], hidden["full_profile"]) == (None, False)


def test_lists_of_an_identity(acme: Organization, alpha: AgentIdentity, ada: Contact, client: ApiClient) -> None:
    client.patch(permissions(ada), {"profile": False})
    contact(acme, "Bob", emails=["bob@example.com", "b@example.com"])
    client.patch(permissions(Contact.objects.get(preferred_name="Bob")), {"emails": {"b@example.com": False}})
    contact(acme, "Cleo", review_status="unreviewed")

    roster = client.get("/identities/alpha/contact-permissions").json()

    assert {name: roster[name] for name in ("limit", "offset", "has_more")} == {
        "limit": 50,
        "offset": 0,
        "has_more": False,
    }
    assert [one["contact"]["preferred_name"] for one in roster["items"]] == ["Cleo", "Bob", "Ada"]
    cleo, bob, hidden = roster["items"]
    assert [one["effective"]["email"] for one in (cleo, bob, hidden)] == ["no_identifiers", "some", "none"]
    assert hidden["visibility"] == {
        "defaults": {"profile": "inherit", "memories": "inherit"},
        "identity_override": {"profile": "block", "memories": "block"},
    }
    assert (hidden["revision"], hidden["effective"]["profile"], hidden["access"]["profile"]) == (1, False, False)
    assert [one["value"] for one in hidden["contact"]["emails"]] == [ADA, HOME]

    def names(query: str) -> list[str]:
        items = client.get(f"/identities/alpha/contact-permissions{query}").json()["items"]
        return [one["contact"]["preferred_name"] for one in items]

    assert names("?order=name&limit=1&offset=1") == ["Bob"]
    assert names("?q=cle") == names("?review_status=unreviewed") == ["Cleo"]
    assert client.get("/identities/alpha/contact-permissions?order=name&limit=1").json()["has_more"] is True

    visible = client.get("/identities/alpha/contact-communication-policies?limit=1").json()
    assert [one["contact"]["preferred_name"] for one in visible["items"]] == ["Bob"]
    assert visible["has_more"] is True
    own = agent_client(alpha).get("/identities/alpha/contact-communication-policies")
    assert [one["contact"]["preferred_name"] for one in own.json()["items"]] == ["Bob", "Cleo"]


@pytest.mark.parametrize("path", ["contact-permissions", "contact-communication-policies"])
def test_fifty_contacts_cost_what_one_costs(
    acme: Organization, alpha: AgentIdentity, client: ApiClient, path: str
) -> None:
    client.get("/contacts")  # the first use of a key is written down

    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert client.get(f"/identities/alpha/{path}").status_code == 200
        return len(queries)

    def add(number: int) -> None:
        row = contact(acme, f"Ada {number}", emails=[f"a{number}@example.com"], phones=[f"+1415555{1000 + number}"])
        client.patch(permissions(row), {"emails": {f"a{number}@example.com": False}, "memories": False})

    add(0)
    one = cost()
    for number in range(1, 20):
        add(number)

    assert cost() == one
