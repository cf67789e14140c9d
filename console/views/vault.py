"""The vault. What is in it, only the script of the page can read, and only after somebody typed the passphrase."""

from __future__ import annotations

from typing import Any

from csp.decorators import csp_update
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from console.limits import VAULT_IDLE_SECONDS
from console.principals import console_page
from console.selectors import list_agent_names
from vault.selectors import find_vault
from vault.services.reading import read_info


# Argon2id is WebAssembly. It runs in a worker with a policy of its own (inkbox_site/static_headers.py), but some
# browsers ask that of the page.
@require_safe
@csp_update({"script-src": ["'wasm-unsafe-eval'"]})
@console_page
def vault(request: Any) -> HttpResponse:
    """All states of the vault; the script chooses."""
    principal = request.viewer.principal
    context = {
        "info": read_info(principal) if find_vault(principal) is not None else None,
        "agents": list_agent_names(principal),
        "api_root": reverse("console:vault_delete"),
        "idle_seconds": VAULT_IDLE_SECONDS,
    }
    return render(request, "console/vault.html", context)
