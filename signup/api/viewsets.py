"""Routes of the agent side and of the human side (contract identities.md sections 14 and 15)."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from common.api.context import client_address, request_profile
from common.api.viewsets import ApiRequest, ApiViewSet
from common.errors import Unauthenticated
from common.ids import parse_uuid
from common.principal import Scope
from identities.api.authentication import authenticate
from identities.errors import BadCredential
from identities.selectors import get_own_user
from signup.api import serializers as shapes
from signup.enums import DecidedBy, SignupState
from signup.messages import claimed_message, resent_message
from signup.models import Signup
from signup.selectors import describe_signup, find_rejected_signup, get_own_signup, get_waiting, list_waiting
from signup.services.claiming import approve_agent, reject_agent
from signup.services.registering import count_registration, register_agent
from signup.services.verifying import resend_code, verify_agent


class RegisterViewSet(ApiViewSet):
    """The one route that needs no credential."""

    is_public = True
    authentication_classes = ()

    @extend_schema(operation_id="agent_signup", request=shapes.NewSignupIn, responses={201: shapes.RegisteredOut})
    def create(self, request: ApiRequest) -> Response:
        """An agent joins: identity, mailbox, tunnel and key at once; its human gets a mail with a code."""
        new = shapes.NewSignupIn.parse(request)
        count_registration(client_address(request))
        made = register_agent(new, request_profile(request, None))
        return Response(shapes.RegisteredOut.render(made), status=201)


class SignupViewSet(ApiViewSet):
    """The agent, with the key that register gave it. Keys that no signup made answer 404."""

    allowed: ClassVar[Any] = frozenset({Scope.ADMIN, Scope.AGENT, Scope.UNCLAIMED})

    @extend_schema(operation_id="agent_signup_verify", request=shapes.VerificationCodeIn, responses=shapes.ClaimOut)
    def verify(self, request: ApiRequest) -> Response:
        """The code of the newest mail claims the agent; saying it again changes nothing."""
        get_own_signup(request.principal)
        code = shapes.VerificationCodeIn.parse(request).verification_code
        return _claim(verify_agent(request.principal, code))

    @extend_schema(operation_id="agent_signup_resend", request=None, responses=shapes.ClaimOut)
    def resend(self, request: ApiRequest) -> Response:
        """A new code by mail, at most every five minutes."""
        return _claim(resend_code(request.principal))


class SignupStatusViewSet(ApiViewSet):
    """Also for keys of rejected agents, which may do nothing else."""

    is_public = True
    authentication_classes = ()

    @extend_schema(operation_id="agent_signup_status", responses=shapes.StatusOut)
    def retrieve(self, request: ApiRequest) -> Response:
        """Whether the agent is claimed, and what it may send."""
        return Response(shapes.StatusOut.render(describe_signup(_signup_of_key(request))))


class WaitingViewSet(ApiViewSet):
    """The human, signed in: agents that named their address."""

    allowed: ClassVar[Any] = frozenset({Scope.SESSION})
    allows_no_organization = True

    @extend_schema(operation_id="agent_signup_pending", responses=shapes.WaitingAgentsOut)
    def list(self, request: ApiRequest) -> Response:
        """Agents that wait for the caller, newest first."""
        agents = list_waiting(get_own_user(request.principal))
        return Response({"agents": shapes.WaitingAgentOut.render_many(agents)})

    @extend_schema(operation_id="agent_signup_approve", request=shapes.ApprovalIn, responses=shapes.DecisionOut)
    def approve(self, request: ApiRequest, identity_id: str) -> Response:
        """Take the agent into an organization of the caller; its key and address stay."""
        approval = shapes.ApprovalIn.parse(request)
        user = get_own_user(request.principal)
        row = approve_agent(user, parse_uuid(identity_id), approval.organization_id)
        identity = row.identity
        assert identity is not None
        return Response(
            {
                "identity_id": identity.pk,
                "agent_handle": identity.agent_handle,
                "organization_id": identity.organization_id,
                "claim_status": identity.claim_status,
                "message": f"@{identity.agent_handle} is yours now.",
            }
        )

    @extend_schema(operation_id="agent_signup_reject", request=None, responses=shapes.DecisionOut)
    def reject(self, request: ApiRequest, identity_id: str) -> Response:
        """Remove the agent with its mailbox and key."""
        user = get_own_user(request.principal)
        row = get_waiting(user, parse_uuid(identity_id))
        identity = row.identity
        assert identity is not None
        handle, identity_pk = identity.agent_handle, identity.pk
        reject_agent(row, DecidedBy.SESSION, user)
        return Response(
            {
                "identity_id": identity_pk,
                "agent_handle": handle,
                "organization_id": None,
                "claim_status": "agent_rejected",
                "message": f"@{handle} was removed.",
            }
        )


def _claim(row: Signup) -> Response:
    identity = row.identity
    assert identity is not None
    is_claimed = row.state == SignupState.CLAIMED
    message = claimed_message(row, settings.CLAIMED_SENDS_PER_DAY) if is_claimed else resent_message(row)
    return Response(
        {
            "claim_status": identity.claim_status,
            "organization_id": identity.organization_id,
            "message": message,
            "invitation": None,
        }
    )


def _signup_of_key(request: ApiRequest) -> Signup:
    try:
        principal = authenticate(request)
    except BadCredential:
        row = find_rejected_signup(_key_text(request))
        if row is None:
            raise
        return row
    if principal is None:
        raise Unauthenticated("Send the agent's API key in the X-API-Key header.")
    return get_own_signup(principal)


def _key_text(request: ApiRequest) -> str:
    headers = request.META
    bearer = headers.get("HTTP_AUTHORIZATION", "").partition(" ")[2].strip()
    return str(headers.get("HTTP_X_API_KEY") or headers.get("HTTP_X_SERVICE_TOKEN") or bearer)
