from __future__ import annotations

import pickle

from sse_client.events import Value


class Point(Value):
    __slots__ = ("x", "y")

    def __init__(self, x: int, y: int) -> None:
        self.x = x
        self.y = y


class Other(Point):
    __slots__ = ()


def test_equality() -> None:
    """Values are equal if they are of the same class and all their fields are equal."""
    assert Point(1, 2) == Point(1, 2)
    assert Point(1, 2) != Point(1, 3)
    assert Point(1, 2) != (1, 2)
    assert Point(1, 2) != Other(1, 2)


def test_hash() -> None:
    """Equal values have equal hashes."""
    assert len({Point(1, 2), Point(1, 2), Point(2, 1)}) == 2


def test_repr() -> None:
    """A value prints as the call that makes it."""
    assert repr(Point(1, 2)) == "Point(x=1, y=2)"


def test_pickle() -> None:
    """A value survives pickling by every protocol."""
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(Point(1, 2), protocol)) == Point(1, 2)
