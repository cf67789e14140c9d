"""Reports as other mail systems write them."""

from __future__ import annotations

from collections.abc import Sequence

ORIGINAL = (
    "From: bot@mail.localhost\r\nTo: ada@customer.example\r\nSubject: Hello\r\nMessage-ID: <m1@mail.localhost>\r\n"
)


def delivery_report(
    *groups: str, original: str = ORIGINAL, status_type: str = "message/delivery-status", subject: str = "Undelivered"
) -> bytes:
    """multipart/report of RFC 6522 with one block of fields for each recipient."""
    fields = "\r\n\r\n".join(["Reporting-MTA: dns; mx.customer.example", *groups])
    return (
        "From: Mail Delivery System <MAILER-DAEMON@mx.customer.example>\r\n"
        f"Subject: {subject}\r\n"
        "Auto-Submitted: auto-replied\r\n"
        "MIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b1"\r\n'
        "\r\n"
        "--b1\r\nContent-Type: text/plain\r\n\r\nYour message could not be delivered.\r\n"
        f"--b1\r\nContent-Type: {status_type}\r\n\r\n{fields}\r\n"
        f"--b1\r\nContent-Type: text/rfc822-headers\r\n\r\n{original}\r\n"
        "--b1--\r\n"
    ).encode()


def failed(address: str, *, action: str = "failed", status: str = "5.1.1", said: str = "550 5.1.1 User unknown") -> str:
    """The fields about one recipient."""
    return (
        f"Final-Recipient: rfc822; {address}\r\nAction: {action}\r\nStatus: {status}\r\nDiagnostic-Code: smtp; {said}"
    )


def complaint(kind: str = "abuse", *, about: str | None = None) -> bytes:
    """A report of RFC 5965."""
    rcpt = f"Original-Rcpt-To: <{about}>\r\n" if about else ""
    return (
        "From: feedback@provider.example\r\nSubject: FW: Hello\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=feedback-report; boundary="b2"\r\n'
        "\r\n"
        "--b2\r\nContent-Type: text/plain\r\n\r\nThis is an abuse report.\r\n"
        "--b2\r\nContent-Type: message/feedback-report\r\n\r\n"
        f"Feedback-Type: {kind}\r\nUser-Agent: Loop/1.0\r\nVersion: 1\r\n{rcpt}\r\n"
        f"--b2\r\nContent-Type: message/rfc822\r\n\r\n{ORIGINAL}\r\nHi.\r\n"
        "--b2--\r\n"
    ).encode()


def plain_bounce(text: str, *, sender: str, subject: str, headers: Sequence[str] = ()) -> bytes:
    """A bounce that only people can read."""
    lines = [f"From: {sender}", f"Subject: {subject}", *headers, "Content-Type: text/plain; charset=utf-8", "", text]
    return "\r\n".join(lines).encode()
