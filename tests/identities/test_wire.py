"""What holds for every route: spellings, bodies, errors, the OpenAPI document."""

from __future__ import annotations

from typing import Any

import pytest
from drf_spectacular.generators import SchemaGenerator

from identities.api.urls import urlpatterns
from tests.factories.identities import ApiClient, admin_client, agent, organization
from tests.identities.rows import all_rows

pytestmark = pytest.mark.django_db

ROUTES = [
    ("GET", "/identities", None, 200),
    ("POST", "/identities", {"agent_handle": "bravo"}, 201),
    ("GET", "/identities/alpha", None, 200),
    ("PATCH", "/identities/alpha", {}, 200),
    ("DELETE", "/identities/alpha", None, 204),
    ("GET", "/identities/alpha/signing-key", None, 200),
    ("POST", "/identities/alpha/signing-key", None, 201),
    ("GET", "/signing-keys", None, 200),
    ("POST", "/signing-keys", None, 201),
    ("GET", "/api-keys", None, 200),
    ("GET", "/api-keys/self", None, 200),
    ("GET", "/api/whoami", None, 200),
]


@pytest.mark.parametrize("prefix", ["", "/compat/0.3"])
@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize(("method", "path", "body", "status"), ROUTES)
def test_both_spellings_are_answered_without_a_redirect(
    method: str, path: str, body: Any, status: int, slash: str, prefix: str
) -> None:
    acme = organization()
    agent(acme, "alpha")

    answer = admin_client(acme, prefix=prefix).call(method, path + slash, body)

    assert answer.status_code == status
    assert "Location" not in answer.headers


@pytest.mark.parametrize(
    "body", [b"{", b'{"agent_handle": "alpha"', b"{'agent_handle': 'alpha'}", b"\xff\xfe", b'{"a": NaN}', b"{}{}"]
)
@pytest.mark.parametrize(("method", "path"), [("POST", "/identities"), ("PATCH", "/identities/alpha")])
def test_malformed_json_is_refused(method: str, path: str, body: bytes) -> None:
    acme = organization()
    agent(acme, "alpha")
    client = admin_client(acme)
    before = all_rows()

    answer = client.call(method, path, body)

    assert answer.status_code == 422
    (issue,) = answer.json()["detail"]
    assert (issue["loc"], issue["type"]) == (["body"], "json_invalid")
    assert issue["msg"].startswith("The body is not valid JSON: ")
    assert all_rows() == before


@pytest.mark.parametrize("body", [[], ["alpha"], "alpha", 7, True])
def test_a_body_that_is_no_object_is_refused(body: Any) -> None:
    client = admin_client()
    before = all_rows()

    answer = client.post("/identities", body)

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body"]
    assert all_rows() == before


@pytest.mark.parametrize("body", [None, b"", b" \n", {}])
def test_no_body_reads_as_an_empty_object(body: Any) -> None:
    acme = organization()
    agent(acme, "alpha")

    assert admin_client(acme).patch("/identities/alpha", body).status_code == 200


def test_a_lone_surrogate_is_refused() -> None:
    answer = admin_client().post("/identities", b'{"agent_handle": "alpha", "display_name": "\\ud800"}')

    assert answer.status_code == 422


def test_a_caller_may_ask_for_anything_and_gets_json() -> None:
    client = admin_client()

    for accept in ("*/*", "text/html", "application/octet-stream", "text/vcard"):
        answer = client.get("/identities", Accept=accept)
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")


def test_an_error_page_is_json_too() -> None:
    answer = ApiClient().get("/identities")

    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Request-ID"].startswith("req_")


def test_the_openapi_document() -> None:
    document = SchemaGenerator(patterns=urlpatterns).get_schema(public=True)  # type: ignore[no-untyped-call]

    operations = {
        operation["operationId"]: sorted(operation["responses"])
        for path in document["paths"].values()
        for operation in path.values()
    }
    assert operations == {
        "list_identities": ["200"],
        "create_identity": ["201"],
        "get_identity": ["200"],
        "update_identity": ["200"],
        "delete_identity": ["204"],
        "set_identity_avatar": ["200"],
        "get_identity_avatar": ["200"],
        "delete_identity_avatar": ["204"],
        "list_identity_access": ["200"],
        "grant_identity_access": ["201"],
        "revoke_identity_access": ["204"],
        "get_identity_signing_key": ["200"],
        "rotate_identity_signing_key": ["201"],
        "get_signing_key": ["200"],
        "rotate_signing_key": ["201"],
        "list_api_keys": ["200"],
        "create_api_key": ["201"],
        "get_own_api_key": ["200"],
        "revoke_api_key": ["204"],
        "create_session_token": ["201"],
        "revoke_current_session_token": ["204"],
        "list_session_tokens": ["200"],
        "revoke_session_token": ["204"],
        "revoke_session_tokens": ["204"],
        "claim_organization_domain": ["200", "201"],
        "list_organization_domains": ["200"],
        "get_organization_domain": ["200"],
        "verify_organization_domain": ["200"],
        "release_organization_domain": ["204"],
        "get_domain_affiliation": ["200"],
        "set_domain_affiliation": ["200"],
        "remove_domain_affiliation": ["204"],
        "whoami_retrieve": ["200"],
        "api_whoami_retrieve": ["200"],
    }
    security = document["paths"]["/api/v1/identities"]["get"]["security"]
    assert security == [{"ApiKey": []}, {"SessionToken": []}]
