"""What ends the command from outside of the stream: a limit of time, SIGTERM.

Rules of this file: each sees to it that the loop ends, and says afterwards that it was the
one. What a reader's leaving does is in `terminal`.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Callable, Optional

_GRACE = 0.5  # seconds in which the loop ends by itself, unless it is blocked in writing


class Terminated(KeyboardInterrupt):
    """SIGTERM has come; as with Ctrl-C, everything is put down at once and quietly."""


@contextmanager
def terminated_like_interrupted() -> Iterator[None]:
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
    """End the system call that the main thread is blocked in, if it is within `terminated_like_interrupted`."""
    if hasattr(signal, "pthread_kill") and signal.getsignal(signal.SIGTERM) is _terminate:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)


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
