"""What a person does in the console, at desktop and at phone width."""

from __future__ import annotations

import secrets
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import SignIn
from tests.browser.people import Post, register
from tests.browser.world import Builder
from tests.clients.live_server import LiveServer
from tests.clients.testing_routes import SuiteAccount, http_client

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


def test_the_first_sign_in_shows_the_next_step(sign_in: SignIn, server: LiveServer, account: SuiteAccount) -> None:
    page = sign_in(account)

    expect(page.get_by_role("heading", name="No agents yet")).to_be_visible()
    expect(page.locator("#signup-snippet")).to_contain_text(server.base_url)
    expect(page.locator("#signup-snippet")).to_contain_text(account.email_address)


def test_a_claim_is_approved_in_the_console(sign_in: SignIn, server: LiveServer, account: SuiteAccount) -> None:
    made = Builder(server, account).sign_up("Research", "<b>Please</b> approve me.")
    page = sign_in(account)

    expect(page.get_by_text("<b>Please</b> approve me.")).to_be_visible()
    page.get_by_role("button", name="Approve").click()

    expect(page.get_by_role("status").first).to_contain_text("belongs to")
    expect(page.get_by_role("heading", name="Research")).to_be_visible()
    with http_client(server, **{"X-API-Key": made["api_key"]}) as agent:
        assert agent.get("/api/v1/whoami").json()["auth_subtype"] == "api_key.agent_scoped.claimed"


def test_a_claim_is_approved_by_the_link_of_the_mail(context: Any, server: LiveServer, account: SuiteAccount) -> None:
    suffix = secrets.token_hex(4)
    build = Builder(server, account)
    human = build.call("POST", "/identities", {"agent_handle": f"human-{suffix}"})
    with http_client(server) as public:
        made = public.post(
            "/api/v1/agent-signup",
            json={"human_email": human["email_address"], "note_to_human": "Hello", "display_name": "Link Bot"},
        ).json()
    link = Post(build).find(human["email_address"], r"(https?://\S+/claim/\S+)")

    page = context.new_page()
    page.goto(link)
    expect(page.get_by_role("heading", name="Is this your agent?")).to_be_visible()
    page.get_by_role("button", name="Approve").click()

    expect(page.get_by_role("heading", name="Approved")).to_be_visible()
    with http_client(server, **{"X-API-Key": made["api_key"]}) as agent:
        assert agent.get("/api/v1/agent-signup/status").json()["claim_status"] == "agent_claimed"


def test_a_claim_is_made_with_the_code_of_the_mail(context: Any, server: LiveServer, account: SuiteAccount) -> None:
    post = Post(Builder(server, account))
    person = register(context, post, organization="Mine")
    handle = f"code-{secrets.token_hex(4)}"
    with http_client(server) as public:
        made = public.post(
            "/api/v1/agent-signup",
            json={"human_email": person.email, "note_to_human": "Hello", "agent_handle": handle},
        ).json()
    code = post.find(person.email, r"^\s+(\d{6})\s*$")
    page = context.new_page()
    page.goto("/console/claims")
    page.get_by_label("Handle or address of the agent").fill(handle)
    page.get_by_label("Code", exact=True).fill("000000" if code != "000000" else "111111")
    page.get_by_role("button", name="Claim", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("does not claim that agent")
    page.get_by_label("Code", exact=True).fill(code)
    page.get_by_role("button", name="Claim", exact=True).click()

    expect(page.get_by_role("status").first).to_contain_text(f"@{handle} belongs to Mine now")
    with http_client(server, **{"X-API-Key": made["api_key"]}) as agent:
        assert agent.get("/api/v1/agent-signup/status").json()["claim_status"] == "agent_claimed"


def test_an_agent_is_created_after_a_mistake(sign_in: SignIn, account: SuiteAccount) -> None:
    handle = f"made-{secrets.token_hex(4)}"
    page = sign_in(account)
    page.get_by_role("link", name="New agent").click()
    page.get_by_label("Handle").fill("no spaces")
    page.get_by_role("button", name="Create agent").click()

    expect(page.get_by_role("alert")).to_contain_text("letters a-z")
    page.get_by_label("Handle").fill(handle)
    page.get_by_role("button", name="Create agent").click()

    expect(page.get_by_text(f"@{handle}").first).to_be_visible()


def test_the_theme_is_remembered(sign_in: SignIn, account: SuiteAccount) -> None:
    page = sign_in(account)
    before = page.locator("html").get_attribute("data-theme")
    if page.locator("[data-menu]").is_visible():
        page.locator("[data-menu]").click()
    page.locator("details.menu summary").click()
    page.get_by_role("button", name="Light or dark").click()

    page.reload()

    assert page.locator("html").get_attribute("data-theme") != before


def test_what_arrives_shows_up_without_a_reload(sign_in: SignIn, server: LiveServer, account: SuiteAccount) -> None:
    suffix = secrets.token_hex(4)
    build = Builder(server, account)
    alpha = build.call("POST", "/identities", {"agent_handle": f"alpha-{suffix}"})["email_address"]
    beta = build.call("POST", "/identities", {"agent_handle": f"beta-{suffix}"})["email_address"]
    build.send(alpha, beta, "The first", "Hello")
    page = sign_in(account)
    page.goto(f"/console/agents/beta-{suffix}/mail")
    expect(page.get_by_role("link", name="The first")).to_be_visible()
    expect(page.locator("[data-live-state]")).to_be_visible()
    page.evaluate("window.isStillTheSamePage = true")
    page.get_by_role("link", name="The first").focus()

    second = build.send(alpha, beta, "The second", "Hello again")

    expect(page.get_by_role("link", name="The second")).to_be_visible()
    expect(page.locator("#announcer")).to_have_text("A new mail arrived.")
    expect(page.locator("li.arrived")).to_contain_text("The second")
    # Who was on their way through the list stays where they were.
    expect(page.get_by_role("link", name="The first")).to_be_focused()
    assert page.evaluate("window.isStillTheSamePage") is True

    # A thread that is read grows at its end; what is read is not touched.
    page.get_by_role("link", name="The second").click()
    expect(page.locator("[data-live-state]")).to_be_visible()
    expect(page.locator(".message")).to_have_count(1)
    page.locator(".message").evaluate("message => { message.isStillTheSame = true; }")
    build.send(alpha, beta, "Re: The second", "One more thing", in_reply_to_message_id=second["message_id"])
    expect(page.locator(".message")).to_have_count(2)
    expect(page.locator(".message.arrived")).to_contain_text("One more thing")
    expect(page.locator("#live-summary")).to_contain_text("2 messages")
    assert page.locator(".message").first.evaluate("message => message.isStillTheSame") is True

    page.goto("/console/")
    expect(page.locator("[data-live-state]")).to_be_visible()
    received = page.locator(".figure", has_text="received")
    expect(received.locator("b")).to_have_text("3")
    build.send(alpha, beta, "The third", "And again")
    expect(received.locator("b")).to_have_text("4")


def test_held_mail_shows_up_and_goes_without_a_reload(
    sign_in: SignIn, server: LiveServer, account: SuiteAccount
) -> None:
    build = Builder(server, account)
    alpha = build.call("POST", "/identities", {"agent_handle": f"alpha-{secrets.token_hex(4)}"})["email_address"]
    build.call("PATCH", f"/mail/mailboxes/{alpha}", {"approval_required": True})
    page = sign_in(account)
    page.goto("/console/approvals")
    expect(page.locator("[data-live-state]")).to_be_visible()
    expect(page.get_by_text("Nothing waits")).to_be_visible()
    count = page.locator("#live-count-approvals")
    other = page.context.new_page()
    other.goto("/console/")
    expect(other.locator("[data-live-state]")).to_be_visible()

    build.send(alpha, "ada@customer.example", "Our offer", "Dear Ada")

    expect(page.get_by_role("link", name="Our offer")).to_be_visible()
    expect(other.get_by_role("link", name="Our offer")).to_be_visible()
    expect(count).to_have_text("1 waiting")
    expect(page.locator("#announcer")).to_have_text("A mail waits for approval.")

    other.get_by_role("link", name="Our offer").click()
    other.get_by_role("button", name="Approve and send").click()

    expect(page.get_by_text("Nothing waits")).to_be_visible()
    expect(count).to_have_text("")


def test_movement_is_left_out_for_who_asked_for_it(browser: Any, server: LiveServer, account: SuiteAccount) -> None:
    context = browser.new_context(base_url=server.base_url, reduced_motion="reduce")
    page = context.new_page()
    page.goto("/accounts/login/")

    page.evaluate("document.body.classList.add('arrived')")

    assert page.evaluate("getComputedStyle(document.body).animationName") == "none"
    context.close()
