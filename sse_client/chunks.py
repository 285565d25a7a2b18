"""`iter_events`: the events of an event stream whose bytes somebody else brings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Union

from .events import MessageEvent
from .parser import DEFAULT_MAX_EVENT_SIZE, EventStreamParser

__all__ = ["iter_events"]


def iter_events(
    chunks: Iterable[Union[bytes, bytearray, memoryview]],
    *,
    last_event_id: str = "",
    origin: str = "",
    max_event_size: int = DEFAULT_MAX_EVENT_SIZE,
) -> Iterator[MessageEvent]:
    """Yield the events of an event stream whose bytes somebody else brings.

    Each event is yielded as soon as the chunk that completes it has come. Does not connect,
    reconnect or close anything: that is for `EventSource`.

    Args:
        chunks: Any iterable of bytes, cut anywhere: the body of a response, a file, a list.
        last_event_id: As in `EventStreamParser`.
        origin: As in `EventStreamParser`.
        max_event_size: As in `EventStreamParser`.

    Raises:
        EventTooLarge: An event outgrew ``max_event_size``; raised after the events before it.
        TypeError: ``chunks`` is one ``bytes`` or ``str`` instead of an iterable of chunks
            (raised at the call), or a chunk is not bytes.
        ValueError: Another argument is wrong; the message names it.
    """
    if isinstance(chunks, (str, bytes, bytearray, memoryview)):
        raise TypeError(f"chunks must be an iterable of bytes, not one {type(chunks).__name__}: pass [chunk]")
    parser = EventStreamParser(last_event_id=last_event_id, origin=origin, max_event_size=max_event_size)
    return _iterate(parser, iter(chunks))


def _iterate(
    parser: EventStreamParser, chunks: Iterator[Union[bytes, bytearray, memoryview]]
) -> Iterator[MessageEvent]:
    for chunk in chunks:
        yield from parser.feed(chunk)
        if parser.error is not None:
            raise parser.error
