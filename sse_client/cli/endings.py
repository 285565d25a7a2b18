"""What ends the command from outside of the stream: a limit of time, Ctrl-C, SIGTERM.

Rules of this file: each sees to it that the loop ends, and says afterwards that it was the
one. What a reader's leaving does is in `terminal`.
"""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Callable, Optional

_TIME_FOR_HANDLER = 0.1  # seconds within which the handler of a signal ends the main thread's wait, if it can
_GRACE = 0.5  # seconds in which the loop ends by itself, unless it is blocked in writing


class Terminated(KeyboardInterrupt):
    """SIGTERM has come; as with Ctrl-C, everything is put down at once and quietly."""


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Within the block, SIGTERM ends the main thread's work as SIGINT does, and both end its waits."""
    with _terminated_like_interrupted(), _signals_end_waits():
        yield


@contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """Within the block, SIGTERM raises `Terminated` in the main thread; a second one ends the process.

    Where somebody else has decided what SIGTERM does, and outside of the main thread, nothing changes.
    """
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _terminate(*_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    raise Terminated


def interrupt_main_thread() -> None:
    """End the system call that the main thread is blocked in, if it is within `ended_by_signals`."""
    if hasattr(signal, "pthread_kill") and signal.getsignal(signal.SIGTERM) is _terminate:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)


@contextmanager
def _signals_end_waits() -> Iterator[None]:
    """Within the block, SIGINT and SIGTERM end every wait of the main thread.

    CPython calls the handler of a signal between two bytecodes of the main thread. A signal that
    arrives after the last bytecode before a system call does not end that call, and its handler is
    called when the call returns, which may take minutes. The wakeup descriptor is written to at once:
    a thread reads it, and ends the call with SIGURG, whose handler does nothing. (If the first
    handler raises nothing, the call is made again: PEP 475.)

    Outside of the main thread, and where SIGURG or the wakeup descriptor is in use, nothing changes.
    """
    if (
        not hasattr(signal, "pthread_kill")
        or threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGURG) is not signal.SIG_DFL
    ):
        yield
        return
    woken, waker = socket.socketpair()
    with woken, waker:
        waker.setblocking(False)
        before = signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
        if before != -1:
            signal.set_wakeup_fd(before)
            yield
            return
        signal.signal(signal.SIGURG, lambda *_: None)
        over = threading.Event()
        thread = threading.Thread(target=_end_waits, args=(woken, over), name="sse-client-signals", daemon=True)
        thread.start()
        try:
            yield
        finally:
            signal.set_wakeup_fd(-1)
            over.set()
            waker.close()
            thread.join()
            signal.signal(signal.SIGURG, signal.SIG_DFL)


def _end_waits(woken: socket.socket, over: threading.Event) -> None:
    main_thread = threading.main_thread().ident or 0
    while number := woken.recv(1):  # nothing at the end of the block
        if number[0] in (signal.SIGINT, signal.SIGTERM):
            while not over.wait(_TIME_FOR_HANDLER):
                signal.pthread_kill(main_thread, signal.SIGURG)


class TimeLimits:
    """Calls a function when a time is up: the whole time, or the time without anything from the stream.

    A context manager: the times run within the block.

    Args:
        stop: Called when a time is up, in a thread of its own. It must not block or raise.
        force: Called after that, if the block has not ended soon.
        total: Seconds for all of the block; None for no limit.
        idle: Seconds of `waiting`; None for no limit.

    Attributes:
        total_is_up: Whether ``total`` was the reason.
        idle_is_up: Whether ``idle`` was the reason.
    """

    total_is_up: bool
    idle_is_up: bool

    def __init__(
        self,
        stop: Callable[[], object],
        force: Callable[[], object],
        *,
        total: Optional[float],
        idle: Optional[float],
    ) -> None:
        self.total_is_up = False
        self.idle_is_up = False
        self._stop = stop
        self._force = force
        self._total = total
        self._idle = idle
        self._over = threading.Event()
        self._waiting_since: Optional[float] = None
        self._thread: Optional[threading.Thread] = None

    def working(self) -> None:
        """Say that something has come. The time that is spent on it is not the stream's."""
        self._waiting_since = None

    def waiting(self) -> None:
        """Say that the stream is waited for, if it was not already."""
        if self._waiting_since is None:
            self._waiting_since = time.monotonic()

    def __enter__(self) -> TimeLimits:
        self.waiting()
        if self._total is not None or self._idle is not None:
            self._thread = threading.Thread(target=self._watch, name="sse-client-time-limits", daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def _watch(self) -> None:
        started = time.monotonic()
        while True:
            now = time.monotonic()
            rests = []
            if self._total is not None:
                rests.append(started + self._total - now)
                self.total_is_up = rests[0] <= 0
            if self._idle is not None:
                since = self._waiting_since
                rests.append(self._idle if since is None else since + self._idle - now)
                self.idle_is_up = not self.total_is_up and rests[-1] <= 0
            if self.total_is_up or self.idle_is_up:
                break
            if self._over.wait(min(rests)):
                return
        self._stop()
        if not self._over.wait(_GRACE):
            self._force()
