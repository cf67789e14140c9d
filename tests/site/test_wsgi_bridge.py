"""The hand-over between uvicorn and Django's threads, over real connections."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import httpx
import pytest
import structlog
import uvicorn

from inkbox_site.processes import wsgi_bridge
from inkbox_site.processes.wsgi_bridge import BodyLimits, WsgiBridge

THREADS = 3
LIMITS = BodyLimits(
    default_bytes=3_000_000,
    by_prefix={"/uploads/": 6_000_000},
    permits={"/uploads/": lambda path: not path.endswith("/forged")},
)

# What the application below saw, by path.
seen: dict[str, dict[str, Any]] = {}
released = threading.Event()
closed: list[str] = []


class Streamed:
    """An iterable response with the `close` of WSGI."""

    streaming = True

    def __init__(self, chunks: Iterable[bytes], name: str) -> None:
        self.chunks = iter(chunks)
        self.name = name

    def __iter__(self) -> Iterator[bytes]:
        return self.chunks

    def close(self) -> None:
        closed.append(self.name)


class Plain(Streamed):
    """A response whose body is known, as Django's HttpResponse."""

    streaming = False


def _for_ever() -> Iterator[bytes]:
    while True:
        yield b"x" * 1000
        time.sleep(0.005)


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    body = environ["wsgi.input"].read()
    seen[path] = environ | {"thread": threading.current_thread().name, "length": len(body)}
    if path == "/crash":
        raise RuntimeError("broken")
    if path == "/slow":
        released.wait(5)
    if path == "/leak":
        found = structlog.contextvars.get_contextvars()
        structlog.contextvars.bind_contextvars(caller="somebody")
        start_response("200 OK", [])
        return Plain([json.dumps(found).encode()], path)
    if path == "/nothing":
        start_response("204 No Content", [("Content-Length", "0")])
        return Plain([], path)
    if path == "/for-ever":
        start_response("200 OK", [])
        return Streamed(_for_ever(), path)
    if path == "/file":
        start_response("200 OK", [("Content-Length", str(4096 * 500))])
        return Streamed((b"f" * 4096 for _ in range(500)), path)
    if path == "/small-file":
        start_response("200 OK", [("Content-Length", "8192")])
        return Streamed((b"s" * 4096 for _ in range(2)), path)
    if path == "/broken-stream":
        start_response("200 OK", [])
        return Streamed((b"a" if n < 2 else 1 // 0 for n in range(3)), path)  # type: ignore[misc]
    start_response("200 OK", [("Content-Type", "text/plain"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")])
    return Plain([b"length ", str(len(body)).encode()], path)


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    bridge = WsgiBridge(application, threads=THREADS, limits=LIMITS)
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(bridge, log_config=None, log_level="error", lifespan="off", proxy_headers=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: server.run(sockets=[listener]), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield listener.getsockname()
    released.set()
    server.should_exit = True
    thread.join(10)
    bridge.close()


@pytest.fixture
def http(address: tuple[str, int]) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{address[1]}", trust_env=False, timeout=10) as client:
        yield client


def _raw(address: tuple[str, int], request: bytes) -> bytes:
    with socket.create_connection(address, timeout=5) as client:
        client.sendall(request)
        received = b""
        while part := client.recv(65536):
            received += part
    return received


def _wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline, "It did not happen within 5 seconds."
        time.sleep(0.01)


def test_an_ordinary_request(http: httpx.Client) -> None:
    response = http.get("/plain", params={"q": "a b"}, headers={"X-Thing": "1", "Content-Type": "text/x"})

    assert (response.status_code, response.text) == (200, "length 0")
    assert response.headers["content-length"] == "8"
    assert response.headers.get_list("set-cookie") == ["a=1", "b=2"]
    environ = seen["/plain"]
    assert environ["REQUEST_METHOD"] == "GET"
    assert environ["QUERY_STRING"] == "q=a+b"
    assert environ["REMOTE_ADDR"] == "127.0.0.1"
    assert (environ["HTTP_X_THING"], environ["CONTENT_TYPE"], environ["CONTENT_LENGTH"]) == ("1", "text/x", "")
    assert environ["SERVER_PROTOCOL"] == "HTTP/1.1"
    assert environ["wsgi.url_scheme"] == "http"
    assert environ["thread"].startswith("web")
    assert closed[-1] == "/plain"


def test_forwarded_headers_of_a_local_peer_are_not_believed_here(http: httpx.Client) -> None:
    http.get("/forwarded", headers={"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"})

    assert seen["/forwarded"]["REMOTE_ADDR"] == "127.0.0.1"
    assert seen["/forwarded"]["wsgi.url_scheme"] == "http"


@pytest.mark.parametrize("size", [1, 65_536, wsgi_bridge.SPOOL_BYTES, wsgi_bridge.SPOOL_BYTES + 1, 3_000_000])
def test_bodies_of_all_sizes(http: httpx.Client, size: int) -> None:
    response = http.post("/body", content=b"b" * size)

    assert response.text == f"length {size}"
    assert seen["/body"]["CONTENT_LENGTH"] == str(size)


def test_a_chunked_body_gets_its_length(http: httpx.Client) -> None:
    response = http.post("/chunked", content=(b"c" * 100_000 for _ in range(20)))

    assert response.text == "length 2000000"
    assert seen["/chunked"]["CONTENT_LENGTH"] == "2000000"


@pytest.mark.parametrize("chunked", [True, False])
def test_a_body_that_is_not_permitted_is_read_to_its_end_and_thrown_away(http: httpx.Client, chunked: bool) -> None:
    body = b"x" * 5_000_000

    answer = http.post("/uploads/forged", content=iter([body]) if chunked else body)
    permitted = http.post("/uploads/good", content=body)

    assert answer.content == b"length 0"
    assert seen["/uploads/forged"]["CONTENT_LENGTH"] == ""
    assert permitted.content == b"length 5000000"


def test_an_announced_body_over_the_limit_is_refused_unread(address: tuple[str, int]) -> None:
    answer = _raw(address, b"POST /huge HTTP/1.1\r\nHost: x\r\nContent-Length: 3000001\r\nExpect: 100-continue\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"100 Continue" not in answer
    assert json.loads(answer.partition(b"\r\n\r\n")[2]) == {"detail": "The request body is too large."}
    assert "/huge" not in seen


def test_a_chunked_body_over_the_limit_is_refused(address: tuple[str, int]) -> None:
    chunk = b"%x\r\n%s\r\n" % (1_000_000, b"x" * 1_000_000)

    answer = _raw(
        address,
        b"POST /huge HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk * 3 + b"1\r\nx\r\n0\r\n\r\n",
    )

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert "/huge" not in seen


def test_upload_targets_take_more(http: httpx.Client) -> None:
    assert http.post("/uploads/1", content=b"u" * 5_000_000).text == "length 5000000"


def test_head_has_the_length_and_no_body(http: httpx.Client) -> None:
    response = http.head("/plain")

    assert response.headers["content-length"] == "8"
    assert response.content == b""
    assert http.get("/plain").text == "length 0"


def test_head_of_a_stream_reads_one_piece_of_it(http: httpx.Client) -> None:
    response = http.head("/file")

    assert response.headers["content-length"] == str(4096 * 500)
    assert closed[-1] == "/file"


def test_no_content_has_no_length(http: httpx.Client) -> None:
    response = http.delete("/nothing")

    assert response.status_code == 204
    assert "content-length" not in response.headers


def test_a_file_arrives_whole(http: httpx.Client) -> None:
    response = http.get("/file")

    assert response.content == b"f" * (4096 * 500)
    assert response.headers["content-length"] == str(4096 * 500)


def test_a_small_file_arrives_in_one_piece(http: httpx.Client) -> None:
    assert http.get("/small-file").content == b"s" * 8192


def test_paths_keep_their_bytes(address: tuple[str, int]) -> None:
    _raw(address, b"GET /gr%C3%BC%C3%9Fe/%FF%2Fx?k=%FF HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

    path = b"/gr\xc3\xbc\xc3\x9fe/\xff/x".decode("latin-1")
    assert seen[path]["PATH_INFO"] == path
    assert seen[path]["QUERY_STRING"] == "k=%FF"


def test_headers_that_repeat_or_imitate(address: tuple[str, int]) -> None:
    _raw(
        address,
        b"GET /headers HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-A: 1\r\nX-A: 2\r\nCookie: a=1\r\nCookie: b=2\r\n"
        b"X_Forwarded_For: 1.2.3.4\r\nX-Text: caf\xe9\r\n\r\n",
    )

    environ = seen["/headers"]
    assert environ["HTTP_X_A"] == "1,2"
    assert environ["HTTP_COOKIE"] == "a=1; b=2"
    assert environ["HTTP_X_TEXT"] == "caf\xe9"
    assert "HTTP_X_FORWARDED_FOR" not in environ


def test_a_reader_that_leaves_ends_its_stream(http: httpx.Client) -> None:
    closed.clear()
    with http.stream("GET", "/for-ever") as response:
        next(response.iter_raw())

    _wait_for(lambda: "/for-ever" in closed)


def test_a_sender_that_leaves_costs_no_thread(address: tuple[str, int]) -> None:
    with socket.create_connection(address) as client:
        client.sendall(b"POST /gone HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")
        time.sleep(0.1)

    assert "/gone" not in seen


def test_a_silent_sender_is_told(address: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wsgi_bridge, "BODY_SILENCE_SECONDS", 0.2)

    answer = _raw(address, b"POST /silent HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert "/silent" not in seen


def test_a_crashing_handler_answers_500(http: httpx.Client) -> None:
    response = http.get("/crash")

    assert response.status_code == 500
    assert response.json() == {"detail": "Internal server error"}


def test_a_stream_that_breaks_cannot_be_mistaken_for_a_whole_one(http: httpx.Client) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        http.get("/broken-stream")

    assert closed[-1] == "/broken-stream"
    assert http.get("/plain").status_code == 200


def test_log_fields_do_not_reach_the_next_request_of_the_thread(http: httpx.Client) -> None:
    assert [http.get("/leak").json() for _ in range(THREADS * 3)] == [{}] * (THREADS * 3)


def test_threads_are_kept(http: httpx.Client) -> None:
    names = set()
    for _ in range(20):
        http.get("/plain")
        names.add(seen["/plain"]["thread"])

    assert len(names) <= THREADS


def test_beyond_the_waiting_room_the_answer_is_503(address: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> list[int]:
        bridge = WsgiBridge(application, threads=1, limits=LIMITS)
        monkeypatch.setattr(bridge, "_most_waiting", 2)
        statuses: list[int] = []

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])
                released.set()

        async def receive() -> Any:
            return {"type": "http.request"}

        scope = {
            "type": "http",
            "method": "GET",
            "path": "/slow",
            "query_string": b"",
            "http_version": "1.1",
            "headers": [],
        }
        released.clear()
        await asyncio.gather(*(bridge(scope, receive, send) for _ in range(3)))
        bridge.close()
        return statuses

    assert sorted(asyncio.run(run())) == [200, 200, 503]
