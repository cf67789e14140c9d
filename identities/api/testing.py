"""Routes that the public integration suites start from (contract README section 12).

They create administrators out of nothing, so they exist only while INKBOX_TESTING_SECRET is set.
"""

from __future__ import annotations

import hmac
from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from common.api.inputs import CleanText, InputSerializer, NestedInput, StrictBoolean
from common.api.outputs import OutputSerializer
from common.api.viewsets import ApiViewSet
from common.errors import NotFound, Unauthenticated
from identities.services.testing import (
    NewTestAccount,
    TestSession,
    UsedTestAccount,
    UsedTestAccounts,
    create_test_account,
    issue_test_session,
    remove_test_accounts,
)

MAX_ACCOUNTS = 1000
MAX_ID_CHARS = 64


class RouteNotFound(NotFound):
    """Answers as any path does that this server does not serve."""

    code = "route_not_found"

    def __init__(self, method: str | None, path: str) -> None:
        super().__init__(f"There is no route {method} {path}. See /api/docs for the routes.")


class WrongSecret(Unauthenticated):
    """Missing or wrong X-Interservice-Secret."""

    def __init__(self) -> None:
        super().__init__("Send the configured testing secret in the X-Interservice-Secret header.")


class NewTestAccountIn(InputSerializer[NewTestAccount]):
    """Body of create-test-user-organization."""

    into = NewTestAccount
    create_api_key = StrictBoolean(required=False)


class TestSessionIn(InputSerializer[TestSession]):
    """Body of create-session-jwt."""

    into = TestSession
    user_id = CleanText(max_length=MAX_ID_CHARS)
    org_id = CleanText(max_length=MAX_ID_CHARS)


class UsedTestAccountIn(NestedInput[UsedTestAccount]):
    """One account of the clean-up."""

    into = UsedTestAccount
    user_id = CleanText(max_length=MAX_ID_CHARS)
    org_id = CleanText(max_length=MAX_ID_CHARS)
    created_provisional_org_ids = serializers.ListField(
        child=CleanText(max_length=MAX_ID_CHARS), required=False, max_length=MAX_ACCOUNTS
    )


class UsedTestAccountsIn(InputSerializer[UsedTestAccounts]):
    """Body of cleanup-test-user-organization."""

    into = UsedTestAccounts
    accounts = UsedTestAccountIn(many=True)


class TestAccountOut(OutputSerializer):
    """A created account."""

    email_address = serializers.EmailField()
    password = serializers.CharField()
    user_id = serializers.CharField()
    org_id = serializers.CharField()
    api_key = serializers.CharField(allow_null=True)


@extend_schema(exclude=True)
class TestingViewSet(ApiViewSet):
    """Accounts and sessions for integration suites."""

    is_public = True
    authentication_classes = ()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        if not settings.TESTING_SECRET:
            raise RouteNotFound(request.method, request._request.path_info)
        super().initial(request, *args, **kwargs)
        sent = request.META.get("HTTP_X_INTERSERVICE_SECRET", "")
        if not hmac.compare_digest(sent.encode(), settings.TESTING_SECRET.encode()):
            raise WrongSecret

    def create_account(self, request: Request) -> Response:
        account = create_test_account(NewTestAccountIn.parse(request))
        return Response({"accounts": [TestAccountOut.render(account)]}, status=201)

    def create_session(self, request: Request) -> Response:
        return Response({"jwt": issue_test_session(TestSessionIn.parse(request))}, status=201)

    def clean_up(self, request: Request) -> Response:
        removed = remove_test_accounts(UsedTestAccountsIn.parse(request))
        return Response({"organizations": removed})
