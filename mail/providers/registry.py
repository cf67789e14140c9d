"""Which transport this installation uses: the setting INKBOX_MAIL_TRANSPORT, read in one place."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.mail import get_connection

from mail.providers.base import Transport
from mail.providers.domain_slots import DomainSlots
from mail.providers.esp import AnymailTransport, backend_path
from mail.providers.idle_sessions import IdleSessions
from mail.providers.mx import MxTransport
from mail.providers.sandbox import SandboxTransport
from mail.providers.smarthost import SmarthostTransport
from mail.providers.smtp_session import Server, Tls

FORMS = "Use sandbox, smtp://[user:password@]host[:port][?starttls=auto|require|off], smtps://..., mx or anymail:<esp>."
_DEFAULT_PORTS = {"smtp": 25, "smtps": 465}
_SUBMISSION_PORT = 587
_ESP = re.compile(r"[a-z][a-z_]{0,22}")
_NOT_ESPS = frozenset({"base", "base_requests", "console"})
_OPTIONS = {"smtp": {"starttls", "ca"}, "smtps": {"ca"}}


class BadTransport(ValueError):
    """The setting cannot be used; the text says why and what to write. It never holds the password."""


@dataclass(frozen=True, slots=True)
class TransportSetting:
    """A parsed setting: `kind` is sandbox, mx, smtp or anymail, with what that kind needs."""

    kind: str
    server: Server | None = None
    esp: str = ""


def parse_transport(text: str) -> TransportSetting:
    """Read the setting. Raises BadTransport."""
    text = text.strip()
    if text in {"sandbox", "mx"}:
        return TransportSetting(text)
    if text.startswith("anymail:"):
        return TransportSetting("anymail", esp=_parse_esp(text.removeprefix("anymail:")))
    if text.startswith(("smtp://", "smtps://")):
        return TransportSetting("smtp", server=_parse_server(text))
    word = re.split(r"[^a-z]", text.lower(), maxsplit=1)[0]
    raise BadTransport(f"The mail transport {word!r} is unknown. {FORMS}")


def _parse_esp(esp: str) -> str:
    known = _ESP.fullmatch(esp) and esp not in _NOT_ESPS and importlib.util.find_spec(f"anymail.backends.{esp}")
    if not known:
        raise BadTransport(
            "The word after anymail: is not a backend of django-anymail. "
            "Use the name of its module, for example anymail:postmark or anymail:amazon_ses."
        )
    return esp


def _parse_server(text: str) -> Server:
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise BadTransport("The mail transport is not a URL with a host and a port number.") from None
    if not host or re.search(r"[\s\x00-\x1f]", text):
        raise BadTransport("The mail transport has no host name. Write smtp://host or smtp://host:port.")
    if parts.path not in {"", "/"} or parts.fragment:
        raise BadTransport(
            "The mail transport has text after the host. Percent-encode / ? # and @ in the user name and password."
        )
    options = _parse_options(parts)
    username, password = unquote(parts.username or ""), unquote(parts.password or "")
    if bool(username) != bool(password):
        raise BadTransport("The mail transport needs both a user name and a password, or neither.")
    if not (username + password).isascii():
        raise BadTransport("The user name and password of the mail transport must be ASCII (SMTP AUTH).")
    default_port = _SUBMISSION_PORT if username and parts.scheme == "smtp" else _DEFAULT_PORTS[parts.scheme]
    tls = Tls.IMPLICIT if parts.scheme == "smtps" else Tls(options.get("starttls", "auto"))
    return Server(host, port or default_port, tls, username=username, password=password, ca_file=options.get("ca", ""))


def _parse_options(parts: SplitResult) -> dict[str, str]:
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if unknown := sorted(set(options) - _OPTIONS[parts.scheme]):
        raise BadTransport(f"The mail transport has the unknown option {unknown[0]!r} for {parts.scheme}://. {FORMS}")
    if options.get("starttls", "auto") not in {"auto", "require", "off"}:
        raise BadTransport("starttls must be auto, require or off.")
    return options


def build_transport(setting: TransportSetting) -> Transport:
    """The transport of a parsed setting."""
    if setting.kind == "mx":
        slots = DomainSlots(settings.MX_CONNECTIONS_PER_DOMAIN)
        return MxTransport(slots=slots, sessions=IdleSessions(), has_sts=True)
    if setting.kind == "anymail":
        return AnymailTransport(setting.esp)
    if setting.server is not None:
        return SmarthostTransport(setting.server, sessions=IdleSessions())
    return SandboxTransport()


@lru_cache(maxsize=4)
def _transport(text: str) -> Transport:
    return build_transport(parse_transport(text))


def transport() -> Transport:
    """The transport of this installation (settings.MAIL_TRANSPORT). Raises BadTransport."""
    return _transport(settings.MAIL_TRANSPORT)


def speaks_smtp(text: str) -> bool:
    """Whether a setting stands for a transport that takes a return path: MX or a smarthost. False for a broken one."""
    try:
        return parse_transport(text).kind in ("mx", "smtp")
    except BadTransport:
        return False


def check_transport_setting(text: str) -> str | None:
    """What is wrong with a setting in one sentence, or None. Opens no connection; for the system check."""
    try:
        setting = parse_transport(text)
    except BadTransport as error:
        return str(error)
    if setting.kind == "anymail":
        try:
            get_connection(backend_path(setting.esp))
        except ImproperlyConfigured as error:
            return f"anymail:{setting.esp} is not configured: {' '.join(str(error).split())}"
    if setting.server is not None and setting.server.ca_file:
        try:
            Path(setting.server.ca_file).read_bytes()
        except OSError as error:
            return f"The ca file of the mail transport cannot be read: {error.strerror}."
    return None
