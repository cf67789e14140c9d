"""A forgotten password, from the mail to the next sign-in."""

from __future__ import annotations

import re
import secrets

import pytest
from django.test import Client

from identities.models import User
from tests.factories.identities import person
from tests.factories.signup import newest_mail, text_of

pytestmark = pytest.mark.django_db

OLD, NEW = "correct horse 9 battery", "staple 4 something else"


def link_for(email: str) -> str:
    """The path of the link in the mail that a reset sends."""
    # Requests are counted by address, across tests.
    client = Client(REMOTE_ADDR=f"10.{secrets.randbelow(256)}.{secrets.randbelow(256)}.1")
    assert client.post("/accounts/password/reset/", {"email": email}).status_code == 302
    found = re.search(r"https?://[^/\s]+(/accounts/password/reset/key/\S+)", text_of(newest_mail(email)))
    assert found is not None
    return found[1]


def test_the_link_of_the_mail_sets_a_password_once() -> None:
    # People made by `bootstrap` or an operator are unknown to allauth until they sign in.
    user = person(email=f"forgetful-{secrets.token_hex(4)}@example.com", password=OLD)
    path = link_for(user.email)
    client = Client()

    form = client.get(path, follow=True)
    assert form.status_code == 200
    answer = client.post(form.request["PATH_INFO"], {"password1": NEW, "password2": NEW})

    assert answer.status_code == 302
    assert User.objects.get(pk=user.pk).check_password(NEW)
    again = Client().get(path, follow=True)
    assert "was invalid" in again.content.decode()


def test_a_link_of_somebody_else_sets_nothing() -> None:
    users = [person(email=f"forgetful-{secrets.token_hex(4)}@example.com", password=OLD) for _ in range(2)]
    path = link_for(users[0].email).replace(users[0].pk, users[1].pk)
    client = Client()

    form = client.get(path, follow=True)
    client.post(form.request["PATH_INFO"], {"password1": NEW, "password2": NEW})

    assert "was invalid" in form.content.decode()
    assert all(User.objects.get(pk=user.pk).check_password(OLD) for user in users)
