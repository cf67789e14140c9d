"""Agents that signed themselves up, and what their humans were mailed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage

from mail.models import PlatformMail
from signup.models import Signup
from tests.factories.identities import ApiClient

HUMAN = "ada@human.example"


@dataclass(frozen=True)
class NewAgent:
    """An agent with the key that signup gave it."""

    client: ApiClient
    key: str
    row: Signup

    @property
    def code(self) -> str:
        """The code of the newest mail."""
        found = re.search(r"^    (\d{6})$", text_of(newest_mail(self.row.human_email)), re.MULTILINE)
        assert found is not None
        return found[1]

    @property
    def link(self) -> str:
        """The path of the claim page of the newest mail."""
        found = re.search(r"https?://\S+(/claim/\S+)", text_of(newest_mail(self.row.human_email)))
        assert found is not None
        return found[1]


def sign_up(human_email: str = HUMAN, **fields: object) -> NewAgent:
    """An agent that called the public route."""
    body = {"human_email": human_email, "note_to_human": "Hello, it is me.", **fields}
    answer = ApiClient().post("/agent-signup", body)
    assert answer.status_code == 201, answer.content
    key = answer.json()["api_key"]
    row = Signup.objects.select_related("identity").get(key_id=key.partition(".")[0])
    return NewAgent(ApiClient(key), key, row)


def newest_mail(to: str) -> EmailMessage:
    """The newest message that the server itself sent to this address."""
    row = PlatformMail.objects.filter(recipient=to).latest("created_at")
    assert row.raw is not None
    parsed = message_from_bytes(bytes(row.raw), policy=policy.default)
    assert isinstance(parsed, EmailMessage)
    return parsed


def text_of(mail: EmailMessage, kind: str = "plain") -> str:
    """The body of this kind, lines ending as in Python."""
    part = mail.get_body((kind,))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")
