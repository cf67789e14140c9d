"""How much an identity may send in a day (contract mail.md section 4.12)."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection, transaction
from pytest_django import Settings

from common.errors import RateLimited
from identities.enums import ClaimStatus
from identities.models import AgentIdentity
from mail.models import Mailbox, Message, SendWindow
from mail.quotas import UNLIMITED, SendRestrictions, send_restrictions
from mail.services.quotas import count_sends
from tests.factories.identities import Answer, ApiClient, admin_client, agent, agent_client, unclaimed_agent
from tests.factories.mail import mailbox_of
from tests.identities.rows import all_rows

pytestmark = pytest.mark.django_db

HUMAN = "human@example.com"
START = "2026-05-04T10:00:00Z"


@pytest.fixture
def box() -> Mailbox:
    return mailbox_of(agent(handle="billing-bot"))


@pytest.fixture
def client(box: Mailbox) -> ApiClient:
    assert box.identity is not None
    return agent_client(box.identity)


def send(client: ApiClient, box: Mailbox, *, to: int = 1, cc: int = 0, bcc: int = 0, **more: Any) -> Answer:
    recipients = {
        "to": [f"to{n}@x.example" for n in range(to)],
        "cc": [f"cc{n}@x.example" for n in range(cc)],
        "bcc": [f"bcc{n}@x.example" for n in range(bcc)],
    }
    headers = more.pop("headers", {})
    body = {"recipients": recipients, "subject": "Hello", **more}
    return client.post(f"/mail/mailboxes/{box.email_address}/messages", body, **headers)


def used(identity: AgentIdentity | None) -> int:
    return SendWindow.objects.get(identity=identity).sends


def test_each_recipient_counts_once(box: Mailbox, client: ApiClient) -> None:
    assert send(client, box, to=2, cc=1, bcc=3).status_code == 201
    assert used(box.identity) == 6

    assert (
        send(client, box, recipients={"to": ["a@x.example", "A@x.example"], "cc": ["a@X.example"]}).status_code == 201
    )
    assert used(box.identity) == 7


@time_machine.travel(START, tick=False)
def test_over_the_limit_a_send_waits_for_the_end_of_the_window(
    box: Mailbox, client: ApiClient, settings: Settings
) -> None:
    settings.CLAIMED_SENDS_PER_DAY = 5
    assert send(client, box, to=4).status_code == 201
    before = all_rows()

    with time_machine.travel("2026-05-04T11:00:00.5Z", tick=False):
        refused = send(client, box, to=2)

    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "82800")
    assert refused.json()["detail"] == {
        "error": "rate_limited",
        "code": "rate_limited",
        "message": "Daily send limit of 5 reached: each recipient counts. Try again in 82800 seconds.",
    }
    assert all_rows() == before
    assert send(client, box).status_code == 201
    assert used(box.identity) == 5


@pytest.mark.parametrize(
    ("later", "status", "retry_after"),
    [
        (timedelta(0), 429, "86400"),
        (timedelta(hours=23, minutes=59, seconds=59), 429, "1"),
        (timedelta(hours=24), 201, None),
        (timedelta(days=30), 201, None),
    ],
)
def test_the_window_lasts_24_hours(
    box: Mailbox, client: ApiClient, settings: Settings, later: timedelta, status: int, retry_after: str | None
) -> None:
    settings.CLAIMED_SENDS_PER_DAY = 3
    with time_machine.travel(START, tick=False) as clock:
        assert send(client, box, to=3).status_code == 201
        clock.shift(later)

        answer = send(client, box)

        assert (answer.status_code, answer.headers.get("Retry-After")) == (status, retry_after)
        window = SendWindow.objects.get(identity=box.identity)
        assert window.sends == (1 if status == 201 else 3)


def test_a_window_opens_with_a_send_not_with_the_clock(box: Mailbox, client: ApiClient) -> None:
    with time_machine.travel(START, tick=False) as clock:
        send(client, box)
        clock.shift(timedelta(hours=30))
        send(client, box)

        opened = SendWindow.objects.get(identity=box.identity).opened_at
    assert opened.isoformat() == "2026-05-05T16:00:00+00:00"


def test_a_message_that_fits_in_no_window_is_refused_for_good(
    box: Mailbox, client: ApiClient, settings: Settings
) -> None:
    settings.CLAIMED_SENDS_PER_DAY = 2
    before = all_rows()

    refused = send(client, box, to=3)

    assert refused.status_code == 422
    assert refused.json()["detail"][0]["loc"] == ["body", "recipients"]
    assert all_rows() == before


def test_an_unclaimed_agent_has_a_limit_of_its_own_and_keeps_its_count_when_claimed() -> None:
    identity = unclaimed_agent(human_email=HUMAN)
    box, client = mailbox_of(identity), agent_client(identity)
    to_human = {"to": [HUMAN]}
    for _ in range(10):
        assert send(client, box, recipients=to_human).status_code == 201

    assert send(client, box, recipients=to_human).status_code == 429
    AgentIdentity.objects.filter(pk=identity.pk).update(claim_status=ClaimStatus.CLAIMED.value)
    assert send(client, box, recipients=to_human).status_code == 201
    assert used(identity) == 11


def test_an_identity_is_counted_whoever_sends_for_it(box: Mailbox, settings: Settings) -> None:
    assert box.identity is not None
    settings.CLAIMED_SENDS_PER_DAY = 2
    other = mailbox_of(agent(box.organization))
    admin = admin_client(box.organization)
    assert send(agent_client(box.identity), box).status_code == 201
    assert send(admin, box).status_code == 201

    assert send(admin, box).status_code == 429
    assert send(admin, other).status_code == 201


def test_zero_is_no_limit(box: Mailbox, client: ApiClient, settings: Settings) -> None:
    settings.CLAIMED_SENDS_PER_DAY = 0

    assert send(client, box, to=50).status_code == 201
    assert not SendWindow.objects.exists()


def test_a_refused_send_does_not_count(box: Mailbox, client: ApiClient) -> None:
    Mailbox.objects.filter(pk=box.pk).update(storage_limit_bytes=100)

    assert send(client, box).status_code == 402
    assert send(client, box, subject="x" * 999).status_code == 422
    assert not SendWindow.objects.exists()


def test_a_repeated_send_counts_once(box: Mailbox, client: ApiClient, settings: Settings) -> None:
    settings.CLAIMED_SENDS_PER_DAY = 1
    headers = {"Idempotency_Key": "k", "Prefer": "idempotency-replay"}

    first, again = send(client, box, headers=headers), send(client, box, headers=headers)

    assert (first.status_code, again.content) == (201, first.content)
    assert used(box.identity) == 1
    assert send(client, box, headers={**headers, "Idempotency_Key": "k2"}).status_code == 429
    settings.CLAIMED_SENDS_PER_DAY = 2
    assert send(client, box, headers={**headers, "Idempotency_Key": "k2"}).status_code == 201


def test_checks_come_in_the_order_permission_quota_storage(box: Mailbox, settings: Settings) -> None:
    identity = unclaimed_agent(human_email=HUMAN)
    box, client = mailbox_of(identity), agent_client(identity)
    settings.UNCLAIMED_SENDS_PER_DAY = 1
    assert send(client, box, recipients={"to": [HUMAN]}).status_code == 201
    Mailbox.objects.filter(pk=box.pk).update(storage_limit_bytes=1)

    assert send(client, box).status_code == 403
    assert send(client, box, recipients={"to": [HUMAN]}).status_code == 429
    settings.UNCLAIMED_SENDS_PER_DAY = 2
    assert send(client, box, recipients={"to": [HUMAN]}).status_code == 402


def test_what_the_signup_status_reports(settings: Settings) -> None:
    claimed, unclaimed = agent(), unclaimed_agent(human_email=HUMAN)

    assert send_restrictions(claimed) == SendRestrictions(500, (), can_receive=True, can_create_mailboxes=False)
    assert send_restrictions(unclaimed) == SendRestrictions(10, (HUMAN,))
    settings.CLAIMED_SENDS_PER_DAY, settings.UNCLAIMED_SENDS_PER_DAY = 0, 7
    assert send_restrictions(claimed).max_sends_per_day == UNLIMITED
    assert send_restrictions(unclaimed).max_sends_per_day == 7


@pytest.mark.django_db(transaction=True)
def test_racing_sends_never_pass_the_limit_together(settings: Settings) -> None:
    settings.CLAIMED_SENDS_PER_DAY = 5
    identity = agent()
    barrier = threading.Barrier(4)
    outcomes: list[str] = []

    def run() -> None:
        try:
            barrier.wait(10)
            for _ in range(3):
                try:
                    with transaction.atomic():
                        count_sends(identity, 1)
                    outcomes.append("counted")
                except RateLimited:
                    outcomes.append("refused")
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert sorted(outcomes) == ["counted"] * 5 + ["refused"] * 7
    assert used(identity) == 5
    assert not Message.objects.exists()
