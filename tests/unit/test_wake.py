from __future__ import annotations

import threading

from sse_client.wake import WakeEvent


def test_is_an_event() -> None:
    """A WakeEvent is set, waited for and cleared like any Event."""
    event = WakeEvent()
    assert not event.wait(0.001)
    threading.Timer(0.01, event.set).start()
    assert event.wait(10)
    event.clear()
    assert not event.is_set()


def test_may_be_set_by_the_thread_that_holds_its_lock() -> None:
    """A signal handler that interrupts its own thread inside the event's critical section can still set it."""
    event = WakeEvent()
    with event._cond:
        event.set()
    assert event.is_set()
