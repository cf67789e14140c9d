"""Organizations, people, identities, credentials, and a small client that calls the API with them."""

from __future__ import annotations

import json
from itertools import count
from typing import Any, Protocol

from django.test import Client

from common.clock import now
from common.principal import Principal, Profile, Scope
from identities.channels import MailboxOptions
from identities.enums import ClaimStatus, CreatorType, Role
from identities.models import AgentIdentity, ApiKey, Membership, Organization, User
from identities.services.api_keys import mint_api_key
from identities.services.identities import NewIdentity, create_identity
from identities.services.sessions import issue_session_token

_numbers = count(1)


class Answer(Protocol):
    """The part of a test response that tests read."""

    status_code: int
    content: bytes
    headers: Any

    def json(self) -> Any: ...


def organization(name: str | None = None, **fields: Any) -> Organization:
    """An empty organization."""
    return Organization.objects.create(name=name or f"Organization {next(_numbers)}", **fields)


def person(of: Organization | None = None, role: Role = Role.OWNER, **fields: Any) -> User:
    """A person with a verified email address, a member of `of` when it is given."""
    fields.setdefault("email_verified_at", now())
    email = fields.pop("email", f"person{next(_numbers)}@example.com")
    user = User.objects.create_user(email, fields.pop("password", None), **fields)
    if of is not None:
        Membership.objects.create(user=user, organization=of, role=role.value)
    return user


def admin_principal(of: Organization) -> Principal:
    """A caller who may do everything in the organization, for calling services directly."""
    return Principal(scope=Scope.ADMIN, organization_id=of.pk, key_id="ApiKey_test")


def agent(
    of: Organization | None = None,
    handle: str | None = None,
    *,
    profile: Profile = Profile.MODERN,
    mailbox: MailboxOptions | None = None,
    **fields: Any,
) -> AgentIdentity:
    """An identity with its channels, through the service. Other fields are set on the row afterwards."""
    new = NewIdentity(agent_handle=handle or f"agent-{next(_numbers)}", mailbox=mailbox)
    row = create_identity(admin_principal(of or organization()), new, profile)
    if fields:
        for name, value in fields.items():
            setattr(row, name, value)
        row.save()
    return row


def unclaimed_agent(of: Organization | None = None, handle: str | None = None, **fields: Any) -> AgentIdentity:
    """An agent that signed itself up and that no human has vouched for."""
    fields.setdefault("human_email", "human@example.com")
    return agent(of, handle, claim_status=ClaimStatus.UNCLAIMED.value, **fields)


def admin_key(of: Organization | None = None, **fields: Any) -> str:
    """The text of an admin key."""
    of = of or organization()
    return mint_api_key(organization_id=of.pk, label="admin", created_by="user_test", **fields)[1]


def agent_key(identity: AgentIdentity, **fields: Any) -> str:
    """The text of a key of this identity."""
    return mint_api_key(
        organization_id=identity.organization_id,
        label="agent",
        created_by=str(identity.pk),
        creator_type=CreatorType.AGENT,
        identity=identity,
        **fields,
    )[1]


def key_row(text: str) -> ApiKey:
    """The row of a key by its text."""
    return ApiKey.objects.get(pk=text.partition(".")[0])


def session(of: Organization | None = None, role: Role = Role.OWNER, *, user: User | None = None) -> str:
    """A console token: of a new member of `of`, of `user` in `of`, or of a person without organization."""
    user = user or person(of, role)
    membership = Membership.objects.get(user=user, organization=of) if of is not None else None
    return issue_session_token(user, membership).token


class ApiClient:
    """Calls the API with one credential, or with none."""

    def __init__(
        self,
        key: str | None = None,
        *,
        bearer: str | None = None,
        user_agent: str | None = None,
        prefix: str = "",
        headers: dict[str, str] | None = None,
    ) -> None:
        self._client = Client()
        self._prefix = prefix
        self._headers = dict(headers or {})
        if key is not None:
            self._headers["X-API-Key"] = key
        if bearer is not None:
            self._headers["Authorization"] = f"Bearer {bearer}"
        if user_agent is not None:
            self._headers["User-Agent"] = user_agent

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """A request below `/api/v1` unless the path starts with `/api/`. `headers` use underscores for hyphens.

        The body is sent as JSON; bytes are sent as they are, as if they were JSON; None is no body at all.
        """
        url = self._prefix + (path if path.startswith("/api/") else f"/api/v1{path}")
        sent = {**self._headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        answer: Answer = self._client.generic(method, url, content, "application/json", headers=sent)
        return answer

    def get(self, path: str, **headers: str) -> Answer:
        return self.call("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        return self.call("POST", path, body, **headers)

    def patch(self, path: str, body: Any = None, **headers: str) -> Answer:
        return self.call("PATCH", path, body, **headers)

    def put(self, path: str, body: Any = None, **headers: str) -> Answer:
        return self.call("PUT", path, body, **headers)

    def delete(self, path: str, **headers: str) -> Answer:
        return self.call("DELETE", path, **headers)


def admin_client(of: Organization | None = None, **options: Any) -> ApiClient:
    """A client with a new admin key."""
    return ApiClient(admin_key(of), **options)


def agent_client(identity: AgentIdentity, **options: Any) -> ApiClient:
    """A client with a new key of this identity."""
    return ApiClient(agent_key(identity), **options)


def session_client(of: Organization | None = None, role: Role = Role.OWNER, **options: Any) -> ApiClient:
    """A client with a new console session."""
    return ApiClient(bearer=session(of, role), **options)


def nobody(**options: Any) -> ApiClient:
    """A client without a credential."""
    return ApiClient(**options)
