"""An event that a signal handler may set while the thread that it interrupts is waiting for it."""

from __future__ import annotations

import threading

__all__: list[str] = []


class WakeEvent(threading.Event):
    """A `threading.Event` whose lock may be taken again by the thread that holds it.

    With a plain one, a signal handler that calls ``set()`` locks up for ever if the signal
    arrives while the main thread is inside ``wait()`` or ``clear()``.
    """

    def __init__(self) -> None:
        super().__init__()
        self._cond = threading.Condition(threading.RLock())
