"""How other threads and signal handlers tell a loop what to do.

Rules of this file: each step is a single operation of a set or a queue, which no thread
and no signal handler can interrupt halfway. So there are no locks: a signal handler may
run between any two steps of the thread that it interrupts, and would wait for ever for a
lock that this thread holds.
"""

from __future__ import annotations

import math
import os
import queue
import time
from enum import Enum
from typing import Callable, Optional

_MAX_WAIT = 24 * 3600.0  # seconds that one system call waits; each system has a limit of its own, which raises


class WakeEvent:
    """A `threading.Event` for one waiting thread, which signal handlers may set at any moment.

    The standard one holds a lock while it is set or waited for. Here, the event is set while
    there is something in the queue; `queue.SimpleQueue.put` is documented as reentrant.
    """

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[None] = queue.SimpleQueue()

    def is_set(self) -> bool:
        """Return whether the event is set."""
        return not self._queue.empty()

    def set(self) -> None:
        """Set the event and wake the waiting thread."""
        if self._queue.empty():
            self._queue.put(None)

    def clear(self) -> None:
        """Make the event unset. For the waiting thread."""
        try:
            while True:
                self._queue.get_nowait()
        except queue.Empty:
            pass

    def wait(self, timeout: Optional[float] = None) -> bool:
        """Wait until the event is set, ``timeout`` seconds at most; return whether it is. Blocks."""
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        while True:
            try:
                self._queue.get(timeout=min(max(deadline - time.monotonic(), 0.0), _MAX_WAIT))
            except queue.Empty:
                if time.monotonic() >= deadline:
                    return False
            else:
                self.set()
                return True


class Ask(Enum):
    """What a loop can be asked for. Each makes it leave the connection that it reads from."""

    RECONNECT = "make a new connection at once"
    PAUSE = "make no connection until told to go on"
    CLOSE = "end"
    ABANDON = "touch nothing: this is a copy of the loop, in a child process"


class Control:
    """The one state behind every reason to wake a loop: what it has been asked for.

    Any thread and any signal handler may ask. The loop's thread looks, waits, and forgets an
    `Ask.RECONNECT` when the attempt begins that was asked for. `Ask.CLOSE` and `Ask.ABANDON` stay.

    Attributes:
        asked: What has been asked for and not been done yet. Empty while the loop may go on reading.
    """

    def __init__(self) -> None:
        self.asked: set[Ask] = set()
        self._bell = WakeEvent()

    @property
    def is_closed(self) -> bool:
        """Whether the loop has been asked to end."""
        return Ask.CLOSE in self.asked

    @property
    def is_copy(self) -> bool:
        """Whether the loop was running when ``os.fork()`` copied it to this process."""
        return Ask.ABANDON in self.asked

    @property
    def is_paused(self) -> bool:
        """Whether the loop has been asked to make no connection for the time being."""
        return Ask.PAUSE in self.asked

    def ask(self, what: Ask) -> None:
        """Ask the loop for something and wake it."""
        self.asked.add(what)
        self._bell.set()

    def enter_loop(self) -> None:
        """Note that the loop runs from here on: a fork makes a copy of it."""
        _running.add(self)

    def leave_loop(self) -> None:
        """Note that the loop has ended."""
        _running.discard(self)

    def resume(self) -> bool:
        """Withdraw an `Ask.PAUSE` and ask for a connection at once; return whether the loop was paused."""
        if Ask.PAUSE not in self.asked:
            return False
        # In this order: the loop never finds that it may go on without knowing that it is to be at once.
        self.asked.add(Ask.RECONNECT)
        self.asked.discard(Ask.PAUSE)
        self._bell.set()
        return True

    def begin_attempt(self) -> bool:
        """Forget an `Ask.RECONNECT`, which the attempt fulfils; return whether there was one. For the loop's thread."""
        was_asked = Ask.RECONNECT in self.asked
        self.asked.discard(Ask.RECONNECT)
        return was_asked

    def wait(self, time_left: Callable[[], float]) -> None:
        """Wait until ``time_left()`` seconds have passed; ask for them again at whatever is asked for. Blocks."""
        while True:
            self._bell.clear()  # before the look: what is asked for after it rings again
            seconds = time_left()
            if seconds <= 0:
                return
            self._bell.wait(seconds)


_running: set[Control] = set()
"""The controls whose loops run."""


def _abandon_copies() -> None:
    # The connections belong to the parent process, and a thread that held a lock there is missing here.
    for control in _running:
        control.asked.add(Ask.ABANDON)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_abandon_copies)
