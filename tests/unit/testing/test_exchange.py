"""`Exchange`: what a handler can say, byte by byte."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from sse_client.testing import EventStreamServer, Exchange, ExchangeEnded, Handler, event, wait_for


@pytest.fixture
def server() -> Iterator[EventStreamServer]:
    with EventStreamServer() as server:
        yield server


def told(server: EventStreamServer, request: bytes = b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n") -> bytes:
    """All the bytes that the server says to one request, to the end of the connection."""
    with socket.create_connection((server.host, server.port), timeout=10) as connection:
        connection.sendall(request)
        with connection.makefile("rb") as reader:
            return reader.read()


def test_send_sends_the_usual_head_first(server: EventStreamServer) -> None:
    """A handler that only sends makes a whole chunked event stream."""
    server.reply(lambda exchange: exchange.send(b"data: a\n\n"))
    assert told(server) == (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        b"9\r\ndata: a\n\n\r\n0\r\n\r\n"
    )


def test_sending_nothing_is_no_last_chunk(server: EventStreamServer) -> None:
    """send(b"") does not end a chunked body."""

    def reply(exchange: Exchange) -> None:
        exchange.send(b"")
        exchange.send(b"x")

    server.reply(reply)
    assert told(server).endswith(b"\r\n\r\n1\r\nx\r\n0\r\n\r\n")


def test_run_plays_steps(server: EventStreamServer) -> None:
    """A handler can wait before the head, and play steps after it."""
    go = threading.Event()
    asked: list[str] = []

    def reply(exchange: Exchange) -> None:
        asked.append(exchange.request.path)
        exchange.run(wait_for(go))
        exchange.send_head(201, framing="close")
        exchange.run(event("a"), event("b"))

    server.reply(reply)
    with socket.create_connection((server.host, server.port), timeout=10) as connection:
        connection.sendall(b"GET /x?y HTTP/1.1\r\n\r\n")
        server.wait_for_requests(1)
        connection.settimeout(0.05)
        with pytest.raises(socket.timeout):
            connection.recv(1)
        connection.settimeout(10)
        go.set()
        with connection.makefile("rb") as reader:
            assert reader.read() == (
                b"HTTP/1.1 201 Created\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
                b"data: a\n\ndata: b\n\n"
            )
    assert asked == ["/x"]


def test_no_head_is_no_answer(server: EventStreamServer) -> None:
    """A handler that returns without a word ends the connection."""
    server.reply(lambda exchange: None)
    assert told(server) == b""


def test_raw_bytes_go_around_all_framing(server: EventStreamServer) -> None:
    """write_raw() sends what it is given; nothing is completed, and the connection ends."""

    def reply(exchange: Exchange) -> None:
        exchange.write_raw(b"HTTP/1.1 200 OK\r\nContent-")
        exchange.write_raw(b"Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")

    server.reply(reply)
    assert told(server, b"GET / HTTP/1.1\r\n\r\n").endswith(b"chunked\r\n\r\nzz\r\n")


def test_the_users_headers_win(server: EventStreamServer) -> None:
    """Headers given replace those made, in any case; others are added, twice where given twice, as UTF-8."""
    headers = [("content-type", "text/plain"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=✓")]
    server.reply(lambda exchange: exchange.send_head(299, headers, framing="close"))
    assert (
        told(server)
        == (
            "HTTP/1.1 299 Unknown\r\nConnection: close\r\ncontent-type: text/plain\r\n"
            "Set-Cookie: a=1\r\nSet-Cookie: b=✓\r\n\r\n"
        ).encode()
    )


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"framing": "chunky"}, "framing must be"),
        ({"framing": "length"}, "content_length must be given"),
        ({"content_length": 3}, "content_length must be given"),
        ({"encoding": "br"}, "encoding must be None, 'gzip' or 'deflate', not 'br'"),
    ],
)
def test_a_head_that_does_not_fit_is_refused(server: EventStreamServer, arguments: Any, text: str) -> None:
    """send_head() refuses arguments that do not go together, before it sends anything."""
    refused = threading.Event()

    def reply(exchange: Exchange) -> None:
        with pytest.raises(ValueError, match=text):
            exchange.send_head(**arguments)
        refused.set()

    server.reply(reply)
    assert told(server) == b""
    assert refused.is_set()


def test_a_response_has_one_head(server: EventStreamServer) -> None:
    """A second head is an error of the handler."""
    caught = threading.Event()

    def reply(exchange: Exchange) -> None:
        exchange.send_head()
        with pytest.raises(RuntimeError, match="one head"):
            exchange.send_head()
        caught.set()

    server.reply(reply)
    told(server)
    assert caught.is_set()


@pytest.mark.parametrize("end", [Exchange.drop, Exchange.reset])
def test_nothing_can_be_said_after_the_end(server: EventStreamServer, end: Handler) -> None:
    """After drop() or reset() every word is an ExchangeEnded, which a handler may let pass."""
    caught = threading.Event()

    def reply(exchange: Exchange) -> None:
        end(exchange)
        with pytest.raises(ExchangeEnded):
            exchange.send(b"x")
        with pytest.raises(ExchangeEnded):
            exchange.write_raw(b"x")
        caught.set()
        exchange.hold()
        exchange.send(b"x")

    server.reply(reply)
    with contextlib.suppress(ConnectionResetError):
        assert told(server) == b""
    assert caught.wait(10)


def test_a_head_request_gets_no_body(server: EventStreamServer) -> None:
    """The answer to HEAD is the head that GET would get, and the connection goes on."""
    server.respond(200, b"abc", {"Content-Type": "text/plain"})
    server.stream(event("a"))
    said = told(server, b"HEAD / HTTP/1.1\r\n\r\nHEAD / HTTP/1.1\r\nConnection: close\r\n\r\n")
    assert said == (
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Type: text/plain\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    )


@pytest.mark.parametrize("status", [204, 304])
def test_a_status_without_a_body_has_no_framing(server: EventStreamServer, status: int) -> None:
    """204 and 304 have neither a length nor chunks nor a body."""
    server.respond(status, b"nobody reads this")
    assert told(server).lower().partition(b"\r\n")[2] == b"connection: close\r\n\r\n"


def test_a_request_of_http_1_0_ends_its_connection(server: EventStreamServer) -> None:
    """A client of HTTP/1.0 finds the end of the body by the end of the connection."""
    server.respond(200, b"abc")
    assert told(server, b"GET / HTTP/1.0\r\n\r\n").endswith(b"\r\nConnection: close\r\n\r\nabc")


def test_a_body_shorter_than_its_length_is_cut(server: EventStreamServer) -> None:
    """A handler that says less than it promised ends the connection."""

    def reply(exchange: Exchange) -> None:
        exchange.send_head(framing="length", content_length=5)
        exchange.send(b"abc")

    server.reply(reply)
    with contextlib.closing(http.client.HTTPConnection(server.host, server.port, timeout=10)) as connection:
        connection.request("GET", "/")
        with pytest.raises(http.client.IncompleteRead) as caught:
            connection.getresponse().read()
    assert (caught.value.partial, caught.value.expected) == (b"abc", 2)
