"""Drafts over REST: create, read, change, duplicate, delete, files (contract mail.md section 7)."""

from __future__ import annotations

import base64
from typing import Any
from uuid import uuid4

import pytest
import time_machine

from mail import limits
from mail.models import Draft, DraftAttachment, Mailbox, Message
from mail.services.deleting import delete_message
from tests.factories.identities import Answer, ApiClient, agent, agent_client
from tests.factories.mail import mailbox_of, queue, receive
from tests.identities.rows import all_rows
from webhooks.models import Event

pytestmark = pytest.mark.django_db

PDF = {"filename": "a.pdf", "content_type": "application/pdf", "content_base64": "JVBERi0="}
PNG = {"filename": "s.png", "content_type": "image/png", "content_base64": "iVBORw0KGgo=", "content_id": "stamp"}
KEY = {"Idempotency_Key": "k"}
UNKNOWN = "00000000-0000-7000-8000-000000000000"


@pytest.fixture
def box() -> Mailbox:
    return mailbox_of(agent(handle="billing-bot", display_name="Billing Bot"))


@pytest.fixture
def client(box: Mailbox) -> ApiClient:
    assert box.identity is not None
    return agent_client(box.identity)


@pytest.fixture
def path(box: Mailbox) -> str:
    return f"/mail/mailboxes/{box.email_address}/drafts"


def make(client: ApiClient, path: str, **body: Any) -> dict[str, Any]:
    answer = client.post(path, {"recipients": {}, **body})
    assert answer.status_code == 201, answer.content
    draft: dict[str, Any] = answer.json()
    return draft


def change(client: ApiClient, path: str, draft: dict[str, Any], **body: Any) -> Answer:
    return client.patch(f"{path}/{draft['id']}", {"generation": draft["generation"], **body})


def used(box: Mailbox) -> int:
    box.refresh_from_db()
    return box.storage_used_bytes


def is_refused(answer: Answer, loc: list[Any]) -> bool:
    assert answer.status_code == 422, answer.content
    found: list[Any] = answer.json()["detail"][0]["loc"]
    return found == loc


# --- create and read


@time_machine.travel("2026-05-04T10:20:00Z", tick=False)
def test_a_draft_with_everything(box: Mailbox, client: ApiClient, path: str) -> None:
    parent = receive(box, message_id="<inv@customer.example>", in_reply_to="<old@customer.example>")
    body = {
        "recipients": {"to": [" <ada@Customer.example> "], "cc": [], "bcc": ["audit@example.org"]},
        "subject": "Re: Invoice 4417",
        "body_text": "Fixed, see attached.",
        "body_html": '<p>Fixed</p><img src="cid:stamp">',
        "reply_to": "accounts@example.org",
        "in_reply_to_message_id": str(parent.pk),
        "attachments": [PDF, PNG],
        "track_opens": True,
    }

    made = make(client, path, **body)

    row = Draft.objects.get()
    summary = {
        "id": str(row.pk),
        "mailbox_id": str(box.pk),
        "from_address": "billing-bot@mail.localhost",
        "to_addresses": ["ada@customer.example"],
        "cc_addresses": [],
        "bcc_addresses": ["audit@example.org"],
        "subject": "Re: Invoice 4417",
        "snippet": "Fixed, see attached.",
        "has_attachments": True,
        "attachment_count": 2,
        "generation": 1,
        "send_state": "draft",
        "track_opens": True,
        "created_at": "2026-05-04T10:20:00Z",
        "updated_at": "2026-05-04T10:20:00Z",
    }
    assert made == {
        **summary,
        "auto_submitted": None,
        "body_text": body["body_text"],
        "body_html": body["body_html"],
        "reply_to": "accounts@example.org",
        "thread_id": str(parent.thread_id),
        "message_id": row.message_id,
        "in_reply_to": "<inv@customer.example>",
        "references": ["<old@customer.example>", "<inv@customer.example>"],
        "forward_source_message_id": None,
        "forward_note_text": None,
        "forward_note_html": None,
        "attachment_metadata": [
            {
                "part_index": 0,
                "filename": "a.pdf",
                "content_type": "application/pdf",
                "size": 5,
                "content_id": None,
                "is_inline": False,
            },
            {
                "part_index": 1,
                "filename": "s.png",
                "content_type": "image/png",
                "size": 8,
                "content_id": "stamp",
                "is_inline": True,
            },
        ],
    }
    assert client.get(f"{path}/{row.pk}").json() == made
    assert client.get(path).json() == {"items": [summary], "has_more": False, "next_cursor": None}


@pytest.mark.parametrize("body", [{}, {"recipients": None}, {"recipients": {"to": None}}, {"attachments": None}])
def test_a_draft_of_nothing(client: ApiClient, path: str, body: dict[str, Any]) -> None:
    answer = client.post(path, body)

    made = answer.json()
    assert answer.status_code == 201
    assert (made["to_addresses"], made["cc_addresses"], made["references"], made["attachment_metadata"]) == ([],) * 4
    assert (made["subject"], made["snippet"], made["has_attachments"]) == (None, None, False)


def test_drafts_are_no_messages(box: Mailbox, client: ApiClient, path: str) -> None:
    make(client, path, subject="Secret plan", body_text="Hello")

    base = f"/mail/mailboxes/{box.pk}"
    assert client.get(f"{base}/messages").json()["items"] == []
    assert client.get(f"{base}/threads").json()["items"] == []
    assert not Message.objects.exists()
    assert not Event.objects.filter(event_type__startswith="message.").exists()


def test_lists_are_paged_newest_first(client: ApiClient, path: str) -> None:
    made = [make(client, path, subject=str(n))["id"] for n in range(5)]

    first = client.get(f"{path}?limit=3").json()
    second = client.get(f"{path}?limit=3&cursor={first['next_cursor']}").json()

    assert [row["id"] for row in first["items"] + second["items"]] == made[::-1]
    assert (first["has_more"], second["has_more"]) == (True, False)
    for query in ("limit=0", "limit=101", "cursor=nonsense"):
        assert client.get(f"{path}?{query}").status_code == 422


def test_a_thread_that_is_named_is_joined(box: Mailbox, client: ApiClient, path: str) -> None:
    one, other = receive(box), receive(box)

    made = make(client, path, thread_id=str(one.thread_id))
    both = make(client, path, thread_id=str(one.thread_id), in_reply_to_message_id=other.message_id)
    unknown = make(client, path, in_reply_to_message_id="<nobody@x.example>", references=["<a@x>", "<b@x>"])

    assert (made["thread_id"], made["in_reply_to"], made["references"]) == (str(one.thread_id), None, [])
    assert (both["thread_id"], both["in_reply_to"]) == (str(one.thread_id), other.message_id)
    assert (unknown["thread_id"], unknown["in_reply_to"], unknown["references"]) == (
        None,
        "<nobody@x.example>",
        ["<a@x>", "<b@x>"],
    )


@pytest.mark.parametrize(
    ("body", "loc"),
    [
        ({"recipients": []}, ["body", "recipients"]),
        ({"recipients": {"to": ["nobody"]}}, ["body", "recipients", "to", 0]),
        ({"recipients": {"bcc": [f"a{n}@x.example" for n in range(51)]}}, ["body", "recipients", "bcc"]),
        ({"subject": "a\nb"}, ["body", "subject"]),
        ({"subject": "x" * 999}, ["body", "subject"]),
        ({"body_text": 1}, ["body", "body_text"]),
        ({"reply_to": "nobody"}, ["body", "reply_to"]),
        ({"thread_id": "nonsense"}, ["body", "thread_id"]),
        ({"in_reply_to_message_id": "nonsense"}, ["body", "in_reply_to_message_id"]),
        ({"references": ["nonsense"]}, ["body", "references", 0]),
        ({"references": [f"<{n}@x>" for n in range(101)]}, ["body", "references"]),
        ({"track_opens": "yes"}, ["body", "track_opens"]),
        ({"attachments": [{**PDF, "filename": "x.exe"}]}, ["body", "attachments", 0, "filename"]),
        ({"attachments": [PNG, PNG]}, ["body", "attachments", 1, "content_id"]),
        ({"attachments": [{**PDF, "content_id": "c"}]}, ["body", "attachments", 0, "content_type"]),
        ({"forward_note_text": "x"}, ["body", "forward_note_text"]),
        ({"forward_note_html": "x"}, ["body", "forward_note_html"]),
        ({"forward_mode": "inline"}, ["body", "forward_mode"]),
        ({"include_original_attachments": True}, ["body", "include_original_attachments"]),
    ],
)
def test_bad_form_is_refused(client: ApiClient, path: str, body: dict[str, Any], loc: list[Any]) -> None:
    rows = all_rows()

    assert is_refused(client.post(path, body, **KEY), loc)
    assert all_rows() == rows


@pytest.mark.parametrize("name", ["thread_id", "in_reply_to_message_id", "forward_message_id"])
def test_what_is_not_here_cannot_be_referred_to(client: ApiClient, path: str, name: str) -> None:
    elsewhere = receive(mailbox_of(agent()))
    rows = all_rows()

    for value in (UNKNOWN, str(elsewhere.thread_id if name == "thread_id" else elsewhere.pk)):
        assert client.post(path, {name: value}).status_code == 404
    assert all_rows() == rows


# --- forward drafts


def test_a_forward_draft(box: Mailbox, client: ApiClient, path: str) -> None:
    source = receive(box)

    made = make(client, path, forward_message_id=str(source.pk), forward_note_text="FYI")
    other = make(
        client, path, forward_message_id=str(source.pk), forward_mode="wrapped", include_original_attachments=False
    )

    assert (made["forward_source_message_id"], made["forward_note_text"]) == (str(source.pk), "FYI")
    assert (made["snippet"], made["thread_id"], made["in_reply_to"]) == ("FYI", None, None)
    rows = Draft.objects.order_by("pk").values_list("forward_mode", "include_original_attachments")
    assert list(rows) == [("inline", True), ("wrapped", False)]
    changed = change(client, path, other, forward_note_html="<p>Note</p>", reply_to="a@x.example", body_text=None)
    assert (changed.json()["forward_note_html"], changed.json()["snippet"]) == ("<p>Note</p>", "Note")


@pytest.mark.parametrize(
    ("body", "loc"),
    [
        ({"body_text": "x"}, ["body", "body_text"]),
        ({"body_html": "x"}, ["body", "body_html"]),
        ({"thread_id": UNKNOWN}, ["body", "thread_id"]),
        ({"in_reply_to_message_id": "<a@x>"}, ["body", "in_reply_to_message_id"]),
        ({"references": ["<a@x>"]}, ["body", "references"]),
    ],
)
def test_a_forward_draft_takes_neither_bodies_nor_links(
    box: Mailbox, client: ApiClient, path: str, body: dict[str, Any], loc: list[Any]
) -> None:
    forward = {"forward_message_id": str(receive(box).pk)}
    made = make(client, path, **forward)
    rows = all_rows()

    assert is_refused(client.post(path, {**forward, **body}), loc)
    assert is_refused(change(client, path, made, **body), loc)
    assert all_rows() == rows


def test_a_forward_draft_takes_no_inline_image(box: Mailbox, client: ApiClient, path: str) -> None:
    forward = {"forward_message_id": str(receive(box).pk)}
    made = make(client, path, **forward, attachments=[PDF])
    rows = all_rows()

    added = client.post(f"{path}/{made['id']}/attachments", {"generation": 1, "attachments": [PNG]})

    assert is_refused(added, ["body", "attachments", 0, "content_id"])
    assert is_refused(client.post(path, {**forward, "attachments": [PNG]}), ["body", "attachments", 0, "content_id"])
    assert all_rows() == rows


# --- idempotent creation


def test_a_repeated_creation_gives_the_same_draft_as_it_is_now(client: ApiClient, path: str) -> None:
    first = client.post(path, {"subject": "a"}, **KEY)
    again = client.post(path, {"subject": "a"}, **KEY)
    change(client, path, first.json(), subject="b")
    later = client.post(path, {"subject": "a"}, **KEY)

    assert (again.status_code, again.json()) == (201, first.json())
    assert (later.json()["id"], later.json()["subject"], later.json()["generation"]) == (first.json()["id"], "b", 2)
    assert Draft.objects.count() == 1


def test_a_key_is_for_one_body_and_one_draft(client: ApiClient, path: str) -> None:
    made = client.post(path, {"subject": "a"}, **KEY).json()

    other = client.post(path, {"subject": "b"}, **KEY)
    client.delete(f"{path}/{made['id']}?generation=1")
    gone = client.post(path, {"subject": "a"}, **KEY)

    assert (other.status_code, other.json()["detail"]["error"]) == (409, "idempotency_key_reused")
    assert (gone.status_code, gone.json()["detail"]["error"]) == (409, "result_unavailable")
    assert not Draft.objects.exists()


def test_a_bad_key_is_refused(client: ApiClient, path: str) -> None:
    assert client.post(path, {}, Idempotency_Key="x" * 256).status_code == 422
    assert not Draft.objects.exists()


# --- change


def test_only_given_fields_change(box: Mailbox, client: ApiClient, path: str) -> None:
    made = make(
        client,
        path,
        recipients={"to": ["a@x.example"], "cc": ["c@x.example"], "bcc": ["b@x.example"]},
        subject="a",
        body_text="Text",
    )

    changed = change(client, path, made, subject="b").json()

    assert changed["updated_at"] > made["updated_at"]
    assert changed == {**made, "subject": "b", "generation": 2, "updated_at": changed["updated_at"]}


def test_recipients_are_replaced_in_all_groups(client: ApiClient, path: str) -> None:
    made = make(client, path, recipients={"to": ["a@x.example"], "cc": ["c@x.example"], "bcc": ["b@x.example"]})

    some = change(client, path, made, recipients={"cc": ["d@x.example"], "to": None}).json()
    none = change(client, path, some, recipients=None).json()

    groups = ("to_addresses", "cc_addresses", "bcc_addresses")
    assert [some[name] for name in groups] == [[], ["d@x.example"], []]
    assert [none[name] for name in groups] == [[], [], []]


def test_null_clears(box: Mailbox, client: ApiClient, path: str) -> None:
    parent = receive(box)
    names = ("subject", "body_text", "body_html", "reply_to", "thread_id", "in_reply_to")
    made = make(
        client,
        path,
        subject="a",
        body_text="t",
        body_html="<p>h</p>",
        reply_to="a@x.example",
        thread_id=str(parent.thread_id),
        in_reply_to_message_id=parent.message_id,
        references=["<a@x>"],
    )
    assert all(made[name] for name in (*names, "references"))

    cleared = change(
        client, path, made, references=None, **dict.fromkeys(names[:5]), in_reply_to_message_id=None
    ).json()

    assert [cleared[name] for name in names] == [None] * 6
    assert (cleared["references"], cleared["snippet"]) == ([], None)


@pytest.mark.parametrize("name", ["attachments", "forward_message_id", "forward_mode", "include_original_attachments"])
def test_what_cannot_be_changed_is_refused(client: ApiClient, path: str, name: str) -> None:
    made = make(client, path)
    rows = all_rows()

    assert is_refused(change(client, path, made, **{name: None}), ["body", name])
    assert all_rows() == rows


@pytest.mark.parametrize("generation", [None, 0, -1, "x", 2**31, True])
def test_a_generation_is_needed(client: ApiClient, path: str, generation: Any) -> None:
    made = make(client, path, attachments=[PDF])
    one = f"{path}/{made['id']}"
    rows = all_rows()

    answers = [
        client.patch(one, {"generation": generation, "subject": "b"}),
        client.post(f"{one}/duplicate", {"generation": generation}),
        client.post(f"{one}/attachments", {"generation": generation, "attachments": [PDF]}),
        client.post(f"{one}/send", {"generation": generation}),
        client.delete(f"{one}?generation={generation}"),
        client.delete(f"{one}/attachments/0?generation={generation}"),
        client.get(f"{one}/attachments/0?generation={generation}"),
        client.delete(one),
    ]

    assert [answer.status_code for answer in answers] == [422] * 8
    assert all_rows() == rows


def test_an_older_generation_changes_nothing(client: ApiClient, path: str) -> None:
    made = make(client, path, attachments=[PDF], recipients={"to": ["a@x.example"]}, subject="a")
    change(client, path, made, subject="b")
    one = f"{path}/{made['id']}"
    rows = all_rows()

    answers = [
        client.patch(one, {"generation": 1, "subject": "c"}),
        client.post(f"{one}/duplicate", {"generation": 1}),
        client.post(f"{one}/attachments", {"generation": 3, "attachments": [PDF]}),
        client.post(f"{one}/send", {"generation": 1}),
        client.delete(f"{one}?generation=1"),
        client.delete(f"{one}/attachments/0?generation=1"),
        client.get(f"{one}/attachments/0?generation=1"),
    ]

    for answer in answers:
        assert (answer.status_code, answer.json()["detail"]["error"]) == (409, "draft_generation_conflict")
        assert answer.json()["detail"]["message"]
    assert all_rows() == rows


@pytest.mark.parametrize("draft_id", [uuid4(), "nonsense"])
def test_an_unknown_draft(client: ApiClient, path: str, draft_id: object) -> None:
    one = f"{path}/{draft_id}"
    rows = all_rows()

    answers = [
        client.get(one),
        client.patch(one, {"generation": 1}),
        client.delete(f"{one}?generation=1"),
        client.post(f"{one}/duplicate", {"generation": 1}),
        client.post(f"{one}/send", {"generation": 1}),
        client.post(f"{one}/attachments", {"generation": 1, "attachments": [PDF]}),
        client.get(f"{one}/attachments/0?generation=1"),
        client.delete(f"{one}/attachments/0?generation=1"),
    ]

    assert [answer.status_code for answer in answers] == [404] * 8
    assert all_rows() == rows


# --- files


def test_files_are_added_downloaded_and_removed(client: ApiClient, path: str) -> None:
    made = make(client, path, attachments=[PDF])
    one = f"{path}/{made['id']}"
    named = {"filename": "Grüße.txt", "content_type": "text/plain; charset=utf-8", "content_base64": "w7w="}

    added = client.post(f"{one}/attachments", {"generation": 1, "attachments": [PNG, named]}).json()
    download = client.get(f"{one}/attachments/2?generation=2")
    removed = client.delete(f"{one}/attachments/1?generation=2")

    assert (added["generation"], added["attachment_count"]) == (2, 3)
    assert (download.status_code, download.content) == (200, "ü".encode())
    assert download.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert download.headers["Content-Disposition"] == "attachment; filename*=utf-8''Gr%C3%BC%C3%9Fe.txt"
    assert removed.status_code == 200
    assert [(f["part_index"], f["filename"]) for f in removed.json()["attachment_metadata"]] == [
        (0, "a.pdf"),
        (1, "Grüße.txt"),
    ]
    assert removed.json()["generation"] == 3


@pytest.mark.parametrize("part_index", ["1", "-1", "x", "99999999999999999999", "٣"])
def test_an_unknown_file(client: ApiClient, path: str, part_index: str) -> None:
    made = make(client, path, attachments=[PDF])
    rows = all_rows()
    one = f"{path}/{made['id']}/attachments/{part_index}?generation=1"

    assert (client.get(one).status_code, client.delete(one).status_code) == (404, 404)
    assert all_rows() == rows


def test_files_are_bounded_over_all_additions(client: ApiClient, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ATTACHMENTS_TOTAL_BYTES", 12)
    monkeypatch.setattr(limits, "ATTACHMENTS_MAX", 2)
    made = make(client, path, attachments=[PDF, PDF])
    one = f"{path}/{made['id']}/attachments"
    rows = all_rows()

    too_many = client.post(one, {"generation": 1, "attachments": [PDF]})
    client.delete(f"{one}/1?generation=1")
    too_large = client.post(one, {"generation": 2, "attachments": [PNG]})
    none = client.post(one, {"generation": 2, "attachments": []})

    assert is_refused(too_many, ["body", "attachments"])
    assert is_refused(too_large, ["body", "attachments"])
    assert is_refused(none, ["body", "attachments"])
    assert all_rows() != rows
    assert DraftAttachment.objects.count() == 1


def test_a_content_id_stays_unique_over_additions(client: ApiClient, path: str) -> None:
    made = make(client, path, attachments=[PNG])

    answer = client.post(f"{path}/{made['id']}/attachments", {"generation": 1, "attachments": [PNG]})

    assert is_refused(answer, ["body", "attachments", 0, "content_id"])


def test_a_large_file_is_a_blob(client: ApiClient, path: str) -> None:
    big = b"x" * (limits.INLINE_RAW_BYTES + 1)
    made = make(client, path, attachments=[{**PDF, "content_base64": base64.b64encode(big).decode()}])

    row = DraftAttachment.objects.get()
    assert (row.raw_inline, len(row.raw_key or "")) == (None, 64)
    assert client.get(f"{path}/{made['id']}/attachments/0?generation=1").content == big


# --- duplicate, delete


def test_a_duplicate_is_a_draft_of_its_own(client: ApiClient, path: str) -> None:
    made = make(client, path, subject="a", attachments=[PDF, PNG], recipients={"to": ["a@x.example"]})
    made = change(client, path, made, body_text="t").json()

    answer = client.post(f"{path}/{made['id']}/duplicate", {"generation": 2})

    copy = answer.json()
    own = ("id", "message_id", "generation", "created_at", "updated_at")
    assert answer.status_code == 201
    assert {k: v for k, v in copy.items() if k not in own} == {k: v for k, v in made.items() if k not in own}
    assert copy["generation"] == 1
    assert copy["id"] != made["id"]
    assert copy["message_id"] != made["message_id"]
    assert client.delete(f"{path}/{made['id']}?generation=2").status_code == 204
    assert client.get(f"{path}/{copy['id']}/attachments/0?generation=1").content == b"%PDF-"


def test_a_deleted_draft_is_gone_with_its_files(client: ApiClient, path: str) -> None:
    made = make(client, path, attachments=[PDF])

    answer = client.delete(f"{path}/{made['id']}?generation=1")

    assert (answer.status_code, answer.content) == (204, b"")
    assert client.get(f"{path}/{made['id']}").status_code == 404
    assert client.delete(f"{path}/{made['id']}?generation=1").status_code == 404
    assert not DraftAttachment.objects.exists()


# --- storage


def test_drafts_count_towards_the_storage(box: Mailbox, client: ApiClient, path: str) -> None:
    made = make(client, path, subject="ab", body_text="ü", attachments=[PDF])
    assert used(box) == 2 + 2 + 5

    made = change(client, path, made, subject=None).json()
    assert used(box) == 7

    copy = client.post(f"{path}/{made['id']}/duplicate", {"generation": 2}).json()
    assert used(box) == 14

    client.delete(f"{path}/{made['id']}/attachments/0?generation=2")
    assert used(box) == 9

    client.delete(f"{path}/{copy['id']}?generation=1")
    assert used(box) == 2


def test_a_full_mailbox_takes_no_more_but_gives_up(box: Mailbox, client: ApiClient, path: str) -> None:
    made = make(client, path, subject="abcd")
    Mailbox.objects.filter(pk=box.pk).update(storage_limit_bytes=5)
    rows = all_rows()

    answers = [
        client.post(path, {"subject": "ab"}, **KEY),
        change(client, path, made, subject="abcdef"),
        client.post(f"{path}/{made['id']}/duplicate", {"generation": 1}),
        client.post(f"{path}/{made['id']}/attachments", {"generation": 1, "attachments": [PDF]}),
    ]

    assert [(a.status_code, a.json()["detail"]["error"]) for a in answers] == [(402, "storage_limit_exceeded")] * 4
    assert all_rows() == rows
    assert change(client, path, made, subject="a").status_code == 200


def test_a_draft_survives_what_it_refers_to(box: Mailbox, client: ApiClient, path: str) -> None:
    parent, source = receive(box), queue(box, "a@x.example")
    reply = make(client, path, in_reply_to_message_id=str(parent.pk))
    forward = make(client, path, forward_message_id=str(source.pk))
    delete_message(parent)
    delete_message(source)

    reply, forward = client.get(f"{path}/{reply['id']}").json(), client.get(f"{path}/{forward['id']}").json()

    assert (reply["in_reply_to"], reply["thread_id"]) == (parent.message_id, None)
    assert forward["forward_source_message_id"] == str(source.pk)
