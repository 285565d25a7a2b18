from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from sse_client._http.interrupt import Interrupter

LIMIT = 10.0


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(LIMIT)
        yield ours, theirs


@pytest.fixture
def interrupter() -> Iterator[Interrupter]:
    made = Interrupter()
    yield made
    made.release()


def test_wakes_a_reader(interrupter: Interrupter, pair: tuple[socket.socket, socket.socket]) -> None:
    """interrupt() ends a read that another thread is blocked in."""
    interrupter.watch(pair[0])
    caller = threading.Timer(0.01, interrupter.interrupt)
    caller.start()
    assert pair[0].recv(1) == b""
    caller.join()


def test_watching_after_an_interrupt(interrupter: Interrupter, pair: tuple[socket.socket, socket.socket]) -> None:
    """After an interrupt no socket can be used: watching it fails."""
    interrupter.interrupt()
    assert interrupter.interrupted
    with pytest.raises(ConnectionAbortedError):
        interrupter.watch(pair[0])


def test_connecting_after_an_interrupt(interrupter: Interrupter) -> None:
    """After an interrupt nothing is connected."""
    interrupter.interrupt()
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as sock:
        with pytest.raises(ConnectionAbortedError):
            interrupter.connect(sock, server.getsockname(), LIMIT)
        server.settimeout(0)
        with pytest.raises(BlockingIOError):
            server.accept()


def test_connects(interrupter: Interrupter) -> None:
    """connect() connects, and leaves the time-out on the socket."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as sock:
        interrupter.connect(sock, server.getsockname(), LIMIT)
        server.accept()[0].close()
        assert sock.gettimeout() == LIMIT
        assert sock.recv(1) == b""


def test_connect_refused(interrupter: Interrupter) -> None:
    """connect() to where nobody listens is refused."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
    with socket.socket() as sock, pytest.raises(ConnectionRefusedError):
        interrupter.connect(sock, address, LIMIT)


@pytest.fixture
def full_backlog() -> Iterator[socket.socket]:
    """A server that accepts nobody, and whose queue is full: connecting to it does not end."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        waiting = []
        for _ in range(3):
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex(server.getsockname())
            waiting.append(sock)
        yield server
        for sock in waiting:
            sock.close()


def test_connect_times_out(interrupter: Interrupter, full_backlog: socket.socket) -> None:
    """connect() gives up when the time is over."""
    with socket.socket() as sock, pytest.raises(socket.timeout):
        interrupter.connect(sock, full_backlog.getsockname(), 0.05)


def test_wakes_a_connecting_socket(interrupter: Interrupter, full_backlog: socket.socket) -> None:
    """interrupt() ends a connect that another thread is blocked in."""
    caller = threading.Timer(0.05, interrupter.interrupt)
    caller.start()
    with socket.socket() as sock, pytest.raises(OSError) as raised:  # noqa: PT011 - which one is the system's choice
        interrupter.connect(sock, full_backlog.getsockname(), LIMIT)
    assert not isinstance(raised.value, socket.timeout)
    caller.join()


def test_interrupt_twice_and_after_release(interrupter: Interrupter, pair: tuple[socket.socket, socket.socket]) -> None:
    """interrupt() never raises: not twice, not on a socket that is gone, not after release()."""
    interrupter.watch(pair[0])
    pair[0].close()
    pair[1].close()
    interrupter.interrupt()
    interrupter.interrupt()
    interrupter.release()
    interrupter.interrupt()


def test_release_closes_only_its_own(interrupter: Interrupter, pair: tuple[socket.socket, socket.socket]) -> None:
    """After release() the socket works on."""
    interrupter.watch(pair[0])
    interrupter.release()
    pair[1].sendall(b"x")
    assert pair[0].recv(1) == b"x"


def test_set_timeout(interrupter: Interrupter, pair: tuple[socket.socket, socket.socket]) -> None:
    """set_timeout() is for the watched socket; without one it does nothing."""
    interrupter.set_timeout(1.0)
    interrupter.watch(pair[0])
    interrupter.set_timeout(2.0)
    assert pair[0].gettimeout() == 2.0


def test_fork(interrupter: Interrupter, pair: tuple[socket.socket, socket.socket]) -> None:
    """interrupt() in the child of a fork leaves the connection, which is the parent's, as it is."""
    interrupter.watch(pair[0])
    interrupter._process += 1  # what a child sees: another process made it
    interrupter.interrupt()
    pair[1].sendall(b"x")
    assert pair[0].recv(1) == b"x"
