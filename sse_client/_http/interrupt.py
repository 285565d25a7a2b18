"""How every wait of one attempt can be ended from another thread.

The reading thread never blocks inside a socket. Each of its waits looks at two
descriptors: the socket, and a *waker*, one end of a socket pair. `Interrupter.interrupt`
sets a flag and sends a byte into the other end, so the wait returns at once on every
system. (``shutdown()`` does not wake a blocked ``recv`` on Windows: python/cpython#91913.)

`interrupt` also shuts the socket down. No wait depends on that; it tells the server at
once, even while the reading thread is busy elsewhere, and it ends a blocked send on POSIX.

Rules of this file: sockets, selectors and a lock; nothing of HTTP. `interrupt` is for any
thread and for signal handlers, all else for the reading thread.
"""

from __future__ import annotations

import contextlib
import math
import os
import select
import selectors
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any, Callable, NamedTuple, Optional

from sse_client._arguments import MAX_WAIT


class Interrupted(Exception):
    """The attempt was interrupted. Not an `OSError`, which urllib3 and requests would catch and retry."""


class TimedOut(socket.timeout):
    """A time-out of this package was reached.

    Attributes:
        parameter: The name of the argument that sets the time-out.
        seconds: The time-out.
    """

    def __init__(self, parameter: str, seconds: float) -> None:
        super().__init__(f"timed out: {parameter}={seconds:g} s")
        self.parameter = parameter
        self.seconds = seconds


class Limit(NamedTuple):
    """How long one wait may take (None for no limit), and the name of the argument that sets it."""

    seconds: Optional[float]
    parameter: str

    def timed_out(self) -> TimedOut:
        """Return the error for a wait that reached the limit."""
        assert self.seconds is not None
        return TimedOut(self.parameter, self.seconds)


class Deadline:
    """A moment by which several waits together must have ended.

    Attributes:
        limit: What the waits may take together.
    """

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self._end = math.inf if limit.seconds is None else time.monotonic() + limit.seconds

    def remaining(self) -> Optional[float]:
        """Return the seconds left, None for no limit.

        Raises:
            TimedOut: None are left.
        """
        if self._end == math.inf:
            return None
        remaining = self._end - time.monotonic()
        if remaining <= 0:
            raise self.limit.timed_out()
        return min(remaining, MAX_WAIT)


class Readiness(NamedTuple):
    """How to wait for one socket many times, with all that can be done beforehand done once.

    Attributes:
        wait: Waits until bytes have arrived or there is an interrupt; takes a limit made by
            ``limit``. Returns something false if the limit was reached.
        limit: Turns seconds, or None, into what ``wait`` takes.
    """

    wait: Callable[[Any], Any]
    limit: Callable[[Optional[float]], Any]


class Interrupter:
    """The waker of one attempt, and the socket that the attempt uses now."""

    def __init__(self) -> None:
        self.interrupted = False
        """Set by `interrupt`, never cleared."""
        self._process = os.getpid()

        # Guarded by the lock, which its own thread may take again: a signal handler may call interrupt().
        self._lock = threading.RLock()
        self._waker: Optional[tuple[socket.socket, socket.socket]] = None
        """Where waits listen, and where interrupt() sends. Made when first wanted: an attempt that
        has no descriptors left fails like any other, inside `Connection.open`."""
        self._sock: Optional[socket.socket] = None
        """What interrupt() shuts down."""

    # For the reading thread -------------------------------------------------------------

    def check(self) -> None:
        """Raise `Interrupted` if there has been an interrupt."""
        if self.interrupted:
            raise Interrupted

    def watch(self, sock: Any) -> None:
        """Make this the socket that an interrupt shuts down, in place of any other.

        Raises:
            Interrupted: There has been an interrupt.
        """
        with self._lock:
            self.check()
            self._sock = sock if isinstance(sock, socket.socket) else None

    def leave(self) -> None:
        """Stop watching: the socket is about to serve another request, which no interrupt may end."""
        with self._lock:
            self._sock = None

    def readiness(self, sock: Any) -> Readiness:
        """Return how to wait until this socket can be read.

        Raises:
            Interrupted: There has been an interrupt.
            OSError: There are no more descriptors.
        """
        both = (sock.fileno(), self._listening_end().fileno())
        if not hasattr(select, "poll"):
            return Readiness(lambda seconds: select.select(both, (), (), seconds)[0], _short)
        poll = select.poll()
        for descriptor in both:
            poll.register(descriptor, select.POLLIN)
        return Readiness(poll.poll, _milliseconds)

    def wait(self, sock: Any, event: int, deadline: Deadline) -> None:
        """Wait until one socket is ready for ``selectors.EVENT_READ`` or ``EVENT_WRITE``.

        Raises:
            Interrupted: There has been an interrupt, before or meanwhile.
            TimedOut: The deadline has passed.
        """
        with self.selector() as selector:
            selector.register(sock, event)
            while not selector.select(deadline.remaining()):
                pass
        self.check()

    @contextlib.contextmanager
    def selector(self) -> Iterator[selectors.BaseSelector]:
        """Make a selector in which the waker is registered. After each ``select``, call `check`.

        Raises:
            Interrupted: There has been an interrupt.
            OSError: There are no more descriptors.
        """
        listening_end = self._listening_end()
        # Not epoll: it needs one more descriptor, and it is slower for two.
        kind = selectors.PollSelector if hasattr(select, "poll") else selectors.SelectSelector
        with kind() as selector:
            selector.register(listening_end, selectors.EVENT_READ)
            yield selector

    def release(self) -> None:
        """Close the waker. No wait may follow."""
        with self._lock:
            ends, self._waker = self._waker, None
            self._sock = None
        for end in ends or ():
            end.close()

    def _listening_end(self) -> socket.socket:
        with self._lock:
            if self._waker is None:
                self._waker = socket.socketpair()
                self._waker[1].setblocking(False)
            # Only here: a signal handler that interrupts before there is a waker can wake nobody.
            self.check()
            return self._waker[0]

    # For any thread ---------------------------------------------------------------------

    def interrupt(self) -> None:
        """End the wait there is, and every later one. Never blocks, never raises, may be called again."""
        with self._lock:
            self.interrupted = True
            if self._process != os.getpid():
                return  # the child of a fork shares the waker and the connection, and both are the parent's
            with contextlib.suppress(OSError):  # full: it has been woken already
                if self._waker is not None:
                    self._waker[1].send(b"!")
            with contextlib.suppress(OSError):  # not connected
                if self._sock is not None:
                    # Not SSLSocket's own method: that takes the TLS state away under the reader.
                    socket.socket.shutdown(self._sock, socket.SHUT_RDWR)


def _short(seconds: Optional[float]) -> Optional[float]:
    return None if seconds is None or seconds > MAX_WAIT else max(seconds, 0.0)


def _milliseconds(seconds: Optional[float]) -> Optional[int]:
    # Rounded up: a wait that ends early would be a time-out before its time.
    return None if seconds is None or seconds > MAX_WAIT else math.ceil(max(seconds, 0.0) * 1000)
