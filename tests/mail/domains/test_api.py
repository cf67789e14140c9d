"""The routes of sending domains (contract mail.md section 3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from identities.enums import Role
from mail.domain_states import DomainStatus
from mail.models import SendingDomain
from mail.services.domain_checks import domain_records
from mail.services.domain_keys import keys_of
from mail.services.sending_domains import NewDomain, register_domain
from tests.factories.dns import FakeDns
from tests.factories.domains import sending_domain
from tests.factories.identities import (
    ApiClient,
    admin_client,
    admin_principal,
    agent,
    agent_client,
    nobody,
    organization,
    session,
    session_client,
    unclaimed_agent,
)
from tests.identities.rows import all_rows

pytestmark = pytest.mark.django_db

NAME = "mail.acme.org"
CALLERS = ("admin", "owner", "administrator", "member", "claimed", "unclaimed", "foreign", "no_org", "nobody")
_ALL = (200, 200, 200, 200, 200, 200, 200, 403, 401)
# Members of a console session see domains and change none; agents see only the list.
_SEEN = (200, 200, 200, 200, 403, 403, 404, 403, 401)
_CHANGED = (200, 200, 200, 403, 403, 403, 404, 403, 401)
MATRIX: dict[str, tuple[str, str, Any, tuple[int, ...]]] = {
    "list": ("GET", "/domains/", None, _ALL),
    "register": ("POST", "/domains", {"domain": "b.acme.org"}, (201, 201, 201, 403, 403, 403, 201, 403, 401)),
    "get": ("GET", f"/domains/{NAME}", None, _SEEN),
    "verify": ("POST", f"/domains/{NAME}/verify", None, _CHANGED),
    "rotate": ("POST", f"/domains/{NAME}/rotate-dkim", None, _CHANGED),
    "set default": ("POST", f"/domains/{NAME}/set-default", {}, _CHANGED),
    "delete": ("DELETE", f"/domains/{NAME}", None, (204, 204, 204, 403, 403, 403, 404, 403, 401)),
    "restore": ("POST", "/domains/deleted.acme.org/restore", None, _CHANGED),
}


def _client(caller: str) -> ApiClient:
    acme = organization()
    sending_domain(acme, NAME)
    sending_domain(acme, "deleted.acme.org", DomainStatus.PENDING_DELETION, status_before_deletion="verified")
    clients: dict[str, Callable[[], ApiClient]] = {
        "admin": lambda: admin_client(acme),
        "owner": lambda: session_client(acme, Role.OWNER),
        "administrator": lambda: session_client(acme, Role.ADMIN),
        "member": lambda: session_client(acme, Role.MEMBER),
        "claimed": lambda: agent_client(agent(acme)),
        "unclaimed": lambda: agent_client(unclaimed_agent(acme)),
        "foreign": lambda: admin_client(organization()),
        "no_org": lambda: ApiClient(bearer=session(None)),
        "nobody": nobody,
    }
    return clients[caller]()


@pytest.mark.parametrize("number", range(len(CALLERS)), ids=CALLERS)
@pytest.mark.parametrize("route", MATRIX)
def test_who_may_call_what(route: str, number: int) -> None:
    method, path, body, statuses = MATRIX[route]
    client = _client(CALLERS[number])
    before = all_rows()

    response = client.call(method, path, body)

    assert response.status_code == statuses[number], response.content
    if statuses[number] >= 400:
        assert isinstance(response.json()["detail"], str)
        assert all_rows() == before


def test_the_list_has_the_fields_of_the_contract() -> None:
    acme = organization()
    old = sending_domain(acme, "old.acme.org", DomainStatus.AWAITING_OWNERSHIP)
    new = sending_domain(acme, NAME, is_default=True, failure_reason="")

    answer = admin_client(acme).get("/domains/").json()

    assert [(row["id"], row["domain"], row["status"], row["is_default"]) for row in answer] == [
        (f"sending_domain_{new.pk}", NAME, "verified", True),
        (f"sending_domain_{old.pk}", "old.acme.org", "awaiting_ownership", False),
    ]
    assert answer[0]["verified_at"].endswith("Z")
    assert answer[1]["verified_at"] is None
    assert answer[0]["failure_reason"] is None
    assert admin_client(acme).get("/domains").json() == answer


@pytest.mark.parametrize("status", list(DomainStatus))
def test_the_list_is_filtered_by_status(status: DomainStatus) -> None:
    acme = organization()
    for other in DomainStatus:
        sending_domain(acme, f"{other.value.replace('_', '-')}.acme.org", other)

    answer = admin_client(acme).get(f"/domains?status={status.value}").json()

    assert [row["status"] for row in answer] == [status.value]


def test_an_unknown_status_is_refused() -> None:
    answer = admin_client(organization()).get("/domains/?status=great")

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["query", "status"]


def test_a_domain_is_registered_and_verified_over_the_api() -> None:
    client = admin_client(organization())

    made = client.post("/domains", {"domain": NAME})
    for record in made.json()["dns_records"]:
        FakeDns.publish(record["name"], record["type"], record["value"])
    verified = client.post(f"/domains/{NAME}/verify")
    again = client.post("/domains", {"domain": NAME})

    assert (made.status_code, made.json()["status"]) == (201, "not_started")
    assert next((r["purpose"], r["type"], r["name"], r["required"]) for r in made.json()["dns_records"]) == (
        "ownership",
        "TXT",
        f"inkbox-ownership.{NAME}",
        True,
    )
    assert {r["status"] for r in made.json()["dns_records"]} == {"unknown"}
    assert {r["ok"] for r in made.json()["dns_records"]} == {None}
    assert (verified.status_code, verified.json()["status"]) == (200, "verified")
    assert {r["status"] for r in verified.json()["dns_records"]} == {"ok"}
    assert {r["ok"] for r in verified.json()["dns_records"]} == {True}
    assert verified.json()["dns_records"][0]["found"] == [made.json()["dns_records"][0]["value"]]
    assert (again.status_code, again.json()["id"]) == (200, made.json()["id"])
    assert client.post(f"/domains/{NAME}/set-default", {}).json() == {"default_domain": NAME}
    assert client.post("/domains/mail.localhost/set-default", {}).json() == {"default_domain": None}


def test_the_records_that_a_person_copies() -> None:
    acme = organization()
    row = register_domain(admin_principal(acme), NewDomain(NAME, "post")).row
    rsa, ed = keys_of(row)

    body = admin_client(acme).get(f"/domains/{row.public_id}").json()

    assert [(r["purpose"], r["type"], r["name"], r["value"], r["required"]) for r in body["dns_records"]] == [
        ("ownership", "TXT", f"inkbox-ownership.{NAME}", f"inkbox-ownership={row.ownership_token}", True),
        ("dkim", "TXT", f"{rsa.selector}._domainkey.{NAME}", rsa.dns_record, True),
        ("dkim", "TXT", f"{ed.selector}._domainkey.{NAME}", ed.dns_record, False),
        ("spf", "TXT", NAME, "v=spf1 a:mx.server.example ~all", True),
        ("mx", "MX", NAME, "10 mx.server.example", False),
        ("dmarc", "TXT", f"_dmarc.{NAME}", "v=DMARC1; p=none", False),
        ("return_path", "MX", f"post.{NAME}", "10 mx.server.example", False),
        ("return_path", "TXT", f"post.{NAME}", "v=spf1 a:mx.server.example ~all", False),
    ]
    lines = body["zone_file"].splitlines()
    assert len(lines) == 8
    assert f"{NAME}. IN MX 10 mx.server.example." in lines
    assert f'{NAME}. IN TXT "v=spf1 a:mx.server.example ~all"' in lines
    assert all(len(part) <= 255 for line in lines for part in line.split('"')[1::2])
    assert "".join(lines[1].split('"')[1::2]) == rsa.dns_record


@pytest.mark.parametrize(
    ("body", "loc"),
    [
        ({}, ["body", "domain"]),
        ({"domain": 7}, ["body", "domain"]),
        ({"domain": None}, ["body", "domain"]),
        ({"domain": "co.uk"}, ["body", "domain"]),
        ({"domain": "x.mail.localhost"}, ["body", "domain"]),
        ({"domain": "a\r\nb.acme.org"}, ["body", "domain"]),
        ({"domain": NAME, "mail_from_subdomain": "-"}, ["body", "mail_from_subdomain"]),
        ([], ["body"]),
    ],
)
def test_a_bad_body_names_the_field(body: Any, loc: list[str]) -> None:
    answer = admin_client(organization()).post("/domains", body)

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == loc
    assert not SendingDomain.objects.exists()


def test_an_unverified_domain_gets_neither_default_nor_mailboxes() -> None:
    acme = organization()
    client = admin_client(acme)
    row = sending_domain(acme, NAME, DomainStatus.PENDING)

    default = client.post(f"/domains/{NAME}/set-default", {})
    identity = client.post("/identities", {"agent_handle": "billing-bot", "mailbox": {"sending_domain": NAME}})
    unknown = client.post("/identities", {"agent_handle": "billing-bot", "mailbox": {"sending_domain": "b.acme.org"}})

    assert (default.status_code, default.json()["detail"]["error"]) == (409, "default_domain_unavailable")
    assert (identity.status_code, identity.json()["detail"]["error"]) == (409, "sending_domain_not_verified")
    assert unknown.status_code == 404
    row.refresh_from_db()
    assert not row.is_default


def test_an_identity_is_created_on_a_verified_domain() -> None:
    acme = organization()
    sending_domain(acme, NAME)

    answer = admin_client(acme).post(
        "/identities", {"agent_handle": "billing-bot", "mailbox": {"sending_domain": NAME}}
    )

    assert answer.status_code == 201
    assert answer.json()["mailbox"]["email_address"] == f"billing-bot@{NAME}"
    assert answer.json()["mailbox"]["sending_domain"] == NAME


def test_deletion_in_use_and_restoration() -> None:
    acme = organization()
    client = admin_client(acme)
    sending_domain(acme, NAME, is_default=True)
    agent(acme)

    refused = client.call("DELETE", f"/domains/{NAME}")
    sending_domain(acme, "b.acme.org")
    deleted = client.call("DELETE", "/domains/b.acme.org")
    restored = client.post("/domains/b.acme.org/restore")

    assert (refused.status_code, refused.json()["detail"]["error"]) == (409, "sending_domain_in_use")
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert (restored.status_code, restored.json()["status"], restored.json()["delete_at"]) == (200, "verified", None)


def test_budgets(django_assert_num_queries: Any) -> None:
    acme = organization()
    client = admin_client(acme)
    row = register_domain(admin_principal(acme), NewDomain(NAME)).row
    for _ in range(20):
        sending_domain(acme)
    client.get("/domains/")

    with django_assert_num_queries(2):  # credential, rows
        client.get("/domains/")
    with django_assert_num_queries(3):  # credential, row, keys
        client.get(f"/domains/{NAME}")
    assert len(domain_records(row, keys_of(row))) == 8
