"""Who sees which page of the console: every page, every kind of visitor."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from console.urls import urlpatterns
from identities.enums import Role
from tests.console.pages import signed_in
from tests.console.scenes import HELD, ID, furnish
from tests.factories.identities import organization, person
from tests.factories.signup import sign_up

pytestmark = pytest.mark.django_db

NO_ROW = "00000000-0000-7000-8000-000000000000"
# Pages by name, with the method and what each kind of visitor gets: owner, admin, member, another organization.
_ALPHA: dict[str, Any] = {"handle": "alpha"}
_HOOK: dict[str, Any] = {"subscription_id": ID}
_HELD: dict[str, Any] = {"message_id": HELD}
_CONTACT: dict[str, Any] = {"contact_id": ID}
_NOTE: dict[str, Any] = {"note_id": ID}
_DOMAIN: dict[str, Any] = {"domain": "mail.scene.example"}
_CLAIM: dict[str, Any] = {"claim_id": f"OrganizationDomainClaim_{ID}"}
_READ = (200, 200, 200, 404)
_CHANGE = (302, 302, 403, 404)
_FORM = (200, 200, 403, 404)
# The first one deletes it.
_ONCE = (302, 404, 404, 404)
PAGES: dict[str, tuple[str, dict[str, Any], tuple[int, int, int, int]]] = {
    "overview": ("get", {}, (200, 200, 200, 200)),
    # Answered by the web process, which is not behind the test client.
    "live": ("get", {}, (503, 503, 503, 503)),
    "welcome": ("get", {}, (302, 302, 302, 302)),
    "switch_organization": ("post", {}, (302, 302, 302, 302)),
    "agents": ("get", {}, (200, 200, 200, 200)),
    "new_agent": ("get", {}, (200, 200, 403, 200)),
    "agent": ("get", _ALPHA, (302, 302, 302, 404)),
    "mail": ("get", _ALPHA, _READ),
    "compose": ("get", _ALPHA, (200, 200, 403, 404)),
    "thread": ("get", _ALPHA | {"thread_id": ID}, _READ),
    "change_thread": ("post", _ALPHA | {"thread_id": ID}, _CHANGE),
    "change_message": ("post", _ALPHA | {"message_id": ID}, _CHANGE),
    "message_html": ("get", _ALPHA | {"message_id": ID}, _READ),
    "message_source": ("get", _ALPHA | {"message_id": ID}, _READ),
    "attachment": ("get", _ALPHA | {"message_id": ID, "part_index": 0}, (302, 302, 302, 404)),
    "drafts": ("get", _ALPHA, _READ),
    "draft": ("get", _ALPHA | {"draft_id": ID}, _READ),
    "draft_html": ("get", _ALPHA | {"draft_id": ID}, _READ),
    "draft_file": ("get", _ALPHA | {"draft_id": ID, "part_index": 0}, _READ),
    "outbox": ("get", {}, (200, 200, 200, 200)),
    "outbox_mail": ("get", {"mail_id": ID}, _READ),
    "outbox_html": ("get", {"mail_id": ID}, _READ),
    "outbox_source": ("get", {"mail_id": ID}, _READ),
    "agent_about": ("get", _ALPHA, _READ),
    "agent_status": ("post", _ALPHA, (302, 302, 403, 404)),
    "resume_sending": ("post", _ALPHA, (302, 302, 403, 404)),
    "delete_agent": ("post", _ALPHA, (422, 422, 403, 404)),
    "agent_book": ("get", _ALPHA, _READ),
    "agent_rules": ("get", _ALPHA, _READ),
    "change_rule": ("post", _ALPHA | {"rule_id": NO_ROW}, (404, 404, 403, 404)),
    "agent_filter_modes": ("post", _ALPHA, (422, 422, 403, 404)),
    "agent_limits": ("get", _ALPHA, _READ),
    "agent_approval": ("post", _ALPHA, _CHANGE),
    "agent_keys": ("get", _ALPHA, _READ),
    "agent_webhooks": ("get", _ALPHA, _READ),
    "new_webhook": ("get", _ALPHA, (200, 200, 403, 404)),
    "rotate_signing_key": ("post", _ALPHA, _CHANGE),
    "agent_secrets": ("get", _ALPHA, _READ),
    "revoke_secret": ("post", _ALPHA | {"secret_id": ID}, (302, 404, 403, 404)),
    "vault": ("get", {}, (200, 200, 200, 200)),
    # What the page of the vault calls. There is a vault in the first organization; bodies are missing here.
    "vault_info": ("get", {}, _READ),
    "vault_initialize": ("post", {}, (415, 415, 415, 415)),
    "vault_unlock": ("get", {}, _READ),
    "vault_keys": ("get", {}, _READ),
    "vault_change_key": ("put", {}, (422, 422, 422, 422)),
    "vault_secrets": ("get", {}, _READ),
    "vault_secret": ("get", {"secret_id": ID}, _READ),
    "vault_access": ("get", {"secret_id": ID}, _READ),
    "vault_revoke": ("delete", {"secret_id": ID, "identity_id": ID}, (404, 404, 403, 404)),
    "vault_delete": ("delete", {}, (204, 404, 403, 404)),
    "webhooks": ("get", {}, (200, 200, 200, 200)),
    "deliveries": ("get", {}, (200, 200, 200, 200)),
    "delivery": ("get", {"delivery_id": ID}, _READ),
    "replay_delivery": ("post", {"delivery_id": ID}, _CHANGE),
    "webhook": ("get", _HOOK, _READ),
    "edit_webhook": ("get", _HOOK, _FORM),
    "delete_webhook": ("post", _HOOK, _ONCE),
    "test_webhook": ("post", _HOOK, _CHANGE),
    "redeliver": ("post", _HOOK, _CHANGE),
    "domains": ("get", {}, (200, 200, 200, 200)),
    "choose_default_domain": ("post", {}, (404, 404, 403, 404)),
    "domain": ("get", _DOMAIN, _READ),
    # Nothing is checked while a deletion waits, so DNS is not asked.
    "check_domain": ("post", _DOMAIN, (302, 302, 403, 404)),
    "rotate_domain": ("post", _DOMAIN, _CHANGE),
    "delete_domain": ("post", _DOMAIN, _CHANGE),
    "restore_domain": ("post", _DOMAIN, _CHANGE),
    "organization_domains": ("get", {}, (200, 200, 200, 200)),
    "organization_domain": ("get", _CLAIM, _READ),
    # Somebody looks at the claim of the scene already, so DNS is not asked.
    "verify_organization_domain": ("post", _CLAIM, _CHANGE),
    "release_organization_domain": ("post", _CLAIM, _CHANGE),
    "organization_domain_agents": ("post", _CLAIM, _CHANGE),
    "contacts": ("get", {}, (200, 200, 200, 200)),
    "new_contact": ("get", {}, (200, 200, 403, 200)),
    "import_contacts": ("get", {}, (200, 200, 403, 200)),
    "merge_contacts": ("get", {}, (200, 200, 403, 200)),
    "change_contacts": ("post", {}, (302, 302, 403, 302)),
    "contact": ("get", _CONTACT, _READ),
    "edit_contact": ("get", _CONTACT, _FORM),
    "contact_mail": ("get", _CONTACT, _READ),
    "contact_card": ("get", _CONTACT, _READ),
    "contact_access": ("post", _CONTACT, _CHANGE),
    "confirm_contact": ("post", _CONTACT, _CHANGE),
    "delete_contact": ("post", _CONTACT, _ONCE),
    "add_fact": ("post", _CONTACT, (422, 422, 403, 404)),
    "change_fact": ("post", _CONTACT | {"fact_id": ID}, _CHANGE),
    "notes": ("get", {}, (200, 200, 200, 200)),
    "new_note": ("get", {}, (200, 200, 403, 200)),
    "note": ("get", _NOTE, _READ),
    "edit_note": ("get", _NOTE, _FORM),
    "note_access": ("post", _NOTE, _CHANGE),
    "delete_note": ("post", _NOTE, _ONCE),
    "keys": ("get", {}, (200, 200, 200, 200)),
    "revoke_key": ("post", {"key_id": NO_ROW}, (404, 404, 404, 404)),
    "approvals": ("get", {}, (200, 200, 200, 200)),
    "approval": ("get", _HELD, _READ),
    "edit_approval": ("get", _HELD, (200, 200, 403, 404)),
    # The first one decides, and the second one hears of it.
    "reject_approval": ("post", _HELD, _CHANGE),
    "claims": ("get", {}, (200, 200, 200, 200)),
    "team": ("get", {}, (200, 200, 200, 200)),
    "leave_organization": ("post", {}, (302, 302, 302, 302)),
    "member": ("post", {"user_id": "user_x"}, (302, 302, 302, 302)),
    "revoke_invitation": ("post", {"invitation_id": "00000000-0000-7000-8000-000000000000"}, (404, 404, 403, 404)),
    "settings": ("get", {}, (200, 200, 200, 200)),
    "delete_organization": ("get", {}, (200, 403, 403, 200)),
    "audit": ("get", {}, (200, 200, 200, 200)),
    "decide_claim": ("post", {"identity_id": NO_ROW}, (302, 302, 302, 302)),
}
# Documents of strangers and downloads: they have policies of their own, in test_mail_parts.py and
# test_contact_files.py.
OWN_POLICY = {
    *("message_html", "message_source", "draft_html", "draft_file", "outbox_html", "outbox_source"),
    "contact_card",
}


def test_the_table_is_complete() -> None:
    # The link of an invitation is for people who are no members yet (test_team.py).
    assert {pattern.name for pattern in urlpatterns} == set(PAGES) | {"invitation"}


@pytest.mark.parametrize("name", PAGES)
def test_pages(name: str) -> None:
    method, values, expected = PAGES[name]
    acme, other = organization(), organization()
    furnish(acme)
    path = reverse(f"console:{name}", kwargs=values)

    visitors = [
        signed_in(acme, Role.OWNER),
        signed_in(acme, Role.ADMIN),
        signed_in(acme, Role.MEMBER),
        signed_in(other, Role.OWNER),
    ]
    assert tuple(getattr(client, method)(path).status_code for client in visitors) == expected
    stranger = getattr(Client(), method)(path)
    assert stranger.status_code == 302
    assert stranger.headers["Location"].startswith("/accounts/login/")
    homeless = getattr(signed_in(user=person()), method)(path)
    if name not in ("welcome", "switch_organization"):
        assert homeless.headers["Location"] == reverse("console:welcome")


@pytest.mark.parametrize("name", [name for name, page in PAGES.items() if page[0] == "get" and name not in OWN_POLICY])
def test_pages_are_neither_cached_nor_framed_nor_scripted_by_others(name: str) -> None:
    acme = organization()
    furnish(acme)

    response = signed_in(acme).get(reverse(f"console:{name}", kwargs=PAGES[name][1]))

    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    if name == "vault":
        # Argon2id is WebAssembly.
        policy = policy.replace("'wasm-unsafe-eval'", "")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    if response.status_code == 200:
        assert response.headers["Cache-Control"] == "no-store"


def test_a_form_of_another_site_changes_nothing(settings: Any) -> None:
    settings.SIGNUPS_PER_IP_PER_HOUR = 0
    acme = organization()
    user = person(acme)
    made = sign_up(user.email)
    client = Client(enforce_csrf_checks=True)
    client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")

    response = client.post(reverse("console:decide_claim", args=[made.row.identity_id]), {"decision": "approve"})

    assert response.status_code == 403
    made.row.refresh_from_db()
    assert made.row.state == "pending"
