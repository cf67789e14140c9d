"""Routes of organization domains and domain affiliation (contract identities.md section 17)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest

from common.clock import now
from common.principal import Profile
from identities import limits
from identities.domain_claims import ClaimState
from identities.enums import Role
from identities.models import AuditRecord, DomainAffiliation, OrganizationDomain
from identities.services.identities import delete_identity
from identities.services.moves import move_identity
from tests.factories.dns import FakeDns
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
from tests.factories.organization_domains import domain_claim, publish
from tests.identities.rows import all_rows

pytestmark = pytest.mark.django_db

NAME = "acme.org"
CALLERS = ("admin", "owner", "manager", "member", "own", "unclaimed", "sibling", "foreign", "no_org", "nobody")
_SEEN = (200, 200, 200, 200, 403, 403, 403, 404, 403, 401)
_CHANGED = (200, 200, 200, 403, 403, 403, 403, 404, 403, 401)
_REMOVED = (204, 204, 204, 403, 403, 403, 403, 404, 403, 401)
AFFILIATION = "/identities/{handle}/domain-affiliation"
# route: method, path, body, then the status for each of CALLERS.
MATRIX: dict[str, tuple[str, str, Any, tuple[int, ...]]] = {
    "claim": (
        "POST",
        "/organization-domains",
        {"domain": "b.example.org"},
        (201, 201, 201, 403, 403, 403, 403, 201, 403, 401),
    ),
    "list": ("GET", "/organization-domains", None, (200, 200, 200, 200, 403, 403, 403, 200, 403, 401)),
    "get": ("GET", "/organization-domains/{claim}", None, _SEEN),
    "verify": ("POST", "/organization-domains/{claim}/verify", None, _CHANGED),
    "release": ("DELETE", "/organization-domains/{claim}", None, _REMOVED),
    "get affiliation": ("GET", AFFILIATION, None, (200, 200, 200, 200, 200, 200, 404, 404, 403, 401)),
    "set affiliation": ("PUT", AFFILIATION, {"domain_claim_id": "{claim}"}, _CHANGED),
    "remove affiliation": ("DELETE", AFFILIATION, None, _REMOVED),
}


def acts() -> list[tuple[str, Any]]:
    """What the audit log has about domains."""
    rows = AuditRecord.objects.filter(action__contains="domain").order_by("seq")
    return list(rows.values_list("action", "details"))


def _call(caller: str, route: str) -> tuple[Any, dict[str, Any]]:
    acme = organization()
    claim, alpha, newcomer = domain_claim(acme, NAME), agent(acme, "alpha"), unclaimed_agent(acme, "newcomer")
    clients: dict[str, Callable[[], ApiClient]] = {
        "admin": lambda: admin_client(acme),
        "owner": lambda: session_client(acme, Role.OWNER),
        "manager": lambda: session_client(acme, Role.ADMIN),
        "member": lambda: session_client(acme, Role.MEMBER),
        "own": lambda: agent_client(alpha),
        "unclaimed": lambda: agent_client(newcomer),
        "sibling": lambda: agent_client(agent(acme, "sibling")),
        "foreign": lambda: admin_client(organization()),
        "no_org": lambda: ApiClient(bearer=session(None)),
        "nobody": nobody,
    }
    client = clients[caller]()
    method, path, body, _ = MATRIX[route]
    names = {"claim": claim.public_id, "handle": "newcomer" if caller == "unclaimed" else "alpha"}
    before = all_rows()
    filled = {name: value.format(**names) for name, value in body.items()} if body is not None else None
    return client.call(method, path.format(**names), filled), before


@pytest.mark.parametrize("number", range(len(CALLERS)), ids=CALLERS)
@pytest.mark.parametrize("route", MATRIX)
def test_who_may_call_what(route: str, number: int) -> None:
    status = MATRIX[route][3][number]

    answer, before = _call(CALLERS[number], route)

    assert answer.status_code == status, answer.content
    if status >= 400:
        assert answer.json()["detail"]
        assert all_rows() == before
    if MATRIX[route][0] == "GET":
        assert all_rows() == before


def test_a_claim_has_the_fields_of_the_contract() -> None:
    acme = organization()

    answer = admin_client(acme).post("/organization-domains", {"domain": " Bücher.Example.ORG. "})

    assert answer.status_code == 201
    row = OrganizationDomain.objects.get()
    body = answer.json()
    assert (body["next_check_at"] is not None, body["pending_expires_at"] is not None) == (True, True)
    for name in ("created_at", "next_check_at", "pending_expires_at"):
        assert body.pop(name).endswith("Z")
    assert body == {
        "id": f"OrganizationDomainClaim_{row.pk}",
        "domain": "xn--bcher-kva.example.org",
        "state": "pending",
        "dns_record": {
            "type": "TXT",
            "name": "_inkbox.xn--bcher-kva.example.org",
            "value": f"inkbox-domain-verification={row.token}",
        },
        "verified_at": None,
        "last_checked_at": None,
        "last_success_at": None,
        "valid_until": None,
        "last_check_result": None,
        "ownership_conflict": False,
        "recovery_action": (
            "Publish the TXT record at _inkbox.xn--bcher-kva.example.org. New records can take an hour to be visible."
        ),
    }
    assert len(row.token) == 40
    assert (
        admin_client(acme).get(f"/organization-domains/{quote(f'OrganizationDomainClaim_{row.pk}')}").json()["id"]
        == f"OrganizationDomainClaim_{row.pk}"
    )


@pytest.mark.parametrize(
    ("domain", "says"),
    [
        ("", "domain"),
        ("no domain", "not a domain name"),
        ("192.0.2.1", "not a domain name"),
        ("intranet", "does not exist in public DNS"),
        ("co.uk", "public suffix"),
        (f"{'a' * 60}.{'b' * 60}.{'c' * 60}.{'d' * 46}.example.org", "at most 240 characters"),
        (7, "domain"),
        (None, "domain"),
    ],
)
def test_names_that_nobody_can_own_are_refused(domain: object, says: str) -> None:
    answer = admin_client().post("/organization-domains", {"domain": domain})

    assert answer.status_code == 422
    assert says in answer.content.decode()
    assert not OrganizationDomain.objects.exists()


def test_claiming_twice_returns_the_claim() -> None:
    acme = organization()
    client = admin_client(acme)
    first = client.post("/organization-domains", {"domain": NAME})

    second = client.post("/organization-domains", {"domain": "ACME.org"})

    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    assert [action for action, _ in acts()] == ["organization_domain.claimed"]


@pytest.mark.parametrize("state", [ClaimState.EXPIRED, ClaimState.PENDING_EXPIRED])
def test_claiming_anew_starts_an_expired_one_again(state: ClaimState) -> None:
    acme = organization()
    row = domain_claim(acme, NAME, state)

    answer = admin_client(acme).post("/organization-domains", {"domain": NAME})

    assert (answer.status_code, answer.json()["id"], answer.json()["state"]) == (200, row.public_id, "pending")
    assert answer.json()["dns_record"] == row.dns_record
    row.refresh_from_db()
    assert row.pending_expires_at is not None
    assert row.pending_expires_at > now()
    assert row.next_check_at is not None


def test_an_organization_has_so_many_domains(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ORGANIZATION_DOMAINS_MAX", 2)
    acme = organization()
    client = admin_client(acme)
    domain_claim(acme, state=ClaimState.RELEASED)
    made = [client.post("/organization-domains", {"domain": f"{n}.acme.org"}) for n in range(3)]

    assert [answer.status_code for answer in made] == [201, 201, 402]
    assert made[2].json() == {"detail": "An organization has at most 2 domains. Delete one first."}


def test_the_list_is_paged_and_of_one_organization(django_assert_max_num_queries: Any) -> None:
    acme = organization()
    mine = [domain_claim(acme) for _ in range(5)]
    domain_claim(acme, state=ClaimState.RELEASED)
    domain_claim(organization())
    client = admin_client(acme)

    with django_assert_max_num_queries(4):
        first = client.get("/organization-domains?limit=2").json()
    second = client.get(f"/organization-domains?limit=2&cursor={first['next_cursor']}").json()
    third = client.get(f"/organization-domains?limit=2&cursor={second['next_cursor']}").json()

    seen = [row["id"] for page in (first, second, third) for row in page["items"]]
    assert seen == [row.public_id for row in reversed(mine)]
    assert third["next_cursor"] is None
    assert set(client.get("/organization-domains").json()) == {"items", "next_cursor"}


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "cursor=nothing"])
def test_a_bad_page_is_refused(query: str) -> None:
    assert admin_client().get(f"/organization-domains?{query}").status_code == 422


def test_verify_looks_at_dns_and_says_what_came_out() -> None:
    acme = organization()
    row = domain_claim(acme, NAME, ClaimState.PENDING)
    client = admin_client(acme)
    url = f"/organization-domains/{row.public_id}/verify"

    missing = client.post(url).json()
    FakeDns.publish("_inkbox.acme.org", "TXT", "something else")
    mismatch = client.post(url).json()
    publish(row)
    proven = client.post(url).json()

    assert (missing["state"], missing["last_check_result"]) == ("pending", "record_missing")
    assert (mismatch["state"], mismatch["last_check_result"]) == ("pending", "record_mismatch")
    assert (proven["state"], proven["last_check_result"]) == ("verified", "record_found")
    assert proven["verified_at"] == proven["last_success_at"] == proven["last_checked_at"]
    assert proven["recovery_action"] is None
    assert proven["next_check_at"] is not None
    assert set(FakeDns.asked) == {("_inkbox.acme.org", "TXT")}


def test_looks_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "DOMAIN_CHECKS_PER_MINUTE", 2)
    acme = organization()
    row = domain_claim(acme)
    client = admin_client(acme)

    answers = [client.post(f"/organization-domains/{row.public_id}/verify") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert len(FakeDns.asked) == 2


def test_a_released_claim_is_read_a_while_and_does_nothing() -> None:
    acme = organization()
    row, identity = domain_claim(acme, NAME), agent(acme, "alpha")
    DomainAffiliation.objects.create(identity=identity, claim=row)
    client, url = admin_client(acme), f"/organization-domains/{row.public_id}"

    assert client.delete(url).status_code == 204
    assert client.delete(url).status_code == 204

    body = client.get(url).json()
    assert (body["state"], body["next_check_at"], body["recovery_action"]) == (
        "released",
        None,
        "Claim the domain again.",
    )
    assert client.get("/organization-domains").json()["items"] == []
    assert client.post(f"{url}/verify").status_code == 409
    chosen = client.put("/identities/alpha/domain-affiliation", {"domain_claim_id": row.public_id})
    assert (chosen.status_code, chosen.json()["detail"]["code"]) == (409, "organization_domain_released")
    assert not DomainAffiliation.objects.exists()
    assert client.post("/organization-domains", {"domain": NAME}).json()["id"] != row.public_id
    assert FakeDns.asked == []


@pytest.mark.parametrize(
    "reference", ["nothing", "{pk}", "OrganizationDomainClaim_x", "OrganizationDomainClaim_{other}"]
)
def test_an_unknown_claim_is_404(reference: str) -> None:
    acme = organization()
    row = domain_claim(acme)
    agent(acme, "alpha")
    named = reference.format(pk=row.pk, other=uuid4())
    client = admin_client(acme)

    assert client.get(f"/organization-domains/{named}").status_code == 404
    assert client.post(f"/organization-domains/{named}/verify").status_code == 404
    assert client.delete(f"/organization-domains/{named}").status_code == 404
    assert client.put("/identities/alpha/domain-affiliation", {"domain_claim_id": named}).status_code == 404


def test_an_agent_shows_a_proven_domain(settings: Any) -> None:
    settings.PUBLIC_URL = "https://inkbox.example.net"
    acme = organization()
    row, _ = domain_claim(acme, NAME), agent(acme, "alpha")
    client = admin_client(acme)
    url = "/identities/alpha/domain-affiliation"

    before = client.get(url).json()
    chosen = client.put(url, {"domain_claim_id": row.public_id})
    again = client.put(url, {"domain_claim_id": row.public_id})
    removed = [client.delete(url).status_code, client.delete(url).status_code]

    nothing = {"domain_claim_id": None, "domain": None, "affiliation": None}
    body = chosen.json()
    assert before == client.get(url).json() == nothing
    assert set(body["affiliation"]) == {"domain", "verifier", "last_success_at", "valid_until"}
    assert (body["domain_claim_id"], body["domain"]) == (row.public_id, NAME)
    assert (body["affiliation"]["domain"], body["affiliation"]["verifier"]) == (NAME, "inkbox.example.net")
    assert (chosen.status_code, again.json(), removed) == (200, body, [204, 204])
    assert acts() == [("identity.domain_chosen", {"domain": NAME}), ("identity.domain_removed", {"domain": NAME})]


@pytest.mark.parametrize(
    ("state", "is_shown"),
    [
        (ClaimState.PENDING, False),
        (ClaimState.VERIFIED, True),
        (ClaimState.GRACE, True),
        (ClaimState.EXPIRED, False),
        (ClaimState.PENDING_EXPIRED, False),
    ],
)
def test_a_choice_is_kept_and_shows_only_what_is_proven(state: ClaimState, is_shown: bool) -> None:
    acme = organization()
    row, identity = domain_claim(acme, NAME, state), agent(acme, "alpha")

    answer = admin_client(acme).put("/identities/alpha/domain-affiliation", {"domain_claim_id": row.public_id})

    assert answer.status_code == 200
    body = agent_client(identity).get("/identities/alpha/domain-affiliation").json()
    assert (body["domain_claim_id"], body["domain"]) == (row.public_id, NAME)
    assert (body["affiliation"] is not None) is is_shown


def test_what_has_run_out_is_not_shown_even_before_the_sweep() -> None:
    acme = organization()
    row, identity = domain_claim(acme, NAME, valid_until=now()), agent(acme, "alpha")
    DomainAffiliation.objects.create(identity=identity, claim=row)

    assert admin_client(acme).get("/identities/alpha/domain-affiliation").json()["affiliation"] is None


def test_the_claim_of_another_organization_cannot_be_chosen() -> None:
    acme = organization()
    agent(acme, "alpha")
    foreign = domain_claim(organization())

    answer = admin_client(acme).put("/identities/alpha/domain-affiliation", {"domain_claim_id": foreign.public_id})

    assert answer.status_code == 404
    assert not DomainAffiliation.objects.exists()


@pytest.mark.parametrize(
    "body", [{}, {"domain_claim_id": None}, {"domain_claim_id": 7}, {"domain_claim_id": "x" * 101}]
)
def test_a_choice_names_a_claim(body: dict[str, object]) -> None:
    acme = organization()
    agent(acme, "alpha")

    answer = admin_client(acme).put("/identities/alpha/domain-affiliation", body)

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", "domain_claim_id"]


@pytest.mark.parametrize("ends", ["deleted", "moved"])
def test_an_agent_takes_no_domain_along(ends: str) -> None:
    acme = organization()
    row, identity = domain_claim(acme), agent(acme, "alpha")
    DomainAffiliation.objects.create(identity=identity, claim=row)

    if ends == "deleted":
        delete_identity(identity, Profile.MODERN)
    else:
        move_identity(identity, organization())

    assert not DomainAffiliation.objects.exists()
    assert OrganizationDomain.objects.get().state == "verified"
