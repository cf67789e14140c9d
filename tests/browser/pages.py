"""Every page of the console that is looked at, by name; `{…}` are values of a World."""

from __future__ import annotations

# Pages without a sign-in.
PUBLIC = {
    "login": "/accounts/login/",
    "signup": "/accounts/signup/",
    "password_reset": "/accounts/password/reset/",
}
# Pages of the account.
ACCOUNT = {
    "account_email": "/accounts/email/",
    "account_password": "/accounts/password/change/",
    "account_second_factor": "/accounts/2fa/",
    "account_sessions": "/accounts/sessions/",
}
# Pages of the console, by the name of their route.
CONSOLE = {
    "overview": "/console/",
    "agents": "/console/agents",
    "new_agent": "/console/agents/new",
    "mail": "/console/agents/{handle}/mail",
    "compose": "/console/agents/{handle}/mail/compose",
    "thread": "/console/agents/{handle}/mail/threads/{thread}",
    "drafts": "/console/agents/{handle}/drafts",
    "draft": "/console/agents/{handle}/drafts/{draft}",
    "agent_about": "/console/agents/{handle}/about",
    "agent_book": "/console/agents/{handle}/book",
    "agent_rules": "/console/agents/{handle}/rules",
    "agent_limits": "/console/agents/{handle}/limits",
    "agent_keys": "/console/agents/{handle}/keys",
    "agent_secrets": "/console/agents/{handle}/secrets",
    "agent_webhooks": "/console/agents/{handle}/webhooks",
    "new_webhook": "/console/agents/{handle}/webhooks/new",
    "contacts": "/console/contacts",
    "new_contact": "/console/contacts/new",
    "import_contacts": "/console/contacts/import",
    "merge_contacts": "/console/contacts/merge?contact={contact}&contact={duplicate}",
    "contact": "/console/contacts/{contact}",
    "edit_contact": "/console/contacts/{contact}/edit",
    "contact_mail": "/console/contacts/{contact}/mail",
    "notes": "/console/notes",
    "new_note": "/console/notes/new",
    "note": "/console/notes/{note}",
    "edit_note": "/console/notes/{note}/edit",
    "outbox": "/console/outbox",
    "outbox_mail": "/console/outbox/{outbox_mail}",
    "webhooks": "/console/webhooks",
    "deliveries": "/console/webhooks/deliveries",
    "delivery": "/console/webhooks/deliveries/{delivery}",
    "webhook": "/console/webhooks/{webhook}",
    "edit_webhook": "/console/webhooks/{webhook}/edit",
    "vault": "/console/vault",
    "keys": "/console/keys",
    "approvals": "/console/approvals",
    "approval": "/console/approvals/{held}",
    "edit_approval": "/console/approvals/{held}/edit",
    "claims": "/console/claims",
    "domains": "/console/domains",
    "domain": "/console/domains/{domain}",
    "organization_domains": "/console/organization-domains",
    "organization_domain": "/console/organization-domains/{claim}",
    "team": "/console/team",
    "settings": "/console/settings",
    "delete_organization": "/console/settings/delete",
    "audit": "/console/audit",
}
# Pages of operators in Django admin; the organization is that of the bootstrap.
OPERATOR = {
    "admin": "/admin/",
    "admin_usage": "/admin/operations/organizations",
    "admin_queues": "/admin/operations/queues",
    "admin_find": "/admin/operations/find?q={handle}",
    "admin_organization": "/admin/identities/organization/{organization}/change/",
    "admin_suspension": "/admin/identities/organization/{organization}/suspension/",
}
# Redirects, downloads, documents in frames, what is only posted to, and pages that a person passes through once.
NOT_LOOKED_AT = {
    "add_fact",
    "agent",
    "agent_approval",
    "agent_filter_modes",
    "agent_status",
    "attachment",
    "change_contacts",
    "change_fact",
    "change_message",
    "change_rule",
    "change_thread",
    "check_domain",
    "choose_default_domain",
    "confirm_contact",
    "contact_access",
    "contact_card",
    "decide_claim",
    "delete_agent",
    "delete_contact",
    "delete_domain",
    "delete_note",
    "delete_webhook",
    "draft_file",
    "draft_html",
    "invitation",
    "leave_organization",
    "live",
    "member",
    "message_html",
    "message_source",
    "note_access",
    "organization_domain_agents",
    "outbox_html",
    "outbox_source",
    "redeliver",
    "reject_approval",
    "release_organization_domain",
    "replay_delivery",
    "restore_domain",
    "resume_sending",
    "revoke_invitation",
    "revoke_key",
    "revoke_secret",
    "rotate_domain",
    "rotate_signing_key",
    "switch_organization",
    "test_webhook",
    "vault_access",
    "vault_change_key",
    "vault_delete",
    "vault_info",
    "vault_initialize",
    "vault_keys",
    "vault_revoke",
    "vault_secret",
    "vault_secrets",
    "vault_unlock",
    "verify_organization_domain",
    "welcome",
}


def paths_of(values: dict[str, str]) -> dict[str, str]:
    """Pages that exist in a world with these values."""
    return {
        name: path.format(**values)
        for name, path in (CONSOLE | ACCOUNT).items()
        if all(value in values for value in _fields(path))
    }


def _fields(path: str) -> list[str]:
    return [part.partition("}")[0] for part in path.split("{")[1:]]
