"""No serious problem that axe-core can find, on any page, in light and dark, with and without content; and everything
that can be used in a wide window can be used on a phone.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from console.urls import urlpatterns
from tests.browser.conftest import VIEWPORTS, enter_console, random_address
from tests.browser.pages import CONSOLE, NOT_LOOKED_AT, OPERATOR, PUBLIC, paths_of
from tests.browser.world import World, empty_world, normal_world, overfull_world
from tests.clients.live_server import LiveServer

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

AXE = (Path(__file__).parent / "vendor/axe-core/axe.min.js").read_text()
# Links, buttons and fields that can be used here ...
REMEMBER_USABLE = """() => {
    window.usable = [...document.querySelectorAll("a[href], button, input, select, textarea, summary")]
        .filter((one) => one.checkVisibility({ visibilityProperty: true }) && one.type !== "hidden");
}"""
# ... and cannot any more, even with the navigation open. What scrolls may stand beside the window.
FIND_HIDDEN = """async () => {
    document.querySelector("[data-menu]")?.click();
    await new Promise(requestAnimationFrame);
    const width = document.documentElement.clientWidth;
    return window.usable.filter((one) => {
        const box = one.getBoundingClientRect();
        const isBeside = box.right <= 0 || box.left >= width;
        return one.isConnected && (!one.checkVisibility({ visibilityProperty: true })
            || (isBeside && !one.closest(".table-scroll, pre, .tabs, .side, .skip")));
    }).map((one) => one.outerHTML.slice(0, 120));
}"""
BUILDERS: dict[str, Callable[[LiveServer], World]] = {
    "empty": empty_world,
    "normal": lambda server: normal_world(server, secrets.token_hex(4)),
    "overfull": lambda server: overfull_world(server, secrets.token_hex(4)),
}


def test_every_page_is_looked_at() -> None:
    assert {pattern.name for pattern in urlpatterns} == set(CONSOLE) | NOT_LOOKED_AT


def test_pages_without_a_sign_in_have_no_serious_problem(browser: Browser, server: LiveServer) -> None:
    with examined(browser, server) as context:
        page = context.new_page()
        found = [line for title, path in PUBLIC.items() for line in problems(page, title, path)]

    assert found == []


@pytest.mark.parametrize("kind", BUILDERS)
def test_pages_have_no_serious_problem(browser: Browser, server: LiveServer, kind: str) -> None:
    world = BUILDERS[kind](server)
    with examined(browser, server) as context:
        enter_console(context, world.account.email_address, world.account.password)
        page = context.new_page()
        found = [line for title, path in paths_of(world.values).items() for line in problems(page, title, path)]

    assert found == []


def test_pages_of_operators_have_no_serious_problem(browser: Browser, server: LiveServer) -> None:
    values = BUILDERS["normal"](server).values | {"organization": server.bootstrap.organization_id}
    with examined(browser, server) as context:
        enter_console(context, server.bootstrap.email, server.bootstrap.password)
        page = context.new_page()
        found: list[str] = []
        for title, path in OPERATOR.items():
            answer = page.goto(path.format(**values))
            assert answer is not None
            assert answer.status == 200, title
            page.evaluate(AXE)
            for size, viewport in VIEWPORTS.items():
                page.set_viewport_size(viewport)  # type: ignore[arg-type]
                found += [f"{title} {size}: {line}" for line in examine(page, None)]
                if page.evaluate("document.documentElement.scrollWidth") > viewport["width"]:
                    found.append(f"{title} {size}: wider than the window")

    assert found == []


def examined(browser: Browser, server: LiveServer) -> BrowserContext:
    """A profile whose pages can be examined."""
    return browser.new_context(
        base_url=server.base_url,
        extra_http_headers={"X-Forwarded-For": random_address()},
        # Colours on their way from one theme to the other have no contrast that anybody sees.
        reduced_motion="reduce",
        # Ours allows no script but its own; the examiner is one more.
        bypass_csp=True,
    )


def problems(page: Page, title: str, path: str) -> list[str]:
    """What axe-core calls serious or critical, and a page that is wider than its window: at every width in the light,
    and in the dark what the theme changes, which is colours. Also what can be used in a wide window only.
    """
    page.goto(path)
    page.evaluate(AXE)
    found: list[str] = []
    page.set_viewport_size(VIEWPORTS["desktop"])  # type: ignore[arg-type]
    page.evaluate(REMEMBER_USABLE)
    for size, viewport in VIEWPORTS.items():
        page.set_viewport_size(viewport)  # type: ignore[arg-type]
        for theme, rules in (("light", None), ("dark", ["color-contrast"])):
            page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
            expect(page.locator("html")).to_have_attribute("data-theme", theme)
            found += [f"{title} {size} {theme}: {line}" for line in examine(page, rules)]
        if page.evaluate("document.documentElement.scrollWidth") > viewport["width"]:
            found.append(f"{title} {size}: wider than the window")
    return found + [f"{title} phone: hidden {one}" for one in page.evaluate(FIND_HIDDEN)]


def examine(page: Page, rules: list[str] | None) -> list[str]:
    """What axe-core finds, by all of its rules or some."""
    options: dict[str, Any] = {"resultTypes": ["violations"]}
    if rules is not None:
        options["runOnly"] = rules
    report = page.evaluate("options => axe.run(document, options)", options)
    return [
        f"{violation['id']}: {node['target'][0]}"
        for violation in report["violations"]
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"][:3]
    ]
