"""How requests arrive: methods, bodies, encodings, sizes (contract README sections 2, 5 and 7)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import MutableMapping
from typing import Any

import pytest
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.test import Client

from inkbox_site.processes.wsgi_bridge import BodyLimits, WsgiBridge
from mail.models import Mailbox, Message
from tests.factories.identities import ApiClient, agent, agent_client
from tests.factories.mail import mailbox_of, receive
from tests.identities.rows import all_rows

pytestmark = pytest.mark.django_db

SEND: dict[str, Any] = {"recipients": {"to": ["ada@customer.example"]}, "subject": "Hello"}


@pytest.fixture
def box() -> Mailbox:
    return mailbox_of(agent(handle="billing-bot"))


@pytest.fixture
def client(box: Mailbox) -> ApiClient:
    assert box.identity is not None
    return agent_client(box.identity)


ROUTES = {
    "": {"GET", "PATCH", "DELETE"},
    "/messages": {"GET", "POST"},
    "/messages/{message}": {"GET", "PATCH", "DELETE"},
    "/messages/{message}/attachments/a.pdf": {"GET"},
    "/threads": {"GET"},
    "/threads/folders": {"GET"},
    "/threads/{thread}": {"GET", "PATCH", "DELETE"},
}


@pytest.mark.parametrize("route", ROUTES)
def test_other_methods_are_refused_and_change_nothing(box: Mailbox, client: ApiClient, route: str) -> None:
    message = receive(box, attachments=(("a.pdf", "application/pdf", b"%PDF-"),))
    path = f"/mail/mailboxes/{box.pk}{route.format(message=message.pk, thread=message.thread_id)}"
    rows = all_rows()

    for method in {"HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE", "TRACE", "PROPFIND"} - ROUTES[route]:
        response = client.call(method, path)
        assert response.status_code == 405, method
        assert response.headers["Content-Type"] == "application/json"
        assert set(response.headers["Allow"].split(", ")) == ROUTES[route]
        if method != "HEAD":
            assert response.json() == {"detail": f'Method "{method}" not allowed.'}

    assert all_rows() == rows


def test_another_method_without_a_key_is_unauthenticated_first(box: Mailbox) -> None:
    assert ApiClient().put(f"/mail/mailboxes/{box.pk}/messages").status_code == 401


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"{'subject': 'Hello'}",
        b'{"subject": "Hello",}',
        b'{"subject": NaN}',
        b'{"subject": "\xff\xfe"}',
        b'{"subject": "\\ud800"}',
        b'{"subject": "\\udc00 tail"}',
        b"\xef\xbb\xbf{}",
        b"[" * 5000 + b"]" * 5000,
        '{"subject": "Hello"}'.encode("utf-16"),
    ],
)
def test_what_is_no_json_is_refused(box: Mailbox, client: ApiClient, body: bytes) -> None:
    message = receive(box)
    rows = all_rows()

    for method, rest in (("POST", ""), ("PATCH", f"/{message.pk}")):
        response = client.call(method, f"/mail/mailboxes/{box.pk}/messages{rest}", body)
        assert response.status_code == 422
        assert response.json()["detail"][0]["loc"] == ["body"]
        assert response.json()["detail"][0]["type"] == "json_invalid"

    assert all_rows() == rows


@pytest.mark.parametrize("body", [[], [SEND], "text", 17, True, [[1]], b"null"])
@pytest.mark.parametrize("headers", [{}, {"Idempotency_Key": "k", "Prefer": "idempotency-replay"}])
def test_what_is_no_object_is_refused(box: Mailbox, client: ApiClient, body: Any, headers: dict[str, str]) -> None:
    rows = all_rows()

    response = client.post(f"/mail/mailboxes/{box.pk}/messages", body, **headers)

    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == ["body"]
    assert all_rows() == rows


@pytest.mark.parametrize("body", [b"", b"{}", b"  \r\n"])
def test_an_empty_body_is_an_empty_object(box: Mailbox, client: ApiClient, body: bytes) -> None:
    message = receive(box)

    post = client.post(f"/mail/mailboxes/{box.pk}/messages", body)
    patch = client.patch(f"/mail/mailboxes/{box.pk}/messages/{message.pk}", body)

    assert {issue["loc"][-1] for issue in post.json()["detail"]} == {"recipients", "subject"}
    assert (post.status_code, patch.status_code) == (422, 200)


@pytest.mark.parametrize("levels", [101, 300, 900])
@pytest.mark.parametrize("field", ["unknown", "subject", "recipients"])
@pytest.mark.parametrize("headers", [{}, {"Idempotency_Key": "k", "Prefer": "idempotency-replay"}])
def test_a_very_deep_body_is_refused(
    box: Mailbox, client: ApiClient, levels: int, field: str, headers: dict[str, str]
) -> None:
    nested = b'{"a":' * (levels // 2) + b"[" * (levels // 2) + b"]" * (levels // 2) + b"}" * (levels // 2)
    rest = ",".join(f"{json.dumps(name)}:{json.dumps(value)}" for name, value in SEND.items() if name != field)
    rows = all_rows()

    response = client.post(
        f"/mail/mailboxes/{box.pk}/messages", b'{"%b":%b,%b}' % (field.encode(), nested, rest.encode()), **headers
    )

    assert response.status_code == 422
    assert all_rows() == rows


def test_a_moderately_deep_unknown_field_is_ignored(box: Mailbox, client: ApiClient) -> None:
    nested: Any = 1
    for _ in range(90):
        nested = [nested]

    response = client.post(
        f"/mail/mailboxes/{box.pk}/messages",
        {**SEND, "unknown": nested},
        Idempotency_Key="k",
        Prefer="idempotency-replay",
    )

    assert response.status_code == 201


@pytest.mark.parametrize("number", ["1e308", "123456789012345678901234567890", "-0.0", "1E-400"])
def test_strange_numbers_do_no_harm(box: Mailbox, client: ApiClient, number: str) -> None:
    body = json.dumps(SEND)[:-1].encode() + b', "unknown": ' + number.encode() + b"}"

    response = client.post(f"/mail/mailboxes/{box.pk}/messages", body, Idempotency_Key="k", Prefer="idempotency-replay")

    assert response.status_code == 201


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 201),
        ("application/json; charset=utf-8", 201),
        ("application/vnd.api+json", 201),
        ("application/x-www-form-urlencoded", 201),
        ("text/plain", 415),
        ("multipart/form-data; boundary=x", 415),
        ("nonsense", 415),
    ],
)
def test_content_types(box: Mailbox, client: ApiClient, content_type: str, status: int) -> None:
    plain = Client(headers={"X-API-Key": client._headers["X-API-Key"]})

    response = plain.generic(
        "POST", f"/api/v1/mail/mailboxes/{box.pk}/messages", json.dumps(SEND), content_type=content_type
    )

    assert response.status_code == status
    assert response["Content-Type"] == "application/json"
    assert Message.objects.count() == (status == 201)


@pytest.mark.parametrize("accept", ["*/*", "application/octet-stream", "text/html", "application/xml", ""])
def test_answers_are_json_whatever_is_asked_for(box: Mailbox, client: ApiClient, accept: str) -> None:
    response = client.get(f"/mail/mailboxes/{box.pk}/messages", Accept=accept)

    assert (response.status_code, response.headers["Content-Type"]) == (200, "application/json")


def test_nothing_redirects(box: Mailbox, client: ApiClient) -> None:
    message = receive(box)
    base = f"/mail/mailboxes/{box.email_address}"
    paths = ["/mail/mailboxes", base, f"{base}/messages", f"{base}/messages/{message.pk}", f"{base}/threads"]

    for path in paths:
        for end in ("", "/", "//"):
            assert client.get(path + end).status_code == 200, path + end


@pytest.mark.parametrize(
    "header", [(b"content-length", b"%d" % (41 * 1024 * 1024)), (b"transfer-encoding", b"chunked")]
)
def test_more_than_40_mb_is_refused_before_any_view_sees_it(header: tuple[bytes, bytes]) -> None:
    sent: list[MutableMapping[str, Any]] = []
    pieces = [b"x" * 1024 * 1024] * 41
    limits = BodyLimits(settings.MAX_BODY_BYTES, settings.MAX_BODY_BYTES_BY_PREFIX)
    bridge = WsgiBridge(WSGIHandler(), threads=1, limits=limits)

    async def receive_piece() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": pieces.pop(), "more_body": bool(pieces)}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "path": "/api/v1/mail/mailboxes/billing-bot/messages",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json"), header],
    }
    rows = all_rows()

    asyncio.run(bridge(scope, receive_piece, send))
    bridge.close()

    assert sent[0]["status"] == 413
    assert dict(sent[0]["headers"])[b"content-type"] == b"application/json"
    assert json.loads(sent[1]["body"]) == {"detail": "The request body is too large."}
    assert all_rows() == rows
