"""Register (contract identities.md section 14.1)."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from identities.models import AgentIdentity, ApiKey, Organization
from mail.models import Mailbox, PlatformMail
from signup.models import Signup
from tests.factories.identities import ApiClient, agent
from tests.factories.signup import HUMAN, newest_mail, sign_up, text_of
from tunnels.models import Tunnel

pytestmark = pytest.mark.django_db

BODY = {"human_email": HUMAN, "note_to_human": "Hello, it is me."}


@pytest.fixture(autouse=True)
def _no_limit_by_address(settings: Any) -> None:
    settings.SIGNUPS_PER_IP_PER_HOUR = 0


def register(**fields: object) -> Any:
    return ApiClient().post("/agent-signup", {**BODY, **fields})


def nothing_was_written() -> bool:
    models = (Signup, Organization, AgentIdentity, ApiKey, Mailbox, PlatformMail)
    return not any(model._default_manager.exists() for model in models)


def test_an_agent_gets_everything_at_once() -> None:
    answer = register(display_name="Ada's Helper", agent_handle="@ada-helper", harness=" Claude-Code ")

    body = answer.json()
    assert answer.status_code == 201
    assert body["email_address"] == "ada-helper@mail.localhost"
    assert body["agent_handle"] == "ada-helper"
    assert body["claim_status"] == "agent_unclaimed"
    assert body["human_email"] == HUMAN
    assert body["organization_id"].startswith("org_agent_")
    assert body["invitation"] is None
    assert "10 mails a day" in body["message"]
    assert HUMAN in body["message"]
    row = Signup.objects.get()
    assert row.identity is not None
    assert (row.identity.display_name, row.identity.human_email) == ("Ada's Helper", HUMAN)
    assert row.harness == "claude-code"
    assert Organization.objects.get().is_provisional
    assert Tunnel.objects.get().tunnel_name == "ada-helper"
    whoami = ApiClient(body["api_key"]).get("/whoami").json()
    assert whoami["auth_subtype"] == "api_key.agent_scoped.unclaimed"
    assert (whoami["creator_type"], whoami["created_by"]) == ("agent", str(row.identity.pk))


@pytest.mark.parametrize(
    ("fields", "slug"),
    [
        ({"display_name": "Ada's Helper!"}, "ada-s-helper-"),
        ({"display_name": "Grüße 🎉"}, "grue-"),
        ({"display_name": "日本語"}, "agent-"),
        ({"display_name": "Admin"}, "agent-"),
        ({}, "ada-"),
    ],
)
def test_a_handle_is_made_from_the_name(fields: dict[str, str], slug: str) -> None:
    handle = register(**fields).json()["agent_handle"]

    assert handle.startswith(slug)
    assert len(handle) == len(slug) + 6


def test_the_local_part_alone_names_the_agent() -> None:
    body = register(email_local_part="helper").json()

    assert (body["agent_handle"], body["email_address"]) == ("helper", "helper@mail.localhost")


def test_older_clients_choose_both_names() -> None:
    client = ApiClient(prefix="/compat/0.3")

    body = client.post("/agent-signup/", {**BODY, "agent_handle": "helper", "email_local_part": "sdk.signup.1"}).json()

    assert (body["agent_handle"], body["email_address"]) == ("helper", "sdk.signup.1@mail.localhost")


def test_the_mail_has_note_code_and_link() -> None:
    made = sign_up(display_name="Eve\u2028<b>", note_to_human="Line one\n<script>alert(1)</script>")

    mail = newest_mail(HUMAN)

    assert mail["Subject"] == "Eve <b> asks you to verify it"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert "> Line one\n> <script>alert(1)</script>\n" in text_of(mail)
    assert made.code in text_of(mail, "html")
    assert made.link in text_of(mail, "html")
    assert "<script>" not in text_of(mail, "html")
    assert "&lt;script&gt;" in text_of(mail, "html")
    assert "Eve &lt;b&gt;" in text_of(mail, "html")


def test_neither_code_nor_key_is_stored() -> None:
    made = sign_up()

    with CaptureQueriesContext(connection) as captured:
        list(Signup.objects.values())
    assert captured
    stored = repr(list(Signup.objects.values())) + repr(list(ApiKey.objects.values()))
    assert made.code not in stored
    assert made.key.partition(".")[2] not in stored


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"human_email": "not an address"}, "human_email"),
        ({"human_email": None}, "human_email"),
        ({"note_to_human": "  "}, "note_to_human"),
        ({"note_to_human": "x" * 2001}, "note_to_human"),
        ({"display_name": "x" * 256}, "display_name"),
        ({"display_name": "a\r\nBcc: eve@x.example"}, "display_name"),
        ({"agent_handle": "no spaces"}, "agent_handle"),
        ({"agent_handle": "helper", "email_local_part": "other"}, "email_local_part"),
    ],
)
def test_bad_input_names_the_field_and_writes_nothing(fields: dict[str, Any], field: str) -> None:
    answer = register(**fields)

    assert answer.status_code == 422
    assert field in str(answer.json()["detail"])
    assert nothing_was_written()


def test_a_taken_handle_is_a_conflict() -> None:
    agent(handle="helper")
    before = Organization.objects.count()

    answer = register(agent_handle="helper")

    assert answer.status_code == 409
    assert answer.json()["detail"]["blocking_namespace"] == "identities"
    assert (Organization.objects.count(), Signup.objects.count(), PlatformMail.objects.count()) == (before, 0, 0)


def test_invitations_are_not_built() -> None:
    assert register(invitation_token="abc").status_code == 501
    assert nothing_was_written()


def test_a_human_has_so_many_unclaimed_agents_and_no_more(settings: Any) -> None:
    settings.UNCLAIMED_AGENTS_PER_EMAIL = 2
    sign_up()
    sign_up(human_email=HUMAN.upper())

    answer = register()

    assert answer.status_code == 429
    assert "unclaimed agents" in answer.json()["detail"]
    assert register(human_email="other@human.example").status_code == 201


def test_an_address_registers_so_often_in_an_hour(settings: Any) -> None:
    settings.SIGNUPS_PER_IP_PER_HOUR, settings.TESTING_SECRET = 2, ""
    assert [register().status_code for _ in range(3)] == [201, 201, 429]
    refused = register()
    assert isinstance(refused.json()["detail"], str)
    assert 0 < int(refused.headers["Retry-After"]) <= 7200

    settings.TESTING_SECRET = "suite"
    assert register().status_code == 201
