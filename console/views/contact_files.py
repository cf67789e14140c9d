"""Contacts as files: vCards in and out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_http_methods, require_safe

from common.errors import DomainError
from common.principal import Principal
from console.contact_forms import ImportForm
from console.principals import console_page
from contacts import limits
from contacts.contact_selectors import get_contact
from contacts.describing import describe_contacts
from contacts.errors import ImportTooLarge
from contacts.models import Contact
from contacts.services.vcards import CardResult, import_cards
from contacts.vcards.writing import VCARD_TYPE, write_cards
from identities.errors import RoleTooLow


@dataclass(frozen=True, slots=True)
class CardLine:
    """What became of a card, and the contact that was in its way."""

    result: CardResult
    conflicting: Contact | None

    @property
    def number(self) -> int:
        """The place of the card in the file, from 1."""
        return self.result.index + 1


@require_http_methods(["GET", "HEAD", "POST"])
@console_page
def import_contacts(request: Any) -> HttpResponse:
    """Store the cards of a file and tell what became of each. Doing it twice stores nothing twice."""
    if not request.viewer.manages:
        raise RoleTooLow
    principal = request.viewer.principal
    form = ImportForm(request.POST, request.FILES) if request.method == "POST" else ImportForm()
    if form.is_valid():
        file = form.cleaned_data["file"]
        try:
            if file.size > limits.IMPORT_MAX_BYTES:
                raise ImportTooLarge(limits.IMPORT_MAX_BYTES)
            results = import_cards(principal, file.read())
        except DomainError as refusal:
            form.add_error("file", refusal.message)
        else:
            return render(request, "console/contacts_imported.html", _outcome(principal, file.name, results))
    return render(request, "console/contacts_import.html", {"form": form}, status=422 if form.errors else 200)


@require_safe
@console_page
def contact_card(request: Any, contact_id: UUID) -> HttpResponse:
    """One contact as a file."""
    row = get_contact(request.viewer.principal, contact_id)
    return download_cards(request.viewer.principal, [row], f"{row.preferred_name}.vcf")


def download_cards(principal: Principal, contacts: Sequence[Contact], filename: str) -> HttpResponse:
    """A file of vCards, always as a download."""
    cards = write_cards(describe_contacts(principal, contacts))
    response = HttpResponse(cards.encode(), content_type=VCARD_TYPE)
    response.headers["Content-Disposition"] = content_disposition_header(as_attachment=True, filename=filename) or ""
    response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    return response


def _outcome(principal: Principal, filename: str, results: Sequence[CardResult]) -> dict[str, Any]:
    """Sorted by what a person does next: look at what was left out, then at what was not taken as it is."""
    in_the_way = {result.conflicting_contact_id for result in results if result.conflicting_contact_id is not None}
    # Those that this very file has made are among them.
    found = Contact.objects.visible_to(principal).in_bulk(list(in_the_way))
    lines = [CardLine(result, found.get(result.conflicting_contact_id)) for result in results]
    return {
        "filename": filename,
        "refused": [line for line in lines if line.result.contact is None],
        "changed": [line for line in lines if line.result.contact is not None and line.result.warnings],
        "created": [line for line in lines if line.result.contact is not None],
    }
