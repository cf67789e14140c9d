"""What is changed on the page of a contact: who sees it, what is known of it, whether it stays."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from common.errors import DomainError
from console.agent_choice import AgentChange, change_agent
from console.contact_forms import FactForm
from console.principals import console_page
from console.views.contacts import contact_page
from contacts.contact_selectors import get_contact
from contacts.content import ContactFields
from contacts.enums import ReviewStatus
from contacts.facts import get_fact
from contacts.models import Contact
from contacts.services.access import grant_access, revoke_access
from contacts.services.contacts import delete_contact, update_contact
from contacts.services.facts import FactChanges, NewFact, create_fact, delete_fact, update_fact
from identities.errors import RoleTooLow


@require_POST
@console_page
def change_access(request: Any, contact_id: UUID) -> HttpResponse:
    """Show the contact to an agent or to all, or hide it from one."""
    principal = request.viewer.principal
    contact = _managed(request, contact_id)
    if request.POST.get("do") == "open":
        try:
            grant_access(principal, contact, None)
        except DomainError as refusal:
            messages.error(request, refusal.message)
        else:
            messages.success(request, "Every agent sees this contact.")
    else:
        changes = {
            "show": AgentChange(lambda one: grant_access(principal, contact, one.pk), "{agent} sees this contact."),
            "hide": AgentChange(
                lambda one: revoke_access(principal, contact, one.pk), "{agent} does not see this contact any more."
            ),
        }
        change_agent(request, changes, "Choose who sees the contact.")
    return redirect("console:contact", contact.pk)


@require_POST
@console_page
def add_fact(request: Any, contact_id: UUID) -> HttpResponse:
    """Write down something that is known."""
    contact = _managed(request, contact_id)
    form = FactForm(request.POST)
    if form.is_valid():
        try:
            create_fact(
                request.viewer.principal, contact, NewFact(form.cleaned_data["content"], form.cleaned_data["kind"])
            )
        except DomainError as refusal:
            form.refuse(refusal)
        else:
            messages.success(request, "Agents that see the contact know it now.")
            return redirect("console:contact", contact.pk)
    return contact_page(request, contact, form, status=422)


@require_POST
@console_page
def change_fact(request: Any, contact_id: UUID, fact_id: UUID) -> HttpResponse:
    """Reword or delete a fact."""
    principal = request.viewer.principal
    contact = _managed(request, contact_id)
    fact = get_fact(principal, contact, str(fact_id))
    if request.POST.get("do") == "delete":
        delete_fact(principal, fact)
        messages.success(request, "The fact is forgotten.")
        return redirect("console:contact", contact.pk)
    form = FactForm(request.POST)
    if form.is_valid():
        try:
            update_fact(principal, fact, FactChanges(**form.cleaned_data))
        except DomainError as refusal:
            messages.error(request, refusal.message)
        else:
            messages.success(request, "Saved.")
    else:
        messages.error(request, " ".join(str(error) for errors in form.errors.values() for error in errors))
    return redirect("console:contact", contact.pk)


@require_POST
@console_page
def confirm_contact(request: Any, contact_id: UUID) -> HttpResponse:
    """Say that a contact that was made automatically is right."""
    contact = _managed(request, contact_id)
    update_contact(request.viewer.principal, contact, ContactFields(review_status=ReviewStatus.CONFIRMED.value))
    messages.success(request, f"{contact.preferred_name} is confirmed.")
    return redirect("console:contact", contact.pk)


@require_POST
@console_page
def remove_contact(request: Any, contact_id: UUID) -> HttpResponse:
    """Delete a contact with everything that is known of it."""
    contact = _managed(request, contact_id)
    delete_contact(request.viewer.principal, contact)
    messages.success(request, f"{contact.preferred_name} is deleted.")
    return redirect("console:contacts")


def _managed(request: Any, contact_id: UUID) -> Contact:
    """The contact, for somebody who may change it. Raises RoleTooLow, ContactNotFound."""
    contact = get_contact(request.viewer.principal, contact_id)
    if not request.viewer.manages:
        raise RoleTooLow
    return contact
