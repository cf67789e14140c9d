"""Finding the way: keyboard, skip link, and narrow windows."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from console.context import NAVIGATION
from tests.browser.conftest import VIEWPORTS, SignIn, enter_console, random_address
from tests.clients.live_server import LiveServer
from tests.clients.testing_routes import SuiteAccount

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


def test_every_page_of_the_navigation_has_its_keys(sign_in: SignIn, account: SuiteAccount) -> None:
    page = sign_in(account)

    for item in NAVIGATION:
        page.keyboard.press("g")
        page.keyboard.press(item.shortcut)
        expect(page.locator("#side .nav a[aria-current=page]")).to_have_attribute("data-key", item.shortcut)


def test_the_keyboard_is_enough(sign_in: SignIn, account: SuiteAccount) -> None:
    page = sign_in(account)

    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.goto("/console/audit")
    search = page.locator("[type=search]").first
    if search.count():
        page.keyboard.press("/")
        expect(search).to_be_focused()
        # Letters are text in a field, not commands.
        page.keyboard.press("g")
        page.keyboard.press("a")
        expect(search).to_have_value("ga")


def test_the_navigation_of_a_phone_opens_and_closes_by_keyboard(
    browser: Browser, server: LiveServer, account: SuiteAccount
) -> None:
    context = browser.new_context(
        viewport=VIEWPORTS["phone"],  # type: ignore[arg-type]
        base_url=server.base_url,
        extra_http_headers={"X-Forwarded-For": random_address()},
        reduced_motion="reduce",
    )
    enter_console(context, account.email_address, account.password)
    page = context.new_page()
    page.goto("/console/")
    button, side = page.locator("[data-menu]"), page.locator("#side")
    expect(side).to_be_hidden()

    button.focus()
    page.keyboard.press("Enter")
    expect(side).to_be_visible()
    expect(button).to_have_attribute("aria-expanded", "true")
    expect(side.locator("a").first).to_be_focused()

    side.locator("details.menu summary").focus()
    page.keyboard.press("Enter")
    expect(side.get_by_role("button", name="Sign out")).to_be_visible()
    page.keyboard.press("Escape")
    expect(side.get_by_role("button", name="Sign out")).to_be_hidden()
    expect(side.locator("details.menu summary")).to_be_focused()

    page.keyboard.press("Escape")
    expect(side).to_be_hidden()
    expect(button).to_have_attribute("aria-expanded", "false")
    expect(button).to_be_focused()
    context.close()
