"""The page of the vault, beside the published client. Its envelope is in test_vault_envelope.py."""

from __future__ import annotations

import json
import secrets
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect

from tests.browser.conftest import VIEWPORTS
from tests.browser.test_accessibility import AXE
from tests.browser.world import PASSPHRASE, SECRETS, Builder
from tests.clients.environments import NEWEST
from tests.clients.live_server import LiveServer
from tests.clients.runner import run_client
from tests.clients.test_vault_plaintext import forms
from tests.clients.testing_routes import SuiteAccount

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

SignIn = Callable[[SuiteAccount], Page]
WORD = "".join(secrets.choice(string.ascii_letters) for _ in range(16))
# Deriving a key takes seconds on a busy machine, five of them take longer.
DERIVE_MS = 90_000
TOTP_ADDRESS = "otpauth://totp/Bank:ann?secret=JBSWY3DPEHPK3PXP&issuer=Bank"


@dataclass
class Traffic:
    """Everything that pages have sent: addresses, headers, bodies."""

    sent: bytearray = field(default_factory=bytearray)

    def listen(self, request: Request) -> None:
        self.sent += request.url.encode() + json.dumps(request.headers).encode() + (request.post_data_buffer or b"")


@pytest.fixture
def traffic(context: BrowserContext) -> Traffic:
    made = Traffic()
    context.on("request", made.listen)
    return made


def unlock(page: Page, typed: str) -> None:
    page.get_by_label("Passphrase or recovery code", exact=True).fill(typed)
    page.get_by_role("button", name="Unlock").click()


def opened(page: Page) -> None:
    expect(page.get_by_role("heading", name="Secrets", exact=True)).to_be_visible(timeout=DERIVE_MS)


@pytest.fixture(params=[("desktop", False)])
def context(request: pytest.FixtureRequest, browser: Browser, server: LiveServer) -> Iterator[BrowserContext]:
    """As in conftest.py, and a clipboard. Tests that are about width ask for the phone as well."""
    size, examined = request.param
    made = browser.new_context(
        viewport=VIEWPORTS[size],  # type: ignore[arg-type]
        base_url=server.base_url,
        permissions=["clipboard-read", "clipboard-write"],
        # Ours allows no script but its own; the examiner of accessibility is one more.
        bypass_csp=examined,
    )
    complaints: list[str] = []
    made.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
    made.on("weberror", lambda error: complaints.append(str(error.error)))
    yield made
    made.close()
    assert [line for line in complaints if "status of 4" not in line] == []


def test_what_the_page_stores_the_client_reads_and_the_reverse(
    sign_in: SignIn, server: LiveServer, account: SuiteAccount, traffic: Traffic
) -> None:
    passphrase = f"Passphrase 1 {WORD}"
    page = sign_in(account)
    page.goto("/console/vault")
    page.locator("#setup-new").fill(passphrase)
    page.locator("#setup-again").fill(passphrase)
    page.get_by_role("button", name="Set up the vault").click()
    expect(page.get_by_role("heading", name="Keep these recovery codes")).to_be_visible(timeout=DERIVE_MS)
    codes = page.locator("#vault-codes li").all_text_contents()
    page.get_by_label("I have kept the recovery codes.").check()
    page.get_by_role("button", name="Open the vault").click()
    expect(page.get_by_role("heading", name="No secrets yet")).to_be_visible()
    expected: dict[str, dict[str, Any]] = {
        "login": {"password": f"pass-{WORD}", "username": f"user-{WORD}", "notes": f"line\nnote-{WORD}"},
        "api_key": {"api_key": f"key-{WORD}", "endpoint": f"https://{WORD}.example"},
        "key_pair": {"access_key": f"access-{WORD}", "secret_key": f"secret-{WORD}"},
        "ssh_key": {"private_key": f"-----BEGIN-----\n{WORD}\n", "passphrase": f"of-key-{WORD}"},
        "other": {"data": f"data äöü {WORD}"},
    }
    for kind, members in expected.items():
        page.get_by_role("link", name="New secret").click()
        page.locator("#secret-type").select_option(kind)
        page.locator("#secret-name").fill(f"a {kind}")
        for name, value in members.items():
            page.locator(f"#field-{name}").fill(value)
        if kind == "login":
            page.locator("#field-totp").fill(TOTP_ADDRESS)
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("heading", name=f"a {kind}")).to_be_visible()
    store = [f"stored by {WORD}", f"client-{WORD}", TOTP_ADDRESS]
    inputs = {"base_url": server.base_url, "api_key": account.api_key}

    found = run_client(NEWEST, "vault_console", **inputs, vault_key=passphrase, store=store)
    by_code = run_client(NEWEST, "vault_console", **inputs, vault_key=codes[3], store=None)

    totp = found["read"]["a login"].pop("totp")
    assert (totp["secret"], totp["issuer"], totp["account_name"]) == ("JBSWY3DPEHPK3PXP", "Bank", "ann")
    assert found["read"] == {f"a {kind}": members for kind, members in expected.items()}
    assert found["types"] == {f"a {kind}": kind for kind in expected}
    assert set(by_code["read"]) == {*found["read"], store[0]}
    # The reverse: the page reads what the client has stored.
    page.reload()
    unlock(page, passphrase)
    page.get_by_role("link", name="Secrets", exact=True).click(timeout=DERIVE_MS)
    page.get_by_role("link", name=store[0]).click()
    expect(page.get_by_text("One-time code of Bank, ann")).to_be_visible()
    expect(page.get_by_text(store[1])).to_have_count(0)
    page.get_by_role("button", name="Reveal Password").click()
    expect(page.get_by_text(store[1])).to_be_visible()
    # Nothing that is secret was in any request; the search finds what was: a name, and the ids of requests.
    sent = bytes(traffic.sent)
    assert b"a ssh_key" in sent
    assert b"encrypted_payload" in sent
    assert b"auth_hash" in sent
    hidden = [passphrase, *codes, "JBSWY3DPEHPK3PXP", store[1], "-----BEGIN-----"]
    hidden += [value for members in expected.values() for value in members.values()]
    hidden += [f"{start}{WORD}" for start in ("pass-", "user-", "note-", "key-", "access-", "secret-", "of-key-")]
    assert [text for text in hidden if any(form in sent for form in forms(text.encode()))] == []
    # Nor is any of it kept by the browser.
    kept = page.evaluate("JSON.stringify([{ ...localStorage }, { ...sessionStorage }])").encode()
    assert b"/console/vault" in kept
    assert [text for text in hidden if any(form in kept for form in forms(text.encode()))] == []
    assert page.evaluate("indexedDB.databases().then((all) => all.length)") == 0


@pytest.fixture
def filled(server: LiveServer, account: SuiteAccount) -> SuiteAccount:
    """A vault with a secret of every type and one agent, which may read the first."""
    build = Builder(server, account)
    agent = build.call("POST", "/identities", {"agent_handle": f"reader-{secrets.token_hex(4)}"})
    build.call("POST", "/identities", {"agent_handle": f"second-{secrets.token_hex(4)}"})
    first = SECRETS[0][0]
    build.fill_vault([(name, kind, payload, [agent["id"]] if name == first else []) for name, kind, payload in SECRETS])
    return account


def test_secrets_are_found_changed_and_deleted(sign_in: SignIn, filled: SuiteAccount) -> None:
    page = sign_in(filled)
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto("/console/vault")
    unlock(page, "not it")
    expect(page.get_by_role("alert")).to_contain_text("neither the passphrase", timeout=DERIVE_MS)
    unlock(page, PASSPHRASE)
    opened(page)

    page.get_by_label("Search secrets").fill("sto")
    expect(page.locator("#list-rows li")).to_have_count(1)
    expect(page.locator("#list-count")).to_have_text("1 of 5")
    page.get_by_label("Search secrets").fill("no such thing")
    page.get_by_role("button", name="Show all").click()
    page.get_by_label("Type", exact=True).first.select_option("api_key")
    expect(page.locator("#list-rows a")).to_have_text(["Payments"])
    page.get_by_role("link", name="Payments").click()
    page.get_by_role("button", name="Copy API key").click()
    expect(page.locator("#vault-notice")).to_contain_text("cleared from the clipboard in 30 seconds")
    assert page.evaluate("navigator.clipboard.readText()") == "sk-live-1234"
    page.get_by_role("link", name="Edit").click()
    page.locator("#secret-name").fill("Payments 2")
    page.locator("#field-api_key").fill("sk-live-5678")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="Payments 2")).to_be_visible()
    page.get_by_role("button", name="Reveal API key").click()
    expect(page.get_by_text("sk-live-5678")).to_be_visible()
    page.get_by_role("button", name="Delete", exact=True).click()
    opened(page)

    expect(page.locator("#vault-notice")).to_have_text("“Payments 2” is deleted.")
    page.get_by_label("Type", exact=True).first.select_option("")
    expect(page.locator("#list-rows li")).to_have_count(4)


def test_access_is_given_and_ended(sign_in: SignIn, server: LiveServer, filled: SuiteAccount) -> None:
    build = Builder(server, filled)

    def readers() -> list[list[str]]:
        agents = {row["id"]: row["agent_handle"][:6] for row in build.call("GET", "/identities")}
        rows = {row["name"]: row["access"] for row in build.call("GET", "/vault/secrets")}
        return [[agents[rule["identity_id"]] for rule in rows[name]] for name in ("Bank", "Storage")]

    page = sign_in(filled)
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto("/console/vault")
    unlock(page, PASSPHRASE)
    opened(page)
    page.get_by_role("link", name="Storage").click()
    expect(page.get_by_text("No agent may read it yet.")).to_be_visible()
    page.get_by_role("button", name="Let it read").click()
    expect(page.get_by_role("button", name="End access of @reader-")).to_be_visible()
    assert readers() == [["reader"], ["reader"]]
    page.get_by_role("link", name="Secrets", exact=True).click()
    page.get_by_role("link", name="Bank").click()
    page.get_by_role("button", name="End access of @reader-").click()
    expect(page.get_by_text("No agent may read it yet.")).to_be_visible()

    assert readers() == [[], ["reader"]]


def test_a_change_by_somebody_else_is_not_overwritten(
    sign_in: SignIn, server: LiveServer, filled: SuiteAccount
) -> None:
    build = Builder(server, filled)
    page = sign_in(filled)
    page.goto("/console/vault")
    unlock(page, PASSPHRASE)
    page.get_by_role("link", name="Door code").click(timeout=DERIVE_MS)
    page.get_by_role("link", name="Edit").click()
    page.locator("#secret-name").fill("Mine")
    secret = next(row for row in build.call("GET", "/vault/secrets") if row["name"] == "Door code")
    build.call("PATCH", f"/vault/secrets/{secret['id']}", {"name": "Theirs"})

    page.get_by_role("button", name="Save").click()

    expect(page.get_by_role("alert")).to_contain_text("changed meanwhile")
    assert build.call("GET", f"/vault/secrets/{secret['id']}")["name"] == "Theirs"


def test_the_passphrase_is_changed_with_a_recovery_code(
    sign_in: SignIn, server: LiveServer, filled: SuiteAccount, traffic: Traffic
) -> None:
    code, new = "2345-6789-ABCD-EFGH-JKMN-PQRS-TUVW-XYZ2", f"Another passphrase 2 {WORD}"
    page = sign_in(filled)
    page.goto("/console/vault")
    # In another spelling than it was shown in.
    unlock(page, code.lower().replace("-", " "))
    opened(page)
    expect(page.locator("#vault-notice")).to_contain_text("Opened with a recovery code")
    page.get_by_role("link", name="Manage the vault").click()
    expect(page.locator("#key-counts")).to_have_text("There are 4 unused recovery codes.")
    page.locator("#change-current").fill(code)
    page.locator("#change-new").fill(new)
    page.locator("#change-again").fill(f"{new}x")
    page.get_by_role("button", name="Change the passphrase").click()
    expect(page.get_by_role("alert")).to_contain_text("not the same")
    page.locator("#change-again").fill(new)
    page.get_by_role("button", name="Change the passphrase").click()
    expect(page.locator("#vault-notice")).to_contain_text("The recovery code is used up.", timeout=DERIVE_MS)
    expect(page.locator("#key-counts")).to_have_text("There are 3 unused recovery codes.")
    page.get_by_role("button", name="Lock").click()
    unlock(page, PASSPHRASE)
    expect(page.get_by_role("alert")).to_contain_text("neither the passphrase", timeout=DERIVE_MS)

    inputs = {"base_url": server.base_url, "api_key": filled.api_key, "vault_key": new, "store": None}
    assert run_client(NEWEST, "vault_console", **inputs)["read"]["Door code"] == {"data": "4417"}
    sent = bytes(traffic.sent)
    assert not any(form in sent for text in (new, code) for form in forms(text.encode()))


def test_it_locks_by_button_and_by_itself(sign_in: SignIn, filled: SuiteAccount) -> None:
    page = sign_in(filled)
    page.clock.install()
    page.goto("/console/vault")
    unlock(page, PASSPHRASE)
    page.clock.run_for(2000)
    page.get_by_role("link", name="Bank").click(timeout=DERIVE_MS)
    page.get_by_role("button", name="Reveal Password").click()
    expect(page.get_by_text("correct horse battery")).to_be_visible()
    page.clock.fast_forward(245_000)
    expect(page.locator("#vault-notice")).to_contain_text("locks in a minute")
    page.keyboard.press("Shift")
    expect(page.locator("#vault-notice")).to_be_hidden()
    page.clock.fast_forward(299_000)
    expect(page.get_by_text("correct horse battery")).to_be_visible()
    page.clock.fast_forward(2_000)

    expect(page.get_by_role("heading", name="The vault is locked")).to_be_focused()
    expect(page.locator("#vault-notice")).to_contain_text("Locked after 5 minutes without use.")
    assert "correct horse battery" not in page.content()
    assert "acme-billing" not in page.content()
    # Where one was is where one comes back to.
    unlock(page, PASSPHRASE)
    expect(page.get_by_role("heading", name="Bank")).to_be_visible(timeout=DERIVE_MS)
    page.get_by_role("button", name="Lock").click()
    expect(page.get_by_role("heading", name="The vault is locked")).to_be_visible()
    assert "Door code" not in page.content()


def test_a_page_of_somebody_who_signed_out_closes(sign_in: SignIn, filled: SuiteAccount) -> None:
    page = sign_in(filled)
    page.goto("/console/vault")
    unlock(page, PASSPHRASE)
    opened(page)
    page.context.clear_cookies()
    page.get_by_role("link", name="Bank").click()

    expect(page.locator("#vault-notice")).to_contain_text("You are signed out.")
    expect(page.get_by_role("heading", name="The vault is locked")).to_be_visible()
    assert "Door code" not in page.content()


def test_the_vault_is_deleted_by_typing_the_name(sign_in: SignIn, server: LiveServer, filled: SuiteAccount) -> None:
    page = sign_in(filled)
    page.goto("/console/vault#key")
    unlock(page, PASSPHRASE)
    expect(page.get_by_role("heading", name="Delete the vault")).to_be_visible(timeout=DERIVE_MS)
    page.locator("#delete-name").fill("something else")
    page.get_by_role("button", name="Delete the vault").click()
    expect(page.get_by_role("alert")).to_contain_text("Type ")
    name = page.locator("#vault").get_attribute("data-organization") or ""
    page.locator("#delete-name").fill(name)
    page.get_by_role("button", name="Delete the vault").click()

    expect(page.get_by_role("heading", name="Set up the vault")).to_be_visible()


def test_without_https_the_page_says_what_is_missing(sign_in: SignIn, account: SuiteAccount) -> None:
    page = sign_in(account)
    page.add_init_script("Object.defineProperty(window, 'isSecureContext', { value: false })")
    page.goto("/console/vault")

    expect(page.get_by_role("heading", name="This connection is not secure")).to_be_visible()
    expect(page.locator("#setup-new")).to_be_hidden()


@pytest.mark.parametrize("context", [(size, True) for size in VIEWPORTS], indirect=True)
def test_every_state_is_accessible_and_fits(sign_in: SignIn, filled: SuiteAccount, context: BrowserContext) -> None:
    page = sign_in(filled)
    found: list[str] = []

    def look(state: str) -> None:
        for theme in ("light", "dark"):
            page.evaluate("(theme) => { document.documentElement.dataset.theme = theme; }", theme)
            page.evaluate(AXE)
            report = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
            serious = [row["id"] for row in report["violations"] if row["impact"] in ("serious", "critical")]
            wide = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
            found.extend(f"{state} {theme}: {problem}" for problem in [*serious, *(["too wide"] if wide else [])])

    page.goto("/console/vault")
    # The keyboard is enough.
    page.get_by_label("Passphrase or recovery code", exact=True).focus()
    page.keyboard.type(PASSPHRASE)
    look("locked")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Secrets", exact=True)).to_be_focused(timeout=DERIVE_MS)
    look("list")
    page.get_by_role("link", name="Bank").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Bank")).to_be_focused()
    page.get_by_role("button", name="Reveal Password").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("correct horse battery")).to_be_visible()
    look("detail")
    page.get_by_role("link", name="Edit").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Edit Bank")).to_be_focused()
    look("edit")
    for place in ("new", "key"):
        page.evaluate("(place) => { location.hash = place; }", place)
        expect(page.locator(f"[data-view={'form' if place == 'new' else place}]")).to_be_visible()
        look(place)
    page.evaluate(
        """() => {
          for (const view of document.querySelectorAll("[data-view]")) view.hidden = view.dataset.view !== "codes";
          const code = "<li>2345-6789-ABCD-EFGH-JKMN-PQRS-TUVW-XYZ2</li>";
          document.getElementById("vault-codes").innerHTML = code.repeat(4);
        }"""
    )
    look("codes")
    assert found == []
