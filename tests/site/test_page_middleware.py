"""Sessions, CSRF protection and flash messages: for pages, and for API calls that carry cookies."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory

from inkbox_site.middleware import PageSessions, PageUsers
from tests.factories.identities import admin_key

pytestmark = pytest.mark.django_db


def seen_by_the_view(path: str, **headers: str) -> HttpRequest:
    """The request as it arrives behind the session middleware."""
    requests: list[HttpRequest] = []

    def view(request: HttpRequest) -> HttpResponse:
        requests.append(request)
        return HttpResponse()

    PageSessions(PageUsers(view))(RequestFactory().get(path, headers=headers))
    return requests[0]


def test_api_calls_have_no_session() -> None:
    assert not hasattr(seen_by_the_view("/api/v1/whoami"), "session")


def test_pages_and_calls_of_pages_have_one() -> None:
    assert seen_by_the_view("/admin/").session.session_key is None
    assert hasattr(seen_by_the_view("/api/v1/whoami", cookie="sessionid=abc"), "user")


def test_an_api_call_leaves_no_cookie() -> None:
    response = Client().get("/api/v1/whoami", headers={"X-API-Key": admin_key()})

    assert response.status_code == 200
    assert not response.cookies


def test_forms_are_still_protected() -> None:
    response = Client(enforce_csrf_checks=True).post("/admin/login/", {"username": "a", "password": "b"})

    assert response.status_code == 403
    assert settings.CSRF_COOKIE_NAME not in response.cookies
