"""Envelopes of unknown, unbuilt and failing routes, the API description, and the root page."""

from __future__ import annotations

import json

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path
from pytest_django import Settings

from inkbox_site import fallbacks, pending
from inkbox_site import urls as site_urls

PENDING = [
    ("phone/numbers", "phone"),
    ("phone/numbers/0192f0c1-0000-7000-8000-000000000000/texts/search", "phone"),
    ("imessage/assignments", "imessage"),
    ("imessage/identities/alpha/contact-rules", "imessage"),
    ("slack/connections", "slack"),
    ("identities/alpha/slack-contact-rules/1", "slack"),
    ("a2a/invitations/preview", "a2a"),
    ("identities/a2a/directory", "a2a"),
    ("identities/alpha/a2a/tasks/1/reply", "a2a"),
    ("identities/alpha/companion/activations/1/messages", "companion"),
]


def _fail(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("secret@example.com")


class Boom:
    """A URL configuration with a view that fails."""

    urlpatterns = [path("api/v1/boom", _fail), path("boom", _fail)]
    handler404 = fallbacks.not_found
    handler500 = fallbacks.server_error


@pytest.fixture
def failing_client(settings: Settings) -> Client:
    settings.ROOT_URLCONF = Boom
    return Client(raise_request_exception=False)


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete"])
@pytest.mark.parametrize(("route", "area"), PENDING)
def test_unbuilt_routes_say_so(client: Client, route: str, area: str, method: str) -> None:
    response = getattr(client, method)(f"/api/v1/{route}")

    assert response.status_code == 501
    detail = response.json()["detail"]
    assert (detail["error"], detail["code"], detail["area"]) == ("not_implemented", "not_implemented", area)
    assert detail["message"].endswith("See docs/compatibility.md of the server for what it covers.")


@pytest.mark.parametrize("prefix", ["", "/compat/0.3"])
@pytest.mark.parametrize("end", ["", "/"])
def test_unbuilt_routes_in_every_spelling(client: Client, prefix: str, end: str) -> None:
    assert client.get(f"{prefix}/api/v1/imessage/assignments{end}").status_code == 501


@pytest.mark.parametrize("prefix", ["", "/compat/0.3"])
@pytest.mark.parametrize(
    ("method", "path"),
    [("get", "/a2a/alpha/card"), ("get", "/a2a/directory?q=x"), ("post", "/a2a/alpha"), ("post", "/a2a/alpha/")],
)
def test_agent_to_agent_routes_at_the_root_say_so_too(client: Client, prefix: str, method: str, path: str) -> None:
    response = getattr(client, method)(prefix + path)

    assert response.status_code == 501
    assert response.json()["detail"]["message"].startswith("Agent-to-agent messaging is not part of this release.")


def test_real_routes_come_before_unbuilt_ones() -> None:
    names = [getattr(pattern, "name", None) or "" for pattern in site_urls.urlpatterns]
    first = next(index for index, name in enumerate(names) if name.startswith("pending-"))

    assert all(name.startswith("pending-") for name in names[first:])


def test_no_pattern_of_the_table_captures() -> None:
    # Django would hand what a group matches to the view, which takes nothing.
    assert [p.pattern.regex.groups for p in pending.urlpatterns] == [0] * len(pending.urlpatterns)


@pytest.mark.parametrize(
    "route", ["/api", "/api/", "/api/v1/nothing", "/api/v2/identities", "/compat/0.3/api/v1/nothing"]
)
def test_unknown_api_routes(client: Client, route: str) -> None:
    response = client.get(route)

    assert response.status_code == 404
    assert response["Content-Type"] == "application/json"
    assert response.json()["detail"]["error"] == "route_not_found"


def test_unknown_pages_are_pages(client: Client) -> None:
    response = client.get("/nothing")

    assert response.status_code == 404
    assert response["Content-Type"].startswith("text/html")


def test_a_failing_api_view_answers_with_the_request_id(failing_client: Client) -> None:
    response = failing_client.get("/api/v1/boom", headers={"X-Request-ID": "abc-123"})

    assert response.status_code == 500
    assert response["X-Request-ID"] == "abc-123"
    assert response.json() == {"detail": "Internal server error. Tell the operator this request id: abc-123"}


def test_a_failing_page_is_a_page(failing_client: Client) -> None:
    response = failing_client.get("/boom")

    assert response.status_code == 500
    assert response["Content-Type"].startswith("text/html")
    assert "secret" not in response.content.decode()


def test_errors_carry_the_text_for_stuck_agents(client: Client, settings: Settings) -> None:
    settings.AGENT_SUPPORT = "Write to help@example.com"

    assert client.get("/api/v1/nothing").json()["agent_support"] == "Write to help@example.com"


@pytest.mark.parametrize("route", ["/api/schema", "/api/schema/"])
def test_the_description_is_openapi_3_1(client: Client, route: str) -> None:
    response = client.get(route)

    assert response.status_code == 200
    assert response["Content-Type"] == "application/json"
    document = json.loads(response.content)
    assert document["openapi"] == "3.1.0"
    assert not [name for name in document["paths"] if "schema" in name or "docs" in name]


@pytest.mark.parametrize("route", ["/api/docs", "/api/docs/"])
def test_the_reference_page_loads_nothing_from_elsewhere(client: Client, route: str) -> None:
    response = client.get(route)

    page = response.content.decode()
    assert response.status_code == 200
    assert "/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js" in page
    assert "https://" not in page
    assert "script-src 'self' 'unsafe-inline'" in response["Content-Security-Policy"]


def test_its_assets_are_served(client: Client) -> None:
    response = client.get("/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui.css")

    assert response.status_code == 200
    assert len(b"".join(response)) > 10_000


def test_the_root_leads_to_the_console(client: Client) -> None:
    response = client.get("/")

    assert response.status_code == 302
    assert response["Location"] == "/console/"


@pytest.mark.django_db
def test_the_admin_asks_for_a_login(client: Client) -> None:
    response = client.get("/admin/", follow=True)

    assert response.status_code == 200
    assert 'name="password"' in response.content.decode()
