"""`DispatchQueue`: bounded, in order, and never in the way of closing."""

from __future__ import annotations

import queue as standard_queue
import threading
from typing import Any, Callable

import pytest

from sse_client.dispatch_queue import DispatchQueue, Keep

from .interruption import interrupted_at


class Clock:
    """A `time.monotonic` that goes on by one second whenever it is asked."""

    now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


def started(target: Any) -> threading.Thread:
    thread = threading.Thread(target=target, daemon=True)
    thread.start()
    return thread


def is_blocked(thread: threading.Thread) -> bool:
    thread.join(0.05)
    return thread.is_alive()


def test_calls_run_in_the_order_in_which_they_came() -> None:
    """What was brought first runs first, with its arguments, in the thread that runs what is pending."""
    queue = DispatchQueue()
    seen: list[Any] = []
    for number in range(5):
        queue(lambda *args: seen.append((args, threading.get_ident())), number, "x")
    assert len(queue) == 5
    assert queue.run_pending() == 5
    assert seen == [((number, "x"), threading.get_ident()) for number in range(5)]
    assert (len(queue), queue.run_pending(), queue.dropped) == (0, 0, 0)


def test_no_more_than_max_events_run_at_a_time() -> None:
    """One run of what is pending runs at most so many calls and leaves the rest waiting."""
    queue = DispatchQueue()
    for _ in range(5):
        queue(lambda: None)
    assert [queue.run_pending(2, max_seconds=60) for _ in range(4)] == [2, 2, 1, 0]


def test_no_call_is_begun_after_max_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the time is over no further call is begun, but one always is."""
    monkeypatch.setattr("sse_client.dispatch_queue.time.monotonic", Clock())
    queue = DispatchQueue()
    for _ in range(5):
        queue(lambda: None)
    assert queue.run_pending(max_seconds=2.5) == 3
    assert queue.run_pending(max_seconds=0) == 1


def test_a_full_queue_blocks_who_brings_a_call_until_there_is_room() -> None:
    """By default nothing is lost: the thread that reads waits for the thread that runs."""
    queue = DispatchQueue(2)
    seen: list[int] = []
    bringer = started(lambda: [queue(seen.append, number) for number in range(4)])
    assert is_blocked(bringer)
    assert len(queue) == 2
    assert queue.run_pending(1) == 1
    assert is_blocked(bringer)
    while len(seen) < 4:
        queue.run_pending()
        bringer.join(0.01)
    assert not is_blocked(bringer)
    assert (seen, queue.dropped) == ([0, 1, 2, 3], 0)


def test_keeping_the_latest_drops_what_has_waited_longest() -> None:
    """A full queue makes room by dropping its oldest call, and counts that."""
    queue = DispatchQueue(3, keep="latest")
    seen: list[int] = []
    for number in range(10):
        queue(seen.append, number)
    queue.run_pending()
    assert (seen, queue.dropped) == ([7, 8, 9], 7)


def test_keeping_the_latest_per_type_replaces_an_event_by_a_later_one() -> None:
    """Of one callback and type only the last waits, at its own place in the order; the size still holds."""
    queue = DispatchQueue(3, keep="latest_per_type")
    seen: list[Any] = []
    other: list[Any] = []
    for number, kind in enumerate(["a", "b", "a", None, "b"]):
        queue.put(seen.append, ((number, kind),), type=kind)
    assert (len(queue), queue.dropped) == (3, 2)
    queue.put(other.append, ("of another callback",), type="b")
    assert (len(queue), queue.dropped) == (3, 3)
    queue.run_pending()
    assert (seen, other) == ([(3, None), (4, "b")], ["of another callback"])


def test_cancelled_calls_are_neither_taken_nor_run() -> None:
    """What is cancelled before it is brought, while it waits, or when its turn comes, is not run."""
    queue = DispatchQueue()
    seen: list[str] = []
    cancelled = threading.Event()
    queue.put(seen.append, ("a",), cancelled=cancelled.is_set)
    queue.put(seen.append, ("b",))
    queue.put(seen.append, ("c",), cancelled=cancelled.is_set)
    cancelled.set()
    queue.put(seen.append, ("d",), cancelled=cancelled.is_set)
    assert len(queue) == 3
    assert queue.run_pending(1) == 1
    queue.discard_cancelled()
    assert (len(queue), queue.dropped) == (1, 0)
    queue.run_pending()
    assert seen == ["b"]


def test_discarding_lets_a_blocked_thread_go() -> None:
    """A thread that is blocked with a cancelled call goes on although the queue is full."""
    queue = DispatchQueue(1)
    queue(lambda: None)
    cancelled = threading.Event()
    bringer = started(lambda: queue.put(print, ("never",), cancelled=cancelled.is_set))
    assert is_blocked(bringer)
    cancelled.set()
    queue.discard_cancelled()
    bringer.join(5)
    assert not bringer.is_alive()
    assert len(queue) == 1


@pytest.mark.parametrize("keep", ["all", "latest", "latest_per_type"])
def test_a_signal_handler_may_discard_at_any_moment(keep: Keep) -> None:
    """Wherever a handler throws away what waits, in the thread that brings and runs it, nothing fails or locks up."""

    def discard_at(moment: int) -> str:
        queue = DispatchQueue(5 if keep == "all" else 1, keep=keep)
        cancelled = threading.Event()

        def discard() -> None:
            cancelled.set()
            queue.discard_cancelled()

        def work() -> None:
            for number in range(5):
                queue.put(seen.append, (number,), type=number % 2, cancelled=cancelled.is_set)
            queue.run_pending(2)
            discard()

        seen: list[int] = []
        where = interrupted_at(moment, work, discard, "dispatch_queue.py")
        assert len(queue) == 0
        assert where or seen == ([0, 1] if keep == "all" else [4])
        return where

    moments = 1
    while discard_at(moments):
        moments += 1
    assert moments > 50


def test_a_callback_that_raises_keeps_the_rest_waiting() -> None:
    """What a callback raises comes out of run_pending, and what stands behind it still waits."""
    queue = DispatchQueue()
    seen: list[int] = []
    queue(seen.append, 1)
    queue(seen.index, 5)
    queue(seen.append, 3)
    with pytest.raises(ValueError, match="not in list"):
        queue.run_pending()
    queue.run_pending()
    assert seen == [1, 3]


def test_a_callback_may_run_what_is_pending() -> None:
    """A handler with a main loop of its own, such as a dialog, keeps the order and does not lock up."""
    queue = DispatchQueue()
    seen: list[int] = []
    queue(lambda: (seen.append(1), queue.run_pending(), seen.append(4)))
    queue(seen.append, 2)
    queue(seen.append, 3)
    queue.run_pending()
    assert seen == [1, 2, 3, 4]


def test_a_callback_may_bring_calls() -> None:
    """A call brought by a call runs after those that were waiting."""
    queue = DispatchQueue(2)
    seen: list[int] = []
    queue(lambda: queue(seen.append, 2))
    queue(seen.append, 1)
    queue.run_pending()
    assert seen == [1, 2]


# notify --------------------------------------------------------------------------------


class Loop:
    """A main loop that the test steps through: what it is asked to run waits here."""

    def __init__(self, queue_size: int = 1000) -> None:
        self.asked: list[Callable[[], object]] = []
        self.queue = DispatchQueue(queue_size, notify=self.asked.append)

    def step(self) -> None:
        assert self.asked.pop(0)() is None


def test_the_queue_asks_for_one_run_when_it_stops_being_empty() -> None:
    """Until that run begins, further calls ask for nothing, however many they are."""
    loop = Loop()
    seen: list[int] = []
    assert loop.asked == []
    for number in range(3):
        loop.queue(seen.append, number)
    assert (len(loop.asked), seen) == (1, [])
    loop.step()
    assert seen == [0, 1, 2]
    while loop.asked:
        loop.step()  # finds nothing
    loop.queue(seen.append, 3)
    assert len(loop.asked) == 1


def test_each_run_is_short_and_asks_for_the_next_one() -> None:
    """A flood is run in portions, and the main loop is free for others between two of them."""
    loop = Loop()
    seen: list[int] = []
    for number in range(250):
        loop.queue(seen.append, number)
    counts = []
    while loop.asked:
        assert len(loop.asked) == 1
        loop.step()
        counts.append(len(seen))
    assert seen == list(range(250))
    assert counts[0] <= 100
    assert len(counts) >= 3


def test_a_call_that_is_put_by_a_running_call_is_not_forgotten() -> None:
    """Whoever puts a call while a run is under way asks for the next one."""
    loop = Loop()
    seen: list[int] = []
    loop.queue(lambda: loop.queue(seen.append, 1))
    loop.asked[0] = lambda: loop.queue.run_pending(1) and None
    loop.step()
    assert seen == []
    loop.step()
    assert seen == [1]


def test_a_callback_that_runs_a_main_loop_of_its_own_does_not_hold_up_the_rest() -> None:
    """The calls behind one that opens a dialog are run by the dialog's loop."""
    loop = Loop()
    seen: list[str] = []

    def dialog() -> None:
        seen.append("opened")
        while loop.asked:
            loop.step()
        seen.append("closed")

    loop.queue(dialog)
    loop.queue(seen.append, "meanwhile")
    loop.step()
    assert seen == ["opened", "meanwhile", "closed"]


def test_a_callback_that_raises_does_not_hold_up_the_rest() -> None:
    """The next run has been asked for before anything is run, so what waits behind is run all the same."""
    loop = Loop()
    seen: list[int] = []
    loop.queue(seen.index, 5)
    loop.queue(seen.append, 1)
    with pytest.raises(ValueError, match="not in list"):
        loop.step()
    loop.step()
    assert seen == [1]


def test_a_run_that_finds_nothing_asks_for_nothing() -> None:
    """What was waiting may have been discarded before its run; the next call asks again."""
    loop = Loop()
    cancelled = threading.Event()
    loop.queue.put(print, cancelled=cancelled.is_set)
    cancelled.set()
    loop.queue.discard_cancelled()
    loop.step()
    assert loop.asked == []
    loop.queue(print)
    assert len(loop.asked) == 1


def test_what_notify_raises_goes_to_the_caller_and_the_next_call_asks_again() -> None:
    """A main loop that is gone, or not there yet, is told to whoever puts or runs a call; nothing is lost."""
    there = False
    asked: list[object] = []

    def notify(run: Callable[[], None]) -> None:
        if not there:
            raise RuntimeError("no main loop")
        asked.append(run)

    queue = DispatchQueue(notify=notify)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="no main loop"):
            queue(lambda: None)
    with pytest.raises(RuntimeError, match="no main loop"):
        queue.run_pending()
    there = True
    queue(lambda: None)
    assert len(asked) == 1
    assert queue.run_pending() == 3


def test_no_call_is_left_waiting_by_any_order_of_threads() -> None:
    """Four threads put calls while a loop runs what it is asked to, and nothing else: every call is run."""
    asked: standard_queue.SimpleQueue[Any] = standard_queue.SimpleQueue()
    queue = DispatchQueue(7, notify=asked.put)
    seen: list[int] = []
    threads = [started(lambda: [queue(seen.append, number) for number in range(2000)]) for _ in range(4)]
    while len(seen) < 8000:
        asked.get(timeout=10)()
    for thread in threads:
        thread.join(10)
    assert sorted(seen) == sorted(list(range(2000)) * 4)


# Arguments -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"notify": 3}, TypeError, "notify must be a function or None, not int"),
        ({"max_size": 0}, ValueError, "max_size must be at least 1"),
        ({"max_size": None}, TypeError, "max_size must be an int"),
        ({"max_size": "9"}, TypeError, "max_size must be an int"),
        ({"keep": "newest"}, ValueError, "keep must be one of 'all', 'latest', 'latest_per_type', not 'newest'"),
        ({"maxsize": 1}, TypeError, "maxsize"),
    ],
)
def test_wrong_arguments_are_refused_at_the_call(arguments: Any, error: type[Exception], words: str) -> None:
    """A wrong argument raises an error that names it."""
    with pytest.raises(error, match=words):
        DispatchQueue(**arguments)


@pytest.mark.parametrize("arguments", [{"max_events": 0}, {"max_events": None}, {"max_seconds": -1}, {"seconds": 1}])
def test_wrong_arguments_of_run_pending_are_refused(arguments: Any) -> None:
    """A wrong limit raises an error that names it, also while nothing waits."""
    with pytest.raises((TypeError, ValueError), match=next(iter(arguments))):
        DispatchQueue().run_pending(**arguments)


def test_an_empty_queue_is_true_and_says_what_it_is() -> None:
    """``dispatch or default`` must not lose a queue because it is empty."""
    assert DispatchQueue()
    assert repr(DispatchQueue()) == "<DispatchQueue of 0 waiting, 0 dropped>"
