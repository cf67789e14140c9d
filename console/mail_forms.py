"""The forms of the composer and the draft editor, and what they say to the services."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from django import forms
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.http import QueryDict

from common.errors import DomainError, Invalid
from console import limits as console_limits
from console.forms import ConsoleForm
from mail import limits
from mail.enums import ForwardMode
from mail.errors import RecipientBlocked, RecipientSuppressed, UnclaimedRecipient
from mail.mime.attachments import sanitize_filename
from mail.mime.build import OutgoingAttachment, is_sendable_type
from mail.services.composing import Recipients

_RECIPIENTS_MAX_CHARS = 20_000
# Addresses are separated by commas, semicolons and line ends, unless those are part of a quoted name.
_PIECE = re.compile(r'(?:"[^"\n]*"|[^,;\n])+')
_ANGLED = re.compile(r"<([^<>]*)>\s*$")
# Where a service names a field of the API that has another name in the form.
_FIELDS = {
    "recipients": "to",
    "attachments": "uploads",
    "additional_attachments": "uploads",
    "body_text": "body",
    "forward_note_text": "body",
    "forward_note_html": "body_html",
    "in_reply_to_message_id": "subject",
}
_ABOUT_RECIPIENTS = (RecipientBlocked, RecipientSuppressed, UnclaimedRecipient)


class AddressesField(forms.CharField):
    """Addresses as people write them: with names or without, separated by commas, semicolons or lines."""

    def __init__(self, **kwargs: Any) -> None:
        looks = {"rows": 1, "spellcheck": "false", "autocapitalize": "off", "autocomplete": "off"}
        super().__init__(required=False, max_length=_RECIPIENTS_MAX_CHARS, widget=forms.Textarea(attrs=looks), **kwargs)

    def clean(self, value: Any) -> list[str]:
        """Bare addresses, not yet checked: what is an address, the services say."""
        return split_addresses(super().clean(value))


def split_addresses(text: str) -> list[str]:
    """The addresses of a line or more. A name before an address in angle brackets is dropped."""
    pieces = (piece.strip() for piece in _PIECE.findall(text))
    found = ((match[1].strip() if (match := _ANGLED.search(piece)) else piece) for piece in pieces)
    return [address for address in found if address]


class SubjectField(forms.CharField):
    """One header line."""

    def __init__(self) -> None:
        super().__init__(max_length=limits.SUBJECT_MAX_CHARS, required=False, label="Subject")

    def clean(self, value: Any) -> str:
        text: str = super().clean(value)
        if any(ord(char) < 32 or ord(char) == 127 for char in text):
            raise ValidationError("Remove line breaks and control characters.")
        return text


class BodyField(forms.CharField):
    """One body; line ends become \\n, as API clients write them."""

    def __init__(self, *, rows: int = 14, **kwargs: Any) -> None:
        super().__init__(
            max_length=limits.BODY_MAX_CHARS,
            required=False,
            strip=False,
            widget=forms.Textarea(attrs={"rows": rows}),
            **kwargs,
        )

    def clean(self, value: Any) -> str:
        text: str = super().clean(value)
        return text.replace("\r\n", "\n").replace("\r", "\n")


class _FilesInput(forms.ClearableFileInput):
    allow_multiple_selected = True


class FilesField(forms.FileField):
    """Any number of files."""

    def __init__(self) -> None:
        super().__init__(required=False, label="Files", widget=_FilesInput(attrs={"multiple": True}))

    def clean(self, data: Any, initial: Any = None) -> list[UploadedFile[Any]]:
        rows = data if isinstance(data, list | tuple) else [data]
        return [super(FilesField, self).clean(row, initial) for row in rows if row]


class MailForm(ConsoleForm):
    """What a message and a draft have in common."""

    field_order = ("to", "cc", "bcc", "subject", "body", "body_html", "uploads")

    to = AddressesField(label="To")
    cc = AddressesField(label="Cc")
    bcc = AddressesField(label="Bcc")
    subject = SubjectField()
    body = BodyField(label="Text")
    uploads = FilesField()

    def recipients(self) -> Recipients:
        """As the services take them."""
        return Recipients(*(self.cleaned_data[name] for name in ("to", "cc", "bcc")))

    def attachments(self) -> tuple[OutgoingAttachment, ...]:
        """The uploaded files, under names and types that can be sent."""
        return tuple(_attachment(file) for file in self.cleaned_data["uploads"])

    def show_again(self, **values: Any) -> None:
        """Let the form that is shown again hold other values than the ones that were sent."""
        self.data = {**self.data.dict(), **values} if isinstance(self.data, QueryDict) else {**self.data, **values}

    def refuse(self, refusal: DomainError) -> None:
        """Attach a service's refusal to the field it speaks of, with the address or file it means."""
        place: Sequence[str | int] = getattr(refusal, "loc", ())
        names = [_FIELDS.get(part, part) for part in place if isinstance(part, str)]
        field = next((name for name in reversed(names) if name in self.fields), None)
        if isinstance(refusal, _ABOUT_RECIPIENTS):
            field = self._field_of(str(refusal.fields.get("address", "")))
        text = refusal.message
        if field == "to" and not self.cleaned_data.get("to") and isinstance(refusal, Invalid):
            text = "Name at least one address."  # the service says it in the words of the API
        elif (
            field is not None and (number := next((part for part in place if isinstance(part, int)), None)) is not None
        ):
            values = self.cleaned_data.get(field) or []
            text = f"{_named(values[number])}: {text}" if number < len(values) else text
        self.add_error(field, text)

    def ask_for_files_again(self) -> None:
        """A browser does not send the same files twice by itself."""
        if self.files and "uploads" not in self.errors:
            self.add_error("uploads", "Choose the files again: they were not kept.")

    def _field_of(self, address: str) -> str:
        for name in ("to", "cc", "bcc"):
            if address.lower() in (written.lower() for written in self.cleaned_data.get(name) or ()):
                return name
        return "to"


class ComposeForm(MailForm):
    """A new message, or an answer. `token` makes a form that is sent twice one message."""

    token = forms.RegexField(r"^[0-9a-f-]{36}$", widget=forms.HiddenInput)

    def fingerprint(self) -> list[Any]:
        """All that tells this message from another one sent with the same token."""
        data = self.cleaned_data
        files = [(file.name, hashlib.sha256(_content(file)).hexdigest()) for file in data["uploads"]]
        return [{name: data[name] for name in sorted(data) if name not in ("uploads", "token")}, files]


class ForwardForm(ComposeForm):
    """A forward. The text is the note above the original."""

    mode = forms.ChoiceField(
        choices=[
            (ForwardMode.INLINE.value, "Quoted below the text"),
            (ForwardMode.WRAPPED.value, "As an attached message, unchanged"),
        ],
        label="The original",
        initial=ForwardMode.INLINE.value,
    )
    include_original_attachments = forms.BooleanField(required=False, initial=True, label="With its files")


class DraftForm(MailForm):
    """A draft. `generation` is the state that the person saw."""

    generation = forms.IntegerField(min_value=1, max_value=2**31 - 1, widget=forms.HiddenInput)
    body_html = BodyField(
        rows=8, label="HTML", help_text="Mail programs show this instead of the text. Leave it empty to send text only."
    )


class HeldMailForm(MailForm):
    """What an approver may change. Files stay as the agent attached them."""

    uploads = None  # type: ignore[assignment]


class RejectForm(ConsoleForm):
    """Why a held mail is not sent."""

    reason = forms.CharField(
        max_length=console_limits.REASON_MAX_CHARS,
        required=False,
        label="Reason",
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="The agent reads it with the message, in these words.",
    )

    def clean_reason(self) -> str:
        text: str = self.cleaned_data["reason"]
        return text.replace("\r\n", "\n")


def new_token() -> str:
    """For a form that has not been sent."""
    return str(uuid4())


def _attachment(file: UploadedFile[Any]) -> OutgoingAttachment:
    kind = (file.content_type or "").lower()
    name = sanitize_filename(file.name or "") or "file"
    return OutgoingAttachment(name, kind if is_sendable_type(kind) else "application/octet-stream", _content(file))


def _content(file: UploadedFile[Any]) -> bytes:
    file.seek(0)
    content: bytes = file.read()
    return content


def _named(value: Any) -> str:
    return str(getattr(value, "name", value))
