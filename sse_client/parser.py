"""Bytes of one event stream in, events out.

The rules are those of the HTML Living Standard, sections 9.2.5 "Parsing an event stream"
and 9.2.6 "Interpreting an event stream"; each stands here once, next to the sentence it
obeys. A parser serves one connection and does no I/O.

Why it is fast: a chunk becomes whole lines in one go (one decoding, one split), so that
the work per line is one test and one append. Only what lies behind the last line ending is
carried over, as bytes, so that no character is ever cut in two. Lines that are long and
chunks that could meet the limit are taken one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any, Literal, Optional, Union, overload

from ._arguments import check_flag, check_last_event_id, check_size
from .errors import EventTooLarge
from .events import CommentEvent, MessageEvent

__all__ = ["DEFAULT_MAX_EVENT_SIZE", "EventStreamParser", "iter_events"]

DEFAULT_MAX_EVENT_SIZE = 64 * 1024 * 1024
"""64 MiB: more than any well-meant event, and little enough for a small machine."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_LONG = 4096  # bytes: above, what costs a line is copying it; below, the number of calls
_SMALL = 2048  # bytes: below, an object costs too much for what it holds
_MAX_ROOM = 512 * 1024  # bytes that may be fed before the small objects are joined
_MAX_SHOWN = 100  # characters of a line for the log

Chunk = Union[bytes, bytearray, memoryview]

# MessageEvent's own __init__ would be a tenth of the time that an event takes here.
_new_message_event = partial(MessageEvent.__new__, MessageEvent)


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
            Comments do not add up. Python keeps a character in 1, 2 or 4 bytes: one emoji
            makes the whole data four times as large in memory, and at the moment when the
            event is made there are two copies of it.

    Attributes:
        last_event_id: The last event ID of the stream. It moves when a block of fields
            ends with its blank line, also if the block had no data and made no event.
        reconnection_time: What the last valid ``retry`` field asked for, in seconds, or
            None. The field has no upper bound, so this may be infinite.
        error: The `EventTooLarge` that ended the parsing, or None.
        unknown_line: The first line that was no field and no comment, cut short, or None. The
            standard ignores such lines; in a body that is no event stream, they tell what it is.

    Raises:
        TypeError, ValueError: An argument is wrong; the message names it.
    """

    last_event_id: str
    reconnection_time: Optional[float]
    error: Optional[EventTooLarge]
    unknown_line: Optional[str]

    def __init__(
        self, *, last_event_id: str = "", origin: str = "", max_event_size: int = DEFAULT_MAX_EVENT_SIZE
    ) -> None:
        self.last_event_id = check_last_event_id(last_event_id)
        self.reconnection_time = None
        self.error = None
        self.unknown_line = None
        self._origin = origin
        self._limit = check_size("max_event_size", max_event_size)

        # Of the block of fields being read: the three buffers of the standard.
        self._type = ""
        self._data: list[str] = []
        self._id = last_event_id

        # Of the bytes: what the chunks so far have left over.
        self._optional = _BYTE_ORDER_MARK  # skipped if the stream goes on with it: the mark, or an LF after a CR
        self._begun = b""  # what has arrived of it
        self._pieces: list[Union[bytes, memoryview]] = []  # the line that has not ended yet

        # Of the limit.
        self._room = 0  # bytes that may be fed without a limit check; 0 while something may have to be skipped
        self._known_lines = self._known_pieces = 0  # how many there were at the last check

    @overload
    def feed(self, chunk: Chunk, comments: Literal[False] = False) -> list[MessageEvent]: ...
    @overload
    def feed(self, chunk: Chunk, comments: bool) -> list[Union[MessageEvent, CommentEvent]]: ...
    def feed(self, chunk: Chunk, comments: bool = False) -> list[Any]:
        """Take the next bytes of the stream and return the events that they complete, in order.

        Args:
            chunk: The bytes, cut anywhere.
            comments: Whether to return the comments too, each in its place among the events.
                A comment is returned as soon as its own line has ended.

        Raises:
            EventTooLarge: An event had outgrown ``max_event_size`` in an earlier call.
                That call has set `error` and returned the events before it.
            TypeError: The chunk is not bytes.
        """
        if type(chunk) is not bytes:
            try:
                chunk = bytes(memoryview(chunk))  # unlike bytes(chunk), refuses str and int
            except TypeError:
                raise TypeError(f"chunk must be bytes, not {type(chunk).__name__}") from None
        size = len(chunk)
        if size > self._room:
            return self._feed_with_care(chunk, comments)

        # "Lines must be separated by either a U+000D U+000A (CRLF) character pair, a single
        # U+000A (LF) character, or a single U+000D (CR) character." A CR ends its line
        # without waiting for what may follow; an LF that does follow belongs to it.
        if 13 in chunk:  # a CR; to look for the number costs a fifth of looking for b"\r"
            if chunk[-1] == 13:
                self._optional = b"\n"
                self._room = 0
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        pieces = self._pieces
        if 10 not in chunk:  # an LF
            if chunk:
                pieces.append(chunk)
                self._room -= size
            elif self.error is not None:
                raise self.error
            return []
        is_whole = not pieces and chunk[-1] == 10
        if not is_whole:
            end, _, unfinished = chunk.rpartition(b"\n") if size <= _LONG else _rpartition_of_views(chunk)
            pieces.append(end)
            chunk = b"".join(pieces)
            pieces.clear()
            if unfinished:
                pieces.append(unfinished)

        # "Streams must be decoded using the UTF-8 decode algorithm." Python's "replace" makes
        # one U+FFFD of each maximal subpart, as the Encoding Standard does. An LF never lies
        # inside a UTF-8 sequence: whole lines can be decoded on their own.
        if len(chunk) > _LONG and chunk.find(b"\n", len(chunk) // 2, len(chunk) // 2 + _LONG) < 0:
            events = self._interpret_long_lines(chunk, len(chunk) - is_whole, comments)
        else:
            lines = chunk.decode("utf-8", "replace").split("\n")
            if is_whole:
                lines.pop()
            events = self._interpret(lines, comments)
        if pieces or self._data:
            self._room -= size
        return events

    def feed_with_comments(self, chunk: Chunk) -> list[Union[MessageEvent, CommentEvent]]:
        """Do as `feed` with ``comments=True`` does."""
        return self.feed(chunk, comments=True)

    def finish(self) -> list[MessageEvent]:
        """Take the end of the stream as the end of its line and event, against the standard; return that event.

        For a stream that ended cleanly, of a server that leaves the last blank line out. The
        list is empty if there was no unfinished event. Nothing can be fed afterwards.

        Raises:
            EventTooLarge: As `feed`.
        """
        return self.feed(b"\n\n")

    @property
    def unfinished_size(self) -> int:
        """How many bytes of an event there are that no blank line has ended: the values of its fields, and a line."""
        block = [self._type, *self._data, "" if self._id == self.last_event_id else self._id]
        return len("".join(block).encode()) + sum(map(len, self._pieces))

    def _without_optional(self, chunk: bytes) -> bytes:
        # "The UTF-8 decode algorithm strips one leading UTF-8 Byte Order Mark (BOM), if any."
        chunk = self._begun + chunk
        if len(chunk) < len(self._optional) and self._optional.startswith(chunk):
            self._begun = chunk
            return b""
        chunk = chunk.removeprefix(self._optional)
        self._optional = self._begun = b""
        return chunk

    # The limit and the memory -----------------------------------------------------------

    def _feed_with_care(self, chunk: bytes, comments: bool) -> list[Any]:
        # Recompute how many bytes are held, and so how many may be fed before the next check.
        if self.error is not None:
            raise self.error
        if self._optional:
            chunk = self._without_optional(chunk)
            if self._optional:
                return []
        room = self._limit - self._held()
        if len(chunk) > room:
            return self._feed_one_by_one(chunk, comments)
        self._room = max(min(room, _MAX_ROOM), len(chunk))
        return self.feed(chunk, comments)

    def _held(self) -> int:
        self._known_pieces = _join_if_small(self._pieces, self._known_pieces, b"")
        self._known_lines = _join_if_small(self._data, self._known_lines, "\n")
        return sum(map(len, self._pieces)) + sum(map(len, self._data)) + len(self._data)

    def _feed_one_by_one(self, chunk: bytes, comments: bool) -> list[Any]:
        # So that the limit is met at the same byte however the bytes were cut.
        events: list[Any] = []
        room = 0
        for line in chunk.splitlines(keepends=True):
            size = len(line.rstrip(b"\r\n"))
            if size > room:
                room = self._limit - self._held()
            if size > room:
                self.error = EventTooLarge(url=self._origin, limit=self._limit)
                break
            room -= len(line)
            self._room = len(line)
            self._optional = b""
            events += self.feed(line, comments)
        self._room = 0
        return events

    # Lines to events (9.2.6) ------------------------------------------------------------

    def _interpret_long_lines(self, lines: bytes, stop: int, comments: bool) -> list[Any]:
        # What long lines cost is copying them. Here each is found by searching and copied once:
        # the value of a data line is decoded straight into the data.
        events: list[Any] = []
        view = memoryview(lines)
        start = 0
        while start <= stop:
            end = lines.find(b"\n", start, stop)
            if end < 0:
                end = stop
            if lines.startswith(b"data: ", start, end):
                self._data.append(str(view[start + 6 : end], "utf-8", "replace"))
            else:
                events += self._interpret([str(view[start:end], "utf-8", "replace")], comments)
            start = end + 1
        return events

    def _interpret(self, lines: list[str], comments: bool) -> list[Any]:
        events: list[Any] = []
        data = self._data
        for line in lines:
            # The usual spelling of the usual fields first: removeprefix() is the cheapest test
            # that there is, since it returns the very same object if there is nothing to remove.
            value = line.removeprefix("data: ")
            if value is line:
                if not line:
                    # "If the line is empty (a blank line): dispatch the event"
                    self.last_event_id = self._id
                    if data:
                        # "If the data buffer is an empty string, set the data buffer and the
                        # event type buffer to the empty string and return." One empty data line is
                        # not that: it has put a line feed there, which is then taken off again.
                        event = _new_message_event()
                        event.type = self._type or "message"
                        event.data = "\n".join(data)
                        event.last_event_id = self._id
                        event.origin = self._origin
                        events.append(event)
                        data.clear()
                    self._type = ""
                    continue
                if (value := line.removeprefix("id: ")) is not line:
                    name = "id"
                elif (value := line.removeprefix("event: ")) is not line:
                    name = "event"
                elif line[0] == ":":
                    # "If the line starts with a U+003A COLON character (:): ignore the line."
                    if comments:
                        events.append(CommentEvent(line[1:]))
                    continue
                else:
                    # "If value starts with a U+0020 SPACE character, remove it from value."
                    name, _, value = line.partition(":")
                    value = value.removeprefix(" ")

                if name == "event":
                    self._type = value
                    continue
                if name == "id":
                    # "If the field value does not contain U+0000 NULL, then set the last event ID
                    # buffer to the field value. Otherwise, ignore the field."
                    if "\0" not in value:
                        self._id = value
                    continue
                if name != "data":
                    if name == "retry":
                        if value.isascii() and value.isdigit():
                            # float(), not int(): it takes any number of digits, in linear time.
                            self.reconnection_time = float(value + "e-3")
                    elif self.unknown_line is None:
                        self.unknown_line = line[:_MAX_SHOWN]
                    continue
            data.append(value)
        return events


def _join_if_small(items: list[Any], known: int, separator: Union[bytes, str]) -> int:
    """Join the items after those known into one if they are small; return how many items there are then."""
    new = items[known:]
    if sum(map(len, new)) < _SMALL * len(new):
        items[known:] = [separator.join(new)]
    return len(items)


def _rpartition_of_views(chunk: bytes) -> tuple[memoryview, bytes, Union[bytes, memoryview]]:
    """Do as ``chunk.rpartition`` does at a line feed, without copying what is long."""
    stop = chunk.rfind(b"\n")
    view = memoryview(chunk)
    after = view[stop + 1 :]
    return (
        view[:stop],
        b"\n",
        after if len(after) > len(chunk) // 2 else bytes(after),
    )  # what is small must not keep the chunk


def iter_events(
    chunks: Iterable[Chunk],
    *,
    last_event_id: str = "",
    origin: str = "",
    max_event_size: int = DEFAULT_MAX_EVENT_SIZE,
    accept_unfinished: bool = False,
) -> Iterator[MessageEvent]:
    """Yield the events of an event stream whose bytes were received elsewhere.

    Each event is yielded as soon as the chunk that completes it has come. Does not connect,
    reconnect or close anything: that is for `EventSource`.

    Args:
        chunks: Any iterable of bytes, cut anywhere: the body of a response, a file, a list.
        last_event_id: As in `EventStreamParser`.
        origin: As in `EventStreamParser`.
        max_event_size: As in `EventStreamParser`.
        accept_unfinished: Whether the last event counts although its blank line is missing, as
            in `EventSource`. The iterable has to raise where the stream was cut.

    Raises:
        EventTooLarge: An event outgrew ``max_event_size``; raised after the events before it.
        TypeError: ``chunks`` is one ``bytes`` or ``str`` instead of an iterable of chunks
            (raised at the call), or a chunk is not bytes.
        ValueError: Another argument is wrong; the message names it.
    """
    if isinstance(chunks, (str, bytes, bytearray, memoryview)):
        raise TypeError(f"chunks must be an iterable of bytes, not one {type(chunks).__name__}: pass [chunk]")
    parser = EventStreamParser(last_event_id=last_event_id, origin=origin, max_event_size=max_event_size)
    return _iterate(parser, iter(chunks), check_flag("accept_unfinished", accept_unfinished))


def _iterate(parser: EventStreamParser, chunks: Iterator[Chunk], accept_unfinished: bool) -> Iterator[MessageEvent]:
    for chunk in chunks:
        yield from parser.feed(chunk)
        if parser.error is not None:
            raise parser.error
    if accept_unfinished:
        yield from parser.finish()
