"""Forms of one button and one agent: which agents see a contact, see a note, or show a domain."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib import messages

from common.errors import DomainError
from identities.errors import IdentityNotFound
from identities.models import AgentIdentity
from identities.selectors import get_identity


@dataclass(frozen=True, slots=True)
class AgentChange:
    """What a button does with the agent that was chosen, and what is said when it is done: `{agent}` is its handle."""

    act: Callable[[AgentIdentity], object]
    said: str


def change_agent(request: Any, changes: Mapping[str, AgentChange], unchosen: str) -> None:
    """Do what the form asks for, by the name of its button, and say what came of it; `unchosen` when that is none."""
    change = changes.get(request.POST.get("do", ""))
    if change is None:
        messages.error(request, unchosen)
        return
    try:
        identity = get_identity(request.viewer.principal, request.POST.get("agent", ""))
        change.act(identity)
    except IdentityNotFound:
        messages.error(request, "Choose one of your agents.")
    except DomainError as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, change.said.format(agent=f"@{identity.agent_handle}"))
