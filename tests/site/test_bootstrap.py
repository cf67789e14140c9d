"""`manage.py bootstrap`."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from common.principal import Scope
from identities.models import ApiKey, Membership, Organization, User
from identities.services.api_keys import authenticate_api_key
from inkbox_site.management.commands import bootstrap as command
from inkbox_site.processes.roles import CannotStart

pytestmark = pytest.mark.django_db

ACME = {"email": "owner@example.com", "organization": "Acme"}


def _run(**options: Any) -> str:
    out = StringIO()
    call_command("bootstrap", stdout=out, **options)
    return out.getvalue()


def test_the_first_run_creates_everything(settings: Settings) -> None:
    settings.PUBLIC_URL = "https://mail.example.com"

    report = json.loads(_run(as_json=True, **ACME))

    organization, user = Organization.objects.get(), User.objects.get()
    assert report == {
        "organization_id": organization.pk,
        "user_id": user.pk,
        "email": "owner@example.com",
        "password": report["password"],
        "api_key": report["api_key"],
        "base_url": "https://mail.example.com",
        "console_url": "https://mail.example.com/",
    }
    assert user.check_password(report["password"])
    principal = authenticate_api_key(report["api_key"])
    assert (principal.scope, principal.organization_id) == (Scope.ADMIN, organization.pk)


def test_repeating_it_changes_nothing_and_shows_no_secret() -> None:
    first = json.loads(_run(as_json=True, **ACME))
    second = json.loads(_run(as_json=True, email="OWNER@example.com", organization="Acme"))

    assert second == first | {"password": None, "api_key": None}
    assert (User.objects.count(), Organization.objects.count(), ApiKey.objects.count()) == (1, 1, 1)
    assert Membership.objects.count() == 1


def test_a_new_key_leaves_the_old_one_alone() -> None:
    first = json.loads(_run(as_json=True, **ACME))
    second = json.loads(_run(as_json=True, new_key=True, **ACME))

    assert second["password"] is None
    assert second["api_key"] != first["api_key"]
    assert {authenticate_api_key(r["api_key"]).scope for r in (first, second)} == {Scope.ADMIN}


def test_people_read_lines_with_secrets_once() -> None:
    first, second = _run(**ACME), _run(**ACME)

    assert "API key       ApiKey_" in first
    assert "shown this once" in first
    assert "ApiKey_" not in second
    assert "shown this once" not in second


def test_first_run_speaks_only_on_an_empty_server() -> None:
    first, second = _run(first_run=True), _run(first_run=True)

    assert "owner@localhost" in first
    assert second == ""
    assert Organization.objects.get().name == "My organization"


def test_first_run_leaves_a_server_with_accounts_alone() -> None:
    _run(**ACME)

    assert _run(first_run=True) == ""
    assert User.objects.get().email == "owner@example.com"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "Give --email and --organization"),
        ({"email": "a@example.com", "organization": "  "}, "Give --email and --organization"),
        ({"email": "nobody", "organization": "Acme"}, "'nobody' is not an email address"),
    ],
)
def test_bad_arguments_create_nothing(options: dict[str, str], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        _run(**options)

    assert not User.objects.exists()
    assert not Organization.objects.exists()


def test_a_database_behind_the_code_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> list[str]:
        raise CannotStart("The database lacks 2 migrations. Run: manage.py migrate")

    monkeypatch.setattr(command, "prepare_database", refuse)

    with pytest.raises(CommandError, match=r"Run: manage\.py migrate"):
        _run(**ACME)
