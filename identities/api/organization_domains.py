"""Domains that an organization proves to control, and the agents that show them (contract identities.md section 17)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.response import Response

from common.api.inputs import CleanText, HeaderText, InputSerializer
from common.api.outputs import OutputSerializer
from common.api.pagination import DEFAULT_LIMIT, MAX_LIMIT
from common.api.viewsets import EVERYONE, ApiRequest, ApiViewSet
from identities.api.viewsets import MANAGERS
from identities.domain_claims import CheckResult, ClaimState
from identities.domain_selectors import Affiliation, get_affiliation, get_claim, list_claims
from identities.selectors import get_identity
from identities.services.affiliations import choose_domain, remove_domain
from identities.services.organization_domains import claim_domain, release_claim, verify_claim

_DOMAIN_CHARS = 255
_ID_CHARS = 100


@dataclass(frozen=True, slots=True)
class ClaimedDomain:
    """The body of a claim."""

    domain: str


class ClaimedDomainIn(InputSerializer[ClaimedDomain]):
    """A domain, such as example.com; international names are taken too."""

    into = ClaimedDomain
    domain = HeaderText(max_length=_DOMAIN_CHARS)


@dataclass(frozen=True, slots=True)
class ClaimQuery:
    """Where a page of claims starts and how long it is."""

    limit: int = DEFAULT_LIMIT
    cursor: str | None = None


class ClaimQueryIn(InputSerializer[ClaimQuery]):
    """Query of the list."""

    into = ClaimQuery
    limit = serializers.IntegerField(required=False, min_value=1, max_value=MAX_LIMIT)
    cursor = CleanText(required=False)


@dataclass(frozen=True, slots=True)
class ChosenDomain:
    """The body of a choice."""

    domain_claim_id: str


class ChosenDomainIn(InputSerializer[ChosenDomain]):
    """The claim whose domain an agent shows."""

    into = ChosenDomain
    domain_claim_id = CleanText(max_length=_ID_CHARS)


class VerificationRecordOut(OutputSerializer):
    """The record to publish. It has to stay."""

    type = serializers.CharField()
    name = serializers.CharField()
    value = serializers.CharField()


class OrganizationDomainOut(OutputSerializer):
    """A claim on a domain."""

    id = serializers.CharField(source="public_id")
    domain = serializers.CharField()
    state = serializers.ChoiceField(choices=[state.value for state in ClaimState])
    dns_record = VerificationRecordOut()
    created_at = serializers.DateTimeField()
    verified_at = serializers.DateTimeField(allow_null=True)
    last_checked_at = serializers.DateTimeField(allow_null=True)
    last_success_at = serializers.DateTimeField(allow_null=True)
    valid_until = serializers.DateTimeField(allow_null=True)
    pending_expires_at = serializers.DateTimeField(allow_null=True)
    next_check_at = serializers.DateTimeField(allow_null=True)
    last_check_result = serializers.ChoiceField(choices=[result.value for result in CheckResult], allow_null=True)
    ownership_conflict = serializers.BooleanField()
    recovery_action = serializers.CharField(allow_null=True)


class OrganizationDomainPageOut(OutputSerializer):
    """A page of claims."""

    items = OrganizationDomainOut(many=True)
    next_cursor = serializers.CharField(allow_null=True)


class PublishedDomainOut(OutputSerializer):
    """What is shown next to an agent."""

    domain = serializers.CharField()
    verifier = serializers.CharField()
    last_success_at = serializers.DateTimeField()
    valid_until = serializers.DateTimeField()


class AffiliationOut(OutputSerializer):
    """What was chosen for an agent; `affiliation` is null while the claim is not proven."""

    domain_claim_id = serializers.CharField(allow_null=True)
    domain = serializers.CharField(allow_null=True)
    affiliation = PublishedDomainOut(allow_null=True)

    @staticmethod
    def get_affiliation(row: Affiliation) -> dict[str, Any] | None:
        return PublishedDomainOut.render(row.affiliation) if row.affiliation is not None else None


class OrganizationDomainViewSet(ApiViewSet):
    """Claims of the organization. Members look at them, admins and admin keys change them."""

    http_method_names = ["get", "post", "delete"]
    allowed: ClassVar[Any] = MANAGERS

    @extend_schema(
        operation_id="claim_organization_domain",
        request=ClaimedDomainIn,
        responses={201: OrganizationDomainOut, 200: OrganizationDomainOut},
    )
    def create(self, request: ApiRequest) -> Response:
        """Claim a domain and get the record to publish. A known one is answered with 200."""
        done = claim_domain(request.principal, ClaimedDomainIn.parse(request).domain)
        row = get_claim(request.principal, done.row.public_id)
        return Response(OrganizationDomainOut.render(row), status=201 if done.is_new else 200)

    @extend_schema(
        operation_id="list_organization_domains",
        parameters=[OpenApiParameter("limit", int), OpenApiParameter("cursor", str)],
        responses={200: OrganizationDomainPageOut},
    )
    def list(self, request: ApiRequest) -> Response:
        """Newest first, without released ones."""
        query = ClaimQueryIn.parse_query(request)
        page = list_claims(request.principal, limit=query.limit, cursor=query.cursor)
        return Response({"items": OrganizationDomainOut.render_many(page.items), "next_cursor": page.next_cursor})

    @extend_schema(operation_id="get_organization_domain", responses={200: OrganizationDomainOut})
    def retrieve(self, request: ApiRequest, claim_id: str) -> Response:
        """One claim; a released one for 30 days more."""
        return Response(OrganizationDomainOut.render(get_claim(request.principal, claim_id)))

    @extend_schema(operation_id="verify_organization_domain", request=None, responses={200: OrganizationDomainOut})
    def verify(self, request: ApiRequest, claim_id: str) -> Response:
        """Look at DNS now instead of waiting for the next look; `state` and `last_check_result` say what came out."""
        verify_claim(request.principal, get_claim(request.principal, claim_id))
        return Response(OrganizationDomainOut.render(get_claim(request.principal, claim_id)))

    @extend_schema(operation_id="release_organization_domain", responses={204: None})
    def destroy(self, request: ApiRequest, claim_id: str) -> Response:
        """Give the domain up; agents that show it show none."""
        release_claim(request.principal, get_claim(request.principal, claim_id))
        return Response(status=status.HTTP_204_NO_CONTENT)


class DomainAffiliationViewSet(ApiViewSet):
    """The domain that an agent shows. The agent looks at its own, admins and admin keys choose it."""

    http_method_names = ["get", "put", "delete"]
    allowed: ClassVar[Any] = MANAGERS
    allowed_by_action: ClassVar[dict[str, Any]] = {"retrieve": EVERYONE}

    @extend_schema(operation_id="get_domain_affiliation", responses={200: AffiliationOut})
    def retrieve(self, request: ApiRequest, handle: str) -> Response:
        """Nulls when nothing was chosen."""
        return Response(AffiliationOut.render(get_affiliation(get_identity(request.principal, handle))))

    @extend_schema(operation_id="set_domain_affiliation", request=ChosenDomainIn, responses={200: AffiliationOut})
    def update(self, request: ApiRequest, handle: str) -> Response:
        """Choose a claim, proven or not; it shows only while it is proven."""
        identity = get_identity(request.principal, handle)
        chosen = ChosenDomainIn.parse(request)
        choose_domain(request.principal, identity, get_claim(request.principal, chosen.domain_claim_id))
        return Response(AffiliationOut.render(get_affiliation(identity)))

    @extend_schema(operation_id="remove_domain_affiliation", responses={204: None})
    def destroy(self, request: ApiRequest, handle: str) -> Response:
        """Show none."""
        remove_domain(request.principal, get_identity(request.principal, handle))
        return Response(status=status.HTTP_204_NO_CONTENT)
