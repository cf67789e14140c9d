"""Ways in: the first sign-in, registration, a forgotten password, second factors, passkeys."""

from __future__ import annotations

import time
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import VIEWPORTS, NewContext, SignIn
from tests.browser.people import CODE, PASSWORD, Person, Post, fill_sign_in, register
from tests.browser.world import Builder
from tests.clients.live_server import LiveServer
from tests.clients.testing_routes import SuiteAccount

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


@pytest.fixture
def post(server: LiveServer, account: SuiteAccount) -> Post:
    return Post(Builder(server, account))


def test_the_password_that_bootstrap_printed_opens_the_console(context: BrowserContext, server: LiveServer) -> None:
    page = context.new_page()
    page.goto("/")
    page.wait_for_url("**/accounts/login/**")
    page.get_by_label("Email").fill(server.bootstrap.email)
    page.get_by_label("Password").fill(server.bootstrap.password)
    page.get_by_role("button", name="Sign In", exact=True).click()

    page.wait_for_url("**/console/")
    expect(page.locator("#side")).to_contain_text("Acme")


def test_a_wrong_password_is_refused(context: BrowserContext, account: SuiteAccount) -> None:
    page = context.new_page()
    fill_sign_in(page, account.email_address, "not the password")

    expect(page.get_by_text("not correct")).to_be_visible()


def test_somebody_registers_and_founds_an_organization(context: BrowserContext, post: Post) -> None:
    email = post.new_address("new")
    page = context.new_page()
    page.goto("/accounts/login/")
    page.get_by_role("link", name="sign up").click()
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Password (again)").fill(PASSWORD)
    page.get_by_role("button", name="Sign Up").click()

    page.get_by_label("Code").fill("WRONG1")
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_text("Incorrect code")).to_be_visible()
    page.get_by_label("Code").fill(post.find(email, CODE))
    page.get_by_role("button", name="Confirm").click()
    page.get_by_label("Name of the organization").fill("Fresh Inc")
    page.get_by_role("button", name="Found the organization").click()

    expect(page.get_by_role("status").first).to_contain_text("Fresh Inc is ready")
    expect(page.get_by_role("heading", name="No agents yet")).to_be_visible()


def test_a_forgotten_password_is_replaced_by_the_link_of_a_mail(
    context: BrowserContext, new_context: NewContext, post: Post
) -> None:
    person = register(new_context(), post)
    page = context.new_page()
    page.goto("/accounts/login/")
    page.get_by_role("link", name="Forgot your password?").click()
    page.get_by_label("Email").fill(person.email)
    page.get_by_role("button", name="Reset My Password").click()
    expect(page.get_by_text("We have sent you an email")).to_be_visible()

    link = post.find(person.email, r"(https?://\S+/accounts/password/reset/key/\S+)")
    page.goto(link)
    page.get_by_label("New Password", exact=True).fill(PASSWORD + " new")
    page.get_by_label("New Password (again)").fill(PASSWORD + " new")
    page.get_by_role("button", name="Change Password").click()
    expect(page.get_by_text("Your password is now changed")).to_be_visible()

    fill_sign_in(page, person.email, person.password)
    expect(page.get_by_text("not correct")).to_be_visible()
    fill_sign_in(page, person.email, PASSWORD + " new")
    page.wait_for_url("**/console/welcome")
    context.clear_cookies()
    page.goto(link)
    expect(page.get_by_text("The password reset link was invalid")).to_be_visible()


def test_a_second_factor_is_set_up_and_asked_for(
    sign_in: SignIn, context: BrowserContext, account: SuiteAccount
) -> None:
    page = sign_in(account)
    page.goto("/accounts/2fa/")
    page.get_by_role("link", name="Activate").click()
    confirm_password(page, account)
    secret = page.locator("#authenticator_secret").input_value()
    page.get_by_label("Authenticator code").fill(totp(secret))
    page.get_by_role("button", name="Activate").click()
    recovery = page.get_by_label("Unused codes").input_value().split()
    assert len(recovery) == 10

    context.clear_cookies()
    fill_sign_in(page, account.email_address, account.password)
    page.get_by_label("Code").fill("000000")
    page.get_by_role("button", name="Sign In", exact=True).click()
    expect(page.get_by_text("Incorrect code")).to_be_visible()
    page.get_by_label("Code").fill(totp(secret))
    page.get_by_role("button", name="Sign In", exact=True).click()
    page.wait_for_url("**/console/")

    context.clear_cookies()
    fill_sign_in(page, account.email_address, account.password)
    page.get_by_label("Code").fill(recovery[0])
    page.get_by_role("button", name="Sign In", exact=True).click()
    page.wait_for_url("**/console/")

    # Each recovery code works once.
    context.clear_cookies()
    fill_sign_in(page, account.email_address, account.password)
    page.get_by_label("Code").fill(recovery[0])
    page.get_by_role("button", name="Sign In", exact=True).click()
    expect(page.get_by_text("Incorrect code")).to_be_visible()


@pytest.mark.parametrize("size", VIEWPORTS)
def test_a_passkey_replaces_the_password(
    new_context: NewContext, server: LiveServer, account: SuiteAccount, size: str
) -> None:
    # Passkeys belong to names; addresses have none.
    context = new_context(viewport=VIEWPORTS[size], base_url=server.base_url.replace("127.0.0.1", "localhost"))
    page = context.new_page()
    authenticator(context, page)
    fill_sign_in(page, account.email_address, account.password)
    page.wait_for_url("**/console/")
    page.goto("/accounts/2fa/")
    page.get_by_role("link", name="Add").click()
    confirm_password(page, account)
    page.get_by_label("Name").fill("My phone")
    page.get_by_label("Passwordless").check()
    page.get_by_role("button", name="Add").click()
    page.wait_for_url("**/accounts/2fa/recovery-codes/")
    page.goto("/accounts/2fa/webauthn/")
    expect(page.get_by_text("My phone")).to_be_visible()

    context.clear_cookies()
    page.goto("/accounts/login/")
    page.get_by_role("button", name="Sign in with a passkey").click()

    page.wait_for_url("**/console/")


def authenticator(context: BrowserContext, page: Page) -> Any:
    """A device with a finger on it, in the browser."""
    devices = context.new_cdp_session(page)
    devices.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    return devices.send("WebAuthn.addVirtualAuthenticator", {"options": options})


def confirm_password(page: Page, account: SuiteAccount | Person) -> None:
    """Where a change of the account asks for the password once more."""
    expect(page.get_by_role("heading").first).to_be_visible()
    if page.url.find("/reauthenticate") >= 0:
        page.get_by_label("Password").fill(account.password)
        page.get_by_role("button").filter(has_text="Confirm").click()


def totp(secret: str) -> str:
    """The code of this moment, with enough time left to type it."""
    from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value

    left = 30 - time.time() % 30
    if left < 3:
        time.sleep(left)
    return str(format_hotp_value(hotp_value(secret, int(time.time() // 30))))
