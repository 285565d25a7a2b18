"""`Handover`: a bounded list of items on their way from one thread to another.

Rules of this file: one thread puts and one takes. Every wait ends when the handover is closed.
"""

from __future__ import annotations

import threading
from typing import Any, Optional


class Handover:
    """Items from one thread to another, taken all at once, with a bound on what may wait.

    An item larger than ``max_size`` passes alone.

    Args:
        max_items: How many items may wait.
        max_size: How much all the items that wait may hold together, in the unit of `put`.
    """

    def __init__(self, *, max_items: int, max_size: int) -> None:
        self._max_items = max_items
        self._max_size = max_size
        # Guarded by the condition's lock. One condition is enough for both threads: at most one
        # of them waits, because a handover is not full and empty at the same time.
        self._changed = threading.Condition()
        self._items: list[Any] = []
        self._size = 0
        self._closed = False

    def put(self, item: Any, size: int = 0) -> bool:
        """Add an item; blocks while the handover is full. Return False if it has been closed: the item is dropped."""
        with self._changed:
            while self._is_full(size) and not self._closed:
                self._changed.wait()
            if self._closed:
                return False
            self._items.append(item)
            self._size += size
            self._changed.notify()
            return True

    def take(self, timeout: Optional[float]) -> list[Any]:
        """Return all items that wait, in order; blocks for the first one, ``timeout`` seconds at most.

        The list is empty when the time is up, or when the handover has been closed.
        """
        with self._changed:
            if not self._items and not self._closed:
                self._changed.wait(timeout)
            items, self._items, self._size = self._items, [], 0
            self._changed.notify()
            return items

    def close(self) -> None:
        """End every wait, now and later, and drop what is put from now on. May be called from any thread."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _is_full(self, size: int) -> bool:
        items = self._items
        return bool(items) and (len(items) >= self._max_items or self._size + size > self._max_size)
