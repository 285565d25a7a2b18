"""Bytes of one event stream in, events out.

The rules are those of the HTML Living Standard, sections 9.2.5 "Parsing an event stream"
and 9.2.6 "Interpreting an event stream"; each stands here once, next to the sentence it
obeys. A parser serves one connection and does no I/O.

Why it is fast: a chunk becomes whole lines in one go (one search, one decoding, one
split), so that the work per line is one test and one append. Only what lies behind the
last line ending is carried over, as bytes, so that no character is ever cut in two.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Optional, Union

from .arguments import check_last_event_id, check_size
from .errors import EventTooLarge
from .events import CommentEvent, MessageEvent

__all__ = ["DEFAULT_MAX_EVENT_SIZE", "EventStreamParser", "iter_events"]

DEFAULT_MAX_EVENT_SIZE = 64 * 1024 * 1024
"""64 MiB: more than any well-meant event, and little enough for a small machine."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_LINE_FEED, _CARRIAGE_RETURN = 10, 13
_LONG_LINE = 4096
_MANY_LINES = 1024


class EventStreamParser:
    """Turns the bytes of one event stream into events, however the bytes are cut.

    Use a new parser for every connection and pass it the last event ID of the one before:
    what a cut connection left unfinished is thrown away with its parser, as the standard
    asks. Not for use by several threads at once. Never blocks.

    Args:
        last_event_id: The last event ID that the stream goes on from.
        origin: What events shall carry as their `MessageEvent.origin`.
        max_event_size: The most that one event may hold: its data so far, counted in
            characters (a line ending is one), plus the line being read, counted in bytes.
            Comments do not add up.

    Attributes:
        last_event_id: The last event ID of the stream. It moves when a block of fields
            ends with its blank line, also if the block had no data and made no event.
        reconnection_time: What the last valid ``retry`` field asked for, in seconds, or
            None. The field has no upper bound, so this may be infinite.
        error: The `EventTooLarge` that ended the parsing, or None.

    Raises:
        TypeError, ValueError: An argument is wrong; the message names it.
    """

    last_event_id: str
    reconnection_time: Optional[float]
    error: Optional[EventTooLarge]

    def __init__(
        self, *, last_event_id: str = "", origin: str = "", max_event_size: int = DEFAULT_MAX_EVENT_SIZE
    ) -> None:
        self.last_event_id = check_last_event_id(last_event_id)
        self.reconnection_time = None
        self.error = None
        self._origin = origin
        self._limit = check_size("max_event_size", max_event_size)

        # Of the block of fields being read: the three buffers of the standard.
        self._type = ""
        self._data: list[str] = []
        self._id = last_event_id
        self._joined = 0  # leading items of the data that are many lines made one

        # Of the bytes: what the chunks so far have left over.
        self._at_start = True
        self._start = b""  # a byte order mark that may still be growing
        self._skip_line_feed = False  # the last chunk ended with a carriage return
        self._unfinished: Union[bytes, bytearray] = b""  # what lies behind the last line ending
        self._held = 0  # at least what counts against the limit

    def feed(self, chunk: Union[bytes, bytearray, memoryview]) -> list[MessageEvent]:
        """Take the next bytes of the stream and return the events that they complete, in order.

        Raises:
            EventTooLarge: An event had outgrown ``max_event_size`` in an earlier call.
                That call has set `error` and returned the events before it.
            TypeError: The chunk is not bytes.
        """
        events: list[MessageEvent] = []
        self._feed(chunk, events, False)
        return events

    def feed_with_comments(self, chunk: Union[bytes, bytearray, memoryview]) -> list[Union[MessageEvent, CommentEvent]]:
        """Do as `feed` does, and return the comments too, each in its place among the events.

        A comment is returned as soon as its own line has ended.
        """
        events: list[Union[MessageEvent, CommentEvent]] = []
        self._feed(chunk, events, True)
        return events

    # Bytes to whole lines (9.2.5) -------------------------------------------------------

    def _feed(self, chunk: Union[bytes, bytearray, memoryview], events: list[Any], comments: bool) -> None:
        if self.error is not None:
            raise self.error
        if type(chunk) is not bytes:
            chunk = bytes(memoryview(chunk))  # unlike bytes(chunk), refuses str and int
        if self._at_start:
            chunk = self._without_byte_order_mark(chunk)
        if self._skip_line_feed or _CARRIAGE_RETURN in chunk:
            chunk = self._with_line_feeds_only(chunk)
        self._held += len(chunk)

        end = chunk.rfind(b"\n") + 1
        if not end:
            self._keep_unfinished(chunk)
            return
        lines = self._unfinished
        lines += chunk[:end]
        self._unfinished = chunk[end:]

        if self._held > self._limit:
            self._interpret_checked(lines, events, comments)
        elif len(lines) > _LONG_LINE and lines.count(b"\n") * _LONG_LINE < len(lines):
            self._interpret_long(lines, events, comments)
        else:
            # A line feed never lies inside a UTF-8 sequence: whole lines decode on their own.
            texts = _decode(lines).split("\n")
            texts.pop()
            self._interpret(texts, events, comments)
        if not self._data:
            self._held = len(self._unfinished)
        elif len(self._data) > self._joined + _MANY_LINES:
            self._join_data()

    def _keep_unfinished(self, chunk: bytes) -> None:
        self._unfinished += chunk
        if type(self._unfinished) is bytes and len(self._unfinished) > _LONG_LINE:
            self._unfinished = bytearray(self._unfinished)  # grows in place: each byte is copied once
        if self._held > self._limit:
            self._check_size(len(self._unfinished), self._data_size())

    def _without_byte_order_mark(self, chunk: bytes) -> bytes:
        # "The UTF-8 decode algorithm strips one leading UTF-8 Byte Order Mark (BOM), if any."
        start = self._start + chunk
        if len(start) < len(_BYTE_ORDER_MARK) and _BYTE_ORDER_MARK.startswith(start):
            self._start = start
            return b""
        self._at_start = False
        return start.removeprefix(_BYTE_ORDER_MARK)

    def _with_line_feeds_only(self, chunk: bytes) -> bytes:
        # "Lines must be separated by either a U+000D U+000A (CRLF) character pair, a single
        # U+000A (LF) character, or a single U+000D (CR) character." A CR ends its line
        # without waiting for what may follow; an LF that does follow belongs to it.
        if self._skip_line_feed and chunk:
            self._skip_line_feed = False
            chunk = chunk.removeprefix(b"\n")
        if chunk:
            self._skip_line_feed = chunk[-1] == _CARRIAGE_RETURN
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _interpret_long(self, lines: Union[bytes, bytearray], events: list[Any], comments: bool) -> None:
        # A long line costs what copying it costs. Decoding its value where it lies, instead of
        # decoding, splitting and stripping the lot, saves two copies of three.
        with memoryview(lines) as view:
            start = 0
            while start < len(lines):
                end = lines.find(b"\n", start)
                if lines.startswith(b"data: ", start):
                    self._field("data", _decode(view[start + 6 : end]))
                else:
                    self._interpret([_decode(view[start:end])], events, comments)
                start = end + 1

    def _interpret_checked(self, lines: Union[bytes, bytearray], events: list[Any], comments: bool) -> None:
        # Line by line, so that the limit is met at the same byte however the bytes were cut.
        size = self._data_size()
        for line in lines.split(b"\n")[:-1]:
            if not self._check_size(len(line), size):
                return
            count = len(self._data)
            self._interpret([_decode(line)], events, comments)
            if len(self._data) > count:
                size += len(self._data[-1]) + 1
            elif not self._data:
                size = 0
        self._check_size(len(self._unfinished), size)
        self._held = len(self._unfinished) + size

    def _data_size(self) -> int:
        return sum(map(len, self._data)) + len(self._data)

    def _check_size(self, line_size: int, data_size: int) -> bool:
        if line_size + data_size > self._limit:
            self.error = EventTooLarge(url=self._origin, limit=self._limit)
        return self.error is None

    def _join_data(self) -> None:
        # Keeps millions of short data lines from costing a str each until their event ends.
        self._data[self._joined :] = ["\n".join(self._data[self._joined :])]
        self._joined += 1

    # Lines to events (9.2.6) ------------------------------------------------------------

    def _interpret(self, lines: list[str], events: list[Any], comments: bool) -> None:
        data = self._data
        for line in lines:
            # The test that most lines of most streams pass, and the cheapest one that there
            # is: removeprefix() returns the very same object if there was nothing to remove.
            value = line.removeprefix("data: ")
            if value is not line:
                data.append(value)
            elif not line:
                # "If the line is empty (a blank line): dispatch the event"
                self.last_event_id = self._id
                if data:
                    # "If the data buffer is an empty string, set the data buffer and the event
                    # type buffer to the empty string and return." One empty data line is not
                    # that: it has put a line feed there, which is then taken off again.
                    text = data[0] if len(data) == 1 else "\n".join(data)
                    events.append(MessageEvent(self._type or "message", text, self._id, self._origin))
                    data.clear()
                    self._joined = 0
                self._type = ""
            elif line[0] == ":":
                # "If the line starts with a U+003A COLON character (:): ignore the line."
                if comments:
                    events.append(CommentEvent(line[1:]))
            else:
                # "If value starts with a U+0020 SPACE character, remove it from value."
                name, _, value = line.partition(":")
                self._field(name, value.removeprefix(" "))

    def _field(self, name: str, value: str) -> None:
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._type = value
        elif name == "id":
            # "If the field value does not contain U+0000 NULL, then set the last event ID
            # buffer to the field value. Otherwise, ignore the field."
            if "\0" not in value:
                self._id = value
        elif name == "retry" and value.isascii() and value.isdigit():
            # float(), not int(): it takes any number of digits, in linear time.
            self.reconnection_time = float(value) / 1000


def _decode(lines: Union[bytes, bytearray, memoryview]) -> str:
    # "Streams must be decoded using the UTF-8 decode algorithm." Python's "replace" makes one
    # U+FFFD of each maximal subpart, as the Encoding Standard does; "strict" is faster.
    try:
        return str(lines, "utf-8")
    except UnicodeDecodeError:
        return str(lines, "utf-8", "replace")


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
