from __future__ import annotations

import signal
import threading

import pytest

from sse_client.source import WakeEvent


def test_is_an_event() -> None:
    """A WakeEvent is set, waited for, tested and cleared like any Event."""
    event = WakeEvent()
    assert isinstance(event, threading.Event)
    assert not event.is_set()
    assert not event.wait(0.001)
    assert not event.wait(-1.0)
    event.set()
    event.set()
    assert event.is_set()
    assert event.wait()
    assert event.wait(1e12)
    assert event.is_set()
    event.clear()
    event.clear()
    assert not event.is_set()


def test_wakes_another_thread() -> None:
    """set() in one thread ends wait() in another."""
    event = WakeEvent()
    setter = threading.Timer(0.01, event.set)
    setter.start()
    assert event.wait(10)
    setter.join()


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no interval timers")
def test_set_by_signal_handlers() -> None:
    """A signal's handler may set the event whatever its own thread is doing with it: nothing locks, nothing is lost."""
    event = WakeEvent()
    handled = []

    def handler(number: int, frame: object) -> None:
        event.set()
        handled.append(number)

    signal.signal(signal.SIGALRM, handler)
    try:
        for count in range(1, 400):
            event.clear()
            signal.setitimer(signal.ITIMER_REAL, count / 1e6)
            # In slices: a signal that comes just before the system call is seen after it, by any Python program.
            while len(handled) < count:
                event.wait(0.01)
            assert event.is_set()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
