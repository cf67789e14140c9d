"""Agents, their keys, their mail and their webhooks, as a person handles them in the browser."""

from __future__ import annotations

import json
import secrets
import smtplib
from email.message import EmailMessage
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Route, expect

from tests.browser.conftest import SignIn
from tests.browser.world import Builder
from tests.clients.live_server import LiveServer, WebhookReceiver
from tests.clients.testing_routes import SuiteAccount, http_client

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

PIXEL = (
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00"
    b"\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"
)
HOSTILE = """<p id="hello">Good morning</p><img src="https://tracker.example/pixel.gif" width="9" height="9">
<script>document.title = "owned"; parent.document.title = "owned"</script>
<a id="link" href="javascript:parent.document.title='owned'">Click</a>
<form action="https://tracker.example/steal"><input name="password"><button>Go</button></form>"""


def test_an_agent_is_created_and_its_snippets_work(sign_in: SignIn, server: LiveServer, account: SuiteAccount) -> None:
    handle = f"made-{secrets.token_hex(4)}"
    page = sign_in(account)
    page.get_by_role("link", name="New agent").click()
    page.get_by_label("Handle").fill(handle)
    page.get_by_role("button", name="Create agent").click()

    expect(page.locator("#first-mail")).to_contain_text(f"{server.base_url}/api/v1/mail/mailboxes/{handle}@")
    page.get_by_role("link", name="Keys", exact=True).click()
    expect(page.locator("#key-snippet")).to_contain_text(f'base_url="{server.base_url}"')
    expect(page.locator("#key-snippet")).to_contain_text(f'get_identity("{handle}")')


def test_a_key_is_shown_once_works_and_is_revoked(sign_in: SignIn, server: LiveServer, account: SuiteAccount) -> None:
    page = sign_in(account)
    page.goto("/console/keys")
    page.get_by_text("New admin key").click()
    page.get_by_label("Label").fill("Deployment")
    page.get_by_role("button", name="Make admin key").click()
    key = page.locator("#once-secret").inner_text()

    with http_client(server, **{"X-API-Key": key}) as client:
        assert client.get("/api/v1/whoami").json()["organization_id"] == account.org_id
        page.reload()
        expect(page.locator("b", has_text="Deployment")).to_be_visible()
        assert key not in page.content()

        page.on("dialog", lambda dialog: dialog.accept())
        page.get_by_role("button", name="Revoke Deployment").click()
        expect(page.get_by_role("status").first).to_contain_text("revoked")
        assert client.get("/api/v1/whoami").status_code == 401


def test_a_paused_agent_sends_nothing(sign_in: SignIn, server: LiveServer, account: SuiteAccount) -> None:
    build = Builder(server, account)
    made = build.call("POST", "/identities", {"agent_handle": f"quiet-{secrets.token_hex(4)}"})
    page = sign_in(account)
    page.goto(f"/console/agents/{made['agent_handle']}/about")
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("status").first).to_contain_text("Paused")

    mail = {"recipients": {"to": ["ada@customer.example"]}, "subject": "Hello", "body_text": "Hi."}
    path = f"/api/v1/mail/mailboxes/{made['email_address']}/messages"
    with http_client(server, **{"X-API-Key": account.api_key or ""}) as client:
        refused = client.post(path, json=mail)
        assert refused.status_code in (403, 409), refused.text
        assert "paused" in refused.text
        assert client.get(path).json()["items"] == []

        page.get_by_role("button", name="Resume").click()
        expect(page.get_by_role("button", name="Pause")).to_be_visible()
        assert client.post(path, json=mail).status_code == 201


def test_a_delivery_is_replayed(sign_in: SignIn, server: LiveServer, account: SuiteAccount) -> None:
    build = Builder(server, account)
    made = build.call("POST", "/identities", {"agent_handle": f"hooked-{secrets.token_hex(4)}"})
    with WebhookReceiver() as receiver:
        hook = {"agent_identity_id": made["id"], "url": receiver.url(), "event_types": ["message.sent"]}
        build.call("POST", "/webhooks/subscriptions", hook)
        build.send(made["email_address"], made["email_address"], "To myself", "Hi.")
        (first,) = receiver.wait_for(1, 30)

        page = sign_in(account)
        page.goto("/console/webhooks/deliveries")
        page.get_by_role("link", name="message.sent").first.click()
        page.get_by_role("button", name="Replay").click()

        second = receiver.wait_for(2, 30)[1]
        expect(page.get_by_text("replay", exact=True).first).to_be_visible()
    assert json.loads(second.body)["id"] == json.loads(first.body)["id"]


def test_html_mail_runs_nothing_and_loads_images_when_asked(
    sign_in: SignIn, context: BrowserContext, server: LiveServer, account: SuiteAccount
) -> None:
    build = Builder(server, account)
    made = build.call("POST", "/identities", {"agent_handle": f"reader-{secrets.token_hex(4)}"})
    subject = f"Offer {secrets.token_hex(4)}"
    deliver(server, made["email_address"], subject)
    asked: list[str] = []

    def answer(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(body=PIXEL, content_type="image/gif")

    context.route("https://tracker.example/**", answer)
    page = sign_in(account)
    folder = thread_folder(build, made["email_address"])
    page.goto(f"/console/agents/{made['agent_handle']}/mail?folder={folder}")
    page.get_by_role("link", name=subject).click()
    frame = page.frame_locator("iframe")
    expect(frame.get_by_text("Good morning")).to_be_visible()
    assert "allow-scripts" not in (page.locator("iframe").get_attribute("sandbox") or "allow-scripts")
    assert "allow-same-origin" not in (page.locator("iframe").get_attribute("sandbox") or "")
    expect(frame.locator("script, form, input, [href^='javascript:']")).to_have_count(0)
    assert asked == []

    with page.expect_response("https://tracker.example/pixel.gif"):
        page.get_by_role("link", name="Load them for this message").click()
    expect(page.get_by_text("Images of other servers are shown")).to_be_visible()
    assert "owned" not in page.title()

    page.get_by_role("link", name="Hide them").click()
    expect(page.get_by_text("Images of other servers are not loaded")).to_be_visible()
    expect(frame.get_by_text("Good morning")).to_be_visible()
    assert set(asked) == {"https://tracker.example/pixel.gif"}
    assert len(asked) == 1


def deliver(server: LiveServer, to: str, subject: str) -> None:
    """Mail from another server."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "shop@elsewhere.example", to, subject
    mail["Message-ID"] = f"<{secrets.token_hex(8)}@elsewhere.example>"
    mail.set_content("Good morning")
    mail.add_alternative(HOSTILE, subtype="html")
    with smtplib.SMTP(*server.smtp_address, timeout=30) as door:
        door.send_message(mail)


def thread_folder(build: Builder, address: str) -> Any:
    """Where the only thread of a mailbox is; mail of strangers may be taken for spam."""
    for folder in ("inbox", "spam"):
        if build.call("GET", f"/mail/mailboxes/{address}/threads?folder={folder}")["items"]:
            return folder
    raise AssertionError("no thread")
