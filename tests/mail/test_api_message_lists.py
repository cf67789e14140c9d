"""Lists of messages: pages, filters, bad parameters (contract mail.md sections 1.2, 4.1 and 4.9)."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
import time_machine

from common.clock import now
from mail.models import Mailbox, Message
from tests.factories.identities import (
    ApiClient,
    agent,
    agent_client,
)
from tests.factories.mail import mailbox_of, queue, receive

pytestmark = pytest.mark.django_db

NOBODY = "00000000-0000-7000-8000-000000000000"


def messages_of(box: Mailbox, rest: str = "") -> str:
    return f"/mail/mailboxes/{box.email_address}/messages{rest}"


def listed(client: ApiClient, box: Mailbox, **query: Any) -> dict[str, Any]:
    response = client.get(messages_of(box, f"?{urlencode(query)}"))
    assert response.status_code == 200, response.content
    body: dict[str, Any] = response.json()
    return body


def ids(body: dict[str, Any]) -> list[str]:
    return [row["id"] for row in body["items"]]


@pytest.fixture
def box() -> Mailbox:
    return mailbox_of(agent(handle="billing-bot"))


@pytest.fixture
def client(box: Mailbox) -> ApiClient:
    assert box.identity is not None
    return agent_client(box.identity)


AWKWARD = 'line\nbreak \r\t "quoted" \\ \x01 \u2028 \x7f é 日本語 🎉'


@pytest.mark.parametrize("moment", [datetime(2026, 5, 4, 10, 1, 12, tzinfo=UTC), datetime(1970, 1, 1, 0, 0, 0, 7, UTC)])
def test_a_row_of_a_list_says_what_the_message_itself_says(box: Mailbox, client: ApiClient, moment: datetime) -> None:
    row = receive(box)
    Message.objects.filter(pk=row.pk).update(
        subject=AWKWARD,
        snippet="",
        from_display_name=None,
        to_addresses=[AWKWARD, "a@x.example"],
        cc_addresses=[],
        is_read=True,
        first_opened_at=moment,
        open_count=2**31 - 1,
        import_job_id=row.thread_id,
        created_at=moment,
    )

    [found] = listed(client, box)["items"]

    detail = client.get(messages_of(box, f"/{row.pk}")).json()
    assert found == {name: detail[name] for name in found}
    assert found["subject"] == AWKWARD
    assert found["import_job_id"] == str(row.thread_id)
    assert datetime.fromisoformat(found["first_opened_at"]) == moment


def test_pages_are_newest_first_and_stable_under_inserts(box: Mailbox, client: ApiClient) -> None:
    rows = [receive(box) for _ in range(7)]
    expected = [str(row.pk) for row in reversed(rows)]

    first = listed(client, box, limit=3)
    receive(box)
    second = listed(client, box, limit=3, cursor=first["next_cursor"])
    client.delete(messages_of(box, f"/{rows[1].pk}"))
    third = listed(client, box, limit=3, cursor=second["next_cursor"])

    assert (ids(first), first["has_more"]) == (expected[:3], True)
    assert (ids(second), second["has_more"]) == (expected[3:6], True)
    assert (ids(third), third["has_more"], third["next_cursor"]) == (expected[6:], False, None)


def test_messages_of_one_instant_are_all_paged(box: Mailbox, client: ApiClient) -> None:
    with time_machine.travel("2026-05-04T10:00:00Z", tick=False):
        rows = [receive(box) for _ in range(5)]

    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = listed(client, box, limit=2, cursor=cursor)
        found += ids(page)
        cursor = page["next_cursor"]

    assert found == [str(row.pk) for row in reversed(rows)]


def test_a_page_holds_fifty_unless_told(box: Mailbox, client: ApiClient) -> None:
    for _ in range(51):
        receive(box)

    assert len(listed(client, box)["items"]) == 50
    assert len(listed(client, box, limit=100)["items"]) == 51
    assert len(listed(client, box, limit=1)["items"]) == 1


def _cursor(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


@pytest.mark.parametrize("resource", ["messages", "threads"])
@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "%00",
        "€",
        "=" * 10,
        _cursor("2026-05-04T10:00:00+00:00"),
        _cursor(f"2026-05-04T10:00:00|{NOBODY}"),
        _cursor(f"yesterday|{NOBODY}"),
        _cursor("2026-05-04T10:00:00+00:00|17"),
    ],
)
def test_a_cursor_of_somebody_elses_making_is_refused(
    box: Mailbox, client: ApiClient, resource: str, cursor: str
) -> None:
    response = client.get(f"/mail/mailboxes/{box.pk}/{resource}?cursor={cursor}")

    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"][-1] == "cursor"


@pytest.mark.parametrize("resource", ["messages", "threads"])
@pytest.mark.parametrize("limit", ["0", "101", "-1", "abc", "", "1.5", "1e1", "NaN", "9" * 2000])
def test_a_limit_out_of_range_is_refused(box: Mailbox, client: ApiClient, resource: str, limit: str) -> None:
    response = client.get(f"/mail/mailboxes/{box.pk}/{resource}?limit={limit}")

    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"][-1] == "limit"


def test_unknown_parameters_are_ignored(box: Mailbox, client: ApiClient) -> None:
    receive(box)

    assert len(listed(client, box, unread="true", page="9")["items"]) == 1


def test_the_direction_filter(box: Mailbox, client: ApiClient) -> None:
    inbound, outbound = receive(box), queue(box, "ada@customer.example")

    assert ids(listed(client, box, direction="inbound")) == [str(inbound.pk)]
    assert ids(listed(client, box, direction="outbound")) == [str(outbound.pk)]
    assert ids(listed(client, box)) == [str(outbound.pk), str(inbound.pk)]


@pytest.mark.parametrize("direction", ["INBOUND", "both", "", "x"])
def test_an_unknown_direction_is_refused(box: Mailbox, client: ApiClient, direction: str) -> None:
    response = client.get(messages_of(box, f"?direction={direction}"))

    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"][-1] == "direction"


def _at(box: Mailbox, *moments: str) -> list[str]:
    rows = []
    for moment in moments:
        message = receive(box)
        Message.objects.filter(pk=message.pk).update(created_at=datetime.fromisoformat(moment))
        rows.append(str(message.pk))
    return rows


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, [3, 2, 1, 0]),
        ({"start_datetime": "2026-05-04"}, [3, 2, 1]),
        ({"end_datetime": "2026-05-04"}, [2, 1, 0]),
        ({"start_datetime": "2026-05-04", "end_datetime": "2026-05-04"}, [2, 1]),
        ({"start_datetime": "2026-05-04", "end_datetime": "2026-05-04", "tz": "Europe/Berlin"}, [1, 0]),
        ({"start_datetime": "2026-05-04T00:00:00Z"}, [3, 2, 1]),
        ({"end_datetime": "2026-05-04T00:00:00Z"}, [1, 0]),
        ({"start_datetime": "2026-05-04T02:00:00+02:00", "tz": "Asia/Tokyo"}, [3, 2, 1]),
        ({"start_datetime": "2026-05-04T02:00:00", "tz": "Europe/Berlin"}, [3, 2, 1]),
        ({"start_datetime": "2026-05-05", "end_datetime": "2026-05-04"}, []),
        ({"start_datetime": "2026-05-04", "direction": "outbound"}, []),
        ({"start_datetime": "2026-05-04", "direction": "inbound"}, [3, 2, 1]),
        ({"start_datetime": "", "end_datetime": "", "tz": ""}, [3, 2, 1, 0]),
    ],
)
def test_the_date_filters(box: Mailbox, client: ApiClient, query: dict[str, str], expected: list[int]) -> None:
    rows = _at(
        box,
        "2026-05-03T23:59:59.999999+00:00",
        "2026-05-04T00:00:00+00:00",
        "2026-05-04T23:59:59.999999+00:00",
        "2026-05-05T00:00:00+00:00",
    )

    assert ids(listed(client, box, **query)) == [rows[number] for number in expected]


def test_date_filters_go_on_over_pages(box: Mailbox, client: ApiClient) -> None:
    rows = _at(box, "2026-05-03T12:00:00+00:00", "2026-05-04T12:00:00+00:00", "2026-05-05T12:00:00+00:00")
    query = {"start_datetime": "2026-05-04", "limit": 1, "direction": "inbound"}

    first = listed(client, box, **query)
    second = listed(client, box, **query, cursor=first["next_cursor"])

    assert (ids(first), ids(second), second["next_cursor"]) == ([rows[2]], [rows[1]], None)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"start_datetime": "yesterday"}, "start_datetime"),
        ({"start_datetime": "2026-02-30"}, "start_datetime"),
        ({"start_datetime": "2026-05-04", "tz": "Mars/Olympus"}, "tz"),
        ({"tz": "europe/berlin/../../etc"}, "tz"),
        ({"end_datetime": "9999-12-31"}, "end_datetime"),
        ({"end_datetime": "1714816872"}, "end_datetime"),
        ({"end_datetime": "2026-05-04T25:00"}, "end_datetime"),
        ({"end_datetime": "2026-05-04\x00"}, "end_datetime"),
        ({"tz": "\x00"}, "tz"),
    ],
)
def test_a_bad_date_filter_is_refused_by_name(
    box: Mailbox, client: ApiClient, query: dict[str, str], field: str
) -> None:
    response = client.get(messages_of(box, f"?{urlencode(query)}"))

    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"][-1] == field


def test_messages_age_without_changing_place(box: Mailbox, client: ApiClient) -> None:
    old = receive(box)
    Message.objects.filter(pk=old.pk).update(created_at=now() - timedelta(days=400))
    new = receive(box)
    Message.objects.filter(pk=new.pk).update(created_at=datetime(2026, 5, 4, tzinfo=UTC))

    client.patch(messages_of(box, f"/{old.pk}"), {"is_starred": True})

    assert ids(listed(client, box))[-1] == str(old.pk)
