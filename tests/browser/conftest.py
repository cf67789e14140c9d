"""A browser, a live server, and a person who signs in."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.browser.chromium import ARGUMENTS, HOW_TO_INSTALL, find_chromium
from tests.browser.shared_server import shared_server
from tests.clients.live_server import LiveServer
from tests.clients.testing_routes import SuiteAccount, create_account, remove_account

VIEWPORTS = {"desktop": {"width": 1280, "height": 800}, "phone": {"width": 390, "height": 844}}
# How long a click or a look waits for the page before it fails.
WAIT_MILLISECONDS = 10_000
expect.set_options(timeout=WAIT_MILLISECONDS)

NewContext = Callable[..., BrowserContext]
SignIn = Callable[[SuiteAccount], Page]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """One running server for the whole run, whatever number of test workers there is."""
    base = tmp_path_factory.getbasetemp()
    with shared_server((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "browser-server") as running:
        yield running


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium without a window. Skips the test when there is none, except where INKBOX_TEST_BROWSER=1 insists.

    Stopped when the process goes on to another package: while it runs, so does an event loop in this thread, and
    every `asyncio.run` of a test after it would fail.
    """
    path = find_chromium()
    if path is None:
        if os.environ.get("INKBOX_TEST_BROWSER") == "1":
            pytest.fail(HOW_TO_INSTALL)
        pytest.skip(HOW_TO_INSTALL)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield running
        running.close()


@pytest.fixture
def account(server: LiveServer) -> Iterator[SuiteAccount]:
    """A person with an empty organization."""
    created = create_account(server)
    yield created
    remove_account(server, created)


@pytest.fixture(params=list(VIEWPORTS))
def context(request: pytest.FixtureRequest, new_context: NewContext) -> BrowserContext:
    """A fresh profile at desktop and at phone width."""
    return new_context(viewport=VIEWPORTS[request.param])


@pytest.fixture
def new_context(browser: Browser, server: LiveServer) -> Iterator[NewContext]:
    """Makes profiles. What the console of the browser complains about is a failure."""
    complaints: list[str] = []
    made: list[BrowserContext] = []

    def make(**options: Any) -> BrowserContext:
        # Rate limits count by address; people do not share one here.
        own = {"base_url": server.base_url, "extra_http_headers": {"X-Forwarded-For": random_address()}}
        context = browser.new_context(**(own | options))
        context.set_default_timeout(WAIT_MILLISECONDS)
        context.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
        context.on("weberror", lambda error: complaints.append(str(error.error)))
        made.append(context)
        return context

    yield make
    for context in made:
        context.close()
    # A refused form is answered with 4xx, which browsers report as an error of the page.
    assert [line for line in complaints if "status of 4" not in line] == []


@pytest.fixture
def sign_in(context: BrowserContext) -> SignIn:
    """Sign a person in without the form (test_accounts.py has that); returns the first page they see."""

    def enter(account: SuiteAccount) -> Page:
        enter_console(context, account.email_address, account.password)
        page = context.new_page()
        page.goto("/console/")
        return page

    return enter


def enter_console(context: BrowserContext, email: str, password: str) -> None:
    """Give the profile the session of a person."""
    path = "/accounts/login/"
    context.request.get(path)
    token = next(str(cookie.get("value")) for cookie in context.cookies() if cookie.get("name") == "csrftoken")
    form: dict[str, str | float | bool] = {"login": email, "password": password, "csrfmiddlewaretoken": token}
    answer = context.request.post(path, form=form, max_redirects=0)
    assert answer.status == 302, answer.text()


def random_address() -> str:
    """One of the addresses for benchmarks (RFC 2544)."""
    return f"198.18.{secrets.randbelow(256)}.{secrets.randbelow(256)}"
