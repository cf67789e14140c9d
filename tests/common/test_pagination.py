"""Keyset cursors."""

from __future__ import annotations

import base64
import contextlib
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from common.api.pagination import Cursor, KeysetList, Page
from common.api.renderers import ApiJsonRenderer
from common.errors import Invalid
from identities.models import AgentIdentity, Organization

ROW = UUID("01a20110-fc0e-7d38-9aad-3d789314b3af")
AT = datetime(2026, 5, 4, 11, 0, 0, 123456, tzinfo=UTC)


def _encode(text: str | bytes) -> str:
    raw = text if isinstance(text, bytes) else text.encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@given(st.datetimes(timezones=st.just(UTC)), st.uuids())
def test_a_cursor_survives_the_round_trip(at: datetime, row_id: UUID) -> None:
    text = Cursor(at, row_id).encode()

    assert Cursor.decode(text) == Cursor(at, row_id)
    assert text.replace("-", "").replace("_", "").isalnum()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "nonsense",
        "é",
        "\x00",
        "=" * 8,
        "a" * 5000,
        _encode(""),
        _encode("|"),
        _encode(AT.isoformat()),
        _encode(f"{AT.isoformat()}|"),
        _encode(f"{AT.isoformat()}|alpha"),
        _encode(f"|{ROW}"),
        _encode(f"yesterday|{ROW}"),
        _encode(f"2026-05-04T11:00:00|{ROW}"),
        _encode(f"{AT.isoformat()}|{ROW}|more"),
        _encode(b"\xff\xfe\xfd"),
        _encode(f"9999-12-31T23:59:59-23:59|{ROW}"),
        _encode(f"0001-01-01T00:00:00+23:59|{ROW}"),
    ],
)
def test_a_bad_cursor_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        Cursor.decode(text)

    assert caught.value.status == 422
    assert caught.value.detail == [
        {
            "loc": ["query", "cursor"],
            "msg": "This cursor is not valid. Start again without one.",
            "type": "value_error",
        }
    ]


@given(st.text(max_size=100))
def test_any_text_is_decoded_or_refused(text: str) -> None:
    with contextlib.suppress(Invalid):
        found = Cursor.decode(text)
        assert Cursor.decode(found.encode()) == found


def identities(**filters: tuple[str, type]) -> KeysetList[AgentIdentity]:
    return KeysetList(
        lambda _, organization: AgentIdentity.objects.filter(organization_id=organization),
        keys=(str,),
        at="created_at",
        columns=("id", "agent_handle", "slack_enabled", "created_at"),
        filters=filters,
    )


def _wire(page: Page) -> Any:
    return orjson.loads(ApiJsonRenderer().render(page.body))


def test_the_body_of_a_page() -> None:
    assert _wire(Page([], None)) == {"items": [], "has_more": False, "next_cursor": None}
    assert _wire(Page(['{"n":1}'], "abc")) == {"items": [{"n": 1}], "has_more": True, "next_cursor": "abc"}


@pytest.mark.django_db
def test_rows_are_what_the_json_encoder_takes() -> None:
    acme = Organization.objects.create(name="Acme")
    row = AgentIdentity.objects.create(organization=acme, agent_handle="alpha", created_at=AT)

    page = identities().page(acme.pk, limit=5, cursor=None)

    assert orjson.loads(ApiJsonRenderer().render(page.items)) == [
        {
            "id": str(row.pk),
            "agent_handle": "alpha",
            "slack_enabled": False,
            "created_at": "2026-05-04T11:00:00.123456Z",
        }
    ]


@pytest.mark.django_db
def test_filters_narrow_a_page_and_keep_their_values_apart() -> None:
    acme = Organization.objects.create(name="Acme")
    for handle in ("alpha", "bravo"):
        AgentIdentity.objects.create(organization=acme, agent_handle=handle, created_at=AT)
    found = identities(handle=("agent_handle", str), since=("created_at__gte", datetime))

    def handles(**filters: object) -> list[str]:
        return [row["agent_handle"] for row in found.page(acme.pk, limit=5, cursor=None, **filters).items]

    assert handles(handle="alpha") == ["alpha"]
    assert handles(handle="bravo") == ["bravo"]
    assert handles(handle="bravo", since=AT) == ["bravo"]
    assert handles(handle="bravo", since=AT + timedelta(microseconds=1)) == []
    assert sorted(handles(handle=None)) == ["alpha", "bravo"]
    assert handles(handle="sample-parameter-1") == []


@pytest.mark.django_db
def test_the_pages_of_messages_of_one_instant_miss_and_repeat_nothing() -> None:
    acme = Organization.objects.create(name="Acme")
    for number in range(25):
        AgentIdentity.objects.create(
            organization=acme, agent_handle=f"agent-{number}", created_at=AT + timedelta(seconds=number // 10)
        )
    expected = list(AgentIdentity.objects.order_by("-created_at", "-pk").values_list("pk", flat=True))

    found = identities()
    seen: list[UUID] = []
    sizes: list[int] = []
    cursor = None
    while True:
        with CaptureQueriesContext(connection) as captured:
            page = found.page(acme.pk, limit=7, cursor=cursor)
        assert len(captured) == 1
        seen += [UUID(str(row["id"])) for row in page.items]
        sizes.append(len(page.items))
        cursor = page.next_cursor
        if cursor is None:
            break
        # Newer rows that arrive meanwhile do not shift the pages.
        AgentIdentity.objects.create(
            organization=acme, agent_handle=f"late-{len(sizes)}", created_at=AT + timedelta(days=1)
        )

    assert sizes == [7, 7, 7, 4]
    assert seen == expected


@pytest.mark.django_db
def test_a_full_last_page_has_no_next_one() -> None:
    acme = Organization.objects.create(name="Acme")
    for number in range(3):
        AgentIdentity.objects.create(organization=acme, agent_handle=f"agent-{number}")

    assert identities().page(acme.pk, limit=3, cursor=None).next_cursor is None
    assert identities().page("org_none", limit=3, cursor="").items == []
