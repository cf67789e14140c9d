"""Browsers by the names that people know."""

from __future__ import annotations

import pytest
from django.test import Client

from console.templatetags.browsers import browser_name
from tests.console.pages import text
from tests.factories.identities import organization, person

PASSWORD = "correct horse 9 battery"
_WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_WEBKIT} Chrome/130.0.0.0 Safari/537.36", "Chrome on Windows"),
        (f"Mozilla/5.0 (Windows NT 10.0) {_WEBKIT} Chrome/130.0.0.0 Safari/537.36 Edg/130.0.0.0", "Edge on Windows"),
        (f"Mozilla/5.0 (X11; Linux x86_64) {_WEBKIT} Chrome/130.0 Safari/537.36 OPR/115.0", "Opera on Linux"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
        (f"Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) {_WEBKIT} Version/18.0 Safari/605.1.15", "Safari on macOS"),
        (
            f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) {_WEBKIT} CriOS/130.0 Safari/604.1",
            "Chrome on iPhone",
        ),
        (f"Mozilla/5.0 (Linux; Android 15) {_WEBKIT} Chrome/130.0 Mobile Safari/537.36", "Chrome on Android"),
        ("curl/8.10.1", "curl/8.10.1"),
        ("x" * 500, "x" * 80),
        ("", "Unknown browser"),
    ],
)
def test_what_a_header_says(user_agent: str, name: str) -> None:
    assert browser_name(user_agent) == name


@pytest.mark.django_db
def test_sessions_are_listed_by_their_browsers() -> None:
    user = person(organization(), password=PASSWORD)
    agents = ("Firefox/140.0 (Windows)", "<script>alert(1)</script>")
    clients = [Client(headers={"User-Agent": agent}) for agent in agents]
    for client in clients:
        client.post("/accounts/login/", {"login": user.email, "password": PASSWORD})

    page = text(clients[0].get("/accounts/sessions/"))
    clients[0].post("/accounts/sessions/")

    assert "Firefox on Windows" in page
    assert page.count("this one") == 1
    assert "<script>alert(1)</script>" not in page
    assert "Sign out everywhere else" in page
    assert clients[0].get("/accounts/sessions/").status_code == 200
    assert clients[1].get("/accounts/sessions/").status_code == 302
