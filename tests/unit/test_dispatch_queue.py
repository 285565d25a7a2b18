"""`DispatchQueue`: bounded, in order, and never in the way of closing."""

from __future__ import annotations

import threading
from typing import Any

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


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
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
