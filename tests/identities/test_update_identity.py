"""PATCH /api/v1/identities/{handle}."""

from __future__ import annotations

from typing import Any

import pytest

from identities.models import AgentIdentity
from tests.factories.identities import (
    ApiClient,
    admin_client,
    agent,
    agent_client,
    organization,
    session_client,
    unclaimed_agent,
)
from tests.identities.rows import all_rows

pytestmark = pytest.mark.django_db

MODE_FIELDS = [
    f"{channel}{side}_filter_mode" for channel in ("mail", "phone", "slack") for side in ("", "_inbound", "_outbound")
]


@pytest.fixture
def client() -> ApiClient:
    acme = organization()
    agent(acme, "alpha", description="before")
    return admin_client(acme)


def test_an_empty_body_changes_nothing(client: ApiClient) -> None:
    before = client.get("/identities/alpha").json()

    answer = client.patch("/identities/alpha", {})

    assert answer.status_code == 200
    assert {**answer.json(), "updated_at": None} == {**before, "updated_at": None}


def test_only_supplied_keys_change(client: ApiClient) -> None:
    answer = client.patch("/identities/@Alpha/", {"display_name": "Alpha Bot", "imessage_enabled": True})

    body = answer.json()
    assert answer.status_code == 200
    assert (body["display_name"], body["description"], body["imessage_enabled"]) == ("Alpha Bot", "before", True)
    assert body["mailbox"]["display_name"] == "Alpha Bot"
    assert body["tunnel"]["tunnel_name"] == "alpha"
    assert client.get("/identities/alpha").json() == body


def test_null_clears_and_empty_text_stays(client: ApiClient) -> None:
    assert client.patch("/identities/alpha", {"description": None}).json()["description"] is None
    assert client.patch("/identities/alpha", {"description": ""}).json()["description"] == ""
    assert client.patch("/identities/alpha", {"display_name": None}).json()["display_name"] is None


@pytest.mark.parametrize(
    "field",
    [
        "agent_handle",
        "status",
        "imessage_enabled",
        "contact_sharing_enabled",
        "slack_enabled",
        "claim_imessage_number",
        "imessage_number_type",
        "imessage_filter_mode",
        *MODE_FIELDS,
    ],
)
def test_null_is_refused_where_nothing_can_be_cleared(client: ApiClient, field: str) -> None:
    before = all_rows()

    answer = client.patch("/identities/alpha", {field: None})

    assert answer.status_code == 422
    assert answer.json()["detail"] == [{"loc": ["body", field], "msg": "This field may not be null.", "type": "null"}]
    assert all_rows() == before


@pytest.mark.parametrize("field", ["imessage_filter_mode", *MODE_FIELDS])
def test_an_unknown_mode_is_refused_by_name(client: ApiClient, field: str) -> None:
    before = all_rows()

    answer = client.patch("/identities/alpha", {field: "greylist"})

    assert answer.status_code == 422
    assert answer.json()["detail"] == [
        {"loc": ["body", field], "msg": "Use one of: whitelist, blacklist.", "type": "invalid_choice"}
    ]
    assert all_rows() == before


@pytest.mark.parametrize("status", ["deleted", "", "ACTIVE", "suspended"])
def test_an_unknown_status_is_refused_with_a_string(client: ApiClient, status: str) -> None:
    before = all_rows()

    answer = client.patch("/identities/alpha", {"status": status})

    assert answer.status_code == 422
    assert answer.json() == {"detail": "An identity is either active or paused. To remove it, delete it."}
    assert all_rows() == before


def test_pausing_and_resuming(client: ApiClient) -> None:
    assert client.patch("/identities/alpha", {"status": "paused"}).json()["status"] == "paused"
    assert client.get("/identities/alpha").json()["status"] == "paused"
    # Configuration stays possible while paused.
    assert client.patch("/identities/alpha", {"description": "later"}).json()["status"] == "paused"
    assert client.patch("/identities/alpha", {"status": "active"}).json()["status"] == "active"


@pytest.mark.parametrize("channel", ["mail", "phone", "slack"])
def test_a_shared_mode_sets_both_directions(client: ApiClient, channel: str) -> None:
    body = client.patch("/identities/alpha", {f"{channel}_filter_mode": "whitelist"}).json()

    assert [body[f"{channel}{side}_filter_mode"] for side in ("", "_inbound", "_outbound")] == ["whitelist"] * 3


def test_the_mailbox_mirrors_the_mail_modes(client: ApiClient) -> None:
    body = client.patch("/identities/alpha", {"mail_inbound_filter_mode": "whitelist"}).json()

    assert (body["mailbox"]["inbound_filter_mode"], body["mailbox"]["outbound_filter_mode"]) == (
        "whitelist",
        "blacklist",
    )


def test_a_shared_mode_keeps_its_baseline_while_directions_differ(client: ApiClient) -> None:
    body = client.patch("/identities/alpha", {"mail_inbound_filter_mode": "whitelist"}).json()
    assert (body["mail_filter_mode"], body["mail_inbound_filter_mode"]) == ("blacklist", "whitelist")

    body = client.patch(
        "/identities/alpha", {"mail_inbound_filter_mode": "whitelist", "mail_outbound_filter_mode": "whitelist"}
    ).json()

    assert body["mail_filter_mode"] == "whitelist"


def test_directions_that_become_equal_one_after_the_other_set_the_shared_mode(client: ApiClient) -> None:
    client.patch("/identities/alpha", {"mail_inbound_filter_mode": "whitelist"})

    body = client.patch("/identities/alpha", {"mail_outbound_filter_mode": "whitelist"}).json()

    assert body["mail_filter_mode"] == "whitelist"


def test_the_imessage_mode_is_the_phone_mode(client: ApiClient) -> None:
    body = client.patch("/identities/alpha", {"imessage_filter_mode": "whitelist"}).json()

    assert body["imessage_filter_mode"] == "whitelist"
    assert body["phone_filter_mode"] == "whitelist"
    assert body["phone_outbound_filter_mode"] == "whitelist"
    both = {"imessage_filter_mode": "blacklist", "phone_filter_mode": "blacklist"}
    assert client.patch("/identities/alpha", both).json()["phone_inbound_filter_mode"] == "blacklist"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"mail_filter_mode": "whitelist", "mail_inbound_filter_mode": "whitelist"}, "mail_filter_mode"),
        ({"slack_filter_mode": "whitelist", "slack_outbound_filter_mode": "blacklist"}, "slack_filter_mode"),
        ({"imessage_filter_mode": "whitelist", "phone_inbound_filter_mode": "whitelist"}, "phone_filter_mode"),
        ({"phone_filter_mode": "whitelist", "imessage_filter_mode": "blacklist"}, "imessage_filter_mode"),
    ],
)
def test_contradicting_modes_are_refused(client: ApiClient, body: dict[str, str], field: str) -> None:
    before = all_rows()

    answer = client.patch("/identities/alpha", body)

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", field]
    assert all_rows() == before


@pytest.mark.parametrize("field", ["imessage_filter_mode", *MODE_FIELDS])
def test_agent_keys_may_not_touch_filter_modes(field: str) -> None:
    alpha = agent(handle="alpha")
    newcomer = unclaimed_agent(handle="newcomer")

    for identity in (alpha, newcomer):
        before = all_rows()
        answer = agent_client(identity).patch(
            f"/identities/{identity.agent_handle}", {field: "whitelist", "description": "x"}
        )
        assert answer.status_code == 403
        rows = all_rows()
        rows["identities.ApiKey"] = [row for row in rows["identities.ApiKey"] if row in before["identities.ApiKey"]]
        assert rows == before


def test_people_may_change_filter_modes() -> None:
    acme = organization()
    agent(acme, "alpha")

    answer = session_client(acme).patch("/identities/alpha", {"mail_filter_mode": "whitelist"})

    assert answer.json()["mail_outbound_filter_mode"] == "whitelist"


def test_an_agent_changes_what_describes_it() -> None:
    alpha = agent(handle="alpha")
    changes = {
        "display_name": "Alpha",
        "description": "Answers mail.",
        "status": "paused",
        "imessage_enabled": True,
        "contact_sharing_enabled": False,
        "slack_enabled": True,
        "agent_handle": "alpha-two",
    }

    answer = agent_client(alpha).patch("/identities/alpha", changes)

    assert answer.status_code == 200
    assert {name: answer.json()[name] for name in changes} == changes


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"claim_imessage_number": True}, 501),
        ({"imessage_number_type": "dedicated_outbound"}, 501),
        ({"imessage_number_id": "0192f0c1-0000-7000-8000-000000000000"}, 501),
        ({"claim_imessage_number": True, "imessage_number_id": None}, 422),
        ({"claim_imessage_number": True, "imessage_enabled": False}, 422),
        ({"imessage_number_id": "0192f0c1-0000-7000-8000-000000000000", "imessage_enabled": False}, 422),
        ({"imessage_number_id": "nonsense"}, 422),
    ],
)
def test_imessage_lines_are_refused(client: ApiClient, body: dict[str, Any], status: int) -> None:
    before = all_rows()

    assert client.patch("/identities/alpha", body).status_code == status
    assert all_rows() == before


def test_going_back_to_the_shared_imessage_service_is_fine(client: ApiClient) -> None:
    answer = client.patch("/identities/alpha", {"imessage_number_id": None, "claim_imessage_number": False})

    assert answer.status_code == 200
    assert answer.json()["imessage_number"] is None


def test_agent_keys_may_not_attach_lines() -> None:
    alpha = agent(handle="alpha")

    answer = agent_client(alpha).patch("/identities/alpha", {"imessage_number_id": None})

    assert answer.status_code == 403


def test_a_deleted_identity_cannot_be_changed(client: ApiClient) -> None:
    client.delete("/identities/alpha")

    assert client.patch("/identities/alpha", {"description": "x"}).status_code == 404
    assert AgentIdentity.objects.get().description == "before"
