"""Writing in the name of an agent."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from console.mail_forms import split_addresses
from identities.enums import Role
from identities.models import AgentIdentity
from mail.enums import Folder
from mail.mime.parse import extract_attachment
from mail.models import Draft, Mailbox, Message, OutboundRecipient, Suppression
from mail.raw import load_raw
from tests.console.pages import signed_in
from tests.factories.identities import agent, organization, unclaimed_agent
from tests.factories.mail import mailbox_of, queue, receive

pytestmark = pytest.mark.django_db

TOKEN = "6f1d1f5e-64e5-4a8f-9a51-52ad59ddc8d5"
WRITTEN = {"to": "ada@customer.example", "subject": "Offer", "body": "Hello,\r\nhere it is.", "token": TOKEN}


def box() -> tuple[Client, Mailbox]:
    acme = organization()
    return signed_in(acme), mailbox_of(agent(acme, "alpha"))


def compose(client: Client, query: str = "", **values: Any) -> Any:
    """Post the form, its fields as in WRITTEN unless given."""
    return client.post(reverse("console:compose", args=["alpha"]) + query, {**WRITTEN, "action": "send", **values})


def text(response: Any) -> str:
    content: str = response.content.decode()
    return content


def test_a_message_is_queued_once_however_often_the_form_is_sent() -> None:
    client, _ = box()

    answers = [compose(client, cc="Bob <bob@customer.example>", bcc="carl@customer.example") for _ in range(3)]

    message = Message.objects.get()
    assert {answer.headers["Location"] for answer in answers} == {
        reverse("console:thread", args=["alpha", message.thread_id])
    }
    assert (message.subject, message.content.body_text) == ("Offer", "Hello,\nhere it is.")
    assert message.to_addresses == ["ada@customer.example"]
    assert message.cc_addresses == ["bob@customer.example"]
    assert message.bcc_addresses == ["carl@customer.example"]
    assert OutboundRecipient.objects.count() == 3
    assert message.job.is_open


def test_a_form_that_was_sent_and_changed_asks_before_it_sends_a_second_message() -> None:
    client, _ = box()
    compose(client)

    refused = compose(client, body="Something else")

    assert refused.status_code == 422
    assert "This form was sent before" in text(refused)
    assert Message.objects.count() == 1
    token = re.search(r'name="token" value="([^"]*)"', text(refused))
    assert token is not None
    assert token[1] != TOKEN
    compose(client, body="Something else", token=token[1])
    assert Message.objects.count() == 2


def test_files_go_along_under_names_and_types_that_can_be_sent() -> None:
    client, _ = box()
    files = [
        SimpleUploadedFile("../of?fer.pdf", b"%PDF", content_type="application/pdf"),
        SimpleUploadedFile("x.txt", b"text", content_type="multipart/mixed"),
    ]

    assert compose(client, uploads=files).status_code == 302

    message = Message.objects.get()
    found = [extract_attachment(load_raw(message.content), index) for index in (0, 1)]
    assert [(f.part.filename, f.part.content_type, f.content) for f in found if f is not None] == [
        ("offer.pdf", "application/pdf", b"%PDF"),
        ("x.txt", "application/octet-stream", b"text"),
    ]


def test_other_files_make_another_message() -> None:
    client, _ = box()
    compose(client, uploads=[SimpleUploadedFile("a.txt", b"one")])

    assert compose(client, uploads=[SimpleUploadedFile("a.txt", b"two")]).status_code == 422
    assert Message.objects.count() == 1


@pytest.mark.parametrize(
    ("values", "field", "said"),
    [
        ({"to": ""}, "to", "Name at least one address"),
        ({"to": "ada@customer.example, nonsense"}, "to", "nonsense: This is not an email address."),
        ({"cc": "x y"}, "cc", "x y: This is not an email address."),
        ({"to": ", ".join(f"a{n}@b.example" for n in range(51))}, "to", "at most 50 recipients"),
        ({"subject": "a\r\nBcc: b@c.example"}, "subject", "Remove line breaks"),
        ({"subject": "x" * 999}, "subject", "at most 998"),
        ({"uploads": SimpleUploadedFile("run.exe", b"x")}, "uploads", "run.exe: Files of this type are not sent."),
        ({"token": "forged"}, "token", ""),
    ],
)
def test_what_is_wrong_stands_next_to_the_field(values: dict[str, Any], field: str, said: str) -> None:
    client, _ = box()

    response = compose(client, **values)

    assert response.status_code == 422
    assert response.context["form"].errors.keys() >= {field}
    assert said in str(response.context["form"].errors[field])
    assert "here it is." in text(response)
    assert not Message.objects.exists()


def test_refusals_of_the_rules_of_sending_are_shown() -> None:
    acme = organization()
    client = signed_in(acme)
    mailbox = mailbox_of(agent(acme, "alpha"))
    Suppression.objects.create(organization=acme, address="ada@customer.example", reason="hard_bounce", source="smtp")

    suppressed = compose(client, to="bob@customer.example", cc="ada@customer.example")
    Mailbox.objects.filter(pk=mailbox.pk).update(storage_limit_bytes=10)
    full = compose(client, to="bob@customer.example")
    AgentIdentity.objects.update(status="paused")
    paused = compose(client, to="bob@customer.example")

    assert "suppression list" in str(suppressed.context["form"].errors["cc"])
    assert "reached its limit" in str(full.context["form"].non_field_errors())
    assert paused.status_code == 422
    assert "paused" in str(paused.context["form"].non_field_errors())
    assert not Message.objects.exists()


def test_an_unclaimed_agent_writes_to_its_human_only_and_a_day_has_a_limit(settings: Any) -> None:
    settings.UNCLAIMED_SENDS_PER_DAY = 1
    acme = organization()
    client = signed_in(acme)
    unclaimed_agent(acme, "alpha")

    stranger = compose(client)
    compose(client, to="human@example.com")
    spent = compose(client, to="human@example.com", token=TOKEN.replace("6", "7"))

    assert "may only write to its human" in str(stranger.context["form"].errors["to"])
    assert "Daily send limit of 1 reached" in str(spent.context["form"].non_field_errors())
    assert Message.objects.count() == 1


def test_files_that_were_not_kept_are_asked_for_again() -> None:
    client, _ = box()

    response = compose(client, to="nonsense", uploads=SimpleUploadedFile("a.txt", b"x"))

    assert "Choose the files again" in str(response.context["form"].errors["uploads"])


def test_a_reply_goes_where_the_sender_wants_it_and_joins_the_thread() -> None:
    client, mailbox = box()
    row = receive(mailbox, subject="Question", text="How much?\n", cc="bob@customer.example")
    query = f"?reply={row.pk}"

    form = client.get(reverse("console:compose", args=["alpha"]) + query).context["form"]
    compose(client, query, **{name: form.initial[name] for name in ("to", "cc", "subject", "body")})

    assert form.initial["to"] == "ada@customer.example"
    assert form.initial["cc"] == ""
    assert form.initial["subject"] == "Re: Question"
    assert form.initial["body"].endswith("Ada L. wrote:\n> How much?\n")
    sent = Message.objects.get(direction="outbound")
    assert (sent.thread_id, sent.in_reply_to) == (row.thread_id, row.message_id)


def test_a_reply_to_all_names_everybody_but_the_agent() -> None:
    client, mailbox = box()
    row = receive(mailbox, cc=f"bob@customer.example, {mailbox.email_address}")

    form = client.get(reverse("console:compose", args=["alpha"]) + f"?reply_all={row.pk}").context["form"]

    assert (form.initial["to"], form.initial["cc"]) == ("ada@customer.example", "bob@customer.example")


def test_an_answer_to_the_agents_own_message_goes_to_whom_it_wrote() -> None:
    client, mailbox = box()
    row = queue(mailbox, "ada@customer.example", cc=["bob@customer.example"])
    path = reverse("console:compose", args=["alpha"])

    reply = client.get(f"{path}?reply={row.pk}").context["form"]
    to_all = client.get(f"{path}?reply_all={row.pk}").context["form"]

    assert (reply.initial["to"], reply.initial["cc"]) == ("ada@customer.example", "")
    assert (to_all.initial["to"], to_all.initial["cc"]) == ("ada@customer.example", "bob@customer.example")


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ({"mode": "inline", "include_original_attachments": "on"}, ["a.txt"]),
        ({"mode": "inline"}, []),
        ({"mode": "wrapped"}, ["Invoice 4417.eml"]),
    ],
)
def test_a_forward_takes_the_original_along(values: dict[str, str], names: list[str]) -> None:
    client, mailbox = box()
    row = receive(mailbox, attachments=(("a.txt", "text/plain", b"A file."),))

    assert compose(client, f"?forward={row.pk}", subject="Fwd: Invoice 4417", **values).status_code == 302

    sent = Message.objects.get(direction="outbound")
    assert sent.thread_id != row.thread_id
    assert [part["filename"] for part in sent.attachment_metadata or []] == names
    assert (sent.content.body_text or "").startswith("Hello,\nhere it is.")


def test_a_draft_is_kept_once_with_its_files_and_what_it_answers() -> None:
    client, mailbox = box()
    row = receive(mailbox)

    answers = [
        compose(client, f"?reply={row.pk}", action="draft", uploads=SimpleUploadedFile("a.txt", b"x")) for _ in range(2)
    ]

    draft = Draft.objects.get()
    assert {answer.headers["Location"] for answer in answers} == {reverse("console:draft", args=["alpha", draft.pk])}
    assert (draft.subject, draft.body_text, draft.in_reply_to) == ("Offer", "Hello,\nhere it is.", row.message_id)
    assert draft.attachment_count == 1
    assert not Message.objects.filter(direction="outbound").exists()


def test_a_forward_is_kept_as_a_forward() -> None:
    client, mailbox = box()
    row = receive(mailbox)

    compose(client, f"?forward={row.pk}", action="draft", mode="wrapped", to="")

    draft = Draft.objects.get()
    assert (draft.forward_message_id, draft.forward_mode, draft.forward_note_text) == (
        row.pk,
        "wrapped",
        "Hello,\nhere it is.",
    )


def test_members_write_nothing_and_nobody_answers_what_is_not_theirs() -> None:
    acme, other = organization(), organization()
    agent(acme, "alpha")
    foreign = receive(mailbox_of(agent(other, "bravo")))

    assert compose(signed_in(acme, Role.MEMBER)).status_code == 403
    assert compose(signed_in(other)).status_code == 404
    for kind in ("reply", "reply_all", "forward"):
        assert compose(signed_in(acme), f"?{kind}={foreign.pk}").status_code == 404
        assert signed_in(acme).get(reverse("console:compose", args=["alpha"]) + f"?{kind}=x").status_code == 404
    assert not Message.objects.filter(direction="outbound").exists()
    assert not Draft.objects.exists()


def test_a_blocked_message_can_be_answered_by_a_person_who_sees_it() -> None:
    client, mailbox = box()
    row = receive(mailbox)
    Message.objects.update(is_blocked=True)
    row.thread.folder = Folder.BLOCKED.value
    row.thread.save()

    assert client.get(reverse("console:compose", args=["alpha"]) + f"?reply={row.pk}").status_code == 200


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("", []),
        ("a@b.example", ["a@b.example"]),
        (
            "a@b.example, c@d.example; e@f.example\nf@g.example",
            ["a@b.example", "c@d.example", "e@f.example", "f@g.example"],
        ),
        ('"Doe, Jane" <jane@b.example>, Bob <bob@b.example>', ["jane@b.example", "bob@b.example"]),
        (" ,; \n", []),
        ('"unclosed <a@b.example>', ["a@b.example"]),
        ("no address", ["no address"]),
        ("<>", []),
    ],
)
def test_addresses_are_told_apart(written: str, found: list[str]) -> None:
    assert split_addresses(written) == found
