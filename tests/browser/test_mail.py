"""What a person does with mail in the console, at desktop and at phone width."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.world import Builder
from tests.clients.live_server import LiveServer
from tests.clients.testing_routes import SuiteAccount

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

SignIn = Callable[[SuiteAccount], Page]
TO = "ada@customer.example"


@pytest.fixture
def build(server: LiveServer, account: SuiteAccount) -> Builder:
    return Builder(server, account)


def agent(build: Builder, **settings: Any) -> Any:
    """A new agent; `settings` are those of its mailbox."""
    made = build.call("POST", "/identities", {"agent_handle": f"mail-{secrets.token_hex(4)}"})
    if settings:
        build.call("PATCH", f"/mail/mailboxes/{made['email_address']}", settings)
    return made


def status_of(build: Builder, address: str, message_id: str) -> tuple[str, str | None]:
    """(status, approval state) once the message is queued no more."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        row = build.call("GET", f"/mail/mailboxes/{address}/messages/{message_id}")
        if row["status"] != "queued":
            return row["status"], row["approval_state"]
        time.sleep(0.2)
    raise AssertionError("the message is still queued")


def test_a_mail_is_sent_from_the_composer_after_a_mistake(
    sign_in: SignIn, build: Builder, account: SuiteAccount
) -> None:
    made = agent(build)
    page = sign_in(account)
    page.goto(f"/console/agents/{made['agent_handle']}/mail")
    page.get_by_role("link", name="Write").click()

    expect(page.get_by_label("To", exact=True)).to_be_focused()
    page.get_by_label("To", exact=True).fill("Ada <ada at customer>")
    page.get_by_label("Subject").fill("Offer")
    page.get_by_label("Text").fill("Dear Ada,\nhere it is.")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("alert")).to_contain_text("ada at customer")
    expect(page.get_by_label("Text")).to_have_value("Dear Ada,\nhere it is.")
    page.get_by_label("To", exact=True).fill(f"Ada <{TO}>")
    page.get_by_text("Cc and Bcc").click()
    page.get_by_label("Cc", exact=True).fill("bob@customer.example")
    page.get_by_role("button", name="Send").click()

    expect(page.get_by_role("status").first).to_contain_text("On its way.")
    expect(page.get_by_role("heading", name="Offer")).to_be_visible()
    (row,) = build.call("GET", f"/mail/mailboxes/{made['email_address']}/messages")["items"]
    assert (row["to_addresses"], row["cc_addresses"]) == ([TO], ["bob@customer.example"])
    assert status_of(build, made["email_address"], row["id"]) == ("sent", None)


def test_a_held_mail_is_edited_and_approved(sign_in: SignIn, build: Builder, account: SuiteAccount) -> None:
    made = agent(build, approval_required=True)
    held = build.send(made["email_address"], TO, "Offer", "Dear Ada, it costs 1,200.")
    page = sign_in(account)
    expect(page.get_by_role("heading", name="Mail waits for approval")).to_be_visible()
    page.get_by_role("link", name="Offer").click()

    expect(page.get_by_text("Dear Ada, it costs 1,200.").first).to_be_visible()
    page.get_by_role("link", name="Edit first").click()
    page.get_by_label("Text").fill("Dear Ada, it costs 1,100.")
    page.get_by_role("button", name="Approve and send").click()

    expect(page.get_by_role("status").first).to_contain_text("Approved with your changes")
    expect(page.get_by_role("heading", name="Nothing waits")).to_be_visible()
    assert status_of(build, made["email_address"], held["id"]) == ("sent", "approved")
    sent = build.call("GET", f"/mail/mailboxes/{made['email_address']}/messages/{held['id']}")
    assert sent["body_text"] == "Dear Ada, it costs 1,100."


def test_held_mail_is_decided_with_the_keyboard(sign_in: SignIn, build: Builder, account: SuiteAccount) -> None:
    made = agent(build, approval_required=True)
    first = build.send(made["email_address"], TO, "First", "May I?")
    second = build.send(made["email_address"], TO, "Second", "And now?")
    page = sign_in(account)
    page.keyboard.press("g")
    page.keyboard.press("p")
    page.wait_for_url("**/console/approvals")

    page.get_by_role("link", name="First").focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Approve and send").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").first).to_contain_text("“First” is on its way.")
    page.get_by_role("link", name="Second").focus()
    page.keyboard.press("Enter")
    page.get_by_text("Reject", exact=True).focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("Not to customers.")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")

    expect(page.get_by_role("status").first).to_contain_text("Rejected.")
    assert status_of(build, made["email_address"], first["id"]) == ("sent", "approved")
    assert status_of(build, made["email_address"], second["id"]) == ("failed", "rejected")
    row = build.call("GET", f"/mail/mailboxes/{made['email_address']}/messages/{second['id']}")
    assert row["approval_reason"] == "Not to customers."


def test_approval_is_switched_on_for_an_agent(sign_in: SignIn, build: Builder, account: SuiteAccount) -> None:
    made = agent(build)
    page = sign_in(account)
    page.goto(f"/console/agents/{made['agent_handle']}/limits")
    page.get_by_role("button", name="Require approval").click()

    expect(page.get_by_role("status").first).to_contain_text("a person approves what this agent sends")
    expect(page.get_by_role("button", name="Send without approval")).to_be_visible()
    assert build.send(made["email_address"], TO, "Offer", "May I?")["approval_state"] == "pending"
