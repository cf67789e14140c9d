"""What email service providers answer and post, in the shapes of their documentation, signed as each of them signs."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

KEY = "key-of-some-length"
TIME = 1_777_888_999
TEXT_TIME = "2026-05-04T10:03:19.000Z"
REFUSAL = "550 5.1.1 No such user here"
_POSTAL_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass(frozen=True)
class Posted:
    """One request of a provider, below its webhook address."""

    path: str
    body: bytes
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ApiAnswer:
    """What the provider's API says to an accepted message."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Sent:
    """A recipient of a sent message, as the provider knows it."""

    address: str
    provider_id: str
    row_id: str


Tracking = Callable[[str, Sent], Posted | None]


@dataclass(frozen=True)
class Provider:
    """How one provider is configured, answers, and reports. `tracking(kind, sent)` knows the kinds delivered, bounced
    and complained; None for what the provider does not report."""

    settings: dict[str, Any]
    answer: Callable[[str], ApiAnswer]
    tracking: Tracking | None


def _json(path: str, body: Any, **headers: str) -> Posted:
    return Posted(path, json.dumps(body).encode(), headers=headers)


def hmac_signed(posted: Posted, header: str) -> Posted:
    """With the digest of the body in a header, as several providers sign."""
    signature = hmac.new(KEY.encode(), posted.body, hashlib.sha256).hexdigest()
    return Posted(posted.path, posted.body, headers={header: signature})


# --- Each provider's events ---------------------------------------------------------------------------------------


def _brevo(kind: str, sent: Sent) -> Posted:
    names = {"delivered": "delivered", "bounced": "hard_bounce", "complained": "spam"}
    event: dict[str, Any] = {
        "event": names[kind],
        "email": sent.address,
        "id": 26224,
        "date": "2026-05-04 12:03:19",
        "ts": TIME,
        "ts_epoch": TIME * 1000,
        "message-id": sent.provider_id,
        "subject": "Hello",
        "sending_ip": "192.0.2.7",
    }
    return _json("brevo/tracking", event | ({"reason": REFUSAL} if kind == "bounced" else {}))


def _mailersend(kind: str, sent: Sent) -> Posted:
    names = {"delivered": "delivered", "bounced": "hard_bounced", "complained": "spam_complaint"}
    morphs = {
        "delivered": None,
        "bounced": {"object": "recipient_bounce", "reason": REFUSAL, "readable_reason": REFUSAL},
        "complained": {"object": "spam_complaint", "reason": None},
    }
    event = {
        "type": f"activity.{names[kind]}",
        "created_at": TEXT_TIME,
        "webhook_id": "7z3m5jgrogdpyo6n",
        "data": {
            "object": "activity",
            "id": "62f114f8165fe0d8db0288e5",
            "type": names[kind],
            "created_at": TEXT_TIME,
            "email": {
                "object": "email",
                "id": "62f114f7165fe0d8db0288e2",
                "from": "bot@mail.localhost",
                "subject": "Hello",
                "status": names[kind],
                "tags": None,
                "message": {"object": "message", "id": sent.provider_id},
                "recipient": {"object": "recipient", "id": "62c69b", "email": sent.address},
            },
            "morph": morphs[kind],
        },
    }
    return hmac_signed(_json("mailersend/tracking", event), "Signature")


def mailgun_signature() -> dict[str, str]:
    """The three fields that Mailgun signs with."""
    signature = hmac.new(KEY.encode(), f"{TIME}token".encode(), hashlib.sha256).hexdigest()
    return {"token": "token", "timestamp": str(TIME), "signature": signature}


def _mailgun(kind: str, sent: Sent) -> Posted:
    status = {"code": 550, "message": "5.1.1 No such user here", "description": ""} if kind == "bounced" else {}
    data: dict[str, Any] = {
        "event": {"delivered": "delivered", "bounced": "failed", "complained": "complained"}[kind],
        "id": "CPgfbmQMTCKtHW6uIWtuVe",
        "timestamp": TIME + 0.5,
        "recipient": sent.address,
        "message": {"headers": {"to": sent.address, "message-id": sent.provider_id.strip("<>"), "subject": "Hello"}},
        "user-variables": {"inkbox_message": sent.row_id},
        "tags": [],
    }
    if kind == "bounced":
        data |= {"severity": "permanent", "reason": "bounce", "delivery-status": status}
    return _json("mailgun/tracking", {"signature": mailgun_signature(), "event-data": data})


def _mailjet(kind: str, sent: Sent) -> Posted:
    event: dict[str, Any] = {
        "event": {"delivered": "sent", "bounced": "bounce", "complained": "spam"}[kind],
        "time": TIME,
        "MessageID": int(sent.provider_id),
        "email": sent.address,
        "mj_campaign_id": 7257,
        "customcampaign": "",
        "CustomID": "",
        "Payload": json.dumps({"inkbox_message": sent.row_id}),
    }
    if kind == "bounced":
        event |= {"blocked": False, "hard_bounce": True, "error_related_to": "recipient", "error": "user unknown"}
    elif kind == "complained":
        event |= {"source": "JMRPP"}
    else:
        event |= {"mj_message_id": sent.provider_id, "smtp_reply": "250 2.0.0 OK"}
    # Grouped and single events come in different shapes.
    return _json("mailjet/tracking", [event] if kind == "delivered" else event)


def _mailtrap(kind: str, sent: Sent) -> Posted:
    event: dict[str, Any] = {
        "event": {"delivered": "delivery", "bounced": "bounce", "complained": "spam"}[kind],
        "message_id": sent.provider_id,
        "sending_stream": "transactional",
        "email": sent.address,
        "timestamp": TIME,
        "event_id": "bede7236-2284-43d6-a953-1fdcafd0fdbc",
        "custom_variables": {"inkbox_message": sent.row_id},
    }
    if kind == "bounced":
        event |= {"response": REFUSAL, "response_code": 550, "bounce_category": "invalid_recipient"}
    return hmac_signed(_json("mailtrap/tracking", {"events": [event]}), "Mailtrap-Signature")


def mandrill_posted(events: list[Any]) -> Posted:
    """A form with the events, signed over the address it goes to (`{url}` is filled in by whoever posts)."""
    return Posted(
        "mandrill",
        urlencode({"mandrill_events": json.dumps(events)}).encode(),
        "application/x-www-form-urlencoded",
        {"X-Mandrill-Signature": "{url}"},
    )


def mandrill_signature(url: str, posted: Posted) -> str:
    """What Mandrill writes over a request to `url`."""
    [(name, value)] = _form(posted.body).items()
    return base64.b64encode(hmac.new(KEY.encode(), f"{url}{name}{value}".encode(), hashlib.sha1).digest()).decode()


def _form(body: bytes) -> dict[str, str]:
    return dict(parse_qsl(body.decode()))


def _mandrill(kind: str, sent: Sent) -> Posted | None:
    if kind == "delivered":
        return None  # Mandrill tells that it sent, not that it was taken
    event = {
        "event": {"bounced": "hard_bounce", "complained": "spam"}[kind],
        "_id": sent.provider_id,
        "ts": TIME,
        "msg": {
            "_id": sent.provider_id,
            "email": sent.address,
            "state": "bounced",
            "ts": TIME,
            "subject": "Hello",
            "metadata": {"inkbox_message": sent.row_id},
            "tags": [],
            **({"bounce_description": "bad_mailbox", "diag": REFUSAL} if kind == "bounced" else {}),
        },
    }
    return mandrill_posted([event])


def postal_public_key() -> str:
    """As Postal shows it: base64 without the lines around it."""
    der = _POSTAL_KEY.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return base64.b64encode(der).decode()


def postal_posted(path: str, body: Any) -> Posted:
    """Signed with the server's key."""
    raw = json.dumps(body).encode()
    signature = _POSTAL_KEY.sign(raw, padding.PKCS1v15(), hashes.SHA1())
    return Posted(path, raw, headers={"X-Postal-Signature": base64.b64encode(signature).decode()})


def _postal(kind: str, sent: Sent) -> Posted | None:
    message = {
        "id": int(sent.provider_id),
        "token": "abcdef123",
        "direction": "outgoing",
        "message_id": "x@mail.localhost",
        "to": sent.address,
        "from": "bot@mail.localhost",
        "subject": "Hello",
        "timestamp": float(TIME),
        "spam_status": "NotSpam",
        "tag": None,
    }
    payloads: dict[str, Any] = {
        "delivered": {"status": "Sent", "details": "Message sent", "output": "250 ok", "message": message},
        "bounced": {"original_message": message, "bounce": {"id": 99, "direction": "incoming"}},
    }
    if kind not in payloads:
        return None  # no feedback loop
    body = {"event": "MessageSent", "timestamp": float(TIME), "uuid": "0fcc8526", "payload": payloads[kind]}
    return postal_posted("postal/tracking", body)


def _postmark(kind: str, sent: Sent) -> Posted:
    common = {"MessageID": sent.provider_id, "Metadata": {"inkbox_message": sent.row_id}, "Tag": "", "ServerID": 23}
    events: dict[str, dict[str, Any]] = {
        "delivered": {"RecordType": "Delivery", "Recipient": sent.address, "Details": "250 ok"},
        "bounced": {
            "RecordType": "Bounce",
            "Type": "HardBounce",
            "TypeCode": 1,
            "Email": sent.address,
            "Details": REFUSAL,
            "Inactive": True,
        },
        "complained": {"RecordType": "SpamComplaint", "Type": "SpamComplaint", "TypeCode": 512, "Email": sent.address},
    }
    return _json("postmark/tracking", common | events[kind])


def _resend(kind: str, sent: Sent) -> Posted:
    names = {"delivered": "email.delivered", "bounced": "email.bounced", "complained": "email.complained"}
    data: dict[str, Any] = {
        "email_id": sent.provider_id,
        "created_at": TEXT_TIME,
        "from": "bot@mail.localhost",
        "to": [sent.address],
        "subject": "Hello",
    }
    if kind == "bounced":
        data["bounce"] = {"message": "The recipient's email provider sent a hard bounce message, but didn't say why."}
    return _json("resend/tracking", {"type": names[kind], "created_at": TEXT_TIME, "data": data})


def _sendgrid(kind: str, sent: Sent) -> Posted:
    event = {
        "event": {"delivered": "delivered", "bounced": "bounce", "complained": "spamreport"}[kind],
        "email": sent.address,
        "timestamp": TIME,
        "smtp-id": "<x@ismtpd0001>",
        "anymail_id": sent.provider_id,
        "inkbox_message": sent.row_id,
        "sg_event_id": "ZyjAM5rnQmuI1KFInHQ3Nw==",
        "sg_message_id": "hrRNfVP2",
        **({"reason": REFUSAL, "status": "5.1.1", "type": "bounce"} if kind == "bounced" else {}),
        **({"response": "250 OK"} if kind == "delivered" else {}),
    }
    return _json("sendgrid/tracking", [event])


def _sparkpost(kind: str, sent: Sent) -> Posted:
    event: dict[str, Any] = {
        "type": {"delivered": "delivery", "bounced": "bounce", "complained": "spam_complaint"}[kind],
        "event_id": "92356927693813856",
        "transmission_id": sent.provider_id,
        "raw_rcpt_to": sent.address,
        "rcpt_to": sent.address.lower(),
        "timestamp": str(TIME),
        "rcpt_meta": {"inkbox_message": sent.row_id},
    }
    if kind == "bounced":
        event |= {"bounce_class": "10", "error_code": "550", "raw_reason": REFUSAL, "reason": REFUSAL}
    group = "feedback_event" if kind == "complained" else "message_event"
    # An empty one is how SparkPost tries the address.
    return _json("sparkpost/tracking", [{"msys": {}}, {"msys": {group: event}}])


def _unisender_go(kind: str, sent: Sent) -> Posted:
    data: dict[str, Any] = {
        "job_id": "1sn15Z-0007Le-GtVN",
        "email": sent.address,
        "status": {"delivered": "delivered", "bounced": "hard_bounced", "complained": "spam"}[kind],
        "event_time": "2026-05-04 10:03:19",
        "metadata": {"anymail_id": sent.provider_id, "inkbox_message": sent.row_id},
    }
    if kind == "bounced":
        data["delivery_info"] = {"delivery_status": "err_user_unknown", "destination_response": REFUSAL}
    event = {"event_name": "transactional_email_status", "event_data": data}
    body = {"auth": KEY, "events_by_user": [{"user_id": 456, "project_id": "6123", "events": [event]}]}
    raw = json.dumps(body).encode()
    auth = hashlib.md5(raw).hexdigest()
    return Posted("unisender_go/tracking", raw.replace(KEY.encode(), auth.encode()))


def sns(path: str, message: Any) -> Posted:
    """A notification of Amazon SNS."""
    body = {
        "Type": "Notification",
        "MessageId": "19ba9823-d7f2-53c1-860e-cb10e0d13dfc",
        "TopicArn": "arn:aws:sns:us-east-1:1234567890:SES_Events",
        "Message": json.dumps(message),
        "Timestamp": TEXT_TIME,
        "SignatureVersion": "1",
    }
    headers = {"X-Amz-Sns-Message-Type": "Notification", "X-Amz-Sns-Message-Id": str(body["MessageId"])}
    return Posted(path, json.dumps(body).encode(), "text/plain; charset=UTF-8", headers)


def _amazon_ses(kind: str, sent: Sent) -> Posted:
    event: dict[str, Any] = {
        "eventType": {"delivered": "Delivery", "bounced": "Bounce", "complained": "Complaint"}[kind],
        "mail": {
            "timestamp": TEXT_TIME,
            "source": "bot@mail.localhost",
            "messageId": sent.provider_id,
            "destination": [sent.address],
            "headers": [{"name": "Subject", "value": "Hello"}],
        },
        "delivery": {"recipients": [sent.address], "smtpResponse": "250 ok"},
        "bounce": {
            "bounceType": "Permanent",
            "bounceSubType": "General",
            "bouncedRecipients": [
                {"emailAddress": sent.address, "action": "failed", "status": "5.1.1", "diagnosticCode": REFUSAL}
            ],
        },
        "complaint": {
            "complainedRecipients": [{"emailAddress": sent.address}],
            "complaintFeedbackType": "abuse",
        },
    }
    for other in {"delivered", "bounced", "complained"} - {kind}:
        del event[{"delivered": "delivery", "bounced": "bounce", "complained": "complaint"}[other]]
    return sns("amazon_ses/tracking", event)


def _scaleway_answer(address: str) -> ApiAnswer:
    return ApiAnswer({"emails": [{"id": "sw-1", "mail_rcpt": address, "status": "sending"}]})


PROVIDERS: dict[str, Provider] = {
    # Its API is a library of Amazon's, not HTTP: see the test.
    "amazon_ses": Provider({}, lambda _: ApiAnswer({"MessageId": "0100-ses"}), _amazon_ses),
    "brevo": Provider({"BREVO_API_KEY": KEY}, lambda _: ApiAnswer({"messageId": "<1@smtp-relay.brevo>"}, 201), _brevo),
    "mailersend": Provider(
        {"MAILERSEND_API_TOKEN": KEY, "MAILERSEND_SIGNING_SECRET": KEY, "MAILERSEND_INBOUND_SECRET": KEY},
        lambda _: ApiAnswer(None, 202, {"X-Message-Id": "ms-1", "Content-Type": "text/html; charset=utf-8"}),
        _mailersend,
    ),
    "mailgun": Provider(
        {"MAILGUN_API_KEY": "api", "MAILGUN_WEBHOOK_SIGNING_KEY": KEY, "MAILGUN_SENDER_DOMAIN": "mail.localhost"},
        lambda _: ApiAnswer({"id": "<20260504.1@mail.localhost>", "message": "Queued. Thank you."}),
        _mailgun,
    ),
    "mailjet": Provider(
        {"MAILJET_API_KEY": KEY, "MAILJET_SECRET_KEY": KEY},
        lambda address: ApiAnswer(
            {
                "Messages": [
                    {
                        "Status": "success",
                        "To": [{"Email": address, "MessageUUID": "u", "MessageID": 19421777835146490}],
                        "Cc": [],
                        "Bcc": [],
                    }
                ]
            }
        ),
        _mailjet,
    ),
    "mailtrap": Provider(
        {"MAILTRAP_API_TOKEN": KEY, "MAILTRAP_TRACKING_SECRET": KEY, "MAILTRAP_INBOUND_SECRET": KEY},
        lambda _: ApiAnswer({"success": True, "message_ids": ["0c7fd939-02cf-11ed-88c2-0a58a9feac02"]}),
        _mailtrap,
    ),
    "mandrill": Provider(
        {"MANDRILL_API_KEY": KEY, "MANDRILL_WEBHOOK_KEY": KEY},
        lambda address: ApiAnswer([{"email": address, "status": "sent", "_id": "abc123abc123"}]),
        _mandrill,
    ),
    "postal": Provider(
        {
            "POSTAL_API_URL": "https://postal.example",
            "POSTAL_API_KEY": KEY,
            "POSTAL_WEBHOOK_KEY": postal_public_key(),
        },
        lambda address: ApiAnswer(
            {"status": "success", "data": {"message_id": "x@p", "messages": {address: {"id": 1503, "token": "t"}}}}
        ),
        _postal,
    ),
    "postmark": Provider(
        {"POSTMARK_SERVER_TOKEN": KEY},
        lambda address: ApiAnswer({"ErrorCode": 0, "Message": "OK", "MessageID": "pm-1", "To": address}),
        _postmark,
    ),
    "resend": Provider({"RESEND_API_KEY": KEY}, lambda _: ApiAnswer({"id": "49a3999c-0ce1"}), _resend),
    # Reports of deliveries and bounces are not part of what anymail reads from Scaleway.
    "scaleway": Provider({"SCALEWAY_SECRET_KEY": KEY, "SCALEWAY_PROJECT_ID": "p"}, _scaleway_answer, None),
    "sendgrid": Provider({"SENDGRID_API_KEY": KEY}, lambda _: ApiAnswer(None, 202), _sendgrid),
    "sparkpost": Provider(
        {"SPARKPOST_API_KEY": KEY},
        lambda _: ApiAnswer(
            {"results": {"total_accepted_recipients": 1, "total_rejected_recipients": 0, "id": "11668787484950529"}}
        ),
        _sparkpost,
    ),
    "unisender_go": Provider(
        {"UNISENDER_GO_API_KEY": KEY, "UNISENDER_GO_API_URL": "https://go.unisender.example/api/v1"},
        lambda address: ApiAnswer({"status": "success", "job_id": "1ZymBc-00041N-9X", "emails": [address]}),
        _unisender_go,
    ),
}
