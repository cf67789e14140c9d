"""System checks: values that parse but cannot work are reported before the server starts, each with what to do."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.checks import Warning as Advice

from inkbox_site import queues

_HOST = re.compile(r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_]([a-z0-9_-]{0,62}))*", re.ASCII)
_LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
_MIN_SECRET_CHARS = 32
_SPF_SOURCES = frozenset({"include", "a", "mx", "ip4", "ip6"})


def is_local_name(host: str) -> bool:
    """A name that only works on this machine, which is what the defaults are for."""
    return host in _LOCAL_NAMES or host.endswith(".localhost")


def public_host() -> str:
    """The host name of INKBOX_PUBLIC_URL, empty when there is none to be found in it."""
    try:
        return urlsplit(settings.PUBLIC_URL).hostname or ""
    except ValueError:
        return ""


def database_engine() -> str:
    """Dotted path of the database backend."""
    return str(settings.DATABASES["default"]["ENGINE"])


@register()
def check_mail_transport(**_: Any) -> list[CheckMessage]:
    """INKBOX_MAIL_TRANSPORT names a transport that is configured."""
    # Imported here: the transports load HTTP and SMTP clients, which the other checks do not need.
    from mail.providers.registry import FORMS, check_transport_setting

    problem = check_transport_setting(settings.MAIL_TRANSPORT)
    return [Error(f"INKBOX_MAIL_TRANSPORT: {problem}", hint=FORMS, id="inkbox.E001")] if problem else []


@register()
def check_mail_feedback(**_: Any) -> list[CheckMessage]:
    """How the outcome of sent mail comes back: a known kind of return path, a secret that fits into a path."""
    found: list[CheckMessage] = []
    if settings.MAIL_RETURN_PATH not in ("verp", "sender"):
        hint = "Use verp or sender."
        found.append(
            Error(f"INKBOX_MAIL_RETURN_PATH={settings.MAIL_RETURN_PATH!r} is unknown.", hint=hint, id="inkbox.E020")
        )
    secret = settings.MAIL_WEBHOOK_SECRET
    if secret and not re.fullmatch(r"[A-Za-z0-9_-]{16,128}", secret):
        hint = "Use 16 to 128 of A-Z a-z 0-9 _ -, for example from `openssl rand -hex 24`."
        found.append(Error("INKBOX_MAIL_WEBHOOK_SECRET cannot be used.", hint=hint, id="inkbox.E021"))
    return found


@register()
def check_smtp_tls(**_: Any) -> list[CheckMessage]:
    """Certificate and key come together and can be read."""
    certificate, key = settings.SMTP_TLS_CERT, settings.SMTP_TLS_KEY
    if bool(certificate) != bool(key):
        missing, given = ("KEY", "CERT") if certificate else ("CERT", "KEY")
        return [
            Error(
                f"INKBOX_SMTP_TLS_{given} is set without INKBOX_SMTP_TLS_{missing}.",
                hint="Set both to PEM files, or neither.",
                id="inkbox.E002",
            )
        ]
    return [
        Error(f"{name}: {path} is no file.", hint="Give the path of a PEM file.", id="inkbox.E003")
        for name, path in (("INKBOX_SMTP_TLS_CERT", certificate), ("INKBOX_SMTP_TLS_KEY", key))
        if path and not Path(path).is_file()
    ]


@register()
def check_mail_dns(**_: Any) -> list[CheckMessage]:
    """What SPF records are compared with, and where DNS is asked."""
    from common.dns import parse_server
    from mail.dns.spf import SpfInvalid, parse_spf

    found: list[CheckMessage] = []
    try:
        record = parse_spf(f"v=spf1 {settings.MAIL_SPF}")
    except SpfInvalid as error:
        hint = "Write SPF terms such as include:spf.provider.example or ip4:203.0.113.7, separated by spaces."
        found.append(Error(f"INKBOX_MAIL_SPF: {error}", hint=hint, id="inkbox.E015"))
    else:
        usable = all(term.name in _SPF_SOURCES and term.value for term in record.mechanisms)
        if not usable or record.redirect:
            hint = "Use the terms include:, a:, mx:, ip4: and ip6:, each with a value. How it ends is added."
            found.append(Error("INKBOX_MAIL_SPF has terms that name no senders.", hint=hint, id="inkbox.E015"))
    for part in filter(None, settings.DNS_SERVERS.split(",")):
        try:
            parse_server(part)
        except ValueError:
            hint = "Write addresses, with a port when it is not 53: 192.0.2.53,[2001:db8::53]:5353"
            found.append(Error(f"INKBOX_DNS_SERVERS: {part!r} is no name server.", hint=hint, id="inkbox.E016"))
    return found


@register()
def check_names(**_: Any) -> list[CheckMessage]:
    """Public URL and domains have the form of what they are."""
    found: list[CheckMessage] = []
    is_url = bool(public_host()) and re.fullmatch(r"https?://[^?#\s]+", settings.PUBLIC_URL)
    if not is_url:
        hint = "Write http:// or https://, a host name, and the port when it is not the usual one."
        found.append(
            Error(f"INKBOX_PUBLIC_URL={settings.PUBLIC_URL!r} is no web address.", hint=hint, id="inkbox.E004")
        )
    for name, value in (
        ("INKBOX_MAIL_DOMAIN", settings.MAIL_DOMAIN),
        ("INKBOX_TUNNEL_ZONE", settings.TUNNEL_ZONE),
        ("INKBOX_SMTP_HOSTNAME", settings.SMTP_HOSTNAME.lower()),
    ):
        if not _HOST.fullmatch(value):
            hint = "Write a domain name such as mail.example.com, without scheme, port or dot at the end."
            found.append(Error(f"{name}={value!r} is no domain name.", hint=hint, id="inkbox.E005"))
    return found


@register()
def check_profile(**_: Any) -> list[CheckMessage]:
    """Database and broker fit together."""
    found: list[CheckMessage] = []
    if settings.REDIS_URL and urlsplit(settings.REDIS_URL).scheme not in ("redis", "rediss"):
        hint = "Write redis://host:6379/0, or rediss:// for TLS."
        found.append(Error("REDIS_URL does not start with redis:// or rediss://.", hint=hint, id="inkbox.E006"))
    engine = database_engine()
    if not engine.endswith(("sqlite3", "postgresql")):
        hint = "Write postgres://user:password@host:5432/name, or leave it unset for SQLite."
        found.append(
            Error("DATABASE_URL names a database other than PostgreSQL and SQLite.", hint=hint, id="inkbox.E007")
        )
    if engine.endswith("postgresql") and not settings.REDIS_URL:
        hint = "Set REDIS_URL. Without it, run `manage.py serve all` once only, never its roles as separate processes."
        found.append(Advice("PostgreSQL is used without REDIS_URL.", hint=hint, id="inkbox.W008"))
    if engine.endswith("sqlite3") and settings.REDIS_URL:
        hint = "Set DATABASE_URL to PostgreSQL before running several processes or hosts."
        found.append(Advice("REDIS_URL is set, but the database is SQLite.", hint=hint, id="inkbox.W009"))
    return found


@register()
def check_exposure(**_: Any) -> list[CheckMessage]:
    """Conveniences of a development machine that do not belong on a public server."""
    found: list[CheckMessage] = []
    if len(settings.SECRET_KEY) < _MIN_SECRET_CHARS:
        hint = "Use at least 32 random characters, or leave it unset: one is generated into the data directory."
        found.append(Error("INKBOX_SECRET_KEY is too short.", hint=hint, id="inkbox.E010"))
    host = public_host()
    if not host or is_local_name(host):
        return found
    if settings.TESTING_SECRET:
        hint = "Unset INKBOX_TESTING_SECRET: whoever knows it creates and deletes organizations."
        found.append(Advice("The testing routes are on, and the public URL is not local.", hint=hint, id="inkbox.W011"))
    if settings.WEBHOOK_ALLOW_PRIVATE:
        hint = "Set INKBOX_WEBHOOK_ALLOW_PRIVATE=0, unless everybody with a key may reach your private network."
        found.append(Advice("Webhooks may call private addresses.", hint=hint, id="inkbox.W012"))
    return found


@register()
def check_log_format(**_: Any) -> list[CheckMessage]:
    """INKBOX_LOG_FORMAT is a known word (an unknown one would silently mean text)."""
    if settings.LOG_FORMAT in ("auto", "text", "json"):
        return []
    hint = "Use auto, text or json."
    return [Error(f"INKBOX_LOG_FORMAT={settings.LOG_FORMAT!r} is unknown.", hint=hint, id="inkbox.E013")]


@register()
def check_queue_probes(**_: Any) -> list[CheckMessage]:
    """The readiness check can ask every queue."""
    hint = "Correct QUEUE_AGE_PROBES in the settings."
    return [
        Advice(f"/readyz cannot import {path}, so it does not watch that queue.", hint=hint, id="inkbox.W014")
        for path in queues.missing_probes()
    ]
