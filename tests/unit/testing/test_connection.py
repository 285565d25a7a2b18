"""`ServerConnection`: one connection's end at the server, and how it ends."""

from __future__ import annotations

import contextlib
import socket
import ssl
import sys
import threading
from collections.abc import Iterator

import pytest
import trustme

from sse_client.testing import EventStreamServer, drop, event
from sse_client.testing.http import ExchangeEnded, ServerConnection


@pytest.fixture
def client() -> Iterator[socket.socket]:
    with contextlib.closing(socket.socket()) as client:
        client.settimeout(10)
        yield client


@pytest.fixture
def connection(client: socket.socket) -> Iterator[ServerConnection]:
    """The server's end of the client's connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client.connect(listener.getsockname())
        connection = ServerConnection(listener.accept()[0], 7, None)
        yield connection
        connection.close()


def test_small_pieces_are_not_held_back(connection: ServerConnection) -> None:
    """The connection does not wait for more before it sends (TCP_NODELAY)."""
    assert connection._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_lines_and_bytes_are_read(connection: ServerConnection, client: socket.socket) -> None:
    """Lines come without their ends, CR LF or LF; read() gives just what is asked for."""
    client.sendall(b"one\r\ntwo\n\r\n12345")
    assert [connection.read_line() for _ in range(3)] == [b"one", b"two", b""]
    assert (connection.read(2), connection.read(3), connection.read(0)) == (b"12", b"345", b"")


def test_the_end_of_the_client_is_an_exchange_ended(connection: ServerConnection, client: socket.socket) -> None:
    """A line or body that is cut off is no line and no body."""
    client.sendall(b"ab")
    client.close()
    with pytest.raises(ExchangeEnded):
        connection.read(3)
    with pytest.raises(ExchangeEnded):
        connection.read_line()


def test_everything_ends_after_close(connection: ServerConnection, client: socket.socket) -> None:
    """After close(), nothing blocks: reading and writing raise ExchangeEnded; closing and waking are quiet."""
    connection.close()
    connection.close(reset=True)
    connection.wake()
    connection.wait_for_end()
    with pytest.raises(ExchangeEnded):
        connection.read(1)
    with pytest.raises(ExchangeEnded):
        connection.read_line()
    with pytest.raises(ExchangeEnded):
        connection.write(b"x")
    assert client.recv(1) == b""


def test_a_reset_is_seen_by_both_sides(connection: ServerConnection, client: socket.socket) -> None:
    """A client that resets its connection makes the reader's lines and bytes end."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()
    with pytest.raises(ExchangeEnded):
        connection.read_line()
    connection.wait_for_end()


@pytest.mark.parametrize("blocked", [ServerConnection.read_line, ServerConnection.wait_for_end, lambda c: c.read(1)])
def test_wake_ends_what_blocks(connection: ServerConnection, blocked: object) -> None:
    """wake() from another thread ends a read that waits."""

    def run() -> None:
        with contextlib.suppress(ExchangeEnded):
            blocked(connection)  # type: ignore[operator]

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(0.05)
    assert thread.is_alive()
    connection.wake()
    thread.join(10)
    assert not thread.is_alive()


@pytest.mark.skipif(sys.version_info < (3, 10), reason="the ssl module of Python 3.9 takes every end for a clean one")
def test_a_clean_end_says_notify_in_tls_and_a_drop_does_not() -> None:
    """A TLS client that minds can tell the end of a close-delimited body from a drop."""
    authority = trustme.CA()
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(ours)
    theirs = ssl.create_default_context()
    authority.configure_trust(theirs)
    with EventStreamServer(ssl_context=ours) as server:
        server.stream(event("a"), framing="close")
        server.stream(event("a"), drop(), framing="close")
        for dropped in (False, True):
            plain = socket.create_connection((server.host, server.port), timeout=10)
            with theirs.wrap_socket(plain, server_hostname="127.0.0.1", suppress_ragged_eofs=False) as client:
                client.sendall(b"GET / HTTP/1.1\r\n\r\n")
                with pytest.raises(ssl.SSLEOFError) if dropped else contextlib.nullcontext():
                    while client.recv(1000):
                        pass
