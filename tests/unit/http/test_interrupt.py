"""Waits that any thread can end, in each way that a system has to wait; over socket pairs."""

from __future__ import annotations

import select
import selectors
import socket
import threading
from collections.abc import Iterator
from typing import Any, Callable

import pytest

from sse_client._arguments import MAX_WAIT
from sse_client._http.interrupt import Deadline, Interrupted, Interrupter, Limit, TimedOut
from tests.unit.interruption import interrupted_at

LIMIT = 10.0
SHORT = Limit(0.2, "idle_timeout")
MOMENTS = 10  # the lines that run before a wait begins, at least
FOREVER = Deadline(Limit(None, "idle_timeout"))


@pytest.fixture(params=["poll", "select"], autouse=True)
def way_to_wait(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait as Windows does, too."""
    if request.param == "select":
        monkeypatch.delattr(select, "poll", raising=False)


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


def test_bytes_end_a_wait(interrupter: Interrupter, pair: tuple[socket.socket, socket.socket]) -> None:
    """A wait ends when there is something to read, and says so; at its limit it says that there was nothing."""
    ready = interrupter.readiness(pair[0])
    assert not ready.wait(ready.limit(0.01))
    pair[1].sendall(b"x")
    assert ready.wait(ready.limit(LIMIT))
    interrupter.wait(pair[0], selectors.EVENT_READ, FOREVER)


@pytest.mark.parametrize("unlimited", [None, MAX_WAIT + 1, 1e300])
def test_no_limit(interrupter: Interrupter, pair: tuple[socket.socket, socket.socket], unlimited: Any) -> None:
    """A limit beyond what the system can hold is none."""
    ready = interrupter.readiness(pair[0])
    assert ready.limit(unlimited) is None
    assert Deadline(Limit(unlimited, "")).remaining() in (None, MAX_WAIT)


@pytest.mark.parametrize("kind", ["readiness", "wait", "write"])
def test_an_interrupt_ends_a_wait(
    interrupter: Interrupter, pair: tuple[socket.socket, socket.socket], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """interrupt() ends a wait of another thread, though the socket is as it was; waiting before it was watched, too."""
    if kind == "write":
        pair[0].settimeout(0)
        with pytest.raises(BlockingIOError):
            while True:
                pair[0].send(b"x" * 65536)
    ready = interrupter.readiness(pair[0])
    caller = threading.Timer(0.02, interrupter.interrupt)
    caller.start()
    if kind == "readiness":
        assert ready.wait(ready.limit(LIMIT))
        with pytest.raises(Interrupted):
            interrupter.check()
    else:
        event = selectors.EVENT_READ if kind == "wait" else selectors.EVENT_WRITE
        with pytest.raises(Interrupted):
            interrupter.wait(pair[0], event, Deadline(Limit(LIMIT, "idle_timeout")))
    caller.join()
    with pytest.raises(Interrupted):  # and so does each later one
        interrupter.wait(pair[0], selectors.EVENT_READ, FOREVER)


def test_a_deadline_ends_a_wait(interrupter: Interrupter, pair: tuple[socket.socket, socket.socket]) -> None:
    """The error names the argument that sets the limit."""
    with pytest.raises(TimedOut, match=r"timed out: idle_timeout=0\.02 s") as caught:
        interrupter.wait(pair[0], selectors.EVENT_READ, Deadline(Limit(0.02, "idle_timeout")))
    assert (caught.value.parameter, caught.value.seconds) == ("idle_timeout", 0.02)


def test_the_peer_sees_the_end_at_once(interrupter: Interrupter, pair: tuple[socket.socket, socket.socket]) -> None:
    """interrupt() shuts a watched socket down, and none that has been left."""
    interrupter.watch(pair[0])
    interrupter.leave()
    interrupter.interrupt()
    pair[1].settimeout(0)
    with pytest.raises(BlockingIOError):
        pair[1].recv(1)
    another = Interrupter()
    another.watch(pair[0])
    another.interrupt()
    assert pair[1].recv(1) == b""
    with pytest.raises(Interrupted):
        another.watch(pair[0])
    another.release()


def test_interrupt_never_raises(interrupter: Interrupter, pair: tuple[socket.socket, socket.socket]) -> None:
    """Not twice, not on a socket that is gone, not with a full waker, not after release()."""
    interrupter.readiness(pair[0])
    interrupter.watch(pair[0])
    pair[0].close()
    pair[1].close()
    for _ in range(5000):
        interrupter.interrupt()
    interrupter.release()
    interrupter.interrupt()
    interrupter.release()


def test_release_leaves_the_socket(interrupter: Interrupter, pair: tuple[socket.socket, socket.socket]) -> None:
    """After release() the socket works on, and an interrupt does not touch it."""
    interrupter.watch(pair[0])
    interrupter.release()
    interrupter.interrupt()
    pair[1].sendall(b"x")
    assert pair[0].recv(1) == b"x"


def test_no_descriptor_before_the_first_wait() -> None:
    """An interrupter that never waits opens nothing: there is nothing to release."""
    made = Interrupter()
    assert made._waker is None
    made.interrupt()


def test_the_child_of_a_fork(interrupter: Interrupter, pair: tuple[socket.socket, socket.socket]) -> None:
    """interrupt() there leaves the connection and the waker, which are the parent's, as they are."""
    ready = interrupter.readiness(pair[0])
    interrupter.watch(pair[0])
    interrupter._process += 1  # what a child sees: another process made it
    interrupter.interrupt()
    assert not ready.wait(ready.limit(0))
    pair[1].sendall(b"x")
    assert pair[0].recv(1) == b"x"


def wait_with_selector(interrupter: Interrupter, sock: socket.socket) -> None:
    interrupter.wait(sock, selectors.EVENT_READ, Deadline(SHORT))


def wait_with_readiness(interrupter: Interrupter, sock: socket.socket) -> None:
    ready = interrupter.readiness(sock)
    if not ready.wait(ready.limit(SHORT.seconds)):
        raise SHORT.timed_out()
    interrupter.check()


@pytest.mark.parametrize("way", [wait_with_selector, wait_with_readiness])
def test_signal_handlers_at_any_moment(
    pair: tuple[socket.socket, socket.socket], way: Callable[[Interrupter, socket.socket], None]
) -> None:
    """A signal handler may interrupt between any two lines of what prepares a wait: the wait ends at once."""

    def outcome(moment: int) -> tuple[str, str]:
        """Return where the handler ran, and how the wait ended."""
        interrupter = Interrupter()
        outcomes: list[str] = []

        def work() -> None:
            try:
                way(interrupter, pair[0])
            except (Interrupted, TimedOut) as error:
                outcomes.append(type(error).__name__)

        where = interrupted_at(moment, work, interrupter.interrupt, "interrupt.py")
        interrupter.release()
        return where, outcomes[0]

    outcomes = [outcome(moment) for moment in range(1, MOMENTS)]
    assert [where for where, end in outcomes if end != "Interrupted"] == []
