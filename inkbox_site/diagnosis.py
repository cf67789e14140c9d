"""What `manage.py doctor` looks at: the machine and the network as they are; system checks see only the settings."""

from __future__ import annotations

import errno
import json
import shutil
import socket
import stat
import urllib.request
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import redis
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from django.conf import settings
from django.core import checks
from django.db import connection

from common import blobs
from common.clock import now
from inkbox_site.checks import is_local_name
from inkbox_site.findings import FAIL, OK, WARN, Finding
from inkbox_site.mail_diagnosis import examine_mail_domain, examine_sending_domains
from inkbox_site.processes.database import pending_migrations

MIN_FREE_BYTES = 100 * 1024 * 1024
LOW_FREE_BYTES = 1024 * 1024 * 1024
# The oldest PostgreSQL that Django 5.2 supports.
MIN_POSTGRES = 140000
EXPIRY_NOTICE = timedelta(days=14)
_NET_SECONDS = 3.0


def diagnose() -> list[Finding]:
    """Every finding, in the order in which a person would repair them. Takes seconds a domain when DNS is slow."""
    groups: tuple[Callable[[], Iterator[Finding]], ...] = (
        examine_settings,
        examine_data_directory,
        examine_secret_key,
        examine_database,
        examine_broker,
        examine_ports,
        examine_public_url,
        examine_mail_domain,
        examine_sending_domains,
        examine_smtp_tls,
    )
    return [finding for group in groups for finding in group()]


def examine_settings() -> Iterator[Finding]:
    """The system checks, so that one command shows everything."""
    messages = [m for m in checks.run_checks() if m.is_serious() or m.level >= checks.WARNING]
    for message in messages:
        status = FAIL if message.is_serious() else WARN
        yield Finding("settings", status, f"{message.id}: {message.msg}", message.hint or "")
    if not messages:
        yield Finding("settings", OK, "no complaints")


def examine_data_directory() -> Iterator[Finding]:
    """Writable, with space for mail."""
    folder: Path = settings.DATA_DIR
    try:
        blobs.store().check()
    except OSError as error:
        remedy = "Give the user of the server write access, or set INKBOX_DATA_DIR to another directory."
        yield Finding("data directory", FAIL, f"{folder} cannot be written: {error.strerror}", remedy)
        return
    free = shutil.disk_usage(folder).free
    status = FAIL if free < MIN_FREE_BYTES else WARN if free < LOW_FREE_BYTES else OK
    remedy = "" if status == OK else "Free some space: without it mail is refused (SMTP 452) and requests fail."
    yield Finding("data directory", status, f"{folder} is writable, {free / 1024**3:.1f} GiB free", remedy)


def examine_secret_key() -> Iterator[Finding]:
    """Only its owner can read the generated key."""
    path: Path = settings.DATA_DIR / "secret_key"
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        yield Finding("secret key", OK, "set by INKBOX_SECRET_KEY")
        return
    if mode & 0o077:
        remedy = f"Run: chmod 600 {path}"
        yield Finding("secret key", FAIL, f"{path} has mode {mode:04o}: other users can sign as this server", remedy)
        return
    yield Finding("secret key", OK, f"{path} has mode {mode:04o}")


def examine_database() -> Iterator[Finding]:
    """Reachable, current, and of a kind that keeps its promises."""
    try:
        connection.ensure_connection()
        pending = pending_migrations()
    except Exception as error:
        remedy = "Check DATABASE_URL, and that the database server runs and lets this user in."
        # Only the kind of the error: driver texts contain host, user and sometimes the whole URL.
        yield Finding("database", FAIL, f"cannot connect ({type(error).__name__})", remedy)
        return
    yield from _examine_sqlite() if settings.IS_SQLITE else _examine_postgres()
    if not pending:
        yield Finding("migrations", OK, "all applied")
    elif settings.IS_SQLITE:
        yield Finding("migrations", WARN, f"{len(pending)} pending", "Nothing to do: `manage.py serve` applies them.")
    else:
        yield Finding("migrations", FAIL, f"{len(pending)} pending", "Run: manage.py migrate")


def _examine_sqlite() -> Iterator[Finding]:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA journal_mode")
        mode = str(cursor.fetchone()[0]).lower()
    if mode == "wal":
        yield Finding("database", OK, "SQLite in WAL mode")
        return
    remedy = "Put the data directory on a local disk: network file systems do not support WAL mode."
    yield Finding("database", FAIL, f"SQLite in {mode} mode: readers and writers block each other", remedy)


def _examine_postgres() -> Iterator[Finding]:
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version_num")
        version = int(cursor.fetchone()[0])
    text = f"PostgreSQL {version // 10000}.{version % 10000}"
    if version >= MIN_POSTGRES:
        yield Finding("database", OK, text)
    else:
        yield Finding("database", FAIL, f"{text} is too old", "Upgrade to PostgreSQL 14 or later.")


def examine_broker() -> Iterator[Finding]:
    """Redis answers, when there is one."""
    if not settings.REDIS_URL:
        yield Finding("broker", OK, "none: work runs in the server's own process")
        return
    try:
        with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=_NET_SECONDS) as client:
            client.ping()
    except (redis.RedisError, ValueError) as error:
        remedy = "Check REDIS_URL, and that Redis runs. Until then work is found by sweeps only where a worker runs."
        yield Finding("broker", FAIL, f"Redis does not answer ({type(error).__name__})", remedy)
        return
    yield Finding("broker", OK, "Redis answers")


def examine_ports() -> Iterator[Finding]:
    """Free, or taken by this very server."""
    yield _examine_port("web port", settings.HTTP_HOST, settings.HTTP_PORT, "INKBOX_HTTP_PORT", _is_our_web)
    yield _examine_port("SMTP port", settings.SMTP_HOST, settings.SMTP_PORT, "INKBOX_SMTP_PORT", _is_our_smtp)


def _examine_port(subject: str, host: str, port: int, variable: str, is_ours: Callable[[str, int], bool]) -> Finding:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM):
            remedy = f"Set {variable} to a port from 1024 up, or give the process CAP_NET_BIND_SERVICE."
            return Finding(subject, FAIL, f"this user may not listen on {host}:{port}", remedy)
        if error.errno != errno.EADDRINUSE:
            remedy = f"Set {variable.replace('_PORT', '_HOST')} to an address of this machine."
            return Finding(subject, FAIL, f"cannot listen on {host}:{port}: {error.strerror}", remedy)
        if is_ours(_reachable(host), port):
            return Finding(subject, OK, f"{host}:{port} is served by this server")
        remedy = f"Stop the other program, or set {variable} to a free port."
        return Finding(subject, FAIL, f"{host}:{port} is taken by another program", remedy)
    return Finding(subject, OK, f"{host}:{port} is free")


def _reachable(host: str) -> str:
    """Where to connect to a socket that listens on `host`, which may mean every address."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104  (nothing is bound)


def _is_our_web(host: str, port: int) -> bool:
    netloc = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    # No proxy from the environment: the question is who listens on this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://{netloc}/healthz", timeout=_NET_SECONDS) as response:
            return bool(json.load(response) == {"status": "ok"})
    except (OSError, ValueError):
        return False


def _is_our_smtp(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=_NET_SECONDS) as client:
            return client.recv(512).startswith(f"220 {settings.SMTP_HOSTNAME} ".encode())
    except OSError:
        return False


def examine_public_url() -> Iterator[Finding]:
    """Others can find this server under its own name."""
    parts = urlsplit(settings.PUBLIC_URL)
    host = parts.hostname or ""
    if is_local_name(host):
        yield Finding("public URL", OK, f"{settings.PUBLIC_URL} (this machine only)")
        return
    if parts.scheme != "https":
        remedy = "Put a TLS proxy in front and set INKBOX_PUBLIC_URL to https://. Clients refuse plain http elsewhere."
        yield Finding("public URL", WARN, f"{settings.PUBLIC_URL} is not https", remedy)
    try:
        socket.getaddrinfo(host, None)
    except OSError:
        yield Finding("public URL", WARN, f"{host} does not resolve here", f"Publish an address record for {host}.")
        return
    yield Finding("public URL", OK, f"{host} resolves")


def examine_smtp_tls() -> Iterator[Finding]:
    """Certificate and key can be used, today and for a while."""
    if not settings.SMTP_TLS_CERT:
        is_local = is_local_name(settings.MAIL_DOMAIN)
        remedy = "" if is_local else "Set INKBOX_SMTP_TLS_CERT and INKBOX_SMTP_TLS_KEY, so that mail arrives encrypted."
        yield Finding("SMTP TLS", OK if is_local else WARN, "no certificate, so no STARTTLS", remedy)
        return
    try:
        certificate = x509.load_pem_x509_certificate(Path(settings.SMTP_TLS_CERT).read_bytes())
        key = load_pem_private_key(Path(settings.SMTP_TLS_KEY).read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        remedy = "Give PEM files that the server may read; the key without a passphrase."
        yield Finding("SMTP TLS", FAIL, f"certificate or key cannot be read ({type(error).__name__})", remedy)
        return
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if certificate.public_key().public_bytes(*form) != key.public_key().public_bytes(*form):
        remedy = "Point INKBOX_SMTP_TLS_KEY to the key that the certificate was made for."
        yield Finding("SMTP TLS", FAIL, "the key does not belong to the certificate", remedy)
        return
    yield _examine_expiry(certificate)


def _examine_expiry(certificate: x509.Certificate) -> Finding:
    end = certificate.not_valid_after_utc
    message = f"the certificate is valid until {end:%Y-%m-%d}"
    remedy = "Renew the certificate and restart the smtp role."
    if end <= now():
        return Finding("SMTP TLS", FAIL, f"the certificate expired on {end:%Y-%m-%d}", remedy)
    if end <= now() + EXPIRY_NOTICE:
        return Finding("SMTP TLS", WARN, message, remedy)
    return Finding("SMTP TLS", OK, message)
