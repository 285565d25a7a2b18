"""Bytes of one event stream in, events out.

The rules are those of the HTML Living Standard, sections 9.2.5 "Parsing an event stream"
and 9.2.6 "Interpreting an event stream"; each stands here once, next to the sentence it
obeys. A parser serves one connection and does no I/O.

Why it is fast: a chunk becomes whole lines in one go (one search, one decoding, one
split), so that the work per line is one test and one append. Only what lies behind the
last line ending is carried over, as bytes, so that no character is ever cut in two. Large
chunks, long lines and nearness to the size limit leave that course for `_feed_much`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any, Optional, Union

from .arguments import check_last_event_id, check_size
from .errors import EventTooLarge
from .events import CommentEvent, MessageEvent

__all__ = ["DEFAULT_MAX_EVENT_SIZE", "EventStreamParser", "iter_events"]

DEFAULT_MAX_EVENT_SIZE = 64 * 1024 * 1024
"""64 MiB: more than any well-meant event, and little enough for a small machine."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_MUCH = 4096  # bytes: above, what costs is copying them; below, the number of calls
_LONGEST_ACCOUNT = 256 * 1024  # bytes that may come before sizes are added up, and small pieces joined

# "Streams must be decoded using the UTF-8 decode algorithm." Python's "replace" makes one
# U+FFFD of each maximal subpart, as the Encoding Standard does.
_decode = partial(str, encoding="utf-8", errors="replace")

# MessageEvent's own __init__ would be a fifth of the time that an event takes here.
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
        self._joined = 0  # so many leading items of the data have been counted, and are many lines made one
        self._joined_size = 0  # what they count, if there are any

        # Of the bytes: what the chunks so far have left over.
        self._optional = _BYTE_ORDER_MARK  # is left out if the stream goes on with it
        self._begun = b""  # what has come of that
        self._pieces: list[Union[bytes, memoryview]] = []  # the line that has not ended yet

        self._room = 0  # no limit can be met before so many bytes more; below zero: add up and see
        self._comments = False  # whether they are wanted

    def feed(self, chunk: Union[bytes, bytearray, memoryview]) -> list[MessageEvent]:
        """Take the next bytes of the stream and return the events that they complete, in order.

        Raises:
            EventTooLarge: An event had outgrown ``max_event_size`` in an earlier call.
                That call has set `error` and returned the events before it.
            TypeError: The chunk is not bytes.
        """
        if type(chunk) is not bytes:
            chunk = bytes(memoryview(chunk))  # unlike bytes(chunk), refuses str and int
        if self._optional:
            chunk = self._without_optional(chunk)
        if 13 in chunk:  # a carriage return; looking for the number costs a fifth of looking for bytes
            chunk = self._with_line_feeds_only(chunk)
        size = len(chunk)
        self._room = room = self._room - size
        if room < 0 or size > _MUCH:
            return self._feed_much(chunk)

        pieces = self._pieces
        if 10 not in chunk:  # a line feed
            if chunk:
                pieces.append(chunk)
            return []
        lines, _, unfinished = chunk.rpartition(b"\n")
        if pieces:
            pieces.append(lines)
            lines = b"".join(pieces)
            pieces.clear()
            if len(lines) > 2 * _MUCH:  # then the pieces were a long line
                pieces.append(unfinished)
                return self._interpret_one_by_one(lines, len(lines))
        if unfinished:
            pieces.append(unfinished)
        # A line feed never lies inside a UTF-8 sequence: whole lines can be decoded on their own.
        try:
            text = lines.decode()
        except UnicodeDecodeError:
            text = _decode(lines)
        return self._interpret(text.split("\n"))

    def feed_with_comments(self, chunk: Union[bytes, bytearray, memoryview]) -> list[Union[MessageEvent, CommentEvent]]:
        """Do as `feed` does, and return the comments too, each in its place among the events.

        A comment is returned as soon as its own line has ended.
        """
        self._comments = True
        try:
            events: list[Any] = self.feed(chunk)
        finally:
            self._comments = False
        return events

    # Bytes to whole lines (9.2.5) -------------------------------------------------------

    def _without_optional(self, chunk: bytes) -> bytes:
        # "The UTF-8 decode algorithm strips one leading UTF-8 Byte Order Mark (BOM), if any."
        chunk = self._begun + chunk
        if len(chunk) < len(self._optional) and self._optional.startswith(chunk):
            self._begun = chunk
            return b""
        chunk = chunk.removeprefix(self._optional)
        self._optional = self._begun = b""
        return chunk

    def _with_line_feeds_only(self, chunk: bytes) -> bytes:
        # "Lines must be separated by either a U+000D U+000A (CRLF) character pair, a single
        # U+000A (LF) character, or a single U+000D (CR) character." A CR ends its line
        # without waiting for what may follow; an LF that does follow belongs to it.
        if chunk.endswith(b"\r"):
            self._optional = b"\n"
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _feed_much(self, chunk: bytes) -> list[Any]:
        # The same as the rest of feed(), with fewer copies, and with the limit in view.
        if self.error is not None:
            raise self.error
        events: list[Any] = []
        pieces = self._pieces
        stop = chunk.rfind(b"\n")
        if stop < 0:
            pieces.append(chunk)
        else:
            view = memoryview(chunk)
            unfinished = view[stop + 1 :]
            lines = chunk
            if pieces:
                lines = b"".join([*pieces, view[:stop]])
                stop = len(lines)
                pieces.clear()
            if unfinished:  # a view saves a copy, and is good if it keeps little else alive
                pieces.append(unfinished if len(unfinished) > len(chunk) // 2 else bytes(unfinished))
            if self._is_near_limit(stop + len(unfinished)) or lines.find(b"\n", stop // 2, stop // 2 + _MUCH) < 0:
                events = self._interpret_one_by_one(lines, stop)
            else:
                events = self._interpret(_decode(memoryview(lines)[:stop]).split("\n"))
        if self._room < 0:
            self._take_account()
        return events

    def _interpret_one_by_one(self, lines: bytes, stop: int) -> list[Any]:
        # For lines that are long: what they cost is copying them, and each is copied once here.
        # And for lines near the limit, so that it is met at the same byte however they were cut.
        events: list[Any] = []
        is_near_limit = self._is_near_limit(stop)
        view = memoryview(lines)
        start = 0
        while start <= stop:
            end = lines.find(b"\n", start, stop)
            if end < 0:
                end = stop
            if is_near_limit and end - start + self._data_size() > self._limit:
                self._set_error()
                break
            if lines.startswith(b"data: ", start, end):
                # The rule for data is applied to the line without its value, then this is put in.
                self._interpret(["data: "])
                self._data[-1] = _decode(view[start + 6 : end])
            else:
                events += self._interpret([_decode(view[start:end])])
            start = end + 1
        return events

    # The limit and the memory -----------------------------------------------------------

    def _is_near_limit(self, size: int) -> bool:
        return self._room < 0 and self._data_size() + size > self._limit

    def _take_account(self) -> None:
        pieces = self._pieces
        if len(pieces) > 1:
            # Small pieces made one: each costs more than it holds. Those made before are left alone.
            first = next((i for i, piece in enumerate(pieces) if len(piece) <= _MUCH), len(pieces))
            pieces[first:] = [b"".join(pieces[first:])]
        size = sum(map(len, pieces)) + self._data_size()
        self._room = min(self._limit - size, _LONGEST_ACCOUNT)
        if self._room < 0 or self.error is not None:
            self._set_error()

    def _data_size(self) -> int:
        if not self._joined:
            self._joined_size = 0
        new = self._data[self._joined :]
        if new:
            # Joined, so that millions of short lines do not take a str each until their event ends.
            self._data[self._joined :] = ["\n".join(new)]
            self._joined_size += len(self._data[-1]) + 1
            self._joined += 1
        return self._joined_size

    def _set_error(self) -> None:
        self._room = -1
        self.error = self.error or EventTooLarge(url=self._origin, limit=self._limit)

    # Lines to events (9.2.6) ------------------------------------------------------------

    def _interpret(self, lines: list[str]) -> list[Any]:
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
                        self._joined = 0
                    self._type = ""
                    continue
                if (value := line.removeprefix("id: ")) is not line:
                    name = "id"
                elif (value := line.removeprefix("event: ")) is not line:
                    name = "event"
                elif line[0] == ":":
                    # "If the line starts with a U+003A COLON character (:): ignore the line."
                    if self._comments:
                        events.append(CommentEvent(line[1:]))
                    continue
                else:
                    # "If value starts with a U+0020 SPACE character, remove it from value."
                    name, _, value = line.partition(":")
                    value = value.removeprefix(" ")

                if name == "event":
                    self._type = value
                elif name == "id":
                    # "If the field value does not contain U+0000 NULL, then set the last event ID
                    # buffer to the field value. Otherwise, ignore the field."
                    if "\0" not in value:
                        self._id = value
                elif name == "retry" and value.isascii() and value.isdigit():
                    # float(), not int(): it takes any number of digits, in linear time.
                    self.reconnection_time = float(value + "e-3")
                if name != "data":
                    continue
            data.append(value)
        return events


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
