"""Django admin of this app. Messages are never readable here, only what routing needs; sandbox mail is, on purpose."""

from __future__ import annotations

import json
import re
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import action

from common.blobs import BlobMissing
from identities.admin_base import Admin, Inline, ReadOnlyAdmin
from mail import (  # noqa: F401  (register their pages)
    admin_domains,
    admin_drafts,
    admin_holds,
    admin_imports,
    admin_platform,
    admin_texts,
)
from mail.dkim import zone_line
from mail.enums import RecipientState
from mail.html_text import html_to_text
from mail.mime.parse import HeaderTooLarge, ParsedMail, parse_mail
from mail.models import (
    DkimKey,
    Mailbox,
    Message,
    OutboundJob,
    OutboundRecipient,
    SandboxMail,
    SendAttempt,
    SendWindow,
    Thread,
)
from mail.raw import load_raw
from mail.services.dkim_keys import activate_dkim_key, deactivate_dkim_key
from mail.services.settling import Settlement, settle_recipients

_SHOWN_CHARS = 100_000
_HEADER_END = re.compile(rb"\r?\n\r?\n")


def _preformatted(text: str) -> SafeString:
    cut = text[:_SHOWN_CHARS] + ("\n[...]" if len(text) > _SHOWN_CHARS else "")
    return format_html('<pre class="whitespace-pre-wrap break-words">{}</pre>', cut)


def _preformatted_json(value: Any) -> str:
    return "-" if value is None else _preformatted(json.dumps(value, indent=1, ensure_ascii=False))


@admin.register(Mailbox)
class MailboxAdmin(Admin):
    """Mailboxes are made and removed with their identity; an operator may change how much they hold."""

    list_display: ClassVar[list[str]] = [
        "email_address",
        "organization",
        "identity",
        "storage_used_bytes",
        "storage_limit_bytes",
        "created_at",
        "deleted_at",
    ]
    list_filter: ClassVar[list[Any]] = [("deleted_at", admin.EmptyFieldListFilter), "created_at"]
    list_select_related: ClassVar[list[str]] = ["organization", "identity"]
    search_fields: ClassVar[list[str]] = ["email_address", "organization__id", "identity__agent_handle"]
    fields: ClassVar[list[str]] = [
        "id",
        "email_address",
        "organization",
        "identity",
        "storage_used_bytes",
        "storage_limit_bytes",
        "signature_enabled",
        "created_at",
        "updated_at",
        "deleted_at",
    ]
    readonly_fields: ClassVar[list[str]] = [name for name in fields if name != "storage_limit_bytes"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Thread)
class ThreadAdmin(ReadOnlyAdmin):
    """Conversations by folder and size, without their subject."""

    list_display: ClassVar[list[str]] = ["id", "mailbox", "folder", "message_count", "last_message_at", "deleted_at"]
    list_filter: ClassVar[list[Any]] = ["folder", "last_message_at", ("deleted_at", admin.EmptyFieldListFilter)]
    list_select_related: ClassVar[list[str]] = ["mailbox"]
    search_fields: ClassVar[list[str]] = ["mailbox__email_address"]
    fields: ClassVar[list[str]] = [*list_display, "created_at"]


class RecipientInline(Inline):
    """How an outgoing message fares with each recipient."""

    model = OutboundRecipient
    fields: ClassVar[list[str]] = ["address", "kind", "state", "transport", "provider_id", "detail", "updated_at"]
    readonly_fields = fields
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class AttemptInline(Inline):
    """Every call of a transport for an outgoing message."""

    model = SendAttempt
    fields: ClassVar[list[str]] = ["transport", "outcome", "started_at", "handed_off_at", "finished_at", "detail"]
    readonly_fields = fields
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Message)
class MessageAdmin(ReadOnlyAdmin):
    """What routing knows of a message: never its subject, text or attachments."""

    list_display: ClassVar[list[str]] = [
        "id",
        "direction",
        "status",
        "mailbox",
        "from_address",
        "recipients_shown",
        "size_bytes",
        "created_at",
    ]
    list_filter: ClassVar[list[Any]] = [
        "direction",
        "status",
        "created_at",
        "is_blocked",
        ("deleted_at", admin.EmptyFieldListFilter),
    ]
    list_select_related: ClassVar[list[str]] = ["mailbox"]
    search_fields: ClassVar[list[str]] = ["message_id", "from_address", "mailbox__email_address"]
    search_help_text = "Message-ID, sender or mailbox"
    fields: ClassVar[list[str]] = [
        "id",
        "mailbox",
        "thread",
        "direction",
        "status",
        "message_id",
        "in_reply_to",
        "from_address",
        "to_addresses",
        "cc_addresses",
        "bcc_addresses",
        "reply_to",
        "size_bytes",
        "is_blocked",
        "authentication",
        "spam",
        "is_forward",
        "provider_message_id",
        "created_at",
        "updated_at",
        "deleted_at",
    ]
    inlines: ClassVar[list[Any]] = [RecipientInline, AttemptInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Message]:
        rows: QuerySet[Message] = super().get_queryset(request)
        return rows.defer("subject", "snippet", "references", "attachment_metadata")

    @admin.display(description="Authentication")
    def authentication(self, row: Message) -> str:
        return _preformatted_json(row.content.authentication)

    @admin.display(description="Spam score")
    def spam(self, row: Message) -> str:
        return _preformatted_json(row.content.spam)

    @admin.display(description="To")
    def recipients_shown(self, message: Message) -> str:
        """The first addresses of To."""
        first, rest = message.to_addresses[:3], len(message.to_addresses) - 3
        return ", ".join(first) + (f" and {rest} more" if rest > 0 else "")


@admin.register(OutboundJob)
class OutboundJobAdmin(ReadOnlyAdmin):
    """The queue of outgoing mail."""

    list_display: ClassVar[list[str]] = ["message", "is_open", "attempts", "due_at", "leased_until", "created_at"]
    list_filter: ClassVar[list[Any]] = ["is_open", "due_at", "created_at"]
    list_select_related: ClassVar[list[str]] = ["message"]
    search_fields: ClassVar[list[str]] = ["message__message_id", "message__mailbox__email_address"]
    fields = list_display
    ordering: ClassVar[list[str]] = ["-created_at"]


@admin.register(OutboundRecipient)
class OutboundRecipientAdmin(ReadOnlyAdmin):
    """Deliveries, one recipient each. Uncertain ones wait here for a person; nothing is ever sent again from here."""

    list_display: ClassVar[list[str]] = ["address", "kind", "state", "transport", "detail", "message", "updated_at"]
    list_filter: ClassVar[list[Any]] = ["state", "transport", "kind", "updated_at"]
    list_select_related: ClassVar[list[str]] = ["message"]
    search_fields: ClassVar[list[str]] = ["address", "provider_id", "message__message_id"]
    fields: ClassVar[list[str]] = [*list_display, "provider_id"]
    ordering: ClassVar[list[str]] = ["-pk"]
    actions: ClassVar[list[str]] = ["settle_as_delivered", "settle_as_failed"]

    def has_settle_permission(self, request: HttpRequest) -> bool:
        """Rows are read-only, but who may change them may settle them."""
        return request.user.has_perm("mail.change_outboundrecipient")

    @admin.action(description="Settle uncertain: it was delivered", permissions=["settle"])
    def settle_as_delivered(self, request: HttpRequest, rows: QuerySet[OutboundRecipient]) -> None:
        """The operator knows from the provider or the recipient that it arrived."""
        self._settle(request, rows, RecipientState.DELIVERED)

    @admin.action(description="Settle uncertain: it was not sent", permissions=["settle"])
    def settle_as_failed(self, request: HttpRequest, rows: QuerySet[OutboundRecipient]) -> None:
        """The operator knows that it never left; the agent may write again."""
        self._settle(request, rows, RecipientState.FAILED)

    def _settle(self, request: HttpRequest, rows: QuerySet[OutboundRecipient], state: RecipientState) -> None:
        by_message: dict[UUID, dict[str, Settlement]] = {}
        for row in rows.filter(state=RecipientState.UNCERTAIN):
            settlement = Settlement(state, row.transport, "Settled by an operator.", row.provider_id)
            by_message.setdefault(row.message_id, {})[row.address] = settlement
        for message_id, settlements in by_message.items():
            settle_recipients(message_id, settlements)
        count = sum(len(settlements) for settlements in by_message.values())
        self.message_user(
            request,
            f"{count} uncertain recipients were settled as {state.value}; others were left alone.",
            messages.SUCCESS if count else messages.WARNING,
        )


@admin.register(SendAttempt)
class SendAttemptAdmin(ReadOnlyAdmin):
    """Calls of transports."""

    list_display: ClassVar[list[str]] = [
        "id",
        "message",
        "transport",
        "outcome",
        "started_at",
        "handed_off_at",
        "finished_at",
    ]
    list_filter: ClassVar[list[Any]] = ["outcome", "transport", "started_at"]
    list_select_related: ClassVar[list[str]] = ["message"]
    search_fields: ClassVar[list[str]] = ["message__message_id", "message__mailbox__email_address"]
    fields: ClassVar[list[str]] = [*list_display, "addresses", "detail"]
    ordering: ClassVar[list[str]] = ["-started_at"]


@admin.register(SandboxMail)
class SandboxMailAdmin(ReadOnlyAdmin):
    """Mail that the sandbox kept instead of sending. Reading it is what the sandbox is for."""

    list_display: ClassVar[list[str]] = ["subject", "envelope_from", "recipients_shown", "size_bytes", "created_at"]
    list_filter: ClassVar[list[Any]] = ["created_at"]
    search_fields: ClassVar[list[str]] = ["subject", "envelope_from", "organization_id"]
    fields: ClassVar[list[str]] = [
        "subject",
        "envelope_from",
        "recipients_shown",
        "organization_id",
        "message",
        "size_bytes",
        "created_at",
        "headers_shown",
        "text_shown",
        "html_shown",
        "attachments_shown",
    ]
    readonly_fields = fields
    actions_detail: ClassVar[list[str]] = ["download"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[SandboxMail]:
        rows: QuerySet[SandboxMail] = super().get_queryset(request)
        return rows.defer("raw_inline")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("mail.delete_sandboxmail")

    @admin.display(description="Recipients")
    def recipients_shown(self, row: SandboxMail) -> str:
        """The envelope's recipients, blind ones included."""
        return ", ".join(row.recipients)

    @admin.display(description="Headers")
    def headers_shown(self, row: SandboxMail) -> SafeString | str:
        """The header block as it would have been sent."""
        raw = _raw_or_none(row)
        if raw is None:
            return "The raw message is missing from the blob store."
        return _preformatted(_HEADER_END.split(raw, maxsplit=1)[0].decode("utf-8", "replace"))

    @admin.display(description="Text part")
    def text_shown(self, row: SandboxMail) -> SafeString | str:
        """What a text-only mail program shows."""
        parsed = _parsed_or_none(row)
        return _preformatted(parsed.body_text) if parsed and parsed.body_text else "-"

    @admin.display(description="HTML part, as text")
    def html_shown(self, row: SandboxMail) -> SafeString | str:
        """Only the words: markup of a message never runs in this page."""
        parsed = _parsed_or_none(row)
        return _preformatted(html_to_text(parsed.body_html)) if parsed and parsed.body_html else "-"

    @admin.display(description="Attachments")
    def attachments_shown(self, row: SandboxMail) -> SafeString | str:
        """Name, type and size of each."""
        parsed = _parsed_or_none(row)
        if parsed is None or not parsed.attachments:
            return "-"
        parts = [(part.filename, part.content_type, part.size) for part in parsed.attachments]
        return format_html_join(SafeString("<br>"), "{} ({}, {} bytes)", parts)

    @action(description="Download .eml", url_path="download", permissions=["view"])  # type: ignore[untyped-decorator]
    def download(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The raw message as a file."""
        row = self.get_object(request, object_id)
        raw = _raw_or_none(row) if row is not None else None
        if row is None or raw is None:
            raise Http404("This sandbox mail is gone.")
        return HttpResponse(
            raw,
            content_type="message/rfc822",
            headers={"Content-Disposition": f'attachment; filename="{row.pk}.eml"', "Cache-Control": "no-store"},
        )


def _raw_or_none(row: SandboxMail) -> bytes | None:
    try:
        return load_raw(row)
    except BlobMissing:
        return None


def _parsed_or_none(row: SandboxMail) -> ParsedMail | None:
    raw = _raw_or_none(row)
    try:
        return None if raw is None else parse_mail(raw)
    except HeaderTooLarge:
        return None


@admin.register(DkimKey)
class DkimKeyAdmin(ReadOnlyAdmin):
    """Signing keys: their public half. `manage.py dkim create` makes those of the platform domain."""

    list_display: ClassVar[list[str]] = ["domain", "selector", "algorithm", "is_active", "retire_at", "created_at"]
    list_filter: ClassVar[list[Any]] = ["is_active", "algorithm", "retire_at"]
    search_fields: ClassVar[list[str]] = ["domain", "selector"]
    fields: ClassVar[list[str]] = [*list_display, "zone_line_shown"]
    readonly_fields = fields
    actions: ClassVar[list[str]] = ["start_signing", "stop_signing"]

    def has_activate_permission(self, request: HttpRequest) -> bool:
        """Rows are read-only, but who may change them may switch them."""
        return request.user.has_perm("mail.change_dkimkey")

    @admin.display(description="DNS record")
    def zone_line_shown(self, key: DkimKey) -> SafeString:
        """What to publish, as a line of a zone file."""
        return _preformatted(zone_line(key.domain, key.selector, key.dns_record))

    @admin.action(description="Sign with this key instead of others of its algorithm", permissions=["activate"])
    def start_signing(self, request: HttpRequest, keys: QuerySet[DkimKey]) -> None:
        """Finish a rotation, once the record is published."""
        for key in keys.order_by("pk"):
            activate_dkim_key(key.domain, key.selector)
        self.message_user(request, "Mail is signed with the chosen keys from now on.", messages.SUCCESS)

    @admin.action(description="Stop signing with this key", permissions=["activate"])
    def stop_signing(self, request: HttpRequest, keys: QuerySet[DkimKey]) -> None:
        """Mail of the domain goes out without this signature."""
        for key in keys.order_by("pk"):
            deactivate_dkim_key(key.domain, key.selector)
        self.message_user(request, "The chosen keys no longer sign mail.", messages.SUCCESS)


@admin.register(SendWindow)
class SendWindowAdmin(ReadOnlyAdmin):
    """What identities have sent in their current day."""

    list_display: ClassVar[list[str]] = ["identity", "sends", "opened_at"]
    list_select_related: ClassVar[list[str]] = ["identity"]
    search_fields: ClassVar[list[str]] = ["identity__agent_handle", "identity__organization__id"]
    autocomplete_fields: ClassVar[list[str]] = ["identity"]
