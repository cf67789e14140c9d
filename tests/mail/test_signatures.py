"""Signatures of outgoing mail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mail.html_edit import insert_at_end, text_as_html
from mail.models import Mailbox, MessageContent
from mail.raw import load_raw
from mail.signatures import Signature, sign_bodies, signature_of
from tests.factories.identities import agent
from tests.factories.mail import mailbox_of, queue

SIGNATURE = Signature("Billing Bot\nExample Org", "<p>Billing Bot<br>Example Org</p>")


@dataclass(frozen=True)
class Columns:
    signature_enabled: bool = True
    signature_html: str | None = None
    signature_text: str | None = None


@pytest.mark.parametrize(
    ("columns", "signature"),
    [
        (Columns(signature_text="Bot", signature_html="<b>Bot</b>"), Signature("Bot", "<b>Bot</b>")),
        (Columns(signature_html="<p>Bot<br>Org</p>"), Signature("Bot\nOrg", "<p>Bot<br>Org</p>")),
        (Columns(signature_text="R&D <bot>\nOrg"), Signature("R&D <bot>\nOrg", "<p>R&amp;D &lt;bot&gt;<br>\nOrg</p>")),
        (
            Columns(signature_html='<img src="https://x.example/l.png">'),
            Signature("", '<img src="https://x.example/l.png">'),
        ),
        (Columns(signature_html=" ", signature_text="\n"), None),
        (Columns(), None),
        (Columns(signature_enabled=False, signature_text="Bot"), None),
    ],
)
def test_what_a_mailbox_signs_with(columns: Columns, signature: Signature | None) -> None:
    assert signature_of(columns) == signature


@pytest.mark.parametrize(
    ("body_text", "body_html", "signed_text", "signed_html"),
    [
        ("Hi.", None, "Hi.\n\n-- \nBilling Bot\nExample Org\n", None),
        ("Hi.\r\n\r\n", None, "Hi.\n\n-- \nBilling Bot\nExample Org\n", None),
        (None, None, "-- \nBilling Bot\nExample Org\n", None),
        (None, "<p>Hi.</p>", None, "<p>Hi.</p><div><p>Billing Bot<br>Example Org</p></div>"),
        (
            "Hi.",
            "<html><BODY>Hi.</BODY></html>",
            "Hi.\n\n-- \nBilling Bot\nExample Org\n",
            "<html><BODY>Hi.<div><p>Billing Bot<br>Example Org</p></div></BODY></html>",
        ),
        # A body that is signed already stays as it is, each alternative by itself.
        ("Hi.\r\nBilling Bot\r\nExample Org\r\n", None, "Hi.\r\nBilling Bot\r\nExample Org\r\n", None),
        (
            "Hi.",
            "<div>Hi.<p>Billing Bot<br>Example Org</p></div>\n",
            "Hi.\n\n-- \nBilling Bot\nExample Org\n",
            "<div>Hi.<p>Billing Bot<br>Example Org</p></div>\n",
        ),
    ],
)
def test_bodies_end_with_the_signature(
    body_text: str | None, body_html: str | None, signed_text: str | None, signed_html: str | None
) -> None:
    signed = sign_bodies(body_text, body_html, SIGNATURE)

    assert signed == (signed_text, signed_html)
    assert sign_bodies(*signed, SIGNATURE) == signed


def test_nothing_looks_like_a_signature_above_a_quote() -> None:
    assert sign_bodies("Hi.", None, SIGNATURE, is_quoted_below=True) == ("Hi.\n\nBilling Bot\nExample Org\n", None)


@given(st.text(alphabet="ab \n-<>/divboyhtml"), st.text(alphabet="ab \n-<>/divboyhtml"))
def test_signing_twice_is_signing_once(body_text: str, body_html: str) -> None:
    once = sign_bodies(body_text, body_html, SIGNATURE)

    assert sign_bodies(*once, SIGNATURE) == once
    assert sign_bodies(body_text, body_html, None) == (body_text, body_html)


@pytest.mark.parametrize(
    ("document", "result"),
    [
        ("", "X"),
        ("<p>a</p>", "<p>a</p>X"),
        ("<html><body>a</body></html>", "<html><body>aX</body></html>"),
        ("a</BODY >", "aX</BODY >"),
        ("<html>a</html>", "<html>aX</html>"),
        ("a</body>b</body>c", "a</body>bX</body>c"),
        ("İ</body>", "İX</body>"),
    ],
)
def test_insert_at_end(document: str, result: str) -> None:
    assert insert_at_end(document, "X") == result


def test_text_as_html() -> None:
    assert text_as_html("a<b\r\n&\rc") == "a&lt;b<br>\n&amp;<br>\nc"


@pytest.mark.django_db
@pytest.mark.parametrize("is_enabled", [True, False])
def test_a_send_is_signed_when_that_is_switched_on(is_enabled: bool) -> None:
    box = mailbox_of(agent())
    values: dict[str, Any] = {
        "signature_enabled": is_enabled,
        "signature_text": "Billing Bot",
        "signature_html": "<i>Bot</i>",
    }
    Mailbox.objects.filter(pk=box.pk).update(**values)
    box.refresh_from_db()

    message = queue(box, "ada@x.example", body_text="Hi.", body_html="<p>Hi.</p>")

    content = MessageContent.objects.get(message=message)
    bodies = ("Hi.\n\n-- \nBilling Bot\n", "<p>Hi.</p><div><i>Bot</i></div>") if is_enabled else ("Hi.", "<p>Hi.</p>")
    assert (content.body_text, content.body_html) == bodies
    assert (b"Billing Bot" in load_raw(content)) is is_enabled
    assert message.snippet == ("Hi. -- Billing Bot" if is_enabled else "Hi.")
