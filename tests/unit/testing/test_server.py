"""`EventStreamServer`: who is answered with what, what is recorded, and how it starts and ends."""

from __future__ import annotations

import contextlib
import http.client
import logging
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import trustme

from sse_client.testing import EventStreamServer, Exchange, ExchangeEnded, event, hold, pause, raw, signal, wait_for


@contextlib.contextmanager
def client(server: EventStreamServer, **options: Any) -> Iterator[http.client.HTTPConnection]:
    """A client of the server, over one connection, closed at the end."""
    with contextlib.closing(http.client.HTTPConnection(server.host, server.port, timeout=10, **options)) as connection:
        yield connection


def status_of(server: EventStreamServer, target: str = "/") -> int:
    """The status of one request over a connection of its own."""
    with client(server) as connection:
        connection.request("GET", target)
        return connection.getresponse().status


def server_threads() -> list[threading.Thread]:
    """The threads of every server that have not ended."""
    return [thread for thread in threading.enumerate() if thread.name.startswith("event-stream-server")]


# Who is answered with what


def test_replies_are_taken_in_order_then_the_handler_then_204() -> None:
    """Queued replies come first, in order, whatever the path; then the handler; without one, 204."""
    with EventStreamServer() as server:
        server.respond(500)
        server.respond(404)
        assert [status_of(server, "/b"), status_of(server, "/a"), status_of(server)] == [500, 404, 204]
        server.handler = lambda exchange: exchange.respond(418)
        server.respond(503)
        assert [status_of(server), status_of(server), status_of(server)] == [503, 418, 418]
        server.handler = None
        assert status_of(server) == 204


def test_one_connection_serves_many_requests() -> None:
    """A connection is kept alive over whole responses, streams with an end and 204s."""
    with EventStreamServer() as server:
        server.stream(event("a"))
        server.stream(event("b"), framing="length")
        server.respond(404, b"no")
        server.redirect("/there")
        with client(server) as connection:
            answers = []
            for _ in range(5):
                connection.request("GET", "/")
                response = connection.getresponse()
                answers.append((response.status, response.read()))
        assert answers == [(200, b"data: a\n\n"), (200, b"data: b\n\n"), (404, b"no"), (302, b""), (204, b"")]
        assert [request.connection for request in server.requests] == [1] * 5


def test_many_connections_are_served_at_once() -> None:
    """Fifty clients hold a stream open at the same time, and each gets its events."""
    go = threading.Event()
    with EventStreamServer() as server, contextlib.ExitStack() as stack:
        server.handler = lambda exchange: exchange.run(raw(b"x"), wait_for(go), raw(b"y"))
        responses = []
        for _ in range(50):
            connection = stack.enter_context(client(server))
            connection.request("GET", "/")
            responses.append(connection.getresponse())
            assert responses[-1].read1(10) == b"x"
        assert server.open_connections == 50
        go.set()
        assert [response.read() for response in responses] == [b"y"] * 50


def test_a_client_that_never_finishes_its_tls_handshake_blocks_nobody() -> None:
    """The handshake of one client does not keep the server from the next."""
    authority = trustme.CA()
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(ours)
    theirs = ssl.create_default_context()
    authority.configure_trust(theirs)
    with EventStreamServer(ssl_context=ours) as server:
        assert server.url == f"https://127.0.0.1:{server.port}/"
        server.stream(event("a"))
        server.stream(event("b"), framing="close")
        with (
            socket.create_connection((server.host, server.port)),
            contextlib.closing(
                http.client.HTTPSConnection(server.host, server.port, timeout=10, context=theirs)
            ) as connection,
        ):
            for expected in (b"data: a\n\n", b"data: b\n\n"):
                connection.request("GET", "/")
                assert connection.getresponse().read() == expected


def test_a_failed_tls_handshake_is_no_error_of_the_server() -> None:
    """A client that does not trust the server, or speaks no TLS, leaves no trace in close()."""
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(ours)
    with EventStreamServer(ssl_context=ours) as server:
        untrusting = ssl.create_default_context()
        distrustful = http.client.HTTPSConnection(server.host, server.port, timeout=10, context=untrusting)
        with contextlib.closing(distrustful), pytest.raises(ssl.SSLCertVerificationError):
            distrustful.request("GET", "/")
        with pytest.raises((http.client.HTTPException, ConnectionError)):
            status_of(server)
        server.wait_until_disconnected()
        assert server.requests == []


def test_it_listens_on_ipv6_too() -> None:
    """An IPv6 address is listened on, and has its brackets in the URL."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6 loopback address")
    with EventStreamServer(host="::1") as server:
        assert server.url == f"http://[::1]:{server.port}/"
        assert status_of(server) == 204


# What is recorded


def test_requests_are_recorded_as_they_arrived() -> None:
    """Method, target, headers in any case, body, time and connection of a request are there."""
    with EventStreamServer() as server:
        before = time.monotonic()
        for _ in range(2):
            with client(server) as connection:
                connection.putrequest("POST", "/a%20b?q=1&q=2", skip_accept_encoding=True)
                connection.putheader("Last-Event-ID", "é✓".encode())
                connection.putheader("X-Two", "1")
                connection.putheader("x-two", "2")
                connection.putheader("Content-Length", "3")
                connection.endheaders(b"a\0b")
                assert connection.getresponse().status == 204
        first, second = server.requests
        assert (first.method, first.target, first.path, first.version) == (
            "POST",
            "/a%20b?q=1&q=2",
            "/a%20b",
            "HTTP/1.1",
        )
        assert first.headers["LAST-EVENT-ID"] == "é✓"
        assert first.headers["x-two"] == "1, 2"
        assert "last-EVENT-id" in first.headers
        assert "nothing" not in first.headers
        assert sorted(first.headers) == ["Content-Length", "Host", "Last-Event-ID", "X-Two"]
        assert first.body == b"a\0b"
        assert before <= first.time <= second.time <= time.monotonic()
        assert (first.connection, second.connection) == (1, 2)


def test_requests_can_be_waited_for() -> None:
    """wait_for_requests() returns when as many have come as are asked for."""
    with EventStreamServer() as server:
        thread = threading.Thread(target=lambda: [status_of(server) for _ in range(3)])
        thread.start()
        assert len(server.wait_for_requests(3)) == 3
        thread.join(10)


def test_waiting_for_requests_ends_with_how_many_came() -> None:
    """wait_for_requests() raises TimeoutError that says how many came."""
    with EventStreamServer() as server:
        status_of(server)
        with pytest.raises(TimeoutError, match=r"1 requests came within 0\.05 s, not 2"):
            server.wait_for_requests(2, timeout=0.05)


def test_the_list_of_requests_is_a_copy() -> None:
    """What a test does to the list of requests does nothing to the server."""
    with EventStreamServer() as server:
        status_of(server)
        server.requests.clear()
        assert len(server.requests) == 1


def test_a_client_that_goes_away_is_noticed() -> None:
    """hold() ends when the client goes; then the script goes on, and no connection is open."""
    gone = threading.Event()
    with EventStreamServer() as server:
        server.stream(event("a"), hold(), signal(gone))
        with client(server) as connection:
            connection.request("GET", "/")
            response = connection.getresponse()
            assert response.read1(100) == b"data: a\n\n"
            assert server.open_connections == 1
            with pytest.raises(TimeoutError, match=r"1 connections are still open after 0\.05 s"):
                server.wait_until_disconnected(timeout=0.05)
            assert not gone.is_set()
            response.close()
        assert gone.wait(10)
        server.wait_until_disconnected()
        assert server.open_connections == 0


# How it starts and ends


@pytest.mark.parametrize("framing", ["chunked", "close", "length"])
def test_close_ends_every_connection_at_once(framing: Any) -> None:
    """close() ends silent, held, pausing, waiting, sending, kept-alive and fresh connections, and every thread."""

    def flood(exchange: Exchange) -> None:
        exchange.send_head(framing="chunked")
        for _ in range(1_000_000):
            exchange.send(b"x" * 65536)

    gone = threading.Event()
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(EventStreamServer())
        server.silence()
        server.stream(event("a"), hold(), signal(gone), framing=framing)
        server.stream(event("a"), pause(3600), signal(gone), framing=framing)
        server.stream(event("a"), wait_for(threading.Event(), timeout=3600), framing=framing)
        server.reply(flood)
        server.respond(404)
        for count in range(1, 7):
            connection = stack.enter_context(client(server))
            connection.request("GET", "/")
            server.wait_for_requests(count)
        stack.enter_context(client(server)).connect()
        start = time.monotonic()
        server.close()
        assert time.monotonic() - start < 2
        assert server_threads() == []
        assert server.open_connections == 0
        assert not gone.is_set(), "no script goes on after the server has closed"
        with pytest.raises(ConnectionRefusedError):
            status_of(server)


def test_close_may_be_called_twice() -> None:
    """close() before start(), and after close(), does nothing."""
    server = EventStreamServer()
    server.close()
    server.start()
    server.close()
    server.close()
    assert server_threads() == []


def test_it_starts_again_on_the_same_port() -> None:
    """A closed server starts again where it was, with the replies that are left and the requests that came."""
    server = EventStreamServer()
    server.respond(500)
    server.respond(503)
    with server:
        url = server.url
        with client(server) as connection:
            connection.request("GET", "/")
            assert connection.getresponse().status == 500
            server.close()  # with a connection open, so that the port is busy for the system
    with server:
        assert server.url == url
        assert status_of(server) == 503
        assert len(server.requests) == 2
    with EventStreamServer(port=server.port) as another:
        assert another.url == url
        assert status_of(another) == 204


def test_a_running_server_does_not_start_again() -> None:
    """start() of a running server is an error, and leaves it running."""
    with EventStreamServer() as server:
        with pytest.raises(RuntimeError, match="is running"):
            server.start()
        assert status_of(server) == 204


def test_a_port_that_is_taken_is_an_error() -> None:
    """start() on a port in use raises OSError and leaves nothing behind."""
    with EventStreamServer() as server:
        other = EventStreamServer(port=server.port)
        with pytest.raises(OSError, match="in use"):
            other.start()
        other.close()


def test_there_is_no_url_before_the_start() -> None:
    """The url is an error before the port is known."""
    server = EventStreamServer()
    assert server.port == 0
    with pytest.raises(RuntimeError, match="before it is started"):
        server.url  # noqa: B018 - reading it raises
    assert repr(server) == "<EventStreamServer 127.0.0.1:0 closed>"
    with server:
        assert repr(server) == f"<EventStreamServer 127.0.0.1:{server.port} running>"


def test_an_error_of_a_handler_is_raised_by_close(caplog: pytest.LogCaptureFixture) -> None:
    """What a handler raises is logged, ends its connection, and is raised by close(), once."""
    server = EventStreamServer().start()
    error = LookupError("mine")

    def broken(exchange: Exchange) -> None:
        raise error

    server.reply(broken)
    server.reply(broken)
    for _ in range(2):
        with pytest.raises(http.client.RemoteDisconnected):
            status_of(server)
    with pytest.raises(LookupError) as caught:
        server.close()
    assert caught.value is error
    server.close()
    assert [record.exc_info[1] for record in caplog.records if record.exc_info] == [error, error]


def test_the_end_of_the_with_block_raises_it_too() -> None:
    """A with block that has not failed fails with what a handler raised."""
    with pytest.raises(ZeroDivisionError), EventStreamServer() as server:
        server.reply(lambda exchange: exchange.respond(1 // 0))
        with pytest.raises(http.client.RemoteDisconnected):
            status_of(server)


def test_a_failure_of_the_test_is_not_hidden(caplog: pytest.LogCaptureFixture) -> None:
    """When the with block raises, that is what is seen, not what a handler raised."""
    with pytest.raises(KeyError, match="the test's"), EventStreamServer() as server:
        server.reply(lambda exchange: exchange.send_head(framing="length"))
        with pytest.raises(http.client.RemoteDisconnected):
            status_of(server)
        raise KeyError("the test's")
    assert server_threads() == []
    assert any(record.levelno == logging.ERROR for record in caplog.records)


def test_pytest_fail_in_a_handler_fails_the_test() -> None:
    """What pytest.fail() raises is no Exception, and counts all the same."""
    server = EventStreamServer().start()
    server.reply(lambda exchange: pytest.fail("mine"))
    with pytest.raises(http.client.RemoteDisconnected):
        status_of(server)
    with pytest.raises(pytest.fail.Exception, match="mine"):
        server.close()


def test_a_script_that_waits_in_vain_fails_the_test() -> None:
    """A wait_for() whose event is not set in time is a TimeoutError of close()."""
    server = EventStreamServer().start()
    server.stream(wait_for(threading.Event(), timeout=0.01))
    with client(server) as connection:
        connection.request("GET", "/")
        with pytest.raises(http.client.IncompleteRead):
            connection.getresponse().read()
    with pytest.raises(TimeoutError, match=r"not set within 0\.01 s"):
        server.close()


def test_close_names_a_handler_that_does_not_return(monkeypatch: pytest.MonkeyPatch) -> None:
    """close() does not wait for ever for a handler of the user's: it is a RuntimeError."""
    monkeypatch.setattr("sse_client.testing.acceptor._CLOSE_TIMEOUT", 0.05)
    release = threading.Event()
    server = EventStreamServer().start()
    server.reply(lambda exchange: release.wait(10))
    with client(server) as connection:
        connection.request("GET", "/")
        server.wait_for_requests(1)
        with pytest.raises(RuntimeError, match="1 handlers have not returned"):
            server.close()
    release.set()
    for thread in server_threads():
        thread.join(10)
    assert server_threads() == []


def test_close_may_be_called_by_a_handler() -> None:
    """A handler that closes its server does not wait for itself."""
    server = EventStreamServer().start()
    closed = threading.Event()

    def close(exchange: Exchange) -> None:
        server.close()
        closed.set()

    server.reply(close)
    with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        status_of(server)
    assert closed.wait(10)
    for thread in server_threads():
        thread.join(10)


def test_clients_that_go_away_are_no_errors() -> None:
    """Clients that leave within a request or in the middle of a stream leave no trace in close()."""
    ended = threading.Event()

    def endless(exchange: Exchange) -> None:
        try:
            for _ in range(1_000_000):
                exchange.send(b"x" * 65536)
        except ExchangeEnded:
            ended.set()
            raise

    with EventStreamServer() as server:
        server.reply(endless)
        with client(server) as connection:
            connection.request("GET", "/")
            connection.getresponse().close()
        assert ended.wait(10)
        for part in (b"", b"GET", b"GET / HTTP/1.1\r\nHost: a\r\n", b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc"):
            with socket.create_connection((server.host, server.port)) as leaving:
                leaving.sendall(part)
        server.wait_until_disconnected()
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    "nonsense",
    [
        b"hello\r\n",
        b"GET / HTTP/2\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
    ],
)
def test_what_is_no_request_is_a_400(nonsense: bytes) -> None:
    """Nonsense is answered with a 400, is not recorded, and takes no reply from the queue."""
    with EventStreamServer() as server:
        server.respond(418)
        with socket.create_connection((server.host, server.port), timeout=10) as confused:
            confused.sendall(nonsense)
            assert confused.recv(100).startswith(b"HTTP/1.1 400 ")
        assert server.requests == []
        assert status_of(server) == 418


def test_nothing_is_left_after_a_hundred_servers() -> None:
    """A hundred servers, each with a request, leave no thread behind."""
    for _ in range(100):
        with EventStreamServer() as server:
            assert status_of(server) == 204
    assert server_threads() == []
