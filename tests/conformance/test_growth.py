"""The work and the memory grow with the stream and no faster, whatever the stream and its cutting.

The limits are some ten to a hundred times what linear code takes. They catch code that
is quadratic, not code that is slow: for that there are the benchmarks.
"""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Iterable, Iterator
from typing import Union

import pytest

from sse_client import CommentEvent, EventStreamParser, EventTooLarge, MessageEvent

from .shapes import KIB, MIB, comments, cut, data_lines, one_line, ticks

LIMIT = 20.0
"""Seconds of processor time for one stream. A quarter of it, if the stream comes in one chunk."""
WHOLE = 32 * MIB
"""A size of chunk that leaves every stream in one piece."""


def lines_for(size: int, count: int) -> int:
    """How many lines to test with: a call can't be cut short, so that one chunk has to do with a fifth."""
    return count // 5 if size == WHOLE else count


def parse_in_time(
    chunks: list[bytes], *, with_comments: bool = False, max_event_size: int = 64 * MIB
) -> tuple[int, Union[MessageEvent, CommentEvent]]:
    """Feed the chunks; return how much came out, and the last of it. Gives up at the limit of time."""
    parser = EventStreamParser(max_event_size=max_event_size)
    feed = parser.feed_with_comments if with_comments else parser.feed
    count = 0
    last: Union[MessageEvent, CommentEvent] = CommentEvent("nothing came")
    end = time.process_time() + (LIMIT if len(chunks) > 2 else LIMIT / 4)
    for chunk in chunks:
        output = feed(chunk)
        if output:
            count += len(output)
            last = output[-1]
        assert time.process_time() < end, "the work grows faster than the stream"
    return count, last


def data_of(result: tuple[int, Union[MessageEvent, CommentEvent]]) -> str:
    """The data of the one event that came out."""
    count, event = result
    assert count == 1
    assert isinstance(event, MessageEvent)
    return event.data


@pytest.mark.parametrize("size", [64, KIB, 4 * KIB, 64 * KIB, WHOLE])
def test_one_huge_line(size: int) -> None:
    """A line of 16 MiB takes linear time, in chunks of any size."""
    stream = one_line(16 * MIB)
    assert data_of(parse_in_time(cut(stream, size))) == stream[6:-2].decode()


@pytest.mark.parametrize("size", [64, 64 * KIB])
@pytest.mark.parametrize("prefix", [b"data:", b"data", b":", b"id: ", b"event:", b"retry: ", b"x"])
def test_one_huge_line_of_any_kind(prefix: bytes, size: int) -> None:
    """Any other line of 8 MiB takes linear time: a field or a comment, known or unknown, with CRLF."""
    stream = prefix + b"7" * (8 * MIB) + b"\r\ndata: end\r\n\r\n"
    expected = "7" * (8 * MIB) + "\nend" if prefix == b"data:" else "end"
    assert data_of(parse_in_time(cut(stream, size))) == expected


@pytest.mark.parametrize("size", [64, 64 * KIB, WHOLE])
@pytest.mark.parametrize("piece", [b"\xff", b"\xe2\x82", "\u20ac".encode()])
def test_one_huge_line_beyond_ascii(piece: bytes, size: int) -> None:
    """A line of 2 MiB of broken or whole UTF-8 takes linear time."""
    data = data_of(parse_in_time(cut(b"data: " + piece * (2 * MIB // len(piece)) + b"\n\n", size)))
    assert data == piece.decode("utf-8", "replace") * (2 * MIB // len(piece))


@pytest.mark.parametrize("size", [64, KIB, 64 * KIB, WHOLE])
def test_many_data_lines(size: int) -> None:
    """An event of 300,000 data lines takes linear time, in chunks of any size."""
    stream = data_lines(lines_for(size, 300_000))
    assert data_of(parse_in_time(cut(stream, size))) == stream[6:-2].decode().replace("\ndata: ", "\n")


@pytest.mark.parametrize("size", [64, 64 * KIB, WHOLE])
@pytest.mark.parametrize("line", [b"data\n", b"data:\r\n", b"data: \r"])
def test_many_empty_data_lines(line: bytes, size: int) -> None:
    """An event of 300,000 empty data lines takes linear time, in every form of them."""
    count = lines_for(size, 300_000)
    assert data_of(parse_in_time(cut(line * count + b"\n\n", size))) == "\n" * (count - 1)


@pytest.mark.parametrize("size", [64, KIB, 64 * KIB, WHOLE])
def test_many_comments(size: int) -> None:
    """2,000,000 comments before an event take linear time, in chunks of any size."""
    assert data_of(parse_in_time(cut(b":\n" * lines_for(size, 2_000_000) + b"data: end\n\n", size))) == "end"


def test_many_comments_in_an_event() -> None:
    """500,000 comments between the data lines of one event take linear time."""
    stream = b"data: start\n" + comments(500_000)
    assert data_of(parse_in_time(cut(stream, 4 * KIB))) == "start\nend"


def test_many_comments_that_are_wanted() -> None:
    """500,000 comments that are returned take linear time."""
    count, last = parse_in_time(cut(comments(500_000), 64 * KIB), with_comments=True)
    assert count == 500_001
    assert isinstance(last, MessageEvent)
    assert last.data == "end"


@pytest.mark.parametrize("size", [64, 64 * KIB, WHOLE])
@pytest.mark.parametrize("line", [b"\n", b"\r", b"\r\n", b"x\n", b"id: 7\n\n", b"event: t\r", b"retry: 7\n"])
def test_many_lines_without_an_event(line: bytes, size: int) -> None:
    """500,000 lines that make no event take linear time, whatever they are."""
    stream = line * lines_for(size, 500_000) + b"\n\nevent: t\ndata: end\n\n"
    assert data_of(parse_in_time(cut(stream, size))) == "end"


@pytest.mark.parametrize("size", [1, 3, 85, 64 * KIB])
def test_many_events(size: int) -> None:
    """10,000 events take linear time, down to chunks of one byte."""
    count, last = parse_in_time(cut(ticks(10_000), size))
    assert count == 10_000
    assert isinstance(last, MessageEvent)
    assert last.last_event_id == "00010000"


def test_many_empty_chunks() -> None:
    """500,000 empty chunks within a huge line take linear time."""
    half = b"data: " + b"x" * MIB
    assert len(data_of(parse_in_time([half, *[b""] * 500_000, b"x\n\n"]))) == MIB + 1


@pytest.mark.parametrize("size", [KIB, 64 * KIB, WHOLE])
@pytest.mark.parametrize("line", [b"data: x\n", b"data:\r\n", b"data: x\n:\n", b"data: x\nsomething: else\n"])
def test_near_the_limit(line: bytes, size: int) -> None:
    """Lines whose bytes pass the limit long before their data do take linear time still."""
    characters = 2 if b"x" in line else 1
    count = lines_for(size, 200_000)
    stream = line * count + b"\n"
    data = data_of(parse_in_time(cut(stream, size), max_event_size=count * characters + len(line)))
    assert len(data) == count * characters - 1


@pytest.mark.parametrize("size", [64, KIB, 64 * KIB, WHOLE])
def test_up_to_the_limit(size: int) -> None:
    """Data lines without end take linear time until they meet the limit."""
    count = lines_for(size, 200_000)
    with pytest.raises(EventTooLarge):
        parse_in_time([*cut(b"data: x\n" * count, size), b""], max_event_size=count * 2 - 5)


# Memory --------------------------------------------------------------------------------


def peak_of(parser: EventStreamParser, chunks: Iterable[bytes]) -> int:
    """Feed the chunks, drop what comes out, and return the most memory that was in use for it."""
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        for chunk in chunks:
            parser.feed_with_comments(chunk)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return peak - before


def endless(line: bytes, *, first: bytes = b"", size: int = 4 * KIB, total: int = MIB) -> Iterator[bytes]:
    """A stream of the same bytes over and over, cut anywhere."""
    chunk = line * (size // len(line) + 1)
    yield first
    for start in range(0, total, size):
        shift = start % len(line)
        yield chunk[shift : shift + size]


@pytest.mark.parametrize(
    ("first", "line"),
    [
        (b"", b":\n"),
        (b"", b": keep-alive\n\n"),
        (b"", b"\r\n"),
        (b"", b"event: x\n"),
        (b"", b"id: 12345678\n"),
        (b"", b"id: 12345678\n\n"),
        (b"", b"retry: 99999\n"),
        (b"", b"unknown: field\n"),
        (b"", b"unknown\r"),
        (b"", b"data: an event\n\n"),
        (b"data: x\n", b": keep-alive\n"),
        (b"data: x\n", b"event: x\n"),
        (b"data: x\n", b"unknown\r\n"),
        (b"id: 1\n", b"id\n"),
    ],
    ids=repr,
)
def test_what_does_not_add_up(first: bytes, line: bytes) -> None:
    """However much comes of what an event does not keep, it takes no more memory and is not too large."""
    parser = EventStreamParser(max_event_size=32 * KIB)
    assert peak_of(parser, endless(line, first=first)) < MIB // 2
    assert parser.error is None


@pytest.mark.parametrize("size", [64, 16 * KIB])
@pytest.mark.parametrize(
    ("first", "line"),
    [
        (b"", b"data\n"),
        (b"", b"data:\r"),
        (b"", b"data: x\r\n"),
        (b"", b"data: a line as they come\n"),
        (b"data: ", b"x"),
        (b"data: ", b"\xff"),
        (b"data: ", "\U0001f600".encode()),
        (b":", b"x"),
        (b"id: ", b"1"),
        (b"retry: ", b"1"),
        (b"", b"x"),
        (b"data: x\n:", b"x"),
    ],
    ids=repr,
)
def test_what_adds_up_is_bounded(first: bytes, line: bytes, size: int) -> None:
    """An event without end is refused, and before that took a few times the limit."""
    limit = 128 * KIB
    parser = EventStreamParser(max_event_size=limit)

    def until_the_error() -> Iterator[bytes]:
        for chunk in endless(line, first=first, size=size):
            if parser.error is not None:
                return
            yield chunk

    # A character may take four bytes, and joining needs a piece twice.
    assert peak_of(parser, until_the_error()) < 6 * limit
    assert parser.error is not None


def test_one_huge_line_takes_a_few_copies() -> None:
    """An event of 8 MiB needs no more than four times its size while it is read."""
    chunks = cut(one_line(8 * MIB), 64 * KIB)
    assert peak_of(EventStreamParser(), chunks) < 4 * 8 * MIB
