"""An event that a signal handler may set while the very thread that it interrupts waits for it."""

from __future__ import annotations

import threading
from typing import Optional

__all__: list[str] = []


class WakeEvent(threading.Event):
    """A `threading.Event` for one waiting thread, safe against signal handlers at any moment.

    The standard one is made of a lock and a list of waiters. A handler that sets it locks
    up for ever if it comes while its own thread holds that lock, and with a lock that can be
    taken twice, it is overlooked if it comes between the look at the flag and the wait.
    Here the event *is* a lock, held while the event is not set, and each step is atomic.
    """

    def __init__(self) -> None:
        super().__init__()
        self._gate = threading.Lock()
        self._gate.acquire()

    def is_set(self) -> bool:
        """See `threading.Event`."""
        return not self._gate.locked()

    def set(self) -> None:
        """See `threading.Event`."""
        try:
            self._gate.release()
        except RuntimeError:
            pass  # it is set already

    def clear(self) -> None:
        """See `threading.Event`."""
        self._gate.acquire(blocking=False)

    def wait(self, timeout: Optional[float] = None) -> bool:
        """See `threading.Event`."""
        if not self._gate.acquire(timeout=-1 if timeout is None else min(max(timeout, 0.0), threading.TIMEOUT_MAX)):
            return False
        self.set()
        return True
