"""Who may call what: every route of this app with every kind of caller."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from identities.enums import Role
from tests.factories.identities import (
    ApiClient,
    admin_client,
    agent,
    agent_client,
    nobody,
    organization,
    session,
    session_client,
    unclaimed_agent,
)
from tests.factories.webhooks import HOOK, happen, subscription
from tests.identities.rows import all_rows
from webhooks.models import DeliveryAttempt

pytestmark = pytest.mark.django_db(transaction=True)

CALLERS = ("admin", "owner", "member", "own", "unclaimed", "sibling", "foreign", "no_org", "nobody")
_SEES = (200, 200, 200, 200, 403, 404, 404, 403, 401)
_LISTS = (200, 200, 200, 200, 403, 200, 200, 403, 401)
# route: method, path, body, then the status for each of CALLERS.
MATRIX: dict[str, tuple[str, str, Any, tuple[int, ...]]] = {
    "list": ("GET", "/webhooks/subscriptions", None, _LISTS),
    "create": (
        "POST",
        "/webhooks/subscriptions",
        {"url": HOOK + "/new", "event_types": ["call.ended"], "agent_identity_id": "{identity}"},
        (201, 201, 403, 201, 403, 404, 404, 403, 401),
    ),
    "read": ("GET", "/webhooks/subscriptions/{subscription}", None, _SEES),
    "update": (
        "PATCH",
        "/webhooks/subscriptions/{subscription}",
        {"url": HOOK + "/moved"},
        (200, 200, 403, 200, 403, 404, 404, 403, 401),
    ),
    "delete": (
        "DELETE",
        "/webhooks/subscriptions/{subscription}",
        None,
        (204, 204, 403, 204, 403, 404, 404, 403, 401),
    ),
    # The URL is refused by the guard: 201 with an attempt that reached nobody.
    "test": (
        "POST",
        "/webhooks/subscriptions/{subscription}/test",
        None,
        (201, 201, 403, 201, 403, 404, 404, 403, 401),
    ),
    "redeliver": (
        "POST",
        "/webhooks/subscriptions/{subscription}/redeliver",
        {},
        (200, 200, 403, 200, 403, 404, 404, 403, 401),
    ),
    "catalog": ("GET", "/webhooks/catalog", None, (200, 200, 200, 200, 200, 200, 200, 403, 401)),
    "deliveries": ("GET", "/webhooks/deliveries", None, _LISTS),
    # The URL is refused by the guard: 201 with an attempt that reached nobody.
    "replay": (
        "POST",
        "/webhooks/deliveries/{delivery}/replay",
        None,
        (201, 201, 403, 201, 403, 404, 404, 403, 401),
    ),
}
CASES = [
    pytest.param(route, name, status, id=f"{route}-{name}")
    for route, (_, _, _, statuses) in MATRIX.items()
    for name, status in zip(CALLERS, statuses, strict=True)
]


def _fill(value: Any, names: dict[str, Any]) -> Any:
    if isinstance(value, dict):
        return {key: _fill(inner, names) for key, inner in value.items()}
    return value.format(**names) if isinstance(value, str) else value


@pytest.mark.parametrize(("route", "name", "status"), CASES)
def test_matrix(route: str, name: str, status: int) -> None:
    acme = organization()
    alpha = agent(acme)
    row = subscription(alpha, url="https://127.0.0.1/")
    delivery = DeliveryAttempt.objects.create(
        organization=acme,
        identity=alpha,
        subscription=row,
        event=happen(alpha),
        event_type="message.received",
        url=row.url,
        request_id="r",
        response_status=500,
    )
    clients: dict[str, Callable[[], ApiClient]] = {
        "admin": lambda: admin_client(acme),
        "owner": lambda: session_client(acme, Role.OWNER),
        "member": lambda: session_client(acme, Role.MEMBER),
        "own": lambda: agent_client(alpha),
        "unclaimed": lambda: agent_client(unclaimed_agent(acme)),
        "sibling": lambda: agent_client(agent(acme)),
        "foreign": lambda: admin_client(organization()),
        "no_org": lambda: ApiClient(bearer=session(None)),
        "nobody": nobody,
    }
    client = clients[name]()
    names = {"identity": alpha.pk, "subscription": row.pk, "delivery": delivery.pk}
    method, path, body, _ = MATRIX[route]
    before = all_rows()

    answer = client.call(method, _fill(path, names), _fill(body, names))

    assert answer.status_code == status
    if status >= 400:
        assert answer.json()["detail"]
        assert all_rows() == before
    elif route == "list":
        assert len(answer.json()["subscriptions"]) == (0 if name in ("sibling", "foreign") else 1)
    elif route == "deliveries":
        assert len(answer.json()["deliveries"]) == (0 if name in ("sibling", "foreign") else 1)


def test_an_unclaimed_agent_is_told_what_to_do() -> None:
    answer = agent_client(unclaimed_agent()).get("/webhooks/subscriptions")

    assert answer.status_code == 403
    assert answer.json() == {
        "detail": "This agent is not claimed yet. Verify it with the code its human received, then try again."
    }


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/webhooks/subscriptions"),
        ("POST", "/webhooks/catalog"),
        ("DELETE", "/webhooks/deliveries"),
        ("GET", "/webhooks/deliveries/x/replay"),
    ],
)
def test_other_methods_are_not_allowed(method: str, path: str) -> None:
    assert admin_client().call(method, path).status_code == 405
