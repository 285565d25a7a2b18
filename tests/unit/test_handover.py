"""The bounded list between two threads."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from sse_client._relay.handover import Handover


class Putting:
    """A thread that puts one item, and what `put` returned."""

    def __init__(self, handover: Handover, item: Any, size: int = 0) -> None:
        self.result: Any = None
        self._thread = threading.Thread(target=self._put, args=(handover, item, size))
        self._thread.start()

    def _put(self, handover: Handover, item: Any, size: int) -> None:
        self.result = handover.put(item, size)

    @property
    def is_blocked(self) -> bool:
        self._thread.join(0.05)
        return self._thread.is_alive()

    def join(self) -> None:
        self._thread.join(10)
        assert not self._thread.is_alive()


def test_all_that_waits_is_taken_at_once() -> None:
    """Items are taken in order, all together; without any, `take` waits no longer than it is told."""
    handover = Handover(max_items=3, max_size=100)
    assert handover.put("a", 10)
    assert handover.put("b", 90)
    assert handover.take(10) == ["a", "b"]
    assert handover.take(0.01) == []
    putting = Putting(handover, "c")
    assert handover.take(10) == ["c"]
    putting.join()


@pytest.mark.parametrize(("count", "size"), [(3, 0), (1, 100), (2, 50)])
def test_a_full_handover_blocks_whoever_puts(count: int, size: int) -> None:
    """Neither more items nor more of their size than allowed wait; taking them lets the next one in."""
    handover = Handover(max_items=3, max_size=100)
    for number in range(count):
        assert handover.put(number, size)
    putting = Putting(handover, "late", 1)
    assert putting.is_blocked
    assert handover.take(10) == list(range(count))
    putting.join()
    assert putting.result is True
    assert handover.take(10) == ["late"]


def test_a_large_item_passes_alone() -> None:
    """An item above the limit waits until nothing else is there, and is not refused."""
    handover = Handover(max_items=3, max_size=100)
    assert handover.put("huge", 1000)
    putting = Putting(handover, "next", 1)
    assert putting.is_blocked
    assert handover.take(10) == ["huge"]
    putting.join()


def test_close_ends_every_wait() -> None:
    """Whoever waits is let go, and what comes later is dropped; what waits can still be taken."""
    handover = Handover(max_items=1, max_size=100)
    handover.put("a")
    putting = Putting(handover, "b")
    assert putting.is_blocked
    handover.close()
    putting.join()
    assert putting.result is False
    assert handover.put("c") is False
    assert handover.take(None) == ["a"]
    assert handover.take(None) == []
    other = Handover(max_items=1, max_size=100)
    closer = threading.Timer(0.02, other.close)
    closer.start()
    assert other.take(None) == []
    closer.join()
