"""What the bytes of a stream are: events, heartbeats, and lines that are neither.

Rules of this file: pure. What counts as an event is the parser's word; here are the lines
that the parser, as the standard asks, passes over without one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Optional

from sse_client.events import CommentEvent, MessageEvent
from sse_client.parser import EventStreamParser

_FIELDS = (b"data", b"event", b"id", b"retry")
_MAX_SAMPLE = 60
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass
class Arrival:
    """What one read gave.

    Attributes:
        at: When, in seconds since the request.
        size: How many bytes.
        events: The events that they completed.
        comments: How many comments they completed.
        ends_inside: Whether they end in the middle of a line or of an event.
    """

    at: float
    size: int
    events: list[MessageEvent]
    comments: int
    ends_inside: bool


@dataclass
class Content:
    """What all bytes of one response were.

    Attributes:
        arrivals: One for each read.
        fields: How many lines of each known field there were.
        unknown: The first lines that are no field, cut short.
        unknown_count: How many of them there were.
        invalid_utf8: How many lines were not UTF-8.
        byte_order_marks: How many lines but the first began with one.
        bad_retries: How many ``retry`` lines were no number.
        blank_lines: How many blank lines there were.
        unfinished: How many bytes the last, unfinished event has.
        only_line: How the one line begins that has not ended, if no line has and it is no field.
        reconnection_time: What the last ``retry`` asked for, in seconds.
    """

    arrivals: list[Arrival] = field(default_factory=list)
    fields: Counter[str] = field(default_factory=Counter)
    unknown: list[str] = field(default_factory=list)
    unknown_count: int = 0
    invalid_utf8: int = 0
    byte_order_marks: int = 0
    bad_retries: int = 0
    blank_lines: int = 0
    unfinished: int = 0
    only_line: str = ""
    reconnection_time: Optional[float] = None

    @property
    def events(self) -> list[MessageEvent]:
        """All events, in order."""
        return [event for arrival in self.arrivals for event in arrival.events]

    @property
    def comments(self) -> int:
        """How many comments there were."""
        return sum(arrival.comments for arrival in self.arrivals)

    @property
    def size(self) -> int:
        """How many bytes there were."""
        return sum(arrival.size for arrival in self.arrivals)


def read_content(chunks: Sequence[tuple[float, bytes]]) -> Content:
    """Return what these bytes are, which have arrived at these moments."""
    content = Content()
    parser = EventStreamParser()
    lines = _Lines(content)
    for at, chunk in chunks:
        if parser.error is not None:
            break
        items = parser.feed_with_comments(chunk)
        lines.feed(chunk)
        events = [item for item in items if isinstance(item, MessageEvent)]
        comments = sum(isinstance(item, CommentEvent) for item in items)
        content.arrivals.append(Arrival(at, len(chunk), events, comments, lines.is_inside))
    content.unfinished = lines.unfinished
    content.only_line = lines.only_line
    content.reconnection_time = parser.reconnection_time
    return content


class _Lines:
    """Counts what each line is."""

    def __init__(self, content: Content) -> None:
        self._content = content
        self._pieces: list[bytes] = []  # of the line that has not ended
        self._pending = 0  # bytes in them
        self._block = 0  # bytes of the event that has begun
        self._after_cr = False
        self._is_first = True

    @property
    def is_inside(self) -> bool:
        """Whether an event or a line has begun and not ended."""
        return self.unfinished > 0

    @property
    def unfinished(self) -> int:
        """How many bytes have come of it."""
        return self._block + self._pending

    @property
    def only_line(self) -> str:
        """The beginning of the line that has not ended, if none has and this one cannot become a field."""
        line = b"".join(self._pieces[:_MAX_SAMPLE]).removeprefix(_BYTE_ORDER_MARK)
        name = line.partition(b":")[0]
        if not self._is_first or any(known.startswith(name) for known in _FIELDS):
            return ""
        return line[:_MAX_SAMPLE].decode("utf-8", "replace")

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes."""
        if self._after_cr:
            chunk = chunk.removeprefix(b"\n")
        if chunk:
            self._after_cr = chunk.endswith(b"\r")
        *whole, rest = re.split(b"\r\n|\r|\n", chunk)
        for line in whole:
            self._take(b"".join([*self._pieces, line]))
            self._pieces.clear()
            self._pending = 0
        if rest:
            self._pieces.append(rest)
            self._pending += len(rest)

    def _take(self, line: bytes) -> None:
        content = self._content
        if line.startswith(_BYTE_ORDER_MARK):
            content.byte_order_marks += not self._is_first
            line = line[3:] if self._is_first else line
        self._is_first = False
        if not line:
            content.blank_lines += 1
            self._block = 0
            return
        if not _is_utf8(line):
            content.invalid_utf8 += 1
        if line.startswith(b":"):
            return
        name, _, value = line.partition(b":")
        if name not in _FIELDS:
            content.unknown_count += 1
            if len(content.unknown) < 3:
                content.unknown.append(line[:_MAX_SAMPLE].decode("utf-8", "replace"))
            return
        self._block += len(line) + 1
        content.fields[name.decode()] += 1
        if name == b"retry" and not value.removeprefix(b" ").isdigit():
            content.bad_retries += 1


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True
