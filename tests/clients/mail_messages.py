"""Mail from outside: a message with everything in it, and a way to hand it to the server."""

from __future__ import annotations

import smtplib
from email.message import EmailMessage
from email.utils import make_msgid

from tests.clients.live_server import LiveServer

SENDER = "ada@customer.example"
SUBJECT = "Rechnung № 4417: überfällig"
TEXT = "Guten Tag,\n\nsiehe Anhang.\n"
HTML = "<p>Guten Tag,</p><p>siehe Anhang.</p>"
FILENAME = "rechnung.pdf"
ATTACHMENT = b"%PDF-1.7\r\n" + bytes(range(256)) * 4


def invoice_mail(recipient: str) -> EmailMessage:
    """Return a multipart message: text and HTML, an attachment, a subject beyond ASCII."""
    mail = EmailMessage()
    mail["From"] = f"Ada Lovelace <{SENDER}>"
    mail["To"] = recipient
    mail["Subject"] = SUBJECT
    mail["Message-ID"] = make_msgid(domain="customer.example")
    mail["Date"] = "Mon, 05 Jan 2026 10:00:00 +0000"
    mail.set_content(TEXT)
    mail.add_alternative(HTML, subtype="html")
    mail.add_attachment(ATTACHMENT, maintype="application", subtype="pdf", filename=FILENAME)
    return mail


def deliver(server: LiveServer, mail: EmailMessage) -> None:
    """Hand a message to the server's SMTP port; raises when a recipient is refused."""
    with smtplib.SMTP(*server.smtp_address, timeout=30) as connection:
        refused = connection.send_message(mail)
    assert refused == {}
