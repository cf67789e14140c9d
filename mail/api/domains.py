"""Sending domains (contract mail.md section 3; registration and the like are additions of this server)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.response import Response

from common.api.inputs import HeaderText, InputSerializer
from common.api.outputs import OutputSerializer
from common.api.viewsets import ApiRequest, ApiViewSet
from common.principal import Scope
from mail.dns.records import Purpose, RecordState
from mail.domain_rendering import record_body, record_reports, zone_file
from mail.domain_selectors import get_sending_domain, list_sending_domains
from mail.domain_states import DomainStatus
from mail.models import SendingDomain
from mail.services import sending_domains as services
from mail.services.sending_domains import NewDomain

_STATUSES = [value.value for value in DomainStatus]
_MANAGERS = frozenset({Scope.ADMIN, Scope.SESSION})
_DOMAIN_CHARS = 255


@dataclass(frozen=True, slots=True)
class DomainQuery:
    """Filters of the list."""

    status: str | None = None


class DomainQueryIn(InputSerializer[DomainQuery]):
    """Query of the list."""

    into = DomainQuery
    status = serializers.ChoiceField(
        choices=_STATUSES,
        required=False,
        error_messages={"invalid_choice": f"Use one of: {', '.join(_STATUSES)}."},
    )


class NewDomainIn(InputSerializer[NewDomain]):
    """Body of a registration."""

    into = NewDomain
    domain = HeaderText(max_length=_DOMAIN_CHARS)
    mail_from_subdomain = HeaderText(max_length=63, required=False, allow_null=True)


class SendingDomainOut(OutputSerializer):
    """A domain; the first five fields are the contract's."""

    id = serializers.CharField(source="public_id")
    domain = serializers.CharField()
    status = serializers.ChoiceField(choices=_STATUSES)
    is_default = serializers.BooleanField()
    verified_at = serializers.DateTimeField(allow_null=True)
    organization_id = serializers.CharField()
    mail_from_subdomain = serializers.CharField()
    failure_reason = serializers.CharField(allow_null=True)
    last_checked_at = serializers.DateTimeField(allow_null=True)
    delete_at = serializers.DateTimeField(allow_null=True, source="purge_at")
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()

    @staticmethod
    def get_failure_reason(row: SendingDomain) -> str | None:
        return row.failure_reason or None


class DnsRecordOut(OutputSerializer):
    """A record to publish, and what the last check found in its place."""

    purpose = serializers.ChoiceField(choices=[value.value for value in Purpose])
    type = serializers.CharField()
    name = serializers.CharField()
    value = serializers.CharField()
    required = serializers.BooleanField()  # type: ignore[assignment]  # the wire name is an argument of every field
    status = serializers.ChoiceField(choices=[value.value for value in RecordState])
    ok = serializers.BooleanField(allow_null=True)
    found = serializers.ListField(child=serializers.CharField())
    remedy = serializers.CharField(allow_null=True)


class SendingDomainDetailOut(SendingDomainOut):
    """A domain with everything that it publishes."""

    dns_records = DnsRecordOut(many=True)
    zone_file = serializers.CharField()


class DefaultDomainOut(OutputSerializer):
    """The default after a change; null is the platform domain."""

    default_domain = serializers.CharField(allow_null=True)


def _detail(row: SendingDomain) -> dict[str, Any]:
    reports = record_reports(row)
    body = SendingDomainOut.render(row)
    return {**body, "dns_records": [record_body(report) for report in reports], "zone_file": zone_file(reports)}


class SendingDomainViewSet(ApiViewSet):
    """Domains of the organization. Agents see which there are; people and admin keys manage them."""

    http_method_names = ["get", "post", "delete"]
    allowed = _MANAGERS
    allowed_by_action = {"list": frozenset(Scope)}

    @extend_schema(
        operation_id="domains_list",
        parameters=[OpenApiParameter("status", str, enum=_STATUSES)],
        responses=SendingDomainOut(many=True),
    )
    def list(self, request: ApiRequest) -> Response:
        """Newest first."""
        query = DomainQueryIn.parse_query(request)
        return Response(SendingDomainOut.render_many(list_sending_domains(request.principal, query.status)))

    @extend_schema(operation_id="domains_register", request=NewDomainIn, responses={201: SendingDomainDetailOut})
    def create(self, request: ApiRequest) -> Response:
        """Register a domain and get the records to publish. A known one is answered with 200."""
        services.refuse_unless_managing(request.principal)
        done = services.register_domain(request.principal, NewDomainIn.parse(request))
        return Response(_detail(done.row), status=status.HTTP_201_CREATED if done.is_new else status.HTTP_200_OK)

    @extend_schema(operation_id="domains_retrieve", responses=SendingDomainDetailOut)
    def retrieve(self, request: ApiRequest, domain: str) -> Response:
        """One domain with its records, by name or id."""
        return Response(_detail(get_sending_domain(request.principal, domain)))

    @extend_schema(operation_id="domains_verify", request=None, responses=SendingDomainDetailOut)
    def verify(self, request: ApiRequest, domain: str) -> Response:
        """Look at DNS now instead of waiting for the next check. Takes up to 12 seconds."""
        row = get_sending_domain(request.principal, domain)
        return Response(_detail(services.verify_domain(request.principal, row)))

    @extend_schema(operation_id="domains_rotate_dkim", request=None, responses=SendingDomainDetailOut)
    def rotate_dkim(self, request: ApiRequest, domain: str) -> Response:
        """Make new DKIM keys; the old ones sign until the new records are visible."""
        row = get_sending_domain(request.principal, domain)
        return Response(_detail(services.rotate_domain_keys(request.principal, row)))

    @extend_schema(operation_id="domains_set_default", request=None, responses=DefaultDomainOut)
    def set_default(self, request: ApiRequest, domain: str) -> Response:
        """Make a verified domain the default of new mailboxes; the platform domain clears the default."""
        return Response({"default_domain": services.set_default_domain(request.principal, domain)})

    @extend_schema(operation_id="domains_delete", responses={204: None})
    def destroy(self, request: ApiRequest, domain: str) -> Response:
        """Delete a domain without mailboxes in 24 hours; until then it can be restored."""
        row = get_sending_domain(request.principal, domain)
        services.request_domain_deletion(request.principal, row)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(operation_id="domains_restore", request=None, responses=SendingDomainDetailOut)
    def restore(self, request: ApiRequest, domain: str) -> Response:
        """Undo a deletion."""
        row = get_sending_domain(request.principal, domain)
        return Response(_detail(services.restore_domain(request.principal, row)))
