"""People and organizations: inviting, joining, switching, deleting."""

from __future__ import annotations

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import NewContext, SignIn
from tests.browser.people import CODE, PASSWORD, Post, register
from tests.browser.world import Builder
from tests.clients.live_server import LiveServer
from tests.clients.testing_routes import SuiteAccount, http_client

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

LINK = r"(https?://\S+/console/invitations/\S+)"


@pytest.fixture
def post(server: LiveServer, account: SuiteAccount) -> Post:
    return Post(Builder(server, account))


def invite(page: Page, email: str) -> None:
    page.goto("/console/team")
    page.get_by_label("Email address").fill(email)
    page.get_by_role("button", name="Invite", exact=True).click()
    expect(page.get_by_role("status").first).to_contain_text(email)


def test_somebody_new_is_invited_registers_and_joins(
    sign_in: SignIn, context: BrowserContext, new_context: NewContext, account: SuiteAccount, post: Post
) -> None:
    owner = sign_in(account)
    email = post.new_address("guest")
    invite(owner, email)

    guest = new_context(viewport=owner.viewport_size).new_page()
    guest.goto(post.find(email, LINK))
    guest.get_by_role("link", name="Register").click()
    guest.get_by_label("Email").fill(email)
    guest.get_by_label("Password", exact=True).fill(PASSWORD)
    guest.get_by_label("Password (again)").fill(PASSWORD)
    guest.get_by_role("button", name="Sign Up").click()
    guest.get_by_label("Code").fill(post.find(email, CODE))
    guest.get_by_role("button", name="Confirm").click()
    guest.get_by_role("button", name="Join").click()

    expect(guest.get_by_role("status").first).to_contain_text("Welcome to")
    owner.goto("/console/team")
    row = owner.locator("li").filter(has_text=email)
    expect(row.get_by_label("Role of")).to_have_value("member")
    guest.goto("/console/agents/new")
    expect(guest.get_by_role("button", name="Create agent")).to_have_count(0)


def test_a_member_of_two_organizations_switches_between_them(
    sign_in: SignIn, context: BrowserContext, new_context: NewContext, server: LiveServer, account: SuiteAccount
) -> None:
    build = Builder(server, account)
    post = Post(build)
    build.call("POST", "/identities", {"agent_handle": f"ours-{account.org_id[-8:]}", "display_name": "Ours"})
    owner = sign_in(account)
    person_context = new_context(viewport=owner.viewport_size)
    person = register(person_context, post, organization="Mine")
    invite(owner, person.email)

    page = person_context.new_page()
    page.goto(post.find(person.email, LINK))
    page.get_by_role("button", name="Join").click()
    expect(page.get_by_role("status").first).to_contain_text("Welcome to")
    page.goto("/console/agents")
    expect(page.get_by_role("link", name="Ours", exact=True)).to_be_visible()
    open_organizations(page)
    page.get_by_role("button", name="Mine", exact=True).click()

    expect(page.get_by_role("heading", name="No agents yet")).to_be_visible()
    page.goto("/console/agents")
    expect(page.get_by_role("link", name="Ours", exact=True)).to_have_count(0)


def test_an_organization_is_deleted_by_typing_its_name(
    sign_in: SignIn, server: LiveServer, account: SuiteAccount
) -> None:
    page = sign_in(account)
    page.goto("/console/settings")
    name = page.get_by_label("Name of the organization").input_value()
    page.get_by_role("link", name="Delete").click()
    page.get_by_label("Name of the organization").fill("Something else")
    page.get_by_role("button", name="Delete everything").click()
    expect(page.get_by_role("alert")).to_contain_text("Type the name")
    with http_client(server, **{"X-API-Key": account.api_key or ""}) as client:
        assert client.get("/api/v1/whoami").status_code == 200
        page.get_by_label("Name of the organization").fill(name)
        page.get_by_role("button", name="Delete everything").click()

        page.wait_for_url("**/console/welcome")
        expect(page.get_by_text("is deleted with everything in it")).to_be_visible()
        assert client.get("/api/v1/whoami").status_code == 401


def open_organizations(page: Page) -> None:
    """Unfold the menu with the organizations, which narrow windows keep behind another one."""
    if page.locator("[data-menu]").is_visible():
        page.locator("[data-menu]").click()
    page.locator("details.menu summary").click()


def test_a_domain_is_claimed_its_record_copied_and_given_up(
    sign_in: SignIn, context: BrowserContext, account: SuiteAccount
) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = sign_in(account)
    page.goto("/console/domains")
    page.get_by_role("link", name="Organization", exact=True).click()
    page.get_by_text("Claim a domain", exact=True).click()
    page.get_by_role("textbox", name="Domain").fill("acme.example")
    page.get_by_role("button", name="Claim", exact=True).click()

    copy = page.get_by_role("button", name="Copy the value")
    copy.dblclick()
    expect(page.locator("#announcer")).to_have_text("Copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    # It says so for a moment, and then again what it does.
    expect(copy).to_be_visible()
    expect(copy.locator(".visually-hidden")).to_have_text("the value")
    assert copied == page.locator("#record-value").text_content()
    assert copied.startswith("inkbox-domain-verification=")

    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Release domain").click()
    expect(page.get_by_role("status").first).to_contain_text("acme.example is released")
    expect(page.get_by_role("heading", name="Prove that a domain is yours")).to_be_visible()
