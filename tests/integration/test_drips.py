"""What may drip for ever has a deadline: heads, trailers, the bodies of rejections, a proxy's answer; over every way.

A limit of each wait alone would never be reached by a server that sends a byte now and then.
"""

from __future__ import annotations

import contextlib
import re
import socket
import sys
import time
from typing import Any

import pytest

from sse_client import ConnectionFailed, ConnectionLost, EventSourceError, ResponseRejected
from sse_client.testing import EventStreamServer, Exchange, ExchangeEnded

from .raw_server import RawServer, read_head
from .support import child
from .ways import WAYS

DEADLINE = 0.3  # seconds, in place of those of the package
SOON = 5.0  # seconds
PAUSE = 0.02
OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
EMPTY_BLOCK = b"\x00\x00\x00\xff\xff"  # of deflate: stored, of no bytes, not the last


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> Any:
    """Each way in turn to get connections."""
    return WAYS[request.param]


@pytest.fixture(autouse=True)
def deadlines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the deadlines short."""
    monkeypatch.setattr("sse_client._http.attempt.REJECTED_BODY_TIME", DEADLINE)
    monkeypatch.setattr("sse_client._http.socket_file.HEAD_TIME", DEADLINE)
    monkeypatch.setattr("sse_client._http.socket_file.TRAILERS_TIME", DEADLINE)


def dripping(first: bytes, piece: bytes) -> Any:
    """Send the first bytes, and then the piece again and again, until the client has gone."""

    def reply(exchange: Exchange) -> None:
        with contextlib.suppress(ExchangeEnded):
            exchange.write_raw(first)
            while True:
                exchange.write_raw(piece)
                exchange.pause(PAUSE)

    return reply


def outcome(way: Any, url: str, proxy: Any = None, **timeouts: Any) -> tuple[list[str], Any]:
    """Follow one stream to its end; return the data of its events, and its error, if it has ended with one."""
    received = []
    before = time.perf_counter()
    error = None
    with way(url, None, proxy, **timeouts) as source:
        try:
            for event in source:
                received.append(event.data)
        except EventSourceError as failure:
            error = failure
    assert time.perf_counter() - before < SOON
    return received, error


@pytest.mark.parametrize(
    ("first", "piece"),
    [
        (b"HTTP/1.1 200 O", b"K"),
        (OK, b"X: y\r\n"),
        (OK + b"X: ", b" "),
        (OK + b"X: y\r\n", b" folded\r\n"),
        (b"HTTP/1.1 103 Early Hints\r\n", b"Link: </>\r\n"),
    ],
    ids=["a status line", "fields", "blanks", "folded lines", "an interim response"],
)
def test_a_head(server: EventStreamServer, way: Any, first: bytes, piece: bytes) -> None:
    """A head must be complete some time after its first byte; it is a failed attempt otherwise."""
    server.handler = dripping(first, piece)
    received, error = outcome(way, server.url)
    assert received == []
    assert type(error) is ConnectionFailed
    assert f"not complete {DEADLINE:g} s after its first byte" in error.reason


@pytest.mark.parametrize(
    ("framing", "piece", "begins"),
    [
        (b"Content-Length: 999999\r\n\r\nsorry", b".", b"sorry..."),
        (b"Connection: close\r\n\r\nsorry", b".", b"sorry..."),
        (b"Transfer-Encoding: chunked\r\n\r\n5\r\nsorry\r\n", b"1\r\n.\r\n", b"sorry..."),
        (b"Transfer-Encoding: chunked\r\n\r\n5\r\nsorry\r\n1;", b"x", b"sorry"),
        (b"Transfer-Encoding: chunked\r\n\r\n5\r\nsorry\r\n0\r\n", b"X: y\r\n", b"sorry"),
        (b"Content-Encoding: deflate\r\nConnection: close\r\n\r\n", EMPTY_BLOCK, b""),
    ],
    ids=["length", "close", "chunked", "an extension", "trailers", "deflate that yields nothing"],
)
@pytest.mark.parametrize("status", [404, 503])
def test_the_body_of_a_rejection(
    server: EventStreamServer, way: Any, status: int, framing: bytes, piece: bytes, begins: bytes
) -> None:
    """What has come of it by its deadline is kept."""
    server.handler = dripping(b"HTTP/1.1 %d No\r\n" % status + framing, piece)
    _, error = outcome(way, server.url)
    assert type(error) is ResponseRejected
    assert error.status == status
    assert error.body.startswith(begins)


def test_trailers(server: EventStreamServer, way: Any) -> None:
    """A body is whole without its trailers; after some that do not end, the connection serves nobody else."""
    server.handler = dripping(OK + b"Transfer-Encoding: chunked\r\n\r\n9\r\ndata: a\n\n\r\n0\r\n", b"X: y\r\n")
    assert outcome(way, server.url) == (["a"], None)
    server.wait_until_disconnected(SOON)


@pytest.mark.parametrize("first", [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nX: "])
def test_the_answer_to_connect(way: Any, first: bytes) -> None:
    """`connect_timeout` is for all of it."""

    def serve(connected: socket.socket) -> None:
        read_head(connected)
        connected.sendall(first)
        while not proxy.closing.wait(PAUSE):
            connected.sendall(b"X: y\r\n" if first.endswith(b"\n") else b"0")

    with RawServer(serve) as proxy:
        address = proxy.url.rstrip("/")
        _, error = outcome(way, "https://127.0.0.1:1/", address, connect_timeout=DEADLINE)
    assert type(error) is ConnectionFailed
    assert error.parameter == "connect_timeout"


def test_the_answer_of_a_socks_proxy(way: Any) -> None:
    """So it is where the proxy speaks SOCKS: a name that it has connected to may be 255 bytes long."""

    def serve(connected: socket.socket) -> None:
        connected.recv(4096)
        connected.sendall(b"\x05\x00")
        connected.recv(4096)
        connected.sendall(b"\x05\x00\x00\x03\xff")
        while not proxy.closing.wait(PAUSE):
            connected.sendall(b"x")

    with RawServer(serve) as proxy:
        _, error = outcome(way, "http://127.0.0.1:1/", f"socks5://127.0.0.1:{proxy.port}", connect_timeout=DEADLINE)
    assert type(error) is ConnectionFailed
    assert error.parameter == "connect_timeout"


# Bodies that yield nothing: time and memory, in a child process

CLIENT = """
import logging, sys, time
from tests.integration.ways import WAYS
from sse_client import EventSourceError

url, way, count = sys.argv[1:]
logging.disable(logging.CRITICAL)


def memory():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))


def attempt(url):
    try:
        with WAYS[way](url, None, None) as source:
            list(source)
        return "ended"
    except EventSourceError as error:
        return type(error).__name__


attempt("http://127.0.0.1:1/")  # what is imported late is not the server's doing
for case in range(int(count)):
    before, began = memory(), time.process_time()
    outcome = attempt(f"{url}{case}")
    print("case", case, outcome, time.process_time() - began, memory() - before)
"""
MEMBER_HEAD = bytes.fromhex("1f8b08000000000000ff")
EMPTY_MEMBER = MEMBER_HEAD + b"\x03\x00" + bytes(8)
NAMED_MEMBER = bytes.fromhex("1f8b08080000000000ff")
FRUITLESS = {
    "bare blocks": ("deflate", b"", EMPTY_BLOCK),
    "blocks": ("deflate", b"\x78\x9c", EMPTY_BLOCK),
    "blocks in gzip": ("gzip", MEMBER_HEAD, EMPTY_BLOCK),
    "empty members": ("gzip", b"", EMPTY_MEMBER),
    "padding": ("gzip", EMPTY_MEMBER, b"\0"),
    "a name without end": ("gzip", NAMED_MEMBER, b"n"),
}
CASES = [(name, is_chunked) for name in FRUITLESS for is_chunked in (True, False)]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the memory is read from /proc")
@pytest.mark.parametrize("name", WAYS)
def test_bodies_that_yield_nothing(name: str) -> None:
    """What comes in without any output is counted: neither time nor memory grow with what a server may send."""

    def serve(connected: socket.socket) -> None:
        asked = re.match(b"GET /([0-9]+) ", read_head(connected))
        assert asked is not None
        case, is_chunked = CASES[int(asked[1])]
        coding, first, piece = FRUITLESS[case]
        framing = b"Transfer-Encoding: chunked\r\n" if is_chunked else b""
        connected.sendall(OK + framing + b"Content-Encoding: %s\r\n\r\n" % coding.encode())
        block = piece * (65536 // len(piece))
        for data in (first + piece, *[block] * 1000):
            connected.sendall(b"%x\r\n%s\r\n" % (len(data), data) if is_chunked else data)

    with RawServer(serve) as server, child(CLIENT, server.url, name, str(len(CASES)), covered=False) as client:
        client.wait_for("case", len(CASES))
        results = [line.split()[1:] for line in client.lines if line.startswith("case")]
    wrong = [
        (CASES[int(number)], result, cpu, memory)
        for number, result, cpu, memory in results
        if result != ConnectionLost.__name__ or float(cpu) > 2.0 or int(memory) > 16 * 2**20
    ]
    assert wrong == []
