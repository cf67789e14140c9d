"""People of the browser tests, and the mail that the server sends them."""

from __future__ import annotations

import re
import secrets
import time
from dataclasses import dataclass

from playwright.sync_api import BrowserContext, Page

from tests.browser.world import Builder

PASSWORD = "correct horse 9 battery"
MAIL_SECONDS = 30
CODE = r"^\s*([A-Z0-9]{3,4}-?[A-Z0-9]{3,4})\s*$"


@dataclass(frozen=True)
class Person:
    """Somebody who signs in, with a mailbox that the tests can read."""

    email: str
    password: str = PASSWORD


class Post:
    """Mailboxes of people, on the server under test itself."""

    def __init__(self, build: Builder) -> None:
        self._build = build

    def new_address(self, name: str) -> str:
        """A mailbox that nobody has written to."""
        made = self._build.call("POST", "/identities", {"agent_handle": f"{name}-{secrets.token_hex(4)}"})
        return str(made["email_address"])

    def find(self, address: str, pattern: str) -> str:
        """The first group of the first mail that matches; waits until it arrives."""
        path = f"/mail/mailboxes/{address}/messages"
        deadline = time.monotonic() + MAIL_SECONDS
        while time.monotonic() < deadline:
            for row in self._build.call("GET", path)["items"]:
                text = self._build.call("GET", f"{path}/{row['id']}")["body_text"]
                if found := re.search(pattern, text, re.MULTILINE):
                    return found[1]
            time.sleep(0.1)
        raise AssertionError(f"no mail to {address} matches {pattern}")


def register(context: BrowserContext, post: Post, *, organization: str | None = None) -> Person:
    """A signed-in person of this profile, made without a page; with an organization of their own, or none."""
    person = Person(post.new_address("person"))
    submit(context, "/accounts/signup/", email=person.email, password1=PASSWORD, password2=PASSWORD)
    submit(context, "/accounts/confirm-email/", code=post.find(person.email, CODE))
    if organization is not None:
        submit(context, "/console/welcome", name=organization)
    return person


def submit(context: BrowserContext, path: str, **fields: str) -> None:
    """Fill in a form without a page. Anything but a redirect afterwards is a failure."""
    context.request.get(path)
    token = next(str(cookie.get("value")) for cookie in context.cookies() if cookie.get("name") == "csrftoken")
    form: dict[str, str | float | bool] = {"csrfmiddlewaretoken": token, **fields}
    answer = context.request.post(path, form=form, max_redirects=0)
    assert answer.status == 302, answer.text()


def fill_sign_in(page: Page, email: str, password: str) -> None:
    """Send the form of the sign-in page."""
    page.goto("/accounts/login/")
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign In", exact=True).click()
