from __future__ import annotations

import signal
import threading

import pytest

from sse_client._loop.control import Ask, Control, WakeEvent


def test_wake_event() -> None:
    """A WakeEvent is set, waited for, tested and cleared like any Event."""
    event = WakeEvent()
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


def test_waiting_for_less_than_forever() -> None:
    """A wait that no system call can hold is one all the same: it ends when the event is set."""
    event = WakeEvent()
    setter = threading.Timer(0.01, event.set)
    setter.start()
    assert event.wait(1e300)
    setter.join()


def test_control_wakes_and_forgets() -> None:
    """A wait asks again for the time left at each thing asked for; an attempt forgets what it fulfils, and no more."""
    control = Control()
    control.ask(Ask.RECONNECT)
    control.ask(Ask.PAUSE)
    assert (control.is_paused, control.is_closed, control.is_copy) == (True, False, False)
    times = [1000.0]

    def time_left() -> float:
        return 0.0 if control.is_closed else times[0]

    asker = threading.Timer(0.01, control.ask, [Ask.CLOSE])
    asker.start()
    control.wait(time_left)
    asker.join()
    assert control.begin_attempt()
    assert not control.begin_attempt()
    assert control.asked == {Ask.PAUSE, Ask.CLOSE}


def test_resume() -> None:
    """resume() asks for a connection at once, and only after a pause."""
    control = Control()
    assert not control.resume()
    assert control.asked == set()
    control.ask(Ask.PAUSE)
    assert control.resume()
    assert control.asked == {Ask.RECONNECT}
