"""The outbound door: what may be called, what is called, and what comes back."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from common import http
from common.errors import Invalid
from common.http import Answer, Caller, CallFailed, Resolver, check_url, is_public
from tests.factories.webhooks import Receiver, receiver


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiver() as state:
        yield state


@contextmanager
def raw_server(*answers: bytes | None) -> Iterator[tuple[int, list[bytes]]]:
    """A TCP server that reads one request and writes raw bytes, connection after connection; None closes at once."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(10)
    seen: list[bytes] = []

    def serve() -> None:
        for answer in answers:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            with peer:
                peer.settimeout(10)
                if answer is None:
                    continue
                seen.append(peer.recv(65536))
                with suppress(OSError):
                    peer.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1], seen
    finally:
        listener.close()
        thread.join(15)


def run(work: Callable[[Caller], Awaitable[Any]], *, allow_private: bool = True) -> Any:
    """Do something with a caller in a loop of its own."""

    async def main() -> Any:
        caller = Caller(allow_private=allow_private)
        try:
            return await work(caller)
        finally:
            caller.close()

    return asyncio.run(main())


async def post(
    caller: Caller,
    url: str,
    body: bytes = b"{}",
    *,
    timeout: float = 5,
    limit: int = 4096,
    headers: dict[str, str] | None = None,
) -> Answer:
    return await caller.post(url, headers=headers or {}, body=body, timeout=timeout, max_body_bytes=limit)


def failure(url: str, *, allow_private: bool = True, timeout: float = 5) -> str:
    """The message of a call that fails."""
    with pytest.raises(CallFailed) as caught:
        run(lambda caller: post(caller, url, timeout=timeout), allow_private=allow_private)
    return str(caught.value)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The answers of the resolver: lists of addresses, or a function that makes one."""
    known: dict[str, Any] = {}

    def lookup(host: str, port: int) -> list[str]:
        found = known.get(host)
        if found is None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return list(found() if callable(found) else found)

    monkeypatch.setattr(http, "_lookup", lookup)
    return known


# --- Addresses ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "127.0.0.1",
        "127.8.8.8",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.2.1",
        "192.168.1.1",
        "198.18.0.1",
        "203.0.113.5",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:0:127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "100::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "2002:a9fe:a9fe::1",
        "2001:0:4136:e378:8000:63bf:80ff:fffe",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
        "4000::1",
        "",
        "example.com",
        "2130706433",
        "0x7f.0.0.1",
    ],
)
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "93.184.216.34", "172.32.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_public_addresses(address: str) -> None:
    assert is_public(address)


# --- The shape of a URL -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "https://example.com:8443/a?b=c#d",
        "https://93.184.216.34/",
        "https://[2606:4700::1111]/",
        "https://bücher.example/",
        "HTTPS://Example.COM/",
        "https://1.example.com/",
        "https://example.com/%20",
    ],
)
def test_urls_that_may_be_stored(url: str, settings: Any) -> None:
    settings.WEBHOOK_ALLOW_PRIVATE = False
    assert check_url(url, field="url") == url


_PRIVATE = "The URL points to a private address. Use a public host name."
_NUMBER = "Write the address as four decimal numbers, or use a host name."
_NO_HOST = "This is not a URL with a host name."


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://example.com/", "The URL must start with https://."),
        ("ftp://example.com/", "The URL must start with https://."),
        ("javascript:alert(1)", _NO_HOST),
        ("/relative", _NO_HOST),
        ("", _NO_HOST),
        ("https://", _NO_HOST),
        ("https:///path", _NO_HOST),
        ("https://example.com:0/", _NO_HOST),
        ("https://example.com:99999/", "This is not a URL."),
        ("https://[::1/", "This is not a URL."),
        ("https://exa mple.com/", _NO_HOST),
        ("https://b\u00fccher..example/", "This is not a URL."),
        ("https://example.com/a b", _NO_HOST),
        ("https://example.com/\r\nX: y", _NO_HOST),
        ("https://example.com\\@127.0.0.1/", _NO_HOST),
        ("https://example.com/\\x", _NO_HOST),
        ("https://user:pass@example.com/", "Remove the user name and password from the URL."),
        ("https://user@example.com/", "Remove the user name and password from the URL."),
        ("https://localhost/", _PRIVATE),
        ("https://LOCALHOST./", _PRIVATE),
        ("https://app.localhost/", _PRIVATE),
        ("https://127.0.0.1/", _PRIVATE),
        ("https://10.0.0.1/", _PRIVATE),
        ("https://169.254.169.254/latest/meta-data/", _PRIVATE),
        ("https://[::1]/", _PRIVATE),
        ("https://[::ffff:127.0.0.1]/", _PRIVATE),
        ("https://[64:ff9b::7f00:1]/", _PRIVATE),
        ("https://[fe80::1]/", _PRIVATE),
        ("https://2130706433/", _NUMBER),
        ("https://0x7f000001/", _NUMBER),
        ("https://0x7f.1/", _NUMBER),
        ("https://0177.0.0.1/", _NUMBER),
        ("https://127.1/", _NUMBER),
        ("https://127.0.0.1./", _NUMBER),
        ("https://example.com/" + "a" * 2048, "The URL is longer than 2048 characters."),
    ],
)
def test_urls_that_are_refused(url: str, message: str, settings: Any) -> None:
    settings.WEBHOOK_ALLOW_PRIVATE = False

    with pytest.raises(Invalid) as refusal:
        check_url(url, field="webhook_url")

    assert (refusal.value.loc, refusal.value.message) == (("body", "webhook_url"), message)


@pytest.mark.parametrize(
    "url", ["http://localhost:9000/x", "http://127.0.0.1/", "http://[::1]:8/", "https://10.0.0.1/"]
)
def test_private_targets_are_accepted_where_the_operator_allows_them(url: str, settings: Any) -> None:
    settings.WEBHOOK_ALLOW_PRIVATE = True
    assert check_url(url, field="url") == url


@pytest.mark.parametrize("url", ["http://example.com/", "http://10.0.0.1/", "http://localhost.example.com/"])
def test_plain_http_beyond_this_machine_is_never_accepted(url: str, settings: Any) -> None:
    settings.WEBHOOK_ALLOW_PRIVATE = True

    with pytest.raises(Invalid, match="must start with https"):
        check_url(url, field="url")


# --- The guard ----------------------------------------------------------------------------------------------------

REFUSED = "The host resolves to a private or reserved address."


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "[::1]",
        "10.0.0.1",
        "192.168.0.1",
        "169.254.169.254",
        "[fe80::1]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "0.0.0.0",
        "[::]",
    ],
)
def test_private_literals_are_not_called(host: str) -> None:
    assert failure(f"http://{host}:1/", allow_private=False) == REFUSED


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "0x7f.1", "127.1", "localhost"])
def test_what_the_system_reads_as_a_private_address_is_not_called(host: str, hook: Receiver) -> None:
    assert failure(f"http://{host}:{hook.port}/", allow_private=False) == REFUSED
    assert hook.requests == []


@pytest.mark.parametrize(
    "addresses",
    [
        ["10.0.0.1"],
        ["127.0.0.1"],
        ["169.254.169.254"],
        ["93.184.216.34", "127.0.0.1"],
        ["2606:4700::1111", "::1"],
        ["::ffff:10.0.0.1"],
        ["93.184.216.34"] * 6 + ["192.168.0.1"],
    ],
)
def test_one_private_answer_of_the_name_server_refuses_the_host(names: dict[str, Any], addresses: list[str]) -> None:
    names["evil.example"] = addresses

    assert failure("http://evil.example/", allow_private=False) == REFUSED


def test_a_name_that_changes_after_the_check_gains_nothing(
    names: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([["93.184.216.34"], ["127.0.0.1"], ["127.0.0.1"]])
    names["rebind.example"] = lambda: next(answers)
    dialed: list[str] = []

    async def dial(host: str, port: int, **_: Any) -> Any:
        dialed.append(host)
        raise ConnectionRefusedError(111, "refused")

    monkeypatch.setattr(asyncio, "open_connection", dial)
    monkeypatch.setattr(http, "_DNS_CACHE_SECONDS", 0.0)

    async def twice(caller: Caller) -> list[str]:
        texts = []
        for _ in range(2):
            with pytest.raises(CallFailed) as caught:
                await post(caller, "http://rebind.example/")
            texts.append(str(caught.value))
        return texts

    assert run(twice, allow_private=False) == ["The connection failed: Connection refused.", REFUSED]
    assert dialed == ["93.184.216.34"]


def test_an_unknown_name_and_the_next_address(names: dict[str, Any], hook: Receiver) -> None:
    names["two.example"] = ["127.0.0.2", "127.0.0.1"]

    assert failure("http://unknown.example/") == "The host name could not be resolved."
    answer = run(lambda caller: post(caller, f"http://two.example:{hook.port}/hook"))

    assert answer.status == 200
    assert hook.requests[0].headers["Host"] == f"two.example:{hook.port}"


def test_concurrent_lookups_of_one_name_share_an_answer_and_it_is_kept_a_while(names: dict[str, Any]) -> None:
    asked: list[str] = []

    def slow() -> list[str]:
        asked.append("one.example")
        time.sleep(0.05)
        return ["93.184.216.34"]

    names["one.example"] = slow

    async def main() -> list[list[str]]:
        resolver = Resolver(allow_private=False)
        found = await asyncio.gather(*(resolver.resolve("one.example", 443) for _ in range(5)))
        return [*found, await resolver.resolve("one.example", 443)]

    assert asyncio.run(main()) == [["93.184.216.34"]] * 6
    assert asked == ["one.example"]


def test_a_name_server_that_does_not_answer_delays_only_its_own_host(names: dict[str, Any], hook: Receiver) -> None:
    release = threading.Event()
    names["slow.example"] = lambda: release.wait(30) and ["127.0.0.1"]

    async def both(caller: Caller) -> tuple[Answer, set[str]]:
        stuck = [asyncio.create_task(post(caller, "http://slow.example:9/", timeout=30)) for _ in range(20)]
        try:
            answer = await post(caller, hook.url, timeout=20)
            assert not any(task.done() for task in stuck)
        finally:
            release.set()
            outcomes = await asyncio.gather(*stuck, return_exceptions=True)
        return answer, {str(outcome) for outcome in outcomes}

    answer, failures = run(both)

    assert answer.status == 200
    assert failures == {"The connection failed: Connection refused."}


# --- The exchange -------------------------------------------------------------------------------------------------


def test_a_post(hook: Receiver) -> None:
    hook.will_answer((201, {"Retry-After": "5"}, b"made"))

    answer = run(lambda caller: post(caller, hook.url + "?q=%C3%BC", b"\x00body", headers={"X-One": "1"}))

    assert (answer.status, answer.body, answer.headers["retry-after"]) == (201, b"made", "5")
    (request,) = hook.requests
    assert (request.path, request.body) == ("/hook?q=%C3%BC", b"\x00body")
    assert request.headers == {
        "Host": f"127.0.0.1:{hook.port}",
        "User-Agent": "inkbox-server",
        "Accept": "*/*",
        "Content-Length": "5",
        "X-One": "1",
    }


def test_redirects_are_answers_and_not_followed(hook: Receiver) -> None:
    hook.will_answer((302, {"Location": hook.url + "/next"}, b""))

    assert run(lambda caller: post(caller, hook.url)).status == 302
    assert [request.path for request in hook.requests] == ["/hook"]


def test_a_connection_is_used_again() -> None:
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    with raw_server(reply, reply) as (port, seen):

        async def twice(caller: Caller) -> None:
            await post(caller, f"http://127.0.0.1:{port}/")
            assert caller._idle_count == 1
            # The server closed after its answer; the second call notices and connects anew.
            await post(caller, f"http://127.0.0.1:{port}/")

        run(twice)
    assert len(seen) == 2


def test_many_calls_at_once_share_few_connections(hook: Receiver) -> None:
    async def many(caller: Caller) -> int:
        for _ in range(5):
            answers = await asyncio.gather(*(post(caller, hook.url) for _ in range(20)))
            assert {answer.status for answer in answers} == {200}
        return caller._idle_count

    assert run(many) == 20
    assert len(hook.requests) == 100


def test_idle_connections_are_closed_when_they_are_old(hook: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_IDLE_SECONDS", 0.0)

    async def once(caller: Caller) -> tuple[int, int]:
        await post(caller, hook.url)
        before = caller._idle_count
        await asyncio.sleep(0.01)
        caller.prune()
        return before, caller._idle_count

    assert run(once) == (1, 0)


def test_the_number_of_idle_connections_is_bounded(monkeypatch: pytest.MonkeyPatch, hook: Receiver) -> None:
    monkeypatch.setattr(http, "_MAX_IDLE", 3)

    async def many(caller: Caller) -> int:
        await asyncio.gather(*(post(caller, hook.url) for _ in range(10)))
        return caller._idle_count

    assert run(many) == 3


def test_only_the_beginning_of_a_long_body_is_read() -> None:
    endless = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"400\r\n" + b"a" * 1024 + b"\r\n"
    with raw_server(endless + b"400\r\n" + b"b" * 1024 + b"\r\n") as (port, _):

        async def one(caller: Caller) -> tuple[Answer, int]:
            return await post(caller, f"http://127.0.0.1:{port}/", limit=1500), caller._idle_count

        answer, idle = run(one)

    assert (answer.status, answer.body, idle) == (200, b"a" * 1024 + b"b" * 476, 0)


def test_an_answer_whose_body_stops_half_way_is_an_answer() -> None:
    with raw_server(b"HTTP/1.1 204 No Content\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nha") as (
        port,
        _,
    ):
        url = f"http://127.0.0.1:{port}/"
        assert run(lambda caller: post(caller, url)).status == 204
        answer = run(lambda caller: post(caller, url))

    assert (answer.status, answer.body) == (200, b"ha")


def test_interim_answers_are_skipped() -> None:
    with raw_server(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as (port, _):
        assert run(lambda caller: post(caller, f"http://127.0.0.1:{port}/")).status == 200


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"SMTP ready\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"a" * 200_000,
    ],
    ids=["nothing", "another protocol", "bad length", "endless header"],
)
def test_what_is_not_http_is_a_failure(reply: bytes) -> None:
    with raw_server(reply) as (port, _):
        assert (
            failure(f"http://127.0.0.1:{port}/")
            == "The receiver closed the connection or its answer is not valid HTTP."
        )


def test_a_closed_port_and_a_silent_receiver(hook: Receiver) -> None:
    hook.gate.clear()

    assert failure("http://127.0.0.1:9/") == "The connection failed: Connection refused."
    assert failure(hook.url, timeout=0.2) == "The receiver did not answer within 0.2 seconds."


def test_tls_is_verified(hook: Receiver) -> None:
    message = failure(f"https://127.0.0.1:{hook.port}/")

    assert message.startswith("TLS with the receiver failed: ")
    assert http._tls_context().verify_mode is ssl.CERT_REQUIRED
    assert http._tls_context().check_hostname


@pytest.mark.parametrize(
    "url", ["", "nonsense", "ftp://example.com/", "http://", "file:///etc/passwd", "http://0177.0.0.1/"]
)
def test_what_is_no_url_is_a_failure(url: str) -> None:
    assert failure(url) == "The URL is not valid."


def test_a_header_with_a_line_break_is_not_sent(hook: Receiver) -> None:
    with pytest.raises(CallFailed):
        run(lambda caller: post(caller, hook.url, headers={"X-One": "1\r\nX-Two: 2"}))
    assert hook.requests == []
