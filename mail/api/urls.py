"""Routes of this app."""

from __future__ import annotations

from typing import Any

from django.urls import URLPattern, path

from mail.api.attachment_texts import AttachmentTextViewSet
from mail.api.composing import ComposeViewSet
from mail.api.contact_rules import IdentityRuleViewSet, MailboxRuleViewSet, OrganizationRuleViewSet
from mail.api.domains import SendingDomainViewSet
from mail.api.drafts import DraftViewSet
from mail.api.esp_webhooks import esp_webhook
from mail.api.exchanges import SendingPauseViewSet, ThreadPauseViewSet
from mail.api.imports import ImportViewSet, UploadViewSet
from mail.api.mailbox_links import MailboxLinkViewSet
from mail.api.opens import open_pixel
from mail.api.search import SearchViewSet
from mail.api.send_lookup import SendLookupViewSet
from mail.api.suppressions import SuppressionViewSet
from mail.api.viewsets import BlobViewSet, MailboxViewSet, MessageViewSet, ThreadViewSet

_COLLECTION: dict[str, Any] = {"get": "list", "post": "create"}
_MEMBER: dict[str, Any] = {"get": "retrieve", "patch": "partial_update", "delete": "destroy"}
_BOX = "api/v1/mail/mailboxes/<str:address>"
_DOMAIN = "api/v1/domains/<str:domain>"

urlpatterns: list[URLPattern] = [
    path("api/v1/mail/mailboxes", MailboxViewSet.as_view(_COLLECTION)),
    path(_BOX, MailboxViewSet.as_view(_MEMBER)),
    path(f"{_BOX}/resume-sending", SendingPauseViewSet.as_view({"post": "resume"})),
    path(f"{_BOX}/messages", MessageViewSet.as_view({"get": "list", "post": "create"})),
    path(
        f"{_BOX}/messages/<str:message_id>",
        MessageViewSet.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"}),
    ),
    path(f"{_BOX}/messages/<str:message_id>/reply-all", ComposeViewSet.as_view({"post": "reply_all"})),
    path(f"{_BOX}/messages/<str:message_id>/forward", ComposeViewSet.as_view({"post": "forward"})),
    path(f"{_BOX}/messages/<str:message_id>/attachments/<str:filename>", MessageViewSet.as_view({"get": "attachment"})),
    path(f"{_BOX}/drafts", DraftViewSet.as_view({"get": "list", "post": "create"})),
    path(
        f"{_BOX}/drafts/<str:draft_id>",
        DraftViewSet.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"}),
    ),
    path(f"{_BOX}/drafts/<str:draft_id>/duplicate", DraftViewSet.as_view({"post": "duplicate"})),
    path(f"{_BOX}/drafts/<str:draft_id>/send", DraftViewSet.as_view({"post": "send"})),
    path(f"{_BOX}/drafts/<str:draft_id>/attachments", DraftViewSet.as_view({"post": "add_attachments"})),
    path(
        f"{_BOX}/drafts/<str:draft_id>/attachments/<str:part_index>",
        DraftViewSet.as_view({"get": "attachment", "delete": "remove_attachment"}),
    ),
    path(f"{_BOX}/threads", ThreadViewSet.as_view({"get": "list"})),
    path(f"{_BOX}/threads/folders", ThreadViewSet.as_view({"get": "folders"})),
    path(
        f"{_BOX}/messages/<str:message_id>/attachments/<str:filename>/text",
        AttachmentTextViewSet.as_view({"get": "retrieve"}),
    ),
    path(f"{_BOX}/threads/<str:thread_id>/text", ThreadViewSet.as_view({"get": "text"})),
    path(
        f"{_BOX}/threads/<str:thread_id>",
        ThreadViewSet.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"}),
    ),
    path("api/v1/identities/<str:handle>/mailbox", MailboxLinkViewSet.as_view({"post": "create", "delete": "destroy"})),
    path("api/v1/mail/contact-rules", OrganizationRuleViewSet.as_view({"get": "list"})),
    path("api/v1/mail/mailboxes/<str:owner>/contact-rules", MailboxRuleViewSet.as_view(_COLLECTION)),
    path("api/v1/mail/mailboxes/<str:owner>/contact-rules/<str:rule_id>", MailboxRuleViewSet.as_view(_MEMBER)),
    path("api/v1/identities/<str:owner>/mail-contact-rules", IdentityRuleViewSet.as_view(_COLLECTION)),
    path("api/v1/identities/<str:owner>/mail-contact-rules/<str:rule_id>", IdentityRuleViewSet.as_view(_MEMBER)),
    path("api/v1/message-sends/lookup", SendLookupViewSet.as_view({"get": "retrieve"})),
    path("i/<str:token>.gif", open_pixel),
    path("api/v1/mail/suppressions", SuppressionViewSet.as_view({"get": "list", "post": "create"})),
    path(
        "api/v1/mail/suppressions/<str:suppression_id>",
        SuppressionViewSet.as_view({"get": "retrieve", "delete": "destroy"}),
    ),
    path("api/v1/domains", SendingDomainViewSet.as_view({"get": "list", "post": "create"})),
    path(_DOMAIN, SendingDomainViewSet.as_view({"get": "retrieve", "delete": "destroy"})),
    path(f"{_DOMAIN}/verify", SendingDomainViewSet.as_view({"post": "verify"})),
    path(f"{_DOMAIN}/rotate-dkim", SendingDomainViewSet.as_view({"post": "rotate_dkim"})),
    path(f"{_DOMAIN}/set-default", SendingDomainViewSet.as_view({"post": "set_default"})),
    path(f"{_DOMAIN}/restore", SendingDomainViewSet.as_view({"post": "restore"})),
    path(f"{_BOX}/imports", ImportViewSet.as_view({"get": "list", "post": "create"})),
    path(f"{_BOX}/imports/<str:job_id>", ImportViewSet.as_view({"get": "retrieve"})),
    path(f"{_BOX}/imports/<str:job_id>/upload-url", ImportViewSet.as_view({"post": "upload_url"})),
    path(f"{_BOX}/imports/<str:job_id>/start", ImportViewSet.as_view({"post": "start"})),
    path(f"{_BOX}/imports/<str:job_id>/cancel", ImportViewSet.as_view({"post": "cancel"})),
    path("uploads/<str:token>", UploadViewSet.as_view({"post": "create"})),
    path(f"{_BOX}/threads/<str:thread_id>/resume", ThreadPauseViewSet.as_view({"post": "resume"})),
    path("webhooks/mail/<str:secret>/<path:rest>", esp_webhook),
    path(f"{_BOX}/search", SearchViewSet.as_view({"get": "list"})),
    path("blobs/<str:token>", BlobViewSet.as_view({"get": "retrieve"})),
]
