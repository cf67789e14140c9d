"""The one outbound HTTP door. Every URL that a user gave us is called through it, and only through it.

Guard against server-side request forgery: a host name is resolved here, every address it has must be allowed, and the
connection goes to the very address that was checked, so a name that changes between check and use (DNS rebinding)
gains nothing. Redirects are not followed. TLS is verified against the name.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import re
import socket
import ssl
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import urlsplit

import h11
import httpcore
import httpx
from django.conf import settings

from common.errors import Invalid

MAX_URL_CHARS = 2048
USER_AGENT = "inkbox-server"
# The one block of IPv6 that is handed out for the public internet (RFC 4291 section 2.4, IANA registry).
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_ENDS_IN_NUMBER = re.compile(r"(?:^|\.)(?:[0-9]+|0[xX][0-9a-fA-F]*)\.?$")
_DNS_THREADS = 32
_DNS_CACHE_SECONDS = 10.0
_DNS_CACHE_ENTRIES = 4096
_MAX_ADDRESSES = 4
# A host with several addresses: how long a silent one may hold up the next.
_NEXT_ADDRESS_SECONDS = 3.0
_IDLE_SECONDS = 15.0
_MAX_IDLE = 256
_READ_BYTES = 65536


class AddressRefused(httpcore.ConnectError):
    """The host resolves to an address that this server must not call."""


class CallFailed(Exception):
    """No answer. The text says why, in words fit for the owner of the URL."""


def is_public(address: str) -> bool:
    """True for an address on the public internet: not private, loopback, link-local, multicast, reserved or mapped."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if inner is None and ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
        if inner is not None:
            return is_public(str(inner))
        if ip not in _GLOBAL_UNICAST:
            return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved and not ip.is_unspecified


def _is_loopback_host(host: str) -> bool:
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def check_url(url: str, *, field: str, schemes: Iterable[str] = ("https",)) -> str:
    """Validate the shape of a URL that a user wants called. Raises Invalid naming `field`.

    Plain http is accepted only for loopback and only where private targets are allowed (INKBOX_WEBHOOK_ALLOW_PRIVATE).
    The address itself is checked at every call, because DNS may answer differently by then.
    """
    allowed = sorted(set(schemes))
    loc = ("body", field)
    if len(url) > MAX_URL_CHARS:
        raise Invalid(f"The URL is longer than {MAX_URL_CHARS} characters.", loc=loc)
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise Invalid("This is not a URL.", loc=loc) from None
    if not host or port == 0 or any(ord(c) <= 32 or ord(c) == 127 or c == "\\" for c in url):
        raise Invalid("This is not a URL with a host name.", loc=loc)
    if parts.username or parts.password:
        raise Invalid("Remove the user name and password from the URL.", loc=loc)
    insecure_ok = settings.WEBHOOK_ALLOW_PRIVATE and _is_loopback_host(host)
    if parts.scheme not in allowed and not (parts.scheme == "http" and insecure_ok):
        raise Invalid(f"The URL must start with {' or '.join(f'{s}://' for s in allowed)}.", loc=loc)
    if ":" not in host and _ENDS_IN_NUMBER.search(host) and not _is_ipv4(host):
        # 2130706433, 0x7f.1 and 0177.0.0.1 are addresses to the resolver of the system.
        raise Invalid("Write the address as four decimal numbers, or use a host name.", loc=loc)
    if not settings.WEBHOOK_ALLOW_PRIVATE and (_is_loopback_host(host) or _is_private_literal(host)):
        raise Invalid("The URL points to a private address. Use a public host name.", loc=loc)
    try:
        parse_target(url)  # what cannot be called is refused now, not at the first delivery
    except CallFailed:
        raise Invalid("This is not a URL.", loc=loc) from None
    return url


def _is_ipv4(host: str) -> bool:
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        return False
    return True


def _is_private_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return not is_public(host)


@lru_cache(maxsize=1)
def _dns_threads(_process: int) -> ThreadPoolExecutor:
    # Threads of their own: a name server that does not answer must not block other uses of the default executor.
    return ThreadPoolExecutor(_DNS_THREADS, thread_name_prefix="dns")


def _lookup(host: str, port: int) -> list[str]:
    """The addresses the system resolver gives, in its order, without repeats."""
    return list(dict.fromkeys(str(row[4][0]) for row in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))


class Resolver:
    """Names to checked addresses, for one event loop. Concurrent and close lookups of one name share an answer."""

    def __init__(self, *, allow_private: bool) -> None:
        self._allow_private = allow_private
        self._running: dict[tuple[str, int], asyncio.Future[list[str]]] = {}
        self._known: dict[tuple[str, int], tuple[float, list[str]]] = {}

    async def resolve(self, host: str, port: int) -> list[str]:
        """At least one address, each allowed. Raises AddressRefused, or httpcore.ConnectError when there is none."""
        addresses = await self._addresses(host, port)
        if not self._allow_private and not all(is_public(address) for address in addresses):
            # One private address among public ones is an attack or a mistake; either way nothing is called.
            raise AddressRefused("The host resolves to a private or reserved address.")
        return addresses[:_MAX_ADDRESSES]

    async def _addresses(self, host: str, port: int) -> list[str]:
        try:
            return [str(ipaddress.ip_address(host))]
        except ValueError:
            pass
        key = (host, port)
        known = self._known.get(key)
        if known is not None and known[0] > time.monotonic():
            return known[1]
        if key not in self._running:
            future = asyncio.get_running_loop().run_in_executor(_dns_threads(os.getpid()), _lookup, host, port)
            self._running[key] = future
            future.add_done_callback(lambda done: self._finished(key, done))
        try:
            # A caller that gives up must not cancel the lookup of the others.
            return await asyncio.shield(self._running[key])
        except (OSError, UnicodeError):
            raise httpcore.ConnectError("The host name could not be resolved.") from None

    def _finished(self, key: tuple[str, int], done: asyncio.Future[list[str]]) -> None:
        self._running.pop(key, None)
        if done.cancelled() or done.exception() is not None:
            return
        if len(self._known) >= _DNS_CACHE_ENTRIES:
            self._known.clear()
        self._known[key] = (time.monotonic() + _DNS_CACHE_SECONDS, done.result())


@lru_cache(maxsize=1)
def _tls_context() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)


@dataclass(frozen=True, slots=True)
class Target:
    """Where a URL leads, ready for the wire."""

    secure: bool
    host: str
    port: int
    authority: str
    path: bytes

    @property
    def origin(self) -> tuple[bool, str, int]:
        """What a connection can be reused for."""
        return self.secure, self.host, self.port


@lru_cache(maxsize=4096)
def parse_target(url: str) -> Target:
    """Split a URL. Raises CallFailed when it cannot be called."""
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        raise CallFailed("The URL is not valid.") from None
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise CallFailed("The URL is not valid.")
    secure = parsed.scheme == "https"
    return Target(
        secure,
        parsed.raw_host.decode("ascii"),
        parsed.port or (443 if secure else 80),
        parsed.netloc.decode("ascii"),
        parsed.raw_path,
    )


@dataclass(slots=True)
class Answer:
    """What came back: the status, the headers (names in lower case), and the beginning of the body."""

    status: int
    headers: dict[str, str]
    body: bytes = b""


@dataclass(slots=True)
class _Connection:
    origin: tuple[bool, str, int]
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    http: h11.Connection = field(default_factory=lambda: h11.Connection(h11.CLIENT))
    idle_until: float = 0.0
    # The response of the exchange in progress, as far as it has been read.
    answer: Answer | None = None
    is_reused: bool = False

    @property
    def is_usable(self) -> bool:
        """Idle, not expired, and the peer has neither closed it nor said anything unasked."""
        return not (
            self.idle_until < time.monotonic() or self.writer.is_closing() or self.reader.at_eof() or self._has_input
        )

    @property
    def _has_input(self) -> bool:
        return bool(getattr(self.reader, "_buffer", b""))

    def close(self) -> None:
        # abort: nobody waits for a TLS close_notify of a receiver that may never send it
        self.writer.transport.abort()


class Caller:
    """Posts to users' URLs from one event loop.

    A connection per origin is kept open for a few seconds. Written for this one job because a general client costs
    milliseconds for each request once many connections are open, which is more than everything else in a delivery.
    """

    def __init__(self, *, allow_private: bool) -> None:
        self._resolver = Resolver(allow_private=allow_private)
        self._idle: dict[tuple[bool, str, int], list[_Connection]] = {}
        self._idle_count = 0
        _tls_context()  # reading the certificates takes a while: not during somebody's first request

    async def post(
        self, url: str, *, headers: Mapping[str, str], body: bytes, timeout: float, max_body_bytes: int
    ) -> Answer:
        """One POST. `timeout` covers everything from DNS to the end of the answer.

        Once the head of an answer has arrived that is the answer, even if its body stops half-way. Raises CallFailed.
        """
        target = parse_target(url)
        connection: _Connection | None = None
        try:
            async with asyncio.timeout(timeout):
                connection = self._take(target) or await self._connect(target)
                try:
                    await self._exchange(connection, target, headers, body, max_body_bytes)
                except (OSError, h11.RemoteProtocolError):
                    if not connection.is_reused or connection.answer is not None:
                        raise
                    # The receiver closed an idle connection just as it was used: that says nothing about the request.
                    connection.close()
                    connection = await self._connect(target)
                    await self._exchange(connection, target, headers, body, max_body_bytes)
        except (TimeoutError, OSError, h11.ProtocolError, httpcore.ConnectError) as error:
            if connection is None or connection.answer is None:
                raise CallFailed(_reason(error, timeout)) from error
        finally:
            if connection is not None:
                self._give_back(connection)
        assert connection.answer is not None
        return connection.answer

    def prune(self) -> None:
        """Close idle connections that are too old to be used again."""
        for origin, rows in list(self._idle.items()):
            kept = [row for row in rows if row.is_usable]
            for row in rows:
                if row not in kept:
                    row.close()
            self._idle_count -= len(rows) - len(kept)
            if kept:
                self._idle[origin] = kept
            else:
                del self._idle[origin]

    def close(self) -> None:
        """Close all idle connections."""
        for rows in self._idle.values():
            for row in rows:
                row.close()
        self._idle.clear()
        self._idle_count = 0

    def _take(self, target: Target) -> _Connection | None:
        rows = self._idle.get(target.origin, [])
        while rows:
            connection = rows.pop()
            self._idle_count -= 1
            if not rows:
                del self._idle[target.origin]
            if connection.is_usable:
                connection.answer, connection.is_reused = None, True
                return connection
            connection.close()
        return None

    def _give_back(self, connection: _Connection) -> None:
        """Keep the connection when its last exchange ended cleanly, else close it."""
        http = connection.http
        if http.our_state is not h11.DONE or http.their_state is not h11.DONE or connection.writer.is_closing():
            connection.close()
            return
        http.start_next_cycle()
        if self._idle_count >= _MAX_IDLE:
            self.prune()
        if self._idle_count >= _MAX_IDLE:
            connection.close()
            return
        connection.idle_until = time.monotonic() + _IDLE_SECONDS
        self._idle.setdefault(connection.origin, []).append(connection)
        self._idle_count += 1

    async def _connect(self, target: Target) -> _Connection:
        addresses = await self._resolver.resolve(target.host, target.port)
        failure: Exception | None = None
        for number, address in enumerate(addresses, start=1):
            try:
                async with asyncio.timeout(_NEXT_ADDRESS_SECONDS if number < len(addresses) else None):
                    reader, writer = await asyncio.open_connection(
                        address,
                        target.port,
                        ssl=_tls_context() if target.secure else None,
                        server_hostname=target.host if target.secure else None,
                    )
                return _Connection(target.origin, reader, writer)
            except (TimeoutError, OSError) as error:
                failure = error
        raise failure or httpcore.ConnectError("The host has no address.")

    @staticmethod
    async def _exchange(
        connection: _Connection, target: Target, headers: Mapping[str, str], body: bytes, max_body_bytes: int
    ) -> None:
        http = connection.http
        own = [
            ("Host", target.authority),
            ("User-Agent", USER_AGENT),
            ("Accept", "*/*"),
            ("Content-Length", str(len(body))),
        ]
        request = h11.Request(method="POST", target=target.path, headers=[*own, *headers.items()])
        head = http.send(request) or b""
        payload = http.send(h11.Data(data=body)) or b""
        http.send(h11.EndOfMessage())
        # Written in one piece and not waited for: a receiver may answer before it has read everything.
        connection.writer.write(head + payload)
        received = bytearray()
        while True:
            event = http.next_event()
            if event is h11.NEED_DATA:
                http.receive_data(await connection.reader.read(_READ_BYTES))
            elif isinstance(event, h11.Response):
                names = {name.decode("latin-1"): value.decode("latin-1") for name, value in event.headers}
                connection.answer = Answer(event.status_code, names)
            elif isinstance(event, h11.Data) and connection.answer is not None:
                received += event.data
                connection.answer.body = bytes(received[:max_body_bytes])
                if len(received) > max_body_bytes:
                    return
            elif not isinstance(event, h11.InformationalResponse):
                return


def _reason(error: Exception, timeout: float) -> str:
    if isinstance(error, TimeoutError):
        return f"The receiver did not answer within {timeout:g} seconds."
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"The TLS certificate of the receiver is not valid: {error.verify_message}."
    if isinstance(error, ssl.SSLError):
        return f"TLS with the receiver failed: {error.reason or 'unknown reason'}."
    if isinstance(error, h11.RemoteProtocolError):
        return "The receiver closed the connection or its answer is not valid HTTP."
    if isinstance(error, OSError):
        return f"The connection failed: {os.strerror(error.errno) if error.errno and error.errno > 0 else error}."
    return str(error)
