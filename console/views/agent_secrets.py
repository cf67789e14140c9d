"""Which secrets of the vault an agent may read. Names and types: nothing here is decrypted."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST

from console.principals import console_page
from console.views.agent_pages import render_agent_page
from identities.selectors import get_identity, get_managed_identity
from vault.enums import SecretType
from vault.selectors import find_vault, get_secret, list_secrets_without
from vault.services.access import grant_access, revoke_access
from vault.services.reading import read_grants

_TYPE_NAMES = {
    SecretType.LOGIN: "Login",
    SecretType.API_KEY: "API key",
    SecretType.KEY_PAIR: "Key pair",
    SecretType.SSH_KEY: "SSH key",
    SecretType.OTHER: "Other",
}


@require_http_methods(["GET", "HEAD", "POST"])
@console_page
def agent_secrets(request: Any, handle: str) -> HttpResponse:
    """What the agent may read; a POST adds one secret to it."""
    principal = request.viewer.principal
    if request.method == "POST":
        identity = get_managed_identity(principal, handle)
        secret = get_secret(principal, request.POST.get("secret_id", ""))
        grant_access(principal, secret, identity.pk)
        messages.success(request, f"@{identity.agent_handle} may read “{secret.name}”.")
        return redirect("console:agent_secrets", handle)
    identity = get_identity(principal, handle)
    vault = find_vault(principal)
    grants = read_grants(principal, identity) if vault is not None else []
    context = {
        "vault": vault,
        "grants": [(rule, _TYPE_NAMES[SecretType(rule.vault_secret.secret_type)]) for rule in grants],
        "others": list_secrets_without(principal, identity) if request.viewer.manages else [],
    }
    return render_agent_page(request, identity, "console/agent_secrets.html", context)


@require_POST
@console_page
def revoke_secret(request: Any, handle: str, secret_id: UUID) -> HttpResponse:
    """End the access of the agent to one secret."""
    principal = request.viewer.principal
    identity = get_managed_identity(principal, handle)
    secret = get_secret(principal, str(secret_id))
    revoke_access(principal, secret, identity.pk)
    messages.success(request, f"@{identity.agent_handle} may no longer read “{secret.name}”.")
    return redirect("console:agent_secrets", handle)
