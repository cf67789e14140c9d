"""POST /api/v1/identities."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from identities.models import AgentIdentity, HandleClaim
from mail.models import Mailbox
from tests.factories.identities import admin_client, admin_key, key_row, organization, session_client
from tests.identities.rows import all_rows
from tunnels.models import Tunnel

pytestmark = pytest.mark.django_db


def test_creates_the_identity_with_mailbox_and_tunnel() -> None:
    acme = organization()

    answer = admin_client(acme).post("/identities", {"agent_handle": "support-bot"})

    assert answer.status_code == 201
    body = answer.json()
    row = AgentIdentity.objects.get()
    mailbox, tunnel = body.pop("mailbox"), body.pop("tunnel")
    created_at, updated_at = body.pop("created_at"), body.pop("updated_at")
    assert body == {
        "id": str(row.pk),
        "organization_id": acme.pk,
        "agent_handle": "support-bot",
        "email_address": "support-bot@mail.localhost",
        "status": "active",
        "display_name": "support-bot",
        "description": None,
        "imessage_enabled": False,
        "contact_sharing_enabled": True,
        "slack_enabled": False,
        "has_avatar": False,
        "mail_filter_mode": "blacklist",
        "mail_inbound_filter_mode": "blacklist",
        "mail_outbound_filter_mode": "blacklist",
        "phone_filter_mode": "blacklist",
        "phone_inbound_filter_mode": "blacklist",
        "phone_outbound_filter_mode": "blacklist",
        "imessage_filter_mode": "blacklist",
        "slack_filter_mode": "blacklist",
        "slack_inbound_filter_mode": "blacklist",
        "slack_outbound_filter_mode": "blacklist",
        "signing_key_configured": False,
        "signing_key_created_at": None,
        "access": [],
        "phone_number": None,
        "imessage_number": None,
    }
    assert created_at.endswith("Z")
    assert updated_at.endswith("Z")
    assert UUID(mailbox["id"]) == Mailbox.objects.get().pk
    assert mailbox["email_address"] == "support-bot@mail.localhost"
    assert mailbox["sending_domain"] == "mail.localhost"
    assert mailbox["agent_identity_id"] == str(row.pk)
    assert mailbox["filter_mode_change_notice"] is None
    assert tunnel["tunnel_name"] == "support-bot"


def test_create_answers_what_get_answers() -> None:
    client = admin_client()

    created = client.post("/identities", {"agent_handle": "support-bot"}).json()

    assert client.get("/identities/support-bot").json() == created
    assert client.get("/identities").json() == [created]


def test_a_person_creates_too() -> None:
    assert session_client(organization()).post("/identities", {"agent_handle": "support-bot"}).status_code == 201


def test_every_field_of_the_body_is_honoured() -> None:
    answer = admin_client().post(
        "/identities",
        {
            "agent_handle": "@Support-Bot",
            "display_name": "Support",
            "description": "",
            "imessage_enabled": True,
            "contact_sharing_enabled": False,
            "mailbox": {"email_local_part": "support-bot", "sending_domain": None},
            "tunnel": {"tls_mode": "passthrough"},
            "a_field_of_tomorrow": 1,
        },
    )

    assert answer.status_code == 201
    body = answer.json()
    assert body["agent_handle"] == "support-bot"
    assert body["display_name"] == "Support"
    assert body["description"] == ""
    assert body["imessage_enabled"] is True
    assert body["contact_sharing_enabled"] is False
    assert body["mailbox"]["email_address"] == "support-bot@mail.localhost"
    assert (body["tunnel"]["tls_mode"], body["tunnel"]["status"]) == ("passthrough", "awaiting_cert")


def test_a_null_display_name_shows_the_handle_to_recipients() -> None:
    body = admin_client().post("/identities", {"agent_handle": "support-bot", "display_name": None}).json()

    assert body["display_name"] is None
    assert AgentIdentity.objects.get().sender_name == "support-bot"


def test_the_name_of_an_old_mailbox_body_becomes_the_name_of_the_identity() -> None:
    body = {"agent_handle": "support-bot", "mailbox": {"display_name": "Support", "email_local_part": "help.desk"}}

    answer = admin_client().post("/identities", body)

    # mailbox.display_name marks a body of the seed generation, whose local part may differ from the handle.
    assert answer.status_code == 201
    assert answer.json()["display_name"] == "Support"
    assert answer.json()["email_address"] == "help.desk@mail.localhost"
    assert answer.json()["tunnel"]["tunnel_name"] == "support-bot"


@pytest.mark.parametrize("mailbox", [None, {}, {"email_local_part": "support-bot"}, {"email_local_part": None}])
def test_nested_objects_only_customize(mailbox: Any) -> None:
    answer = admin_client().post("/identities", {"agent_handle": "support-bot", "mailbox": mailbox, "tunnel": None})

    assert answer.status_code == 201
    assert answer.json()["email_address"] == "support-bot@mail.localhost"
    assert answer.json()["tunnel"]["tls_mode"] == "edge"


@pytest.mark.parametrize(
    ("body", "loc"),
    [
        ({}, ["body", "agent_handle"]),
        ({"agent_handle": None}, ["body", "agent_handle"]),
        ({"agent_handle": 7}, ["body", "agent_handle"]),
        ({"agent_handle": "ab"}, ["body", "agent_handle"]),
        ({"agent_handle": "alpha", "display_name": "x" * 256}, ["body", "display_name"]),
        ({"agent_handle": "alpha", "display_name": "a\r\nBcc: x@y.z"}, ["body", "display_name"]),
        ({"agent_handle": "alpha", "description": "\x00"}, ["body", "description"]),
        ({"agent_handle": "alpha", "imessage_enabled": None}, ["body", "imessage_enabled"]),
        ({"agent_handle": "alpha", "contact_sharing_enabled": "yes"}, ["body", "contact_sharing_enabled"]),
        ({"agent_handle": "alpha", "mailbox": []}, ["body", "mailbox"]),
        ({"agent_handle": "alpha", "mailbox": {"email_local_part": 5}}, ["body", "mailbox", "email_local_part"]),
        ({"agent_handle": "alpha", "tunnel": {"tls_mode": "none"}}, ["body", "tunnel", "tls_mode"]),
        ({"agent_handle": "alpha", "claim_imessage_number": True}, ["body", "imessage_enabled"]),
        ({"agent_handle": "alpha", "imessage_number_type": "shared"}, ["body", "imessage_number_type"]),
    ],
)
def test_a_bad_field_is_named(body: Any, loc: list[str]) -> None:
    client = admin_client()
    before = all_rows()

    answer = client.post("/identities", body)

    assert answer.status_code == 422
    assert [issue["loc"] for issue in answer.json()["detail"]] == [loc]
    assert all_rows() == before


def test_a_local_part_other_than_the_handle_is_refused() -> None:
    client = admin_client()
    before = all_rows()

    answer = client.post("/identities", {"agent_handle": "alpha", "mailbox": {"email_local_part": "bravo"}})

    assert answer.status_code == 422
    assert all_rows() == before


def test_what_a_channel_refuses_leaves_nothing_behind() -> None:
    client = admin_client()
    before = all_rows()

    answer = client.post("/identities", {"agent_handle": "alpha", "mailbox": {"sending_domain": "acme.example"}})

    assert answer.status_code == 404
    assert all_rows() == before


@pytest.mark.parametrize(
    "extra",
    [
        {"phone_number": {"type": "local"}},
        {"imessage_enabled": True, "claim_imessage_number": True},
        {"imessage_enabled": True, "imessage_number_type": "dedicated_outbound"},
    ],
)
def test_what_is_not_built_is_refused_rather_than_ignored(extra: dict[str, Any]) -> None:
    client = admin_client()
    before = all_rows()

    answer = client.post("/identities", {"agent_handle": "alpha", **extra})

    assert answer.status_code == 501
    assert answer.json()["detail"]["error"] == "not_implemented"
    assert all_rows() == before


def test_a_taken_handle_is_a_conflict_that_clients_recognize() -> None:
    client = admin_client()
    client.post("/identities", {"agent_handle": "alpha"})
    before = all_rows()

    answer = client.post("/identities", {"agent_handle": "ALPHA"})

    assert answer.status_code == 409
    assert answer.json() == {
        "detail": {
            "error": "agent_handle_unavailable",
            "code": "agent_handle_unavailable",
            "message": "The handle 'alpha' is unavailable: the name is already in use. Choose another.",
            "blocking_namespace": "identities",
        }
    }
    assert all_rows() == before


def test_the_key_of_the_creator_is_not_stored_in_clear() -> None:
    text = admin_key()

    row = key_row(text)

    assert text.partition(".")[2].encode() not in bytes(row.secret_hash)
    assert len(row.secret_hash) == 32


def test_the_handle_is_held_in_the_global_namespace() -> None:
    admin_client().post("/identities", {"agent_handle": "alpha"})

    claim = HandleClaim.objects.get()
    assert (claim.name, claim.namespace, claim.released_at) == ("alpha", "identities", None)
    assert claim.identity == AgentIdentity.objects.get()
    assert Tunnel.objects.get().tunnel_name == "alpha"
