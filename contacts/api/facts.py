"""Facts, merges and bulk deletes (contract contacts-notes.md sections 3.2 and 3.3)."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.response import Response

from common.api.viewsets import ApiRequest, ApiViewSet
from contacts.api import fact_shapes as shapes
from contacts.api.contact_shapes import ContactOut
from contacts.api.viewsets import CALLERS
from contacts.contact_selectors import get_contact
from contacts.describing import describe_contact
from contacts.facts import citation_body, describe_facts, get_fact, list_facts
from contacts.services.facts import create_fact, delete_fact, update_fact
from contacts.services.merging import delete_contacts, merge_contacts
from identities.api.viewsets import MANAGERS


class FactViewSet(ApiViewSet):
    """What is known of a contact. People and admin keys write, agents read."""

    allowed: ClassVar[Any] = CALLERS
    allowed_by_action: ClassVar[dict[str, Any]] = {
        "create": MANAGERS,
        "partial_update": MANAGERS,
        "destroy": MANAGERS,
    }

    @extend_schema(
        operation_id="contact_facts_list", parameters=[shapes.FactFilterIn], responses=shapes.FactOut(many=True)
    )
    def list(self, request: ApiRequest, contact_id: str) -> Response:
        """Newest first."""
        wanted = shapes.FactFilterIn.parse_query(request)
        contact = get_contact(request.principal, contact_id)
        facts = list_facts(request.principal, contact, with_expired=wanted.include_expired)
        return Response(describe_facts(request.principal, facts))

    @extend_schema(operation_id="contact_facts_create", request=shapes.NewFactIn, responses={201: shapes.FactOut})
    def create(self, request: ApiRequest, contact_id: str) -> Response:
        """Write down a fact."""
        new = shapes.NewFactIn.parse(request)
        fact = create_fact(request.principal, get_contact(request.principal, contact_id), new)
        return Response(describe_facts(request.principal, [fact])[0], status=status.HTTP_201_CREATED)

    @extend_schema(operation_id="contact_facts_retrieve", responses=shapes.FactOut)
    def retrieve(self, request: ApiRequest, contact_id: str, fact_id: str) -> Response:
        """One fact, expired or not."""
        fact = get_fact(request.principal, get_contact(request.principal, contact_id), fact_id)
        return Response(describe_facts(request.principal, [fact])[0])

    @extend_schema(operation_id="contact_facts_update", request=shapes.FactChangesIn, responses=shapes.FactOut)
    def partial_update(self, request: ApiRequest, contact_id: str, fact_id: str) -> Response:
        """Edit a fact; it is a person's from then on."""
        changes = shapes.FactChangesIn.parse(request)
        fact = get_fact(request.principal, get_contact(request.principal, contact_id), fact_id)
        return Response(describe_facts(request.principal, [update_fact(request.principal, fact, changes)])[0])

    @extend_schema(operation_id="contact_facts_delete", responses=shapes.DeletedFactOut)
    def destroy(self, request: ApiRequest, contact_id: str, fact_id: str) -> Response:
        """Delete a fact; clients need the body."""
        fact = get_fact(request.principal, get_contact(request.principal, contact_id), fact_id)
        left = delete_fact(request.principal, fact)
        return Response(
            {"deleted_fact_id": fact_id, "memory_count": left.count, "latest_memory": left.latest},
        )

    @extend_schema(operation_id="contact_fact_citation", responses=shapes.CitationDetailOut)
    def citation(self, request: ApiRequest, contact_id: str, fact_id: str, citation_id: str) -> Response:
        """Where a fact comes from."""
        fact = get_fact(request.principal, get_contact(request.principal, contact_id), fact_id)
        return Response(citation_body(request.principal, fact, citation_id))


class ManyContactsViewSet(ApiViewSet):
    """What is done to several contacts at once."""

    allowed: ClassVar[Any] = CALLERS
    allowed_by_action: ClassVar[dict[str, Any]] = {"merge": MANAGERS}

    @extend_schema(operation_id="contacts_merge", request=shapes.MergeIn, responses=ContactOut)
    def merge(self, request: ApiRequest, contact_id: str) -> Response:
        """Merge other contacts into this one."""
        wanted = shapes.MergeIn.parse(request)
        survivor = get_contact(request.principal, contact_id)
        survivor = merge_contacts(request.principal, survivor, wanted.losing_contact_ids, wanted.field_sources)
        return Response(describe_contact(request.principal, survivor))

    @extend_schema(operation_id="contacts_bulk_delete", request=shapes.BulkDeleteIn, responses=shapes.BulkDeleteOut)
    def bulk_delete(self, request: ApiRequest) -> Response:
        """Delete what the caller sees of these, each on its own merits."""
        wanted = shapes.BulkDeleteIn.parse(request)
        outcomes = delete_contacts(request.principal, wanted.contact_ids)
        deleted = sum(was_there for _, was_there in outcomes)
        results = [
            {
                "contact_id": pk,
                "status": "deleted" if was_there else "error",
                "error": None if was_there else "Contact not found",
                "error_code": None if was_there else "not_found",
            }
            for pk, was_there in outcomes
        ]
        return Response({"deleted_count": deleted, "error_count": len(results) - deleted, "results": results})
