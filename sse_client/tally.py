"""Counts, from the numbers that arrived alone, whether any was lost or came twice.

Rules of this file: it believes nobody. It is given numbers and nothing else.
"""

from __future__ import annotations

__all__: list[str] = []


class Tally:
    """What has arrived of the numbers 1, 2, 3 and so on.

    Attributes:
        events: How many numbers have arrived, those repeated included.
        repeated: How many of them had arrived before.
        last: The highest that has arrived; 0 before the first.
    """

    events: int
    repeated: int
    last: int

    def __init__(self) -> None:
        self.events = 0
        self.repeated = 0
        self.last = 0
        self._missing: set[int] = set()

    def add(self, number: int) -> None:
        """Count one number that has arrived."""
        self.events += 1
        if number > self.last:
            self._missing.update(range(self.last + 1, number))
            self.last = number
        elif number in self._missing:
            self._missing.remove(number)
        else:
            self.repeated += 1

    @property
    def lost(self) -> int:
        """How many numbers below `last` have not arrived."""
        return len(self._missing)

    @property
    def is_exact(self) -> bool:
        """Whether each number up to `last` has arrived once."""
        return self.lost == 0 and self.repeated == 0
