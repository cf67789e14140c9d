"""Contact rules of mailboxes, identities and organizations (contract mail.md section 8)."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.response import Response

from common.api.viewsets import ApiRequest
from common.principal import Scope
from contacts.errors import RuleOwnerMissing
from contacts.models import ContactRule
from contacts.selectors import contact_cards, get_rule
from contacts.services.rules import create_rule, delete_rule, update_rule
from identities.api.viewsets import MANAGERS
from mail import contact_rules
from mail.api.contact_rule_shapes import ContactRuleOut, NewRuleIn, OwnerFilterIn, RuleChangesIn, RuleFilterIn
from mail.api.viewsets import MailViewSet
from mail.contact_rules import MAIL, RuleOwner, canonical_target, rule_body


class _OwnedRuleViewSet(MailViewSet):
    """What the routes by mailbox and by identity share; they differ in how the owner is named."""

    allowed: ClassVar[Any] = MANAGERS | {Scope.AGENT}
    allowed_by_action: ClassVar[dict[str, Any]] = {"partial_update": MANAGERS, "destroy": MANAGERS}

    @abstractmethod
    def owner(self, request: ApiRequest, name: str) -> RuleOwner:
        """Whose rules the path is about, as far as the caller may see it."""

    def list(self, request: ApiRequest, owner: str) -> Response:
        wanted = RuleFilterIn.parse_query(request)
        found = self.owner(request, owner)
        return Response(contact_rules.list_rules_of(request.principal, found, wanted))

    def retrieve(self, request: ApiRequest, owner: str, rule_id: str) -> Response:
        found = self.owner(request, owner)
        return Response(_body(request, found, get_rule(request.principal, MAIL, found.identity_id, rule_id)))

    def create(self, request: ApiRequest, owner: str) -> Response:
        new = NewRuleIn.parse(request)
        new = replace(new, match_target=canonical_target(new.match_type, new.match_target))
        found = self.owner(request, owner)
        if found.identity is None:
            raise RuleOwnerMissing
        rule = create_rule(request.principal, found.identity, MAIL, new)
        return Response(_body(request, found, rule), status=status.HTTP_201_CREATED)

    def partial_update(self, request: ApiRequest, owner: str, rule_id: str) -> Response:
        changes = RuleChangesIn.parse(request)
        found = self.owner(request, owner)
        rule = get_rule(request.principal, MAIL, found.identity_id, rule_id)
        return Response(_body(request, found, update_rule(request.principal, rule, changes)))

    def destroy(self, request: ApiRequest, owner: str, rule_id: str) -> Response:
        found = self.owner(request, owner)
        delete_rule(request.principal, get_rule(request.principal, MAIL, found.identity_id, rule_id))
        return Response(status=status.HTTP_204_NO_CONTENT)


def _body(request: ApiRequest, owner: RuleOwner, rule: ContactRule) -> dict[str, Any]:
    return rule_body(rule, owner.mailbox_id, contact_cards(request.principal, [rule]).get(rule.pk))


def _described(prefix: str) -> Any:
    """The API description of the five routes, which must not share operation ids."""
    return extend_schema_view(
        list=extend_schema(
            operation_id=f"{prefix}_list", parameters=[RuleFilterIn], responses=ContactRuleOut(many=True)
        ),
        retrieve=extend_schema(operation_id=f"{prefix}_retrieve", responses=ContactRuleOut),
        create=extend_schema(operation_id=f"{prefix}_create", request=NewRuleIn, responses={201: ContactRuleOut}),
        partial_update=extend_schema(operation_id=f"{prefix}_update", request=RuleChangesIn, responses=ContactRuleOut),
        destroy=extend_schema(operation_id=f"{prefix}_delete", responses={204: None}),
    )


@_described("mailbox_contact_rules")
class MailboxRuleViewSet(_OwnedRuleViewSet):
    """Rules by mailbox, the older routes."""

    def owner(self, request: ApiRequest, name: str) -> RuleOwner:
        return contact_rules.owner_by_mailbox(request.principal, name)


@_described("identity_mail_contact_rules")
class IdentityRuleViewSet(_OwnedRuleViewSet):
    """Rules by identity, since 0.4.14."""

    def owner(self, request: ApiRequest, name: str) -> RuleOwner:
        return contact_rules.owner_by_handle(request.principal, name)


class OrganizationRuleViewSet(MailViewSet):
    """Rules of all identities of an organization."""

    allowed: ClassVar[Any] = MANAGERS

    @extend_schema(
        operation_id="mail_contact_rules_list",
        parameters=[RuleFilterIn, OwnerFilterIn],
        responses=ContactRuleOut(many=True),
    )
    def list(self, request: ApiRequest) -> Response:
        """Newest first, by mailbox or identity if one is named."""
        wanted, of = RuleFilterIn.parse_query(request), OwnerFilterIn.parse_query(request)
        return Response(
            contact_rules.list_organization_rules(
                request.principal, wanted, mailbox_id=of.mailbox_id, identity_id=of.agent_identity_id
            )
        )
