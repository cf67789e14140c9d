"""Drafts in the console: the list, the editor, and what happens when two people write at once."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from common.clock import now
from common.unset import UNSET
from console import limits
from identities.enums import Role
from mail.mime.build import OutgoingAttachment
from mail.models import Draft, DraftAttachment, Mailbox, Message
from mail.services.composing import Recipients
from mail.services.draft_content import DraftChange, NewDraft
from mail.services.drafts import create_draft, prepare_draft, update_draft
from tests.console.pages import signed_in
from tests.factories.identities import agent, organization
from tests.factories.mail import mailbox_of, principal_of, receive

pytestmark = pytest.mark.django_db

HOSTILE = "<script>alert(1)</script>"


def written(mailbox: Mailbox, **fields: Any) -> Draft:
    """A draft of the agent."""
    values = {
        "recipients": Recipients(to=["ada@customer.example"]),
        "subject": "Offer",
        "body_text": "Hello.",
        **fields,
    }
    new = NewDraft(**{name: value for name, value in values.items() if value is not UNSET})
    return create_draft(prepare_draft(principal_of(mailbox), mailbox, new))


def box() -> tuple[Client, Mailbox]:
    acme = organization()
    return signed_in(acme), mailbox_of(agent(acme, "alpha"))


def edit(client: Client, draft: Draft, **values: Any) -> Any:
    """Post the editor's form, with what the draft holds unless given."""
    form = {"to": ", ".join(draft.to_addresses), "subject": draft.subject or "", "body": draft.body_text or ""}
    form |= {"generation": str(draft.generation), "action": "save"}
    return client.post(reverse("console:draft", args=["alpha", draft.pk]), {**form, **values})


def text(response: Any) -> str:
    content: str = response.content.decode()
    return content


def test_drafts_are_listed_newest_first_in_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "DRAFTS_PER_PAGE", 2)
    client, mailbox = box()
    for number in range(3):
        written(mailbox, subject=f"Draft {number} {HOSTILE}")
    path = reverse("console:drafts", args=["alpha"])

    first = text(client.get(path))
    found = re.search(r'rel="next" href="([^"]*)"', first)
    assert found is not None
    second = text(client.get(path + found[1].replace("&amp;", "&")))

    assert re.findall(r"(Draft \d)", first) == ["Draft 2", "Draft 1"]
    assert re.findall(r"(Draft \d)", second) == ["Draft 0"]
    assert HOSTILE not in first


def test_a_list_of_many_drafts_costs_what_one_costs() -> None:
    client, mailbox = box()
    written(mailbox)
    path = reverse("console:drafts", args=["alpha"])
    client.get(path)

    counts = []
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            client.get(path)
        counts.append(len(queries))
        for _ in range(6):
            written(mailbox)

    assert counts[0] == counts[1] <= 8


def test_a_draft_is_changed_and_only_when_it_differs() -> None:
    client, mailbox = box()
    draft = written(mailbox)

    edit(client, draft)
    draft.refresh_from_db()
    assert draft.generation == 1
    edit(client, draft, body="New text", cc="bob@customer.example")

    draft.refresh_from_db()
    assert (draft.generation, draft.body_text, draft.cc_addresses) == (2, "New text", ["bob@customer.example"])


def test_files_are_added_and_removed() -> None:
    client, mailbox = box()
    draft = written(mailbox)

    edit(client, draft, uploads=[SimpleUploadedFile("a.txt", b"a"), SimpleUploadedFile("b.txt", b"b")])
    draft.refresh_from_db()
    download = client.get(reverse("console:draft_file", args=["alpha", draft.pk, 1]))
    edit(client, draft, action="remove-0")

    assert download.content == b"b"
    assert download.headers["Content-Disposition"] == 'attachment; filename="b.txt"'
    assert list(DraftAttachment.objects.values_list("filename", flat=True)) == ["b.txt"]
    assert client.get(reverse("console:draft_file", args=["alpha", draft.pk, 1])).status_code == 404


def test_files_survive_a_mistake_elsewhere_in_the_form() -> None:
    client, mailbox = box()
    draft = written(mailbox)

    response = edit(client, draft, to="nonsense", uploads=SimpleUploadedFile("a.txt", b"a"))

    assert response.status_code == 422
    assert "nonsense: This is not an email address." in text(response)
    assert 'name="generation" value="2"' in text(response)
    assert "a.txt" in text(response)
    assert "Choose the files again" not in text(response)
    draft.refresh_from_db()
    assert (draft.to_addresses, draft.attachment_count) == (["ada@customer.example"], 1)


def test_an_edit_of_an_older_version_shows_both_and_overwrites_nothing() -> None:
    client, mailbox = box()
    draft = written(mailbox)
    change = DraftChange(generation=1, body_text=f"Theirs {HOSTILE}", subject="Their subject")
    update_draft(principal_of(mailbox), mailbox, str(draft.pk), change)

    response = edit(client, draft, body="Mine", uploads=SimpleUploadedFile("a.txt", b"a"))

    page = text(response)
    assert response.status_code == 409
    assert "Somebody else changed this draft" in page
    assert "Theirs &lt;script&gt;" in page
    assert "Mine</textarea>" in page
    assert "Choose the files again" in page
    assert 'name="generation" value="2"' in page
    draft.refresh_from_db()
    assert (draft.generation, draft.subject, draft.attachment_count) == (2, "Their subject", 0)
    edit(client, draft, body="Mine", generation="2")
    draft.refresh_from_db()
    assert (draft.generation, draft.body_text) == (3, "Mine")


@pytest.mark.parametrize("action", ["send", "delete", "duplicate", "remove-0"])
def test_nothing_is_done_to_a_version_that_nobody_saw(action: str) -> None:
    client, mailbox = box()
    draft = written(mailbox, attachments=[OutgoingAttachment("a.txt", "text/plain", b"a")])
    update_draft(principal_of(mailbox), mailbox, str(draft.pk), DraftChange(generation=1, body_text="Theirs"))
    before = Draft.objects.values().get()

    assert edit(client, draft, action=action).status_code == 409

    assert Draft.objects.values().get() == before
    assert DraftAttachment.objects.count() == 1
    assert not Message.objects.exists()


def test_a_draft_is_sent_once_however_often_the_button_is_pressed() -> None:
    client, mailbox = box()
    draft = written(mailbox)

    answers = [edit(client, draft, action="send", body="Final") for _ in range(3)]

    message = Message.objects.get()
    assert {answer.headers["Location"] for answer in answers} == {
        reverse("console:thread", args=["alpha", message.thread_id])
    }
    assert message.content.body_text == "Final"
    assert not Draft.objects.exists()
    assert client.get(reverse("console:draft", args=["alpha", draft.pk])).status_code == 302


def test_a_draft_that_cannot_be_sent_is_kept_with_what_was_written() -> None:
    client, mailbox = box()
    draft = written(mailbox)

    response = edit(client, draft, action="send", to="", body="Saved all the same")

    assert response.status_code == 422
    assert "Name at least one address" in str(response.context["form"].errors["to"])
    draft.refresh_from_db()
    assert (draft.body_text, draft.generation, draft.send_state) == ("Saved all the same", 2, "draft")
    assert not Message.objects.exists()


def test_a_draft_is_duplicated_and_deleted() -> None:
    client, mailbox = box()
    draft = written(mailbox)

    copied = edit(client, draft, action="duplicate")
    deleted = edit(client, draft, action="delete")

    copy = Draft.objects.get()
    assert copied.headers["Location"] == reverse("console:draft", args=["alpha", copy.pk])
    assert deleted.headers["Location"] == reverse("console:drafts", args=["alpha"])
    assert client.get(reverse("console:draft", args=["alpha", draft.pk])).status_code == 404


def test_html_of_the_agent_is_not_lost_and_shown_cleaned() -> None:
    client, mailbox = box()
    image = OutgoingAttachment("logo.png", "image/png", b"PNG", "logo")
    draft = written(mailbox, body_html=f"<p>Hi</p>{HOSTILE}<img src='cid:logo'>", attachments=[image])

    edit(client, draft, body="Text", body_html=f"<p>Hello</p>{HOSTILE}<img src='cid:logo'>")
    preview = client.get(reverse("console:draft_html", args=["alpha", draft.pk]))

    draft.refresh_from_db()
    assert draft.body_html == f"<p>Hello</p>{HOSTILE}<img src='cid:logo'>"
    assert '<p>Hello</p><img src="data:image/png;base64,UE5H">' in text(preview)
    assert preview.headers["Content-Security-Policy"].startswith("sandbox ")
    assert preview.headers["X-Frame-Options"] == "SAMEORIGIN"


def test_a_draft_of_text_only_stays_one() -> None:
    client, mailbox = box()
    draft = written(mailbox)

    edit(client, draft, body="Text", body_html="<p>Smuggled</p>")

    draft.refresh_from_db()
    assert (draft.body_text, draft.body_html) == ("Text", None)


def test_a_forward_keeps_its_note_apart() -> None:
    client, mailbox = box()
    source = receive(mailbox)
    draft = written(mailbox, forward_message_id=source.pk, forward_note_text="See below.", body_text=UNSET)

    page = text(client.get(reverse("console:draft", args=["alpha", draft.pk])))
    edit(client, draft, body="Read this.")

    assert "Text above the original" in page
    assert reverse("console:thread", args=["alpha", source.thread_id]) in page
    draft.refresh_from_db()
    assert (draft.forward_note_text, draft.body_text) == ("Read this.", None)


def test_a_forward_without_a_subject_takes_that_of_its_original() -> None:
    client, mailbox = box()
    source = receive(mailbox, subject="Question")
    draft = written(mailbox, forward_message_id=source.pk, subject=UNSET, body_text=UNSET)

    edit(client, draft, action="send")

    assert Message.objects.get(direction="outbound").subject == "Fwd: Question"


@pytest.mark.parametrize(
    ("state", "said", "may_delete"),
    [("sending", "is being sent at this moment", False), ("uncertain", "It is not known whether", True)],
)
def test_drafts_that_are_or_may_have_been_sent_are_not_edited(state: str, said: str, may_delete: bool) -> None:
    client, mailbox = box()
    draft = written(mailbox)
    Draft.objects.update(send_state=state, claimed_until=now() + timedelta(minutes=1))

    page = text(client.get(reverse("console:draft", args=["alpha", draft.pk])))
    refused = edit(client, draft, body="Other")

    assert said in page
    assert '<fieldset class="form plain-fieldset" disabled>' in page
    assert ('value="delete"' in page) is may_delete
    assert refused.status_code == 422
    draft.refresh_from_db()
    assert draft.body_text == "Hello."


@pytest.mark.parametrize("action", ["save", "send", "delete", "duplicate", "remove-0"])
def test_members_and_strangers_change_nothing(action: str) -> None:
    acme = organization()
    mailbox = mailbox_of(agent(acme, "alpha"))
    draft = written(mailbox)
    before = Draft.objects.values().get()

    assert edit(signed_in(acme, Role.MEMBER), draft, action=action, body="Other").status_code == 403
    assert edit(signed_in(organization()), draft, action=action, body="Other").status_code == 404

    assert Draft.objects.values().get() == before
    assert not Message.objects.exists()


def test_a_draft_of_a_sibling_is_not_found_under_the_name_of_another_agent() -> None:
    acme = organization()
    agent(acme, "alpha")
    draft = written(mailbox_of(agent(acme, "bravo")))

    for name in ("draft", "draft_html"):
        assert signed_in(acme).get(reverse(f"console:{name}", args=["alpha", draft.pk])).status_code == 404
