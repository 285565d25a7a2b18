"""What `iter_events` does beside parsing: its arguments, how it asks for chunks, where it stops."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sse_client import EventTooLarge, iter_events


@pytest.mark.parametrize(
    ("arguments", "error", "named"),
    [({"last_event_id": 7}, TypeError, "last_event_id"), ({"max_event_size": 0}, ValueError, "max_event_size")],
)
def test_a_wrong_argument_is_named(arguments: dict[str, Any], error: type[Exception], named: str) -> None:
    """A wrong argument fails at the call, not at the first step, and is named."""
    with pytest.raises(error, match=named):
        iter_events([], **arguments)


def test_iter_events_asks_for_a_chunk_only_when_it_needs_one() -> None:
    """Nothing is taken from the chunks before the first step, nor more than an event needs."""
    taken: list[bytes] = []

    def chunks() -> Iterator[bytes]:
        for chunk in (b"data: 1\n\ndata: 2\n\n", b"data: 3\n\n"):
            taken.append(chunk)
            yield chunk

    events = iter_events(chunks())
    assert taken == []
    assert [next(events).data, next(events).data] == ["1", "2"]
    assert len(taken) == 1
    assert next(events).data == "3"
    assert list(events) == []


def test_iter_events_stops_at_the_limit() -> None:
    """No further chunk is asked for once an event is too large."""
    chunks = iter([b"data: x\n\n", b"data: too much", b"\n\n"])
    events = iter_events(chunks, max_event_size=8)
    assert next(events).data == "x"
    with pytest.raises(EventTooLarge):
        next(events)
    assert list(chunks) == [b"\n\n"]


def test_iter_events_wants_chunks_of_bytes() -> None:
    """A chunk of another type is a TypeError, after the events before it."""
    events = iter_events([b"data: x\n\n", "data: y\n\n"])  # type: ignore[list-item]
    assert next(events).data == "x"
    with pytest.raises(TypeError, match=r"^chunk must be bytes, not str$"):
        next(events)
