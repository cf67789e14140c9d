"""The suppression lists: what fills them, what they refuse, and the API over them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from common.clock import now
from identities.enums import Role
from identities.models import User
from mail.enums import RecipientState, SuppressionReason, SuppressionSource
from mail.errors import RecipientSuppressed
from mail.models import Message, OutboundJob, OutboundRecipient, Suppression
from mail.services.settling import Settlement, settle_recipients
from mail.services.suppressions import purge_suppressions, refuse_suppressed
from tests.factories.identities import (
    ApiClient,
    admin_client,
    agent,
    agent_client,
    nobody,
    organization,
    session_client,
    unclaimed_agent,
)
from tests.factories.mail import mailbox_of, queue
from tests.identities.rows import all_rows
from tests.mail.test_api_budgets import cost

pytestmark = pytest.mark.django_db

PATH = "/mail/suppressions"
GONE = "550 5.1.1 No such user."


def bounce(message: Message, **fields: Any) -> None:
    values: dict[str, Any] = {"detail": GONE, "suppress": SuppressionReason.HARD_BOUNCE, **fields}
    state = values.pop("state", RecipientState.BOUNCED)
    address = message.to_addresses[0]
    settle_recipients(message.pk, {address: Settlement(state, "mx", **values)})


def test_a_hard_bounce_stops_the_next_send_of_the_whole_organization_and_of_nobody_else() -> None:
    acme, other = organization(), organization()
    alpha, bravo, foreign = (mailbox_of(agent(o)) for o in (acme, acme, other))
    message = queue(alpha, "Ada@customer.example")
    bounce(message)
    before = all_rows()

    with pytest.raises(RecipientSuppressed) as refusal:
        queue(bravo, "ada@customer.example", cc=["bob@customer.example"])

    assert all_rows() == before
    assert refusal.value.status == 403
    assert refusal.value.detail["error"] == "recipient_suppressed"
    assert refusal.value.fields == {
        "address": "ada@customer.example",
        "reason": "hard_bounce",
        "source": "smtp",
        "expires_at": None,
    }
    row = Suppression.objects.get()
    assert (row.organization_id, row.address, row.detail, row.message_id) == (
        acme.pk,
        "ada@customer.example",
        GONE,
        message.pk,
    )
    assert queue(foreign, "ada@customer.example").status == "queued"


def test_the_operators_entry_counts_for_everybody() -> None:
    Suppression.objects.create(address="ada@customer.example")

    with pytest.raises(RecipientSuppressed, match="operator of this server"):
        queue(mailbox_of(agent()), "ADA@customer.example")


def test_a_refusal_without_a_verdict_on_the_address_adds_nothing() -> None:
    message = queue(mailbox_of(agent()), "ada@customer.example")

    bounce(message, suppress=None, detail="550 5.7.1 Message looks like spam.")

    assert OutboundRecipient.objects.get().state == RecipientState.BOUNCED
    assert not Suppression.objects.exists()


def test_a_full_mailbox_is_left_alone_for_a_day_only() -> None:
    box = mailbox_of(agent())
    bounce(queue(box, "ada@customer.example"), suppress=SuppressionReason.MAILBOX_FULL)
    row = Suppression.objects.get()
    assert row.expires_at is not None
    assert timedelta(hours=23) < row.expires_at - now() <= timedelta(days=1)

    Suppression.objects.update(expires_at=now() - timedelta(seconds=1))

    assert queue(box, "ada@customer.example").status == "queued"
    assert purge_suppressions() == 1


def test_a_lasting_reason_replaces_a_passing_one_but_never_the_other_way_round() -> None:
    box = mailbox_of(agent())
    first, second, third = (queue(box, "ada@customer.example") for _ in range(3))

    bounce(first, suppress=SuppressionReason.MAILBOX_FULL)
    bounce(second, suppress=SuppressionReason.COMPLAINT)
    bounce(third, suppress=SuppressionReason.MAILBOX_FULL)

    row = Suppression.objects.get()
    assert (row.reason, row.expires_at, row.message_id) == ("complaint", None, second.pk)


def test_a_complaint_after_a_bounce_still_lists_the_address() -> None:
    message = queue(mailbox_of(agent()), "ada@customer.example")
    bounce(message, suppress=None)

    bounce(message, suppress=SuppressionReason.COMPLAINT, source=SuppressionSource.PROVIDER)

    assert Suppression.objects.get().source == "provider"


def test_a_late_report_does_not_overwrite_what_is_known() -> None:
    message = queue(mailbox_of(agent()), "ada@customer.example")
    bounce(message, provider_id="p-1")

    settle_recipients(message.pk, {"ada@customer.example": Settlement(RecipientState.DELIVERED, "anymail:x", "ok")})

    row = OutboundRecipient.objects.get()
    assert (row.state, row.transport, row.detail, row.provider_id) == ("bounced", "mx", GONE, "p-1")


def test_a_refused_send_names_the_list_to_the_agent() -> None:
    identity = agent()
    box = mailbox_of(identity)
    bounce(queue(box, "ada@customer.example"))

    body = {"recipients": {"to": ["ada@customer.example"]}, "subject": "Again"}
    answer = agent_client(identity).post(f"/mail/mailboxes/{box.email_address}/messages", body)

    assert answer.status_code == 403
    assert answer.json()["detail"]["error"] == "recipient_suppressed"
    assert "/api/v1/mail/suppressions" in answer.json()["detail"]["message"]
    assert Message.objects.count() == 1
    assert OutboundJob.objects.count() == 1


def test_the_list_is_kept_by_hand_over_the_api() -> None:
    acme = organization()
    client = admin_client(acme)

    made = client.post(PATH, {"address": "Ada@Customer.example", "detail": "asked us to stop"})
    again = client.post(PATH, {"address": "ada@customer.example", "detail": "asked twice"})
    listed = client.get(f"{PATH}?address=ADA@customer.example").json()
    one = client.get(f"{PATH}/{made.json()['id']}")
    removed = client.delete(f"{PATH}/{made.json()['id']}")

    assert (made.status_code, again.status_code, removed.status_code) == (201, 201, 204)
    assert made.json()["id"] == again.json()["id"]
    assert one.json() == again.json() == listed["items"][0]
    assert one.json() | {"id": "", "created_at": ""} == {
        "id": "",
        "address": "ada@customer.example",
        "reason": "manual",
        "source": "api",
        "detail": "asked twice",
        "message_id": None,
        "created_at": "",
        "expires_at": None,
    }
    assert client.get(PATH).json() == {"items": [], "has_more": False, "next_cursor": None}
    refuse_suppressed(acme.pk, ["ada@customer.example"])


def test_an_entry_by_hand_may_end_by_itself() -> None:
    acme = organization()
    client = admin_client(acme)
    until = (now() + timedelta(days=3)).isoformat()
    made = client.post(PATH, {"address": "ada@customer.example", "expires_at": until})
    assert made.status_code == 201
    with pytest.raises(RecipientSuppressed):
        refuse_suppressed(acme.pk, ["ada@customer.example"])

    Suppression.objects.update(expires_at=now())

    refuse_suppressed(acme.pk, ["ada@customer.example"])
    assert client.get(PATH).json()["items"] == []
    assert client.get(f"{PATH}/{made.json()['id']}").status_code == 404


@pytest.mark.parametrize(
    ("body", "loc"),
    [
        ({}, "address"),
        ({"address": "nobody"}, "address"),
        ({"address": "a@b.example\r\n"}, "address"),
        ({"address": "a@b.example", "expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"address": "a@b.example", "detail": "x" * 1001}, "detail"),
    ],
)
def test_bad_entries_are_refused_by_field(body: dict[str, Any], loc: str) -> None:
    answer = admin_client(organization()).post(PATH, body)

    assert answer.status_code == 422
    assert [error["loc"][-1] for error in answer.json()["detail"]] == [loc]
    assert not Suppression.objects.exists()


def test_pages_are_stable_and_cost_one_query() -> None:
    acme = organization()
    client = admin_client(acme)
    client.get(PATH)
    for number in range(5):
        Suppression.objects.create(organization=acme, address=f"a{number}@x.example")
    Suppression.objects.create(organization=organization(), address="foreign@x.example")
    Suppression.objects.create(address="everybody@x.example")

    first = client.get(f"{PATH}?limit=3").json()
    second = client.get(f"{PATH}?limit=3&cursor={first['next_cursor']}").json()

    found = [row["address"] for row in (*first["items"], *second["items"])]
    assert found == [f"a{number}@x.example" for number in (4, 3, 2, 1, 0)]
    assert (first["has_more"], second["has_more"]) == (True, False)
    assert cost(client, "GET", PATH) <= 2


CALLERS = ("admin", "owner", "member", "claimed", "unclaimed", "foreign", "nobody")
MATRIX: dict[str, tuple[str, str, Any, tuple[int, ...]]] = {
    "list": ("GET", PATH, None, (200, 200, 200, 403, 403, 200, 401)),
    "add": ("POST", PATH, {"address": "new@x.example"}, (201, 201, 403, 403, 403, 201, 401)),
    "get": ("GET", f"{PATH}/{{row}}", None, (200, 200, 200, 403, 403, 404, 401)),
    "remove": ("DELETE", f"{PATH}/{{row}}", None, (204, 204, 403, 403, 403, 404, 401)),
}


@pytest.mark.parametrize("number", range(len(CALLERS)), ids=CALLERS)
@pytest.mark.parametrize("route", MATRIX)
def test_who_may_call_what(route: str, number: int) -> None:
    acme = organization()
    clients: dict[str, ApiClient] = {
        "admin": admin_client(acme),
        "owner": session_client(acme, Role.OWNER),
        "member": session_client(acme, Role.MEMBER),
        "claimed": agent_client(agent(acme)),
        "unclaimed": agent_client(unclaimed_agent(acme)),
        "foreign": admin_client(organization()),
        "nobody": nobody(),
    }
    row = Suppression.objects.create(organization=acme, address="ada@customer.example")
    method, path, body, statuses = MATRIX[route]
    before = all_rows()

    answer = clients[CALLERS[number]].call(method, path.format(row=row.pk), body)

    assert answer.status_code == statuses[number], answer.content
    if statuses[number] >= 400:
        assert all_rows() == before


def test_operators_add_entries_for_everybody_in_the_admin() -> None:
    client = Client()
    client.force_login(User.objects.create_superuser("op@example.org", "password"))
    bad = client.post("/admin/mail/suppression/add/", {"address": "nobody"})
    assert bad.status_code == 200
    assert not Suppression.objects.exists()

    made = client.post("/admin/mail/suppression/add/", {"address": "Ada@customer.example", "detail": "legal"})

    assert made.status_code == 302
    row = Suppression.objects.get()
    assert (row.organization_id, row.address, row.reason, row.source) == (
        None,
        "ada@customer.example",
        "manual",
        "operator",
    )
    assert client.get(f"/admin/mail/suppression/{row.pk}/change/").status_code == 200
    assert client.get("/admin/mail/suppression/").status_code == 200
