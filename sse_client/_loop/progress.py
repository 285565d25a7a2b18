"""`Progress`: how far a program has got with a stream, written to its position.

Rules of this file: knows positions and last event IDs, and nothing of connections. The
loop's thread says how far it has been asked to go on; other threads say which of the
events that were handed on to them have been dealt with.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Optional

from sse_client._arguments import check_last_event_id
from sse_client.position import Position

_INTERVAL = 0.1  # seconds between two writes, on average
_BURST = 10  # writes that may follow each other at once after a quiet time


class Progress:
    """Writes a last event ID to a position once all events up to it have been dealt with.

    While the loop runs, ten writes a second are the most on average, so that a fast stream is
    not slowed; `flush` and `end` write what was left out. A program that is killed repeats
    what it had dealt with since the last write, and loses nothing.

    Args:
        position: Where to write.
    """

    def __init__(self, position: Position) -> None:
        self._position = position

        # Guarded by the lock. Writes are made with the lock held: a position is for one at a time.
        self._lock = threading.Lock()
        self._handed_on = 0
        """The ticket of the latest event that was handed on to another thread."""
        self._marks: deque[tuple[int, str]] = deque()
        """IDs that the loop has passed, each with the ticket of the latest event handed on before it."""
        self._finished = 0
        """The latest ticket up to which all events have been dealt with."""
        self._reached: Optional[str] = None
        """The ID up to which all events have been dealt with."""
        self._written = ""
        self._is_stopped = False
        self._is_over = False
        """Whether the loop has ended: no `flush` will follow."""
        self._next_write = 0.0
        """When the next write may be made, by the monotonic clock."""
        self._error: Optional[Exception] = None
        """What the last write in another thread raised."""

    def read(self) -> str:
        """Return the ID to begin from. Blocks.

        Raises:
            ValueError: The position holds what cannot be an ID.
            Exception: Whatever the position raises.
        """
        self._written = check_last_event_id(self._position.read())
        return self._written

    def passed(self, last_event_id: str) -> None:
        """Note that the loop has been asked to go on after this ID. For the loop's thread. May block.

        Raises:
            Exception: Whatever the position raises, also when it was written in another thread.
        """
        with self._lock:
            error, self._error = self._error, None
            if error is not None:
                raise error
            self._marks.append((self._handed_on, last_event_id))
            self._advance()

    def hand_on(self) -> int:
        """Return a ticket for the event in hand: it is dealt with by another thread, which calls `finish`."""
        with self._lock:
            self._handed_on += 1
            return self._handed_on

    def finish(self, ticket: int) -> None:
        """Note that the event with this ticket has been dealt with, and so all before it: they were run or dropped.

        For any thread. May block.

        Raises:
            Exception: Whatever the position raises, if the loop has ended. Otherwise the next
                `passed` raises it, so that it ends the loop.
        """
        with self._lock:
            self._finished = max(self._finished, ticket)
            try:
                self._advance()
            except Exception as error:
                if self._is_over:
                    raise
                self._error = error

    def stop(self) -> None:
        """Note that an event was not dealt with: the position does not pass it, so that a restart repeats it."""
        with self._lock:
            self._is_stopped = True

    @property
    def is_behind(self) -> bool:
        """Whether the program has got further than what is written. For the loop's thread."""
        return self._reached is not None and self._reached != self._written

    def flush(self) -> None:
        """Write how far the program has got, unless that is written. For the loop's thread. Blocks.

        Raises:
            Exception: Whatever the position raises.
        """
        with self._lock:
            self._write()

    def begin(self) -> None:
        """Note that a loop begins."""
        with self._lock:
            self._is_over = False

    def end(self) -> None:
        """Note that the loop has ended, and write how far the program has got. Blocks.

        What is dealt with afterwards, in other threads, is written at once.

        Raises:
            Exception: Whatever the position raises.
        """
        with self._lock:
            self._is_over = True
            self._write()

    def _advance(self) -> None:
        assert self._lock.locked()
        if self._is_stopped:
            self._marks.clear()
        while self._marks and self._marks[0][0] <= self._finished:
            _, self._reached = self._marks.popleft()
        now = time.monotonic()
        if now >= self._next_write or self._is_over:
            self._next_write = max(self._next_write, now - _BURST * _INTERVAL) + _INTERVAL
            self._write()

    def _write(self) -> None:
        assert self._lock.locked()
        reached = self._reached
        if reached is not None and reached != self._written:
            self._position.write(reached)
            self._written = reached
