"""Admin pages of mail: what operators see, and above all what they do not."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.test import Client

from common.clock import now
from identities.models import Organization, User
from mail.admin import SandboxMailAdmin
from mail.enums import AttemptOutcome, DkimAlgorithm, RecipientState
from mail.models import (
    DkimKey,
    Mailbox,
    Message,
    MessageContent,
    OutboundJob,
    OutboundRecipient,
    SandboxMail,
    SendAttempt,
    Thread,
)
from mail.providers.sandbox import SandboxTransport
from mail.services.dkim_keys import create_dkim_key
from tests.mail.test_providers_esp import built
from tests.mail.test_providers_smtp import HandOff, envelope

pytestmark = pytest.mark.django_db
SECRET = "the-secret-words"


@pytest.fixture
def operator() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("op@example.org", "password"))
    return client


@pytest.fixture
def message() -> Message:
    organization = Organization.objects.create(name="Org")
    mailbox = Mailbox.objects.create(organization=organization, email_address="bot@mail.test")
    thread = Thread.objects.create(mailbox=mailbox, subject=SECRET, last_message_at=now())
    message = Message.objects.create(
        mailbox=mailbox,
        thread=thread,
        direction="outbound",
        status="queued",
        message_id="<m1@mail.test>",
        from_address="bot@mail.test",
        to_addresses=["ann@example.org"],
        subject=SECRET,
        snippet=SECRET,
        attachment_metadata=[{"filename": SECRET, "is_inline": False}],
    )
    MessageContent.objects.create(message=message, body_text=SECRET, body_html=SECRET, raw_inline=SECRET.encode())
    OutboundJob.objects.create(message=message)
    SendAttempt.objects.create(message=message, transport="smtp", outcome=AttemptOutcome.UNCERTAIN)
    return message


def recipient(message: Message, address: str, state: RecipientState) -> OutboundRecipient:
    return OutboundRecipient.objects.create(
        message=message, address=address, kind="to", state=state.value, transport="smtp"
    )


def page(client: Client, path: str) -> str:
    response = client.get(f"/admin/mail/{path}")
    assert response.status_code == 200, path
    return response.content.decode()


MODELS: list[Any] = [Mailbox, Thread, Message, OutboundJob, OutboundRecipient, SendAttempt]


@pytest.mark.parametrize("model", MODELS)
def test_every_page_opens_and_shows_no_message_content(operator: Client, message: Message, model: Any) -> None:
    recipient(message, "ann@example.org", RecipientState.SENT)
    name, key = model._meta.model_name, model.objects.get().pk

    shown = page(operator, f"{name}/") + page(operator, f"{name}/?q=bot") + page(operator, f"{name}/{key}/change/")

    assert SECRET not in shown
    assert operator.get(f"/admin/mail/{name}/add/").status_code == 403
    assert operator.post(f"/admin/mail/{name}/{key}/delete/", {"post": "yes"}).status_code == 403


def test_message_bodies_have_no_page(operator: Client) -> None:
    assert not admin.site.is_registered(MessageContent)


def test_only_the_limit_of_a_mailbox_can_be_changed(operator: Client, message: Message) -> None:
    mailbox = message.mailbox

    response = operator.post(
        f"/admin/mail/mailbox/{mailbox.pk}/change/", {"storage_limit_bytes": "1000", "email_address": "eve@mail.test"}
    )

    mailbox.refresh_from_db()
    assert response.status_code == 302
    assert (mailbox.storage_limit_bytes, mailbox.email_address) == (1000, "bot@mail.test")


def test_uncertain_recipients_can_be_settled_and_others_cannot(operator: Client, message: Message) -> None:
    uncertain = recipient(message, "ann@example.org", RecipientState.UNCERTAIN)
    pending = recipient(message, "bob@example.org", RecipientState.PENDING)

    operator.post(
        "/admin/mail/outboundrecipient/",
        {"action": "settle_as_delivered", "_selected_action": [uncertain.pk, pending.pk]},
    )

    uncertain.refresh_from_db()
    pending.refresh_from_db()
    assert (uncertain.state, uncertain.detail) == ("delivered", "Settled by an operator.")
    assert pending.state == "pending"


def test_settling_needs_the_permission(message: Message) -> None:
    uncertain = recipient(message, "ann@example.org", RecipientState.UNCERTAIN)
    client = Client()
    client.force_login(User.objects.create_user("staff@example.org", None, is_staff=True))

    client.post("/admin/mail/outboundrecipient/", {"action": "settle_as_failed", "_selected_action": [uncertain.pk]})

    uncertain.refresh_from_db()
    assert uncertain.state == "uncertain"


def sandboxed(**headers: str) -> SandboxMail:
    SandboxTransport().send(envelope("ann@example.org", content=built(**headers).as_bytes()), HandOff())
    return SandboxMail.objects.get()


def test_sandbox_mail_is_readable(operator: Client) -> None:
    row = sandboxed(Subject="<script>alert(1)</script>")

    shown = page(operator, f"sandboxmail/{row.pk}/change/")

    assert "<script>alert(1)" not in shown
    assert "&lt;script&gt;alert(1)" in shown
    assert "In-Reply-To: &lt;m0@mail.test&gt;" in shown
    assert "Plain text" in shown
    assert "Rich" in shown
    assert "cid:logo" not in shown
    assert "rechnung-ü.pdf (application/pdf, 4 bytes)" in shown
    assert f"/admin/mail/sandboxmail/{row.pk}/download/" in shown
    assert "ann@example.org" in page(operator, "sandboxmail/")


def test_sandbox_mail_can_be_downloaded(operator: Client) -> None:
    row = sandboxed()

    response = operator.get(f"/admin/mail/sandboxmail/{row.pk}/download/")

    assert response.content == bytes(row.raw_inline or b"")
    assert response["Content-Type"] == "message/rfc822"
    assert response["Content-Disposition"] == f'attachment; filename="{row.pk}.eml"'


def test_sandbox_mail_is_for_operators_only(operator: Client) -> None:
    row = sandboxed()
    stranger, staff = Client(), Client()
    staff.force_login(User.objects.create_user("staff@example.org", None, is_staff=True))

    for client, expected in ((stranger, {302}), (staff, {403})):
        for path in (f"{row.pk}/download/", f"{row.pk}/change/"):
            response = client.get(f"/admin/mail/sandboxmail/{path}")
            assert response.status_code in expected, path
            assert b"Plain text" not in response.content


def test_a_missing_blob_is_said_and_not_an_error(operator: Client) -> None:
    row = sandboxed()
    SandboxMail.objects.filter(pk=row.pk).update(raw_inline=None, raw_key="0" * 64)

    assert "missing from the blob store" in page(operator, f"sandboxmail/{row.pk}/change/")
    assert operator.get(f"/admin/mail/sandboxmail/{row.pk}/download/").status_code == 404


def test_sandbox_mail_may_be_deleted(operator: Client) -> None:
    row = sandboxed()

    operator.post(f"/admin/mail/sandboxmail/{row.pk}/delete/", {"post": "yes"})

    assert SandboxMail.objects.count() == 0
    assert isinstance(admin.site._registry[SandboxMail], SandboxMailAdmin)


def test_dkim_keys_show_their_public_half_and_can_be_switched(operator: Client) -> None:
    old = create_dkim_key("example.org", "e1", DkimAlgorithm.ED25519)
    new = create_dkim_key("example.org", "e2", DkimAlgorithm.ED25519)

    shown = page(operator, f"dkimkey/{old.pk}/change/") + page(operator, "dkimkey/")
    operator.post("/admin/mail/dkimkey/", {"action": "start_signing", "_selected_action": [new.pk]})

    assert "e1._domainkey.example.org. IN TXT" in shown
    assert "sealed" not in shown
    assert list(DkimKey.objects.filter(is_active=True)) == [new]
    operator.post("/admin/mail/dkimkey/", {"action": "stop_signing", "_selected_action": [new.pk]})
    assert not DkimKey.objects.filter(is_active=True).exists()
