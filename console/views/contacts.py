"""Contacts: the list, one of them, and the form that makes and changes them."""

from __future__ import annotations

from datetime import date
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from common.errors import DomainError
from console.contact_forms import ContactForm, FactForm
from console.contact_selectors import (
    ContactQuery,
    agent_choices,
    contact_lines,
    fact_lines,
    find_audience,
    parse_ids,
    search_contacts,
)
from console.paging import PAGE_ROWS, paginate
from console.principals import console_page
from console.views.contact_files import download_cards
from contacts import limits
from contacts.contact_selectors import get_contact, get_contacts
from contacts.models import Contact
from contacts.services.contacts import create_contact, update_contact
from contacts.services.merging import delete_contacts
from identities.errors import RoleTooLow
from identities.selectors import get_identity


@require_safe
@console_page
def contact_list(request: Any) -> HttpResponse:
    """The address book of the organization, or what one of its agents sees of it."""
    principal = request.viewer.principal
    wanted = ContactQuery.from_query(request.GET)
    identity = get_identity(principal, wanted.agent) if wanted.agent else None
    page = paginate(request, search_contacts(principal, wanted, identity))
    context = {
        "wanted": wanted,
        "identity": identity,
        "agents": agent_choices(principal),
        "lines": contact_lines(page.rows),
        "page": page,
        "back": request.GET.urlencode(),
        "merge_max": limits.MERGE_LOSERS_MAX + 1,
    }
    return render(request, "console/contacts.html", context)


@require_POST
@console_page
def change_contacts(request: Any) -> HttpResponse:
    """Export, merge or delete the contacts that are ticked."""
    principal = request.viewer.principal
    action = request.POST.get("do", "")
    if action != "export" and not request.viewer.manages:
        raise RoleTooLow
    ids = parse_ids(request.POST.getlist("contact"), PAGE_ROWS)
    back = f"{reverse('console:contacts')}?{QueryDict(request.POST.get('back', '')).urlencode()}".rstrip("?")
    if not ids:
        messages.error(request, "Tick the contacts first.")
    elif action == "export":
        return download_cards(principal, get_contacts(principal, ids), "contacts.vcf")
    elif action == "merge":
        return redirect(f"{reverse('console:merge_contacts')}?{urlencode({'contact': ids}, doseq=True)}")
    elif action == "delete":
        gone = sum(was_there for _, was_there in delete_contacts(principal, ids))
        messages.success(request, f"{gone} contact{'' if gone == 1 else 's'} deleted.")
    else:
        messages.error(request, "Choose what to do with the contacts.")
    return redirect(back)


@require_http_methods(["GET", "HEAD", "POST"])
@console_page
def new_contact(request: Any) -> HttpResponse:
    """A contact by hand."""
    if not request.viewer.manages:
        raise RoleTooLow
    if request.method != "POST":
        return _form_page(request, ContactForm.blank(), None)
    form = ContactForm.from_post(request.POST)
    if form.change_rows(request.POST):
        return _form_page(request, form, None)
    if form.is_valid():
        try:
            contact = create_contact(request.viewer.principal, form.fields())
        except DomainError as refusal:
            form.refuse(refusal)
        else:
            messages.success(request, f"{contact.preferred_name} is in the address book. Every agent sees it.")
            return redirect("console:contact", contact.pk)
    return _form_page(request, form, None, status=422)


@require_http_methods(["GET", "HEAD", "POST"])
@console_page
def edit_contact(request: Any, contact_id: UUID) -> HttpResponse:
    """Change a contact; says when somebody else was faster."""
    if not request.viewer.manages:
        raise RoleTooLow
    principal = request.viewer.principal
    contact = get_contact(principal, contact_id)
    if request.method != "POST":
        return _form_page(request, ContactForm.of(contact), contact)
    form = ContactForm.from_post(request.POST)
    if form.change_rows(request.POST):
        return _form_page(request, form, contact)
    if form.is_valid() and not form.is_stale(contact):
        try:
            update_contact(principal, contact, form.changes(contact))
        except DomainError as refusal:
            form.refuse(refusal)
        else:
            messages.success(request, "Saved.")
            return redirect("console:contact", contact.pk)
    return _form_page(request, form, contact, status=422)


@require_safe
@console_page
def contact(request: Any, contact_id: UUID) -> HttpResponse:
    """One contact with who sees it and what is known of it."""
    return contact_page(request, get_contact(request.viewer.principal, contact_id))


def contact_page(
    request: Any, contact: Contact, fact_form: FactForm | None = None, *, status: int = 200
) -> HttpResponse:
    """The page of a contact, with a form for a new fact that may have been refused."""
    principal = request.viewer.principal
    context = {
        "contact": contact,
        "dates": [(item["label"], date.fromisoformat(item["date"])) for item in contact.dates],
        "maker": contact.created_by_identity,
        "audience": find_audience(principal, contact),
        "facts": fact_lines(principal, contact),
        "facts_max": limits.FACTS_TOTAL_MAX,
        "fact_form": fact_form or FactForm(),
    }
    return render(request, "console/contact.html", context, status=status)


def _form_page(request: Any, form: ContactForm, contact: Contact | None, *, status: int = 200) -> HttpResponse:
    return render(request, "console/contact_edit.html", {"form": form, "contact": contact}, status=status)
