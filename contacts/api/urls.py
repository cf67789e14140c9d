"""Routes of this app. Literal segments come before ids."""

from __future__ import annotations

from django.urls import URLPattern, path

from contacts.api.correspondence import CorrespondenceViewSet
from contacts.api.facts import FactViewSet, ManyContactsViewSet
from contacts.api.permissions import PermissionViewSet, PolicyViewSet, RosterViewSet
from contacts.api.vcards import ExportViewSet, ImportViewSet
from contacts.api.viewsets import ContactAccessViewSet, ContactViewSet

V1 = "api/v1"
CONTACT = f"{V1}/contacts/<str:contact_id>"
IDENTITY = f"{V1}/identities/<str:handle>"

urlpatterns: list[URLPattern] = [
    path(f"{V1}/contacts", ContactViewSet.as_view({"get": "list", "post": "create"})),
    path(f"{V1}/contacts/lookup", ContactViewSet.as_view({"get": "lookup"})),
    path(f"{V1}/contacts/import", ImportViewSet.as_view({"post": "create"})),
    path(f"{V1}/contacts/vcard-export", ExportViewSet.as_view({"post": "create"})),
    path(f"{V1}/contacts/bulk-delete", ManyContactsViewSet.as_view({"post": "bulk_delete"})),
    path(f"{V1}/contacts/with-permissions", PolicyViewSet.as_view({"post": "create"})),
    path(f"{CONTACT}.vcf", ExportViewSet.as_view({"get": "retrieve"})),
    path(CONTACT, ContactViewSet.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"})),
    path(f"{CONTACT}/merge", ManyContactsViewSet.as_view({"post": "merge"})),
    path(f"{CONTACT}/correspondence", CorrespondenceViewSet.as_view({"get": "list"})),
    path(f"{CONTACT}/facts", FactViewSet.as_view({"get": "list", "post": "create"})),
    path(
        f"{CONTACT}/facts/<str:fact_id>",
        FactViewSet.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"}),
    ),
    path(f"{CONTACT}/facts/<str:fact_id>/citations/<str:citation_id>", FactViewSet.as_view({"get": "citation"})),
    path(f"{CONTACT}/communication-policy", PolicyViewSet.as_view({"get": "retrieve", "put": "update"})),
    path(f"{CONTACT}/communication-preview", PolicyViewSet.as_view({"get": "preview"})),
    path(
        f"{IDENTITY}/contacts/<str:contact_id>/permissions",
        PermissionViewSet.as_view({"get": "retrieve", "patch": "partial_update"}),
    ),
    path(
        f"{IDENTITY}/contacts/<str:contact_id>/access",
        PermissionViewSet.as_view({"get": "retrieve_access", "patch": "update_access"}),
    ),
    path(f"{IDENTITY}/contact-permissions", RosterViewSet.as_view({"get": "list"})),
    path(f"{IDENTITY}/contact-communication-policies", RosterViewSet.as_view({"get": "visible"})),
    path(f"{CONTACT}/access", ContactAccessViewSet.as_view({"get": "list", "post": "create"})),
    path(f"{CONTACT}/access/<str:identity_id>", ContactAccessViewSet.as_view({"delete": "destroy"})),
]
