"""Signing in, registering, resetting: limited, and silent about who has an account."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from django.test import Client

from identities.models import User
from mail.models import PlatformMail
from tests.console.pages import text
from tests.factories.identities import person
from tests.factories.signup import newest_mail, text_of

pytestmark = pytest.mark.django_db

LOGIN, SIGNUP, RESET = "/accounts/login/", "/accounts/signup/", "/accounts/password/reset/"
SECRET = "correct horse 9 battery"


@dataclass(frozen=True)
class Names:
    """Addresses of one test: what was counted outlives it, and other tests count at the same time."""

    known: str
    unknown: str
    net: str

    @property
    def both(self) -> tuple[str, str]:
        return self.known, self.unknown

    def ip(self, number: int = 1) -> str:
        return f"{self.net}{number}"

    def visitor(self, number: int = 1) -> Client:
        return Client(REMOTE_ADDR=self.ip(number))


@pytest.fixture
def names() -> Names:
    suffix = secrets.token_hex(6)
    net = f"10.{secrets.randbelow(256)}.{secrets.randbelow(256)}."
    return Names(f"known-{suffix}@example.com", f"unknown-{suffix}@example.com", net)


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The passwords that were hashed, which is what takes time in these requests."""
    seen: list[str] = []
    encode = MD5PasswordHasher.encode

    def count(self: Any, password: str, *rest: Any, **options: Any) -> str:
        seen.append(password)
        return encode(self, password, *rest, **options)

    monkeypatch.setattr(MD5PasswordHasher, "encode", count)
    return seen


def without_tokens(page: str, email: str) -> str:
    page = re.sub(r'(name="csrfmiddlewaretoken" value=|nonce=)"[^"]+"', "", page)
    return page.replace(email, "EMAIL")


def log_in(client: Client, email: str, password: str) -> Any:
    return client.post(LOGIN, {"login": email, "password": password})


def register(client: Client, email: str) -> Any:
    return client.post(SIGNUP, {"email": email, "password1": SECRET, "password2": SECRET})


def test_a_failed_sign_in_does_not_tell_who_has_an_account(names: Names, hashed: list[str]) -> None:
    person(email=names.known, password=SECRET)
    hashed.clear()
    answers, work = [], []
    for email in names.both:
        answers.append(log_in(names.visitor(), email, "not the password"))
        work.append(list(hashed))
        hashed.clear()

    pages = [without_tokens(text(answer), email) for answer, email in zip(answers, names.both, strict=True)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert "not correct" in pages[0]
    assert pages[0] == pages[1]
    assert work == [["not the password"]] * 2


def test_a_registration_does_not_tell_who_has_an_account(names: Names, hashed: list[str]) -> None:
    person(email=names.known, password=SECRET)
    hashed.clear()
    answers, pages, work = [], [], []
    for email in names.both:
        client = names.visitor()
        answers.append(register(client, email))
        work.append(list(hashed))
        hashed.clear()
        pages.append(without_tokens(text(client.get(answers[-1].headers["Location"])), email))

    assert [answer.status_code for answer in answers] == [302, 302]
    assert answers[0].headers["Location"] == answers[1].headers["Location"]
    assert pages[0] == pages[1]
    assert work == [[SECRET]] * 2
    # Who has an account is told so by mail, and gets no code.
    assert User.objects.filter(email=names.known).count() == 1
    assert "already" in text_of(newest_mail(names.known))
    assert PlatformMail.objects.filter(recipient=names.unknown).count() == 1


def test_a_reset_does_not_tell_who_has_an_account(names: Names) -> None:
    person(email=names.known, password=SECRET)
    answers, pages = [], []
    for email in names.both:
        client = names.visitor()
        answers.append(client.post(RESET, {"email": email}))
        pages.append(without_tokens(text(client.get(answers[-1].headers["Location"])), email))

    assert [answer.status_code for answer in answers] == [302, 302]
    assert answers[0].headers["Location"] == answers[1].headers["Location"]
    assert pages[0] == pages[1]
    # Both are mailed, so neither answer is quicker.
    assert [PlatformMail.objects.filter(recipient=email).count() for email in names.both] == [1, 1]
    assert "/accounts/password/reset/key/" in text_of(newest_mail(names.known))
    assert "/accounts/password/reset/key/" not in text_of(newest_mail(names.unknown))


@pytest.mark.parametrize("has_account", [True, False])
def test_five_wrong_passwords_lock_an_address_for_a_while(names: Names, has_account: bool) -> None:
    email = names.known if has_account else names.unknown
    person(email=names.known, password=SECRET)
    for number in range(5):
        assert "not correct" in text(log_in(names.visitor(), email, f"wrong {number}"))

    answer = log_in(names.visitor(), email, SECRET)

    assert "Too many failed" in text(answer)
    assert "_auth_user_id" not in answer.client.session


@pytest.mark.parametrize(("path", "body", "limit"), [(LOGIN, {"login": "", "password": ""}, 30), (SIGNUP, {}, 20)])
def test_one_visitor_may_not_try_without_end(names: Names, path: str, body: dict[str, str], limit: int) -> None:
    answers = [names.visitor().post(path, body) for _ in range(limit + 1)]

    assert [answer.status_code for answer in answers] == [200] * limit + [429]
    assert "Too many attempts" in text(answers[-1])
    assert names.visitor(2).post(path, body).status_code == 200


def test_resets_are_limited_for_one_address_and_for_one_visitor(names: Names) -> None:
    answers = [names.visitor(number).post(RESET, {"email": names.unknown}).status_code for number in range(6)]
    assert answers == [302] * 5 + [429]
    assert PlatformMail.objects.filter(recipient=names.unknown).count() == 5

    by_one = [names.visitor(99).post(RESET, {"email": f"{n}-{names.unknown}"}).status_code for n in range(21)]
    assert by_one == [302] * 20 + [429]


def test_visitors_behind_a_proxy_are_counted_apart(names: Names, settings: Any) -> None:
    settings.TRUSTED_PROXIES = 1

    def through(forwarded: str) -> int:
        answer = Client(REMOTE_ADDR=names.ip(254), HTTP_X_FORWARDED_FOR=forwarded).post(LOGIN, {})
        return int(answer.status_code)

    assert [through(names.ip(1)) for _ in range(31)][-1] == 429
    assert through(names.ip(2)) == 200
    # What a visitor claims stands before what the proxy adds.
    assert through(f"198.51.100.7, {names.ip(1)}") == 429


def test_without_a_proxy_nobody_chooses_an_address(names: Names) -> None:
    codes = [
        Client(REMOTE_ADDR=names.ip(254), HTTP_X_FORWARDED_FOR=names.ip(number)).post(LOGIN, {}).status_code
        for number in range(31)
    ]

    assert codes[-1] == 429


def test_a_verification_code_is_guessed_three_times_at_most(names: Names) -> None:
    client = names.visitor()
    verify = register(client, names.unknown).headers["Location"]
    code = re.search(r"^\s*([A-Z0-9]{3,4}-?[A-Z0-9]{3,4})\s*$", text_of(newest_mail(names.unknown)), re.MULTILINE)
    assert code is not None

    for _ in range(3):
        client.post(verify, {"code": "AAAAAA"})
    answer = client.post(verify, {"code": code[1]}, follow=True)

    assert "_auth_user_id" not in client.session
    assert User.objects.get(email=names.unknown).email_verified_at is None
    assert answer.redirect_chain


def test_codes_of_the_second_factor_are_limited(names: Names) -> None:
    from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret

    user = person(email=names.known, password=SECRET)
    secret = generate_totp_secret()
    TOTP.activate(user, secret)
    client = names.visitor()
    assert log_in(client, names.known, SECRET).headers["Location"].startswith("/accounts/2fa/authenticate/")

    answers = [text(client.post("/accounts/2fa/authenticate/", {"code": f"00000{number}"})) for number in range(6)]

    assert "Too many" not in answers[0]
    assert "Too many" in answers[-1]
    assert "_auth_user_id" not in client.session
