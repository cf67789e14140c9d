"""Pictures of every page: light and dark, desktop and phone, empty, normal and overfull (`make screenshots`).

`python -m tests.browser.screenshots NAME ...` takes those of some pages only, by their names in pages.py.
"""

from __future__ import annotations

import secrets
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.chromium import ARGUMENTS, HOW_TO_INSTALL, find_chromium
from tests.browser.conftest import VIEWPORTS
from tests.browser.pages import PUBLIC, paths_of
from tests.browser.world import World, empty_world, normal_world, overfull_world
from tests.clients.live_server import LiveServer
from tests.factories.dns_server import DnsServer

FOLDER = Path("screenshots")
# Deriving a key takes seconds on a busy machine.
UNLOCK_MILLISECONDS = 90_000
# Frames of mail wait until somebody scrolls to them, and nobody scrolls here. Setting the address again tells when
# they are there, also those that are on their way.
LOAD_FRAMES = """() => Promise.all([...document.querySelectorAll("iframe[loading=lazy]")].map((frame) =>
    new Promise((resolve) => {
        frame.addEventListener("load", resolve, { once: true });
        frame.loading = "eager";
        frame.src = frame.src;
    })))"""


def main() -> None:
    """Take them into `screenshots/`."""
    wanted = set(sys.argv[1:])
    chromium = find_chromium()
    if chromium is None:
        sys.exit(HOW_TO_INSTALL)
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, DnsServer() as names, sync_playwright() as playwright:
        server = LiveServer(Path(folder), environment={"INKBOX_DNS_SERVERS": names.address})
        try:
            suffix = secrets.token_hex(3)
            worlds = [empty_world(server), normal_world(server, suffix, names.publish), overfull_world(server, suffix)]
            browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
            count = sum(shoot(browser, server, world, wanted) for world in worlds)
            browser.close()
        finally:
            server.close()
    sys.stdout.write(f"{count} pictures in {FOLDER}/\n")


def shoot(browser: Browser, server: LiveServer, world: World, wanted: set[str]) -> int:
    """The pages of one world, all unless some are `wanted`; returns how many pictures were taken."""
    count = 0
    for size, viewport in VIEWPORTS.items():
        for theme in ("light", "dark"):
            context = browser.new_context(
                viewport=viewport,  # type: ignore[arg-type]
                color_scheme=theme,
                base_url=server.base_url,
            )
            page = context.new_page()
            pages = _chosen(PUBLIC, wanted) if world.name == "empty" else {}
            for title, path in pages.items():
                page.goto(path)
                _take(page, f"{title}-{size}-{theme}")
            page.goto("/accounts/login/")
            page.get_by_label("Email").fill(world.account.email_address)
            page.get_by_label("Password").fill(world.account.password)
            page.get_by_role("button", name="Sign In", exact=True).click()
            page.wait_for_url("**/console/**")
            paths = _chosen(paths_of(world.values), wanted)
            for title, path in paths.items():
                page.goto(path)
                _take(page, f"{title}-{world.name}-{size}-{theme}")
                if title == "vault" and world.passphrase is not None:
                    _unlock(page, world.passphrase)
                    _take(page, f"vault_unlocked-{world.name}-{size}-{theme}")
                    count += 1
            count += len(pages) + len(paths)
            context.close()
    return count


def _take(page: Page, name: str) -> None:
    page.evaluate(LOAD_FRAMES)
    page.screenshot(path=FOLDER / f"{name}.png", full_page=True)


def _unlock(page: Page, passphrase: str) -> None:
    page.get_by_label("Passphrase or recovery code", exact=True).fill(passphrase)
    page.get_by_role("button", name="Unlock").click()
    page.locator("#list-rows li").first.wait_for(timeout=UNLOCK_MILLISECONDS)
    # The pointer would mark the row that came to be below it.
    page.mouse.move(0, 0)


def _chosen(pages: dict[str, str], wanted: set[str]) -> dict[str, str]:
    return {title: path for title, path in pages.items() if not wanted or title in wanted}


if __name__ == "__main__":
    main()
