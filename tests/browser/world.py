"""Organizations to look at: one without anything, one as usual, one with too much of everything."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import uuid4

import httpx

from tests.clients.live_server import LiveServer
from tests.clients.testing_routes import SuiteAccount, create_account, http_client
from tests.factories.vault_envelope import derive_master_key, encrypt, hash_of

T = TypeVar("T")
# Adds a record to the name server that the server asks: name, type, value.
Publish = Callable[[str, str, str], None]
PATIENCE_SECONDS = 30
LONG_NAME = "An agent with a remarkably long display name that goes on and on until it fits nowhere any more " * 2
LONG_WORD = "https://example.org/" + "averyveryverylongpathwithoutanyplacetobreakit" * 6
LONG_DOMAIN = f"{'customer-' * 6}name.example"
# Rows of lists that need no more to be long.
MANY = 15
PASSPHRASE = "Four words, 1 Passphrase"
SECRETS: list[tuple[str, str, dict[str, Any]]] = [
    (
        "Bank",
        "login",
        {
            "password": "correct horse battery",
            "username": "acme-billing",
            "url": "https://bank.example",
            "totp": {"secret": "JBSWY3DPEHPK3PXP", "issuer": "Bank", "account_name": "acme"},
            "notes": "Ask Ada before\nchanging it.",
        },
    ),
    ("Payments", "api_key", {"api_key": "sk-live-1234", "endpoint": "https://api.example"}),
    ("Storage", "key_pair", {"access_key": "AKIA1234", "secret_key": "shhh"}),
    ("Deploy", "ssh_key", {"private_key": "-----BEGIN KEY-----\nabc\n-----END KEY-----", "fingerprint": "SHA256:x"}),
    ("Door code", "other", {"data": "4417"}),
]


@dataclass
class World:
    """An organization with its owner, the values that the paths of its pages need, and what opens its vault, if any."""

    name: str
    account: SuiteAccount
    values: dict[str, str] = field(default_factory=dict)
    passphrase: str | None = None


class Builder:
    """Fills an organization through the API."""

    def __init__(self, server: LiveServer, account: SuiteAccount) -> None:
        self._server = server
        self.account = account

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """One call; raises for anything but success."""
        with http_client(self._server, **{"X-API-Key": self.account.api_key or ""}) as client:
            return self._check(client.request(method, f"/api/v1{path}", json=body))

    def sign_up(self, name: str, note: str) -> Any:
        """An agent that names the owner as its human."""
        body = {"human_email": self.account.email_address, "display_name": name, "note_to_human": note}
        with http_client(self._server) as client:
            return self._check(client.post("/api/v1/agent-signup", json=body))

    def fill_vault(self, secrets: list[tuple[str, str, dict[str, Any], list[str]]]) -> None:
        """A vault that opens with PASSPHRASE; each secret has a name, a type, its payload and who may read it."""
        org_key = os.urandom(32)
        passphrases = [PASSPHRASE, *(f"{number}345-6789-ABCD-EFGH-JKMN-PQRS-TUVW-XYZ2" for number in range(2, 6))]
        keys = []
        for number, passphrase in enumerate(passphrases):
            master, key_id = derive_master_key(passphrase, self.account.org_id), str(uuid4())
            wrapped = encrypt(master, org_key, key_id)
            kind = "recovery" if number else "primary"
            keys.append(
                {
                    "id": key_id,
                    "wrapped_org_encryption_key": wrapped,
                    "auth_hash": hash_of(master),
                    "key_type": kind,
                }
            )
        self.call("POST", "/vault/initialize", {"vault_key": keys[0], "recovery_keys": keys[1:]})
        for name, kind, payload, readers in secrets:
            secret_id = str(uuid4())
            blob = encrypt(org_key, json.dumps(payload).encode(), secret_id)
            body = {"id": secret_id, "name": name, "secret_type": kind, "encrypted_payload": blob}
            self.call("POST", "/vault/secrets", {**body, "description": f"Where {name[:100]} is used"})
            for identity_id in readers:
                self.call("POST", f"/vault/secrets/{secret_id}/access", {"identity_id": identity_id})

    def send(self, sender: str, to: str, subject: str, text: str, **fields: Any) -> Any:
        """A message from one address to another."""
        body = {"recipients": {"to": [to]}, "subject": subject, "body_text": text, **fields}
        return self.call("POST", f"/mail/mailboxes/{sender}/messages", body)

    def answer(self, sender: str, to: str, subject: str, text: str, **fields: Any) -> Any:
        """A message that answers the newest that `sender` got; waits until there is one that it has not answered."""
        path = f"/mail/mailboxes/{sender}/messages?direction=inbound&limit=1&is_read=false"
        newest = _wait_for(lambda: self.call("GET", path)["items"])[0]
        self.call("PATCH", f"/mail/mailboxes/{sender}/messages/{newest['id']}", {"is_read": True})
        return self.send(sender, to, subject, text, in_reply_to_message_id=newest["id"], **fields)

    def find_outbox_mail(self) -> str:
        """The id of the newest mail in the outbox, which only the console shows; waits until there is one."""
        with self._console() as client:
            pattern = r"/console/outbox/([0-9a-f-]{36})"
            return str(_wait_for(lambda: re.findall(pattern, client.get("/console/outbox").text))[0])

    def submit(self, path: str, forms: list[dict[str, str]]) -> None:
        """Forms of one page, for what only the console makes."""
        with self._console() as client:
            for form in forms:
                answer = client.post(path, data=form)
                assert answer.status_code == httpx.codes.FOUND, answer.text

    @contextmanager
    def _console(self) -> Iterator[httpx.Client]:
        """The owner, signed in."""
        sign_in = "/accounts/login/"
        with http_client(self._server) as client:
            token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', client.get(sign_in).text)
            assert token is not None
            who = {"login": self.account.email_address, "password": self.account.password}
            client.post(sign_in, data={**who, "csrfmiddlewaretoken": token[1]})
            client.headers["X-CSRFToken"] = client.cookies["csrftoken"]
            yield client

    @staticmethod
    def _check(response: httpx.Response) -> Any:
        assert response.is_success, f"{response.request.method} {response.request.url}: {response.text}"
        return response.json() if response.content else None


def _wait_for(read: Callable[[], list[T]]) -> list[T]:
    """What workers bring about soon."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if found := read():
            return found
        time.sleep(0.1)
    raise AssertionError(f"nothing came within {PATIENCE_SECONDS} s")


def empty_world(server: LiveServer) -> World:
    """Nothing at all."""
    return World("empty", create_account(server))


def normal_world(server: LiveServer, suffix: str, publish: Publish | None = None) -> World:
    """Two agents that write to each other, and one that waits. With `publish`, domains are further than registered."""
    account = create_account(server)
    build = Builder(server, account)
    billing = build.call("POST", "/identities", {"agent_handle": f"billing-{suffix}", "display_name": "Billing Bot"})
    scout = build.call("POST", "/identities", {"agent_handle": f"scout-{suffix}", "display_name": "Scout"})
    sent = build.send(
        billing["email_address"],
        scout["email_address"],
        "Invoice 4417",
        "Hi, the total looks off by 20. Could you check?\n\nBilling Bot\n",
        body_html="<p>Hi, the total looks off by <b>20</b>. Could you check?</p><p>Billing Bot</p>",
    )
    draft = build.call(
        "POST",
        f"/mail/mailboxes/{billing['email_address']}/drafts",
        {"recipients": {"to": [scout["email_address"]]}, "subject": "Not sent yet", "body_text": "Half a sentence"},
    )
    hook = {"agent_identity_id": billing["id"], "url": "http://127.0.0.1:9/hook", "event_types": ["message.received"]}
    webhook = build.call("POST", "/webhooks/subscriptions", hook)
    both = billing["email_address"], scout["email_address"]
    subject = "Re: Invoice 4417"
    build.answer(both[1], both[0], subject, "You are right, I will send a new one.\n\nScout\n")
    build.answer(both[0], both[1], subject, "Thank you. Please date it to this month.\n\nBilling Bot\n")
    new = {"filename": "invoice-4417b.txt", "content_type": "text/plain", "content_base64": "NDQxN2I="}
    build.answer(both[1], both[0], subject, "Here it is, over 1,180 now.\n\nScout\n", attachments=[new])
    build.send(
        billing["email_address"],
        "ada@customer.example",
        "Your invoice",
        "Dear Ada,\n\nplease find your invoice attached.\n\nBilling Bot\n",
        body_html="<p>Dear Ada,</p><p>please find your invoice attached.</p><p>Billing Bot</p>",
        attachments=[{"filename": "invoice.txt", "content_type": "text/plain", "content_base64": "NDQxNw=="}],
    )
    log = f"/webhooks/deliveries?subscription_id={webhook['id']}"
    delivery = _wait_for(lambda: build.call("GET", log)["deliveries"])[0]
    build.call("PATCH", f"/mail/mailboxes/{scout['email_address']}", {"approval_required": True})
    held = [
        build.send(
            scout["email_address"],
            to,
            subject,
            text,
            body_html=f"<p>{text}</p>",
            attachments=[{"filename": "offer.txt", "content_type": "text/plain", "content_base64": "MTIwMA=="}],
        )
        for to, subject, text in (
            ("ada@customer.example", "Our offer", "Dear Ada, we would build the shed for 1,200. Start in May?"),
            ("grace@supplier.example", "Order 88", "Dear Grace, please send us forty planks of larch."),
        )
    ]
    build.fill_vault([(name, kind, payload, [billing["id"]]) for name, kind, payload in SECRETS])
    book = fill_book(build, billing["id"], scout["id"])
    domains = claim_domains(build, suffix, billing["agent_handle"], publish)
    build.sign_up("Research", "Hello, I am the research agent you started this morning.\nPlease approve me.")
    return World(
        "normal",
        account,
        {
            "handle": billing["agent_handle"],
            "thread": sent["thread_id"],
            "draft": draft["id"],
            "webhook": webhook["id"],
            "delivery": delivery["id"],
            "outbox_mail": build.find_outbox_mail(),
            "held": held[0]["id"],
            **book,
            **domains,
        },
        PASSPHRASE,
    )


def overfull_world(server: LiveServer, suffix: str) -> World:
    """Many agents with long names, long subjects, words that do not break."""
    account = create_account(server)
    build = Builder(server, account)
    first = build.call(
        "POST",
        "/identities",
        {"agent_handle": f"{'long-' * 10}{suffix}", "display_name": LONG_NAME, "description": f"{LONG_WORD} " * 5},
    )
    for number in range(35):
        build.call(
            "POST",
            "/identities",
            {"agent_handle": f"many-{number}-{suffix}", "display_name": f"{LONG_NAME[:80]} {number}"},
        )
    # Little ones as well, so that the list is long in both directions.
    overlong = {"password": LONG_WORD, "username": LONG_WORD, "notes": f"{LONG_WORD}\n" * 20}
    build.fill_vault(
        [(f"{number} {LONG_NAME}"[:255], "login", overlong, [first["id"]]) for number in range(3)]
        + [(f"{number} {kind}", kind, payload, []) for number in range(6) for _, kind, payload in SECRETS]
    )
    sent = {}
    for number in range(35):
        sent = build.send(
            first["email_address"],
            f"many-{number % 5}-{suffix}@{first['email_address'].partition('@')[2]}",
            f"{number}: {LONG_NAME}{LONG_WORD}"[:900],
            f"{LONG_WORD}\n" * 20,
        )
    overfill_thread(build, first["email_address"], sent)
    hooks = overfill_webhooks(build, first)
    build.call("PATCH", f"/mail/mailboxes/{first['email_address']}", {"approval_required": True})
    held = {}
    for number in range(60):
        held = build.send(
            first["email_address"],
            f"{'long-recipient-' * 3}{number}@{LONG_DOMAIN}",
            f"Held {number}: {LONG_NAME}{LONG_WORD}"[:900],
            f"{LONG_WORD}\n" * 20,
        )
    for number in range(8):
        build.sign_up(f"{LONG_NAME[:200]} {number}", f"{LONG_WORD}\n" * 5)
    invited = [f"{'long-invitation-' * 3}{number}@{LONG_DOMAIN}" for number in range(MANY)]
    build.submit("/console/team", [{"email": email, "role": "member"} for email in invited])
    return World(
        "overfull",
        account,
        {
            "handle": first["agent_handle"],
            "thread": sent["thread_id"],
            "held": held["id"],
            "outbox_mail": build.find_outbox_mail(),
            **hooks,
            **overfill_agent(build, first),
            **overfill_book(build, first["id"]),
            **overfill_domains(build, suffix, first["agent_handle"]),
        },
        PASSPHRASE,
    )


def fill_book(build: Builder, billing_id: str, scout_id: str) -> dict[str, str]:
    """A few contacts and notes; what the pages of one of each need."""
    ada = build.call(
        "POST",
        "/contacts",
        {
            "given_name": "Ada",
            "family_name": "Lovelace",
            "company_name": "Analytical Engines",
            "job_title": "Head of purchasing",
            "birthday": "1985-12-10",
            "notes": "Calls on Thursdays.",
            "emails": [
                {"value": "ada@customer.example", "label": "work", "is_primary": True},
                {"value": "ada@home.example", "label": "home"},
            ],
            "phones": [{"value_e164": "+14155550100", "label": "mobile"}],
            "websites": [{"url": "https://engines.example/"}],
            "addresses": [{"street": "12 St James's Square", "postal": "SW1Y 4JH", "city": "London", "country": "UK"}],
            "dates": [{"label": "first order", "date": "2024-03-01"}],
            "custom_fields": [{"label": "Customer number", "value": "4417"}],
        },
    )
    for kind, content in (("profile", "Decides about orders over 10,000."), ("preference", "Wants invoices as PDF.")):
        build.call("POST", f"/contacts/{ada['id']}/facts", {"kind": kind, "content": content})
    double = build.call(
        "POST",
        "/contacts",
        {"preferred_name": "A. Lovelace", "emails": [{"value": "ada@customer.example"}], "company_name": "Engines Ltd"},
    )
    hidden = build.call("POST", "/contacts", {"preferred_name": "Charles Babbage", "job_title": "Inventor"})
    build.call("DELETE", f"/contacts/{hidden['id']}/access/{scout_id}")
    note = build.call(
        "POST", "/notes", {"title": "Prices 2026", "body": "Small: 20\nMedium: 35\nLarge: ask first\n\nNo discounts."}
    )
    build.call("POST", f"/notes/{note['id']}/access", {"identity_id": billing_id})
    build.call("POST", "/notes", {"body": "Ada asked for a second invoice in March.\nIt was sent."})
    return {"contact": ada["id"], "duplicate": double["id"], "note": note["id"]}


def claim_domains(build: Builder, suffix: str, handle: str, publish: Publish | None) -> dict[str, str]:
    """A sending domain on its way, and two domains of the organization, one of which an agent shows."""
    name = f"acme-{suffix}.example"
    sending = build.call("POST", "/domains", {"domain": f"mail.{name}"})
    claim = build.call("POST", "/organization-domains", {"domain": name})
    build.call("POST", "/organization-domains", {"domain": f"shop-{suffix}.example"})
    build.call("PUT", f"/identities/{handle}/domain-affiliation", {"domain_claim_id": claim["id"]})
    if publish is not None:
        publish(*(claim["dns_record"][key] for key in ("name", "type", "value")))
        build.call("POST", f"/organization-domains/{claim['id']}/verify")
        # Not all: what is missing is looked at as well.
        for record in sending["dns_records"][:-2]:
            publish(record["name"], record["type"], record["value"])
        build.call("POST", f"/domains/{sending['domain']}/verify")
    return {"domain": sending["domain"], "claim": claim["id"]}


def overfill_thread(build: Builder, sender: str, first: dict[str, Any]) -> None:
    """More messages than one page shows, the last of them an answer with many files."""
    to = first["to_addresses"][0]
    for number in range(24):
        subject, text = f"Re: {number}: {LONG_NAME}"[:900], f"{number}: {LONG_NAME}\n" * 3
        build.send(sender, to, subject, text, in_reply_to_message_id=first["message_id"])
    word = LONG_WORD.rpartition("/")[2]
    files = [
        {"filename": f"{number}-{word[:240]}.txt", "content_type": "text/plain", "content_base64": "NDQxNw=="}
        for number in range(8)
    ]
    build.answer(to, sender, f"Re: {LONG_NAME}", f"{LONG_WORD}\n" * 20, attachments=files)


def overfill_webhooks(build: Builder, agent: dict[str, Any]) -> dict[str, str]:
    """Webhooks with long URLs, one of which nobody answers, and mail that leaves the server, for it to hear of."""
    word = LONG_WORD.rpartition("/")[2]
    types = ["message.received", "message.sent", "message.delivered", "message.bounced", "message.failed"]
    body = {"agent_identity_id": agent["id"], "event_types": types}
    deaf = build.call("POST", "/webhooks/subscriptions", {**body, "url": f"http://127.0.0.1:9/{word * 5}"})
    for number in range(MANY):
        build.send(
            agent["email_address"],
            f"{'long-recipient-' * 3}{number}@{LONG_DOMAIN}",
            f"{number}: {LONG_NAME}{LONG_WORD}"[:900],
            f"{LONG_WORD}\n" * 20,
        )
    log = f"/webhooks/deliveries?subscription_id={deaf['id']}"
    delivery = _wait_for(lambda: build.call("GET", log)["deliveries"])[0]
    for number in range(MANY):
        build.call("POST", "/webhooks/subscriptions", {**body, "url": f"https://example.org/{number}/{word * 4}"})
    return {"webhook": deaf["id"], "delivery": delivery["id"]}


def overfill_agent(build: Builder, agent: dict[str, Any]) -> dict[str, str]:
    """Many keys of the agent and of the organization, and many contact rules and drafts of the agent."""
    draft: dict[str, Any] = {}
    keys = [
        {"label": f"{number} {LONG_NAME}"[:255], "description": f"{LONG_NAME}{LONG_WORD}"[:1000]}
        for number in range(MANY)
    ]
    build.submit("/console/keys", keys)
    for number, key in enumerate(keys):
        build.call("POST", "/api-keys", {**key, "scoped_identity_id": agent["id"]})
        target = f"{number}.{LONG_DOMAIN}"
        rule = (
            {"action": "block", "match_type": "domain", "match_target": target, "direction": "inbound"}
            if number % 2
            else {"action": "allow", "match_type": "exact_email", "match_target": f"{'long-' * 12}{number}@{target}"}
        )
        build.call("POST", f"/identities/{agent['agent_handle']}/mail-contact-rules", rule)
        written = {
            "recipients": {"to": [f"{'long-recipient-' * 3}{other}@{LONG_DOMAIN}" for other in range(number % 5 + 1)]},
            "subject": f"{number}: {LONG_NAME}{LONG_WORD}"[:900],
            "body_text": f"{LONG_WORD}\n" * 20,
        }
        draft = build.call("POST", f"/mail/mailboxes/{agent['email_address']}/drafts", written)
    return {"draft": draft["id"]}


def overfill_domains(build: Builder, suffix: str, handle: str) -> dict[str, str]:
    """Domains of both kinds with names as long as they may be."""
    tail = f"{'long-label-' * 5}x.{'another-' * 7}label.{suffix}.example"
    sending, claim = {}, {}
    for number in range(12):
        sending = build.call("POST", "/domains", {"domain": f"{number}.{tail}"})
    for number in range(40):
        claim = build.call("POST", "/organization-domains", {"domain": f"{number}.{tail}"})
    build.call("PUT", f"/identities/{handle}/domain-affiliation", {"domain_claim_id": claim["id"]})
    return {"domain": sending["domain"], "claim": claim["id"]}


def overfill_book(build: Builder, agent_id: str) -> dict[str, str]:
    """Many contacts and notes, with as much in one of each as there may be."""
    word = LONG_WORD.rpartition("/")[2]
    full = build.call(
        "POST",
        "/contacts",
        {
            "preferred_name": LONG_NAME[:255],
            "given_name": word[:128],
            "company_name": word[:255],
            "job_title": LONG_NAME[:255],
            "notes": f"{LONG_WORD}\n" * 20,
            "emails": [{"value": f"{word[:50]}{n}@{word[:60]}.example", "label": LONG_NAME[:64]} for n in range(30)],
            "phones": [{"value_e164": f"+1415555{n:04}", "label": word[:64]} for n in range(20)],
            "websites": [{"url": LONG_WORD, "label": "home"}] * 5,
            "addresses": [{"street": LONG_NAME[:200], "city": word[:200], "country": word[:200]}] * 4,
            "custom_fields": [{"label": word[:64], "value": LONG_WORD * 3}] * 5,
        },
    )
    build.call("DELETE", f"/contacts/{full['id']}/access/{agent_id}")
    for number in range(10):
        fact = {"kind": "profile", "content": f"{number} {LONG_NAME}{LONG_WORD}"[:1000]}
        build.call("POST", f"/contacts/{full['id']}/facts", fact)
    double: dict[str, Any] = {}
    note: dict[str, Any] = {}
    for number in range(60):
        fields = {"preferred_name": f"{number} {LONG_NAME}"[:255], "company_name": word[:255]}
        address = {"emails": [{"value": f"{word[:60]}@{word[:60]}{number}.example"}]}
        double = build.call("POST", "/contacts", fields | address)
        note = build.call("POST", "/notes", {"title": f"{number} {LONG_NAME}"[:255], "body": f"{LONG_WORD}\n" * 50})
    build.call("POST", f"/notes/{note['id']}/access", {"identity_id": agent_id})
    return {"contact": full["id"], "duplicate": double["id"], "note": note["id"]}
