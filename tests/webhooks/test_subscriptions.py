"""Create, read, change and delete subscriptions: every rule with its exact words."""

from __future__ import annotations

from typing import Any

import pytest

from common.clock import now
from common.principal import Profile
from identities.enums import Role
from identities.models import SigningKey
from identities.services.identities import delete_identity
from identities.services.signing_keys import rotate_signing_key, signing_secret
from tests.factories.identities import admin_client, agent, agent_client, organization, session_client
from tests.factories.mail import mailbox_of
from tests.factories.webhooks import HOOK, bare_agent, happen, some_id, subscription
from webhooks import limits
from webhooks.models import Dispatch, Subscription

pytestmark = pytest.mark.django_db

PATH = "/webhooks/subscriptions"
CAPS = "Delete one that is no longer needed."


def _issue(field: str, message: str, kind: str = "invalid", place: str = "body") -> dict[str, Any]:
    return {"detail": [{"loc": [place, *field.split(".")], "msg": message, "type": kind}]}


def test_create_for_an_identity_mints_its_first_key_once() -> None:
    identity = agent()
    client = admin_client(identity.organization)

    answer = client.post(
        PATH,
        {
            "url": HOOK,
            "event_types": ["message.received", "call.ended"],
            "agent_identity_id": str(identity.pk),
            "auth_token": "s3cret token",
            "context_config": {"email": {"mode": "count", "count": 5}},
        },
    )

    assert answer.status_code == 201
    body = answer.json()
    row = Subscription.objects.get()
    assert body.pop("created_at") == body.pop("updated_at")
    assert body.pop("signing_key") == signing_secret(identity.organization_id, identity.pk)
    assert body == {
        "id": str(row.pk),
        "organization_id": identity.organization_id,
        "mailbox_id": None,
        "phone_number_id": None,
        "agent_identity_id": str(identity.pk),
        "owner_identity_id": str(identity.pk),
        "url": HOOK,
        "event_types": ["message.received", "call.ended"],
        "status": "active",
        "context_config": {"email": {"mode": "count", "count": 5}, "texts": None, "calls": None},
        "has_auth_token": True,
        "auth_token": "s3cret token",
        "standard_webhooks": False,
        "circuit": {
            "state": "closed",
            "consecutive_failures": 0,
            "opened_at": None,
            "next_attempt_at": None,
            "last_failure_at": None,
            "last_status": None,
            "last_error": None,
        },
    }
    assert b"s3cret" not in bytes(row.sealed_auth_token or b"")
    again = client.post(PATH, {"url": HOOK, "event_types": ["message.sent"], "agent_identity_id": str(identity.pk)})
    assert again.status_code == 201
    assert again.json()["signing_key"] is None
    read = client.get(f"{PATH}/{row.pk}")
    assert "signing_key" not in read.json()
    assert read.json()["auth_token"] == "s3cret token"


def test_no_key_is_minted_while_an_organization_key_signs() -> None:
    identity = agent()
    rotate_signing_key(organization_id=identity.organization_id, identity=None)

    answer = admin_client(identity.organization).post(
        PATH, {"url": HOOK, "event_types": ["message.sent"], "agent_identity_id": str(identity.pk)}
    )

    assert answer.json()["signing_key"] is None
    assert list(SigningKey.objects.values_list("identity_id", flat=True)) == [None]


def test_create_for_a_mailbox_echoes_the_mailbox_and_names_its_identity() -> None:
    identity = agent()
    mailbox = mailbox_of(identity)

    body = (
        agent_client(identity)
        .post(PATH, {"url": HOOK, "event_types": ["message.received"], "mailbox_id": str(mailbox.pk)})
        .json()
    )

    assert (body["mailbox_id"], body["phone_number_id"], body["agent_identity_id"], body["owner_identity_id"]) == (
        str(mailbox.pk),
        None,
        None,
        str(identity.pk),
    )


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        ({"url": None}, "url", "This field may not be null."),
        ({"url": "http://hooks.example.com/"}, "url", "The URL must start with https://."),
        ({"url": "ftp://hooks.example.com/"}, "url", "The URL must start with https://."),
        ({"url": "https://127.0.0.1/"}, "url", "The URL points to a private address. Use a public host name."),
        ({"url": "https://u:p@example.com/"}, "url", "Remove the user name and password from the URL."),
        ({"event_types": []}, "event_types", "This list may not be empty."),
        ({"event_types": "message.sent"}, "event_types", 'Expected a list of items but got type "str".'),
        ({"event_types": ["message.sent", "message.sent"]}, "event_types", "Send each event type once."),
        (
            {"event_types": ["message.*"]},
            "event_types",
            "Unknown event type 'message.*'. GET /api/v1/webhooks/catalog lists the known ones.",
        ),
        (
            {"event_types": ["phone.incoming_call"]},
            "event_types",
            "phone.incoming_call is not a subscription event. Set incoming_call_action and incoming_call_webhook_url.",
        ),
        ({"auth_token": ""}, "auth_token", "This field may not be blank."),
        ({"auth_token": " x"}, "auth_token", "Use printable ASCII without spaces at the ends."),
        ({"auth_token": "a\r\nX: y"}, "auth_token", "Use printable ASCII without spaces at the ends."),
        ({"auth_token": 5}, "auth_token", "Use printable ASCII without spaces at the ends."),
        ({"context_config": []}, "context_config", "Send an object with email, texts and calls, or null."),
        (
            {"context_config": {"faxes": None}},
            "context_config",
            "Unknown context class 'faxes'. Use email, texts and calls.",
        ),
        (
            {"context_config": {"email": {"mode": "all"}}},
            "context_config.email",
            "Send null, or an object whose mode is count or window.",
        ),
        *(
            (
                {"context_config": {"texts": {"mode": "count", **rest}}},
                "context_config.texts",
                "With mode count send count, a whole number from 1 to 50.",
            )
            for rest in ({}, {"count": 0}, {"count": 51}, {"count": True}, {"count": 1.0}, {"count": 1, "hours": 1})
        ),
        (
            {"context_config": {"calls": {"mode": "window", "hours": 169}}},
            "context_config.calls",
            "With mode window send hours, a whole number from 1 to 168.",
        ),
    ],
)
def test_bad_bodies_are_refused_on_create_and_update(body: dict[str, Any], field: str, message: str) -> None:
    identity = agent()
    client = agent_client(identity)
    row = subscription(identity, "message.received", url="https://old.example.com/")
    good = {"url": HOOK, "event_types": ["message.sent"], "agent_identity_id": str(identity.pk)}

    created = client.post(PATH, {**good, **body})
    updated = client.patch(f"{PATH}/{row.pk}", body)

    for answer in (created, updated):
        assert answer.status_code == 422
        issues = answer.json()["detail"]
        assert [(issue["loc"], issue["msg"]) for issue in issues] == [(["body", *field.split(".")], message)]
    assert list(Subscription.objects.values_list("url", "event_types")) == [
        ("https://old.example.com/", ["message.received"])
    ]


@pytest.mark.parametrize("owners", [(), ("mailbox_id", "agent_identity_id"), ("mailbox_id", "phone_number_id")])
def test_exactly_one_owner_is_named(owners: tuple[str, ...]) -> None:
    identity = agent()

    answer = agent_client(identity).post(
        PATH, {"url": HOOK, "event_types": ["message.sent"], **{name: str(some_id()) for name in owners}}
    )

    assert answer.status_code == 422
    assert answer.json() == {"detail": "Send exactly one of mailbox_id, phone_number_id and agent_identity_id."}


@pytest.mark.parametrize(
    ("owner", "message"),
    [
        ("mailbox_id", "Mailbox not found"),
        ("phone_number_id", "Phone number not found"),
        ("agent_identity_id", "Identity not found"),
    ],
)
def test_an_unknown_owner_is_not_found(owner: str, message: str) -> None:
    event = "text.sent" if owner == "phone_number_id" else "message.sent"

    answer = admin_client().post(PATH, {"url": HOOK, "event_types": [event], owner: str(some_id())})

    assert answer.status_code == 404
    assert answer.json() == {"detail": message}


def test_a_mailbox_of_a_sibling_or_of_another_organization_is_not_found() -> None:
    identity = agent()
    mailbox = mailbox_of(identity)
    body = {"url": HOOK, "event_types": ["message.sent"], "mailbox_id": str(mailbox.pk)}

    for client in (agent_client(agent(identity.organization)), admin_client()):
        answer = client.post(PATH, body)
        assert (answer.status_code, answer.json()) == (404, {"detail": "Mailbox not found"})

    assert not Subscription.objects.exists()


@pytest.mark.parametrize("events", [["text.received"], ["message.sent", "call.ended"], ["a2a.task.created"]])
def test_a_mailbox_takes_its_own_family_only(events: list[str]) -> None:
    identity = agent()

    answer = agent_client(identity).post(
        PATH, {"url": HOOK, "event_types": events, "mailbox_id": str(mailbox_of(identity).pk)}
    )

    assert answer.status_code == 422
    assert answer.json() == _issue(
        "event_types",
        "A subscription of a mailbox takes message.* events only. Use agent_identity_id to combine event families.",
        "value_error",
    )


def test_an_overlapping_list_at_the_same_url_conflicts_whatever_the_selector() -> None:
    identity = agent()
    client = agent_client(identity)
    row = subscription(identity, "message.received", "message.sent", mailbox_id=mailbox_of(identity).pk)

    overlapping = client.post(
        PATH, {"url": HOOK, "event_types": ["message.sent", "call.ended"], "agent_identity_id": str(identity.pk)}
    )
    disjoint = client.post(PATH, {"url": HOOK, "event_types": ["call.ended"], "agent_identity_id": str(identity.pk)})
    elsewhere = client.post(
        PATH, {"url": HOOK + "2", "event_types": ["message.sent"], "agent_identity_id": str(identity.pk)}
    )

    assert overlapping.status_code == 409
    assert overlapping.json() == {
        "detail": "An active subscription already exists for this url with overlapping event types. "
        f"Update subscription {row.pk} instead, or use other event types."
    }
    assert (disjoint.status_code, elsewhere.status_code) == (201, 201)


def test_the_row_that_conflicts_is_in_the_list_of_the_same_mailbox() -> None:
    identity = agent()
    client = agent_client(identity)
    mailbox = mailbox_of(identity)
    row = subscription(identity, "message.received")

    answer = client.post(PATH, {"url": HOOK, "event_types": ["message.received"], "mailbox_id": str(mailbox.pk)})
    listed = client.get(f"{PATH}?mailbox_id={mailbox.pk}").json()["subscriptions"]

    assert answer.status_code == 409
    assert [item["id"] for item in listed] == [str(row.pk)]


def test_the_same_url_for_another_identity_is_fine() -> None:
    first, second = agent(), agent()
    subscription(first, "message.received")

    answer = agent_client(second).post(
        PATH, {"url": HOOK, "event_types": ["message.received"], "agent_identity_id": str(second.pk)}
    )

    assert answer.status_code == 201


def test_a_deleted_row_does_not_conflict() -> None:
    identity = agent()
    client = agent_client(identity)
    body = {"url": HOOK, "event_types": ["message.received"], "agent_identity_id": str(identity.pk)}
    first = client.post(PATH, body).json()["id"]

    assert client.delete(f"{PATH}/{first}").status_code == 204
    assert client.post(PATH, body).status_code == 201


def test_a_mailbox_has_at_most_twenty() -> None:
    identity = agent()
    mailbox = mailbox_of(identity)
    for number in range(20):
        subscription(identity, "message.sent", url=f"{HOOK}/{number}", mailbox_id=mailbox.pk)

    answer = agent_client(identity).post(
        PATH, {"url": HOOK, "event_types": ["message.sent"], "mailbox_id": str(mailbox.pk)}
    )

    assert answer.status_code == 409
    assert answer.json() == {"detail": f"Maximum of 20 subscriptions reached. {CAPS}"}
    assert Subscription.objects.count() == 20


def test_an_identity_has_at_most_sixty_in_total(monkeypatch: pytest.MonkeyPatch) -> None:
    assert limits.SUBSCRIPTIONS_PER_IDENTITY == 60
    monkeypatch.setattr(limits, "SUBSCRIPTIONS_PER_IDENTITY", 3)
    identity = agent()
    mailbox = mailbox_of(identity)
    subscription(identity, "message.sent", url=f"{HOOK}/box", mailbox_id=mailbox.pk)
    subscription(identity, "message.sent", url=f"{HOOK}/1")
    subscription(identity, "call.ended", url=f"{HOOK}/2")
    subscription(identity, "call.ended", url=f"{HOOK}/3", status="deleted")

    for owner, owner_id in (("agent_identity_id", identity.pk), ("mailbox_id", mailbox.pk)):
        answer = agent_client(identity).post(PATH, {"url": HOOK, "event_types": ["message.sent"], owner: str(owner_id)})
        assert answer.status_code == 409
        assert answer.json() == {"detail": f"Maximum of 3 subscriptions reached. {CAPS}"}


def test_patch_changes_what_is_sent_and_keeps_the_rest() -> None:
    identity = agent()
    client = agent_client(identity)
    config = {"email": {"mode": "window", "hours": 168}, "texts": None, "calls": None}
    row = subscription(identity, "message.received", token="old", context_config=config)

    moved = client.patch(f"{PATH}/{row.pk}", {"url": HOOK + "2", "event_types": ["message.sent", "message.failed"]})

    assert moved.status_code == 200
    body = moved.json()
    assert (body["url"], body["event_types"], body["auth_token"], body["context_config"]) == (
        HOOK + "2",
        ["message.sent", "message.failed"],
        "old",
        config,
    )
    assert body["updated_at"] > body["created_at"]
    assert "signing_key" not in body


def test_token_and_context_are_cleared_by_null_and_replaced_by_a_value() -> None:
    identity = agent()
    client = agent_client(identity)
    row = subscription(identity, token="old", context_config={"email": None, "texts": None, "calls": None})

    cleared = client.patch(f"{PATH}/{row.pk}", {"auth_token": None, "context_config": None}).json()
    replaced = client.patch(
        f"{PATH}/{row.pk}", {"auth_token": "new", "context_config": {"calls": {"mode": "count", "count": 1}}}
    ).json()

    assert (cleared["has_auth_token"], cleared["auth_token"], cleared["context_config"]) == (False, None, None)
    assert (replaced["has_auth_token"], replaced["auth_token"]) == (True, "new")
    assert replaced["context_config"] == {"email": None, "texts": None, "calls": {"mode": "count", "count": 1}}


def test_an_empty_patch_returns_the_row_unchanged() -> None:
    identity = agent()
    row = subscription(identity, updated_at=now())

    answer = agent_client(identity).patch(f"{PATH}/{row.pk}", {})

    assert answer.status_code == 200
    assert Subscription.objects.get().updated_at == row.updated_at


@pytest.mark.parametrize("field", ["mailbox_id", "phone_number_id", "agent_identity_id"])
def test_the_owner_cannot_be_changed(field: str) -> None:
    identity = agent()
    row = subscription(identity)

    answer = agent_client(identity).patch(f"{PATH}/{row.pk}", {field: str(identity.pk)})

    assert answer.status_code == 422
    assert answer.json() == _issue(field, "The owner cannot be changed. Delete the subscription and create another.")


@pytest.mark.parametrize("change", [{"url": HOOK}, {"event_types": ["message.received"], "url": HOOK}])
def test_patch_conflicts_like_create(change: dict[str, Any]) -> None:
    identity = agent()
    taken = subscription(identity, "message.received")
    row = subscription(identity, "message.received", url=HOOK + "2")

    answer = agent_client(identity).patch(f"{PATH}/{row.pk}", change)

    assert answer.status_code == 409
    assert answer.json()["detail"].startswith("An active subscription already exists for this url")
    assert str(taken.pk) in answer.json()["detail"]
    row.refresh_from_db()
    assert row.url == HOOK + "2"


def test_mixed_rows_are_changed_and_deleted_with_scope_only() -> None:
    identity = agent()
    client = agent_client(identity)
    row = subscription(identity, "message.received", "call.ended")
    message = "This subscription mixes event families. Repeat the request with scope=identity to change it."

    for answer in (client.patch(f"{PATH}/{row.pk}", {"url": HOOK + "2"}), client.delete(f"{PATH}/{row.pk}")):
        assert (answer.status_code, answer.json()) == (409, {"detail": message})
    assert Subscription.objects.active().get().url == HOOK

    assert client.patch(f"{PATH}/{row.pk}?scope=identity", {"url": HOOK + "2"}).json()["url"] == HOOK + "2"
    assert client.delete(f"{PATH}/{row.pk}?scope=identity").status_code == 204
    assert not Subscription.objects.active().exists()


def test_a_patch_without_scope_does_not_mix_families() -> None:
    identity = agent()
    client = agent_client(identity)
    row = subscription(identity, "message.received")
    change = {"event_types": ["message.received", "call.ended"]}

    refused = client.patch(f"{PATH}/{row.pk}", change)
    allowed = client.patch(f"{PATH}/{row.pk}?scope=identity", change)

    assert refused.status_code == 422
    assert refused.json() == _issue(
        "event_types",
        "These event types would mix families in one subscription. Repeat the request with scope=identity.",
        "value_error",
    )
    assert allowed.status_code == 200
    assert allowed.json()["event_types"] == change["event_types"]


def test_scope_is_identity_or_absent() -> None:
    answer = admin_client().get(f"{PATH}?scope=organization")

    assert answer.status_code == 422
    assert answer.json() == _issue("scope", '"organization" is not a valid choice.', "invalid_choice", "query")


def test_a_deleted_row_is_gone_for_every_route_and_cancels_what_is_queued() -> None:
    identity = agent()
    client = agent_client(identity)
    row = subscription(identity, "message.received")
    happen(identity)

    assert client.delete(f"{PATH}/{row.pk}").status_code == 204

    for answer in (
        client.get(f"{PATH}/{row.pk}"),
        client.patch(f"{PATH}/{row.pk}", {}),
        client.delete(f"{PATH}/{row.pk}"),
        client.get(f"{PATH}/not-a-uuid"),
    ):
        assert (answer.status_code, answer.json()) == (404, {"detail": "Webhook subscription not found"})
    assert client.get(PATH).json() == {"subscriptions": []}
    assert list(Dispatch.objects.values_list("state", "next_attempt_at")) == [("cancelled", None)]
    assert Subscription.objects.get().status == "deleted"


def test_people_without_the_admin_role_read_but_do_not_change() -> None:
    acme = organization()
    identity = agent(acme)
    row = subscription(identity)
    client = session_client(acme, Role.MEMBER)

    assert client.get(f"{PATH}/{row.pk}").status_code == 200
    body = {"url": HOOK, "event_types": ["call.ended"], "agent_identity_id": str(identity.pk)}
    for answer in (
        client.post(PATH, body),
        client.patch(f"{PATH}/{row.pk}", {"url": HOOK + "2"}),
        client.delete(f"{PATH}/{row.pk}"),
    ):
        assert answer.status_code == 403
    assert list(Subscription.objects.active().values_list("url", flat=True)) == [HOOK]


def test_subscriptions_end_with_their_identity() -> None:
    identity = agent()
    row = subscription(identity, "message.received")
    boxed = subscription(identity, "message.sent", mailbox_id=mailbox_of(identity).pk)
    happen(identity)

    delete_identity(identity, Profile.MODERN)

    assert not Subscription.objects.active().exists()
    assert {row.pk, boxed.pk} == set(Subscription.objects.values_list("pk", flat=True))
    assert Dispatch.objects.get().state == "cancelled"


def test_in_the_seed_profile_a_mailbox_keeps_its_rows_without_identity() -> None:
    identity = bare_agent()
    mailbox = some_id()
    subscription(identity, "message.received")
    boxed = subscription(identity, "message.sent", mailbox_id=mailbox)

    delete_identity(identity, Profile.SEED)

    left = Subscription.objects.active().get()
    assert (left.pk, left.identity_id, left.mailbox_id) == (boxed.pk, None, mailbox)
