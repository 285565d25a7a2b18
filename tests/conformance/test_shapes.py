"""The shapes are what their tables say, byte for byte."""

from __future__ import annotations

from zlib import crc32

import pytest

from sse_client import EventStreamParser

from .reference import Comment, Event, parse
from .shapes import KIB, MIB, SHAPES, Shape, comments, cut, data_lines, one_line

EVENTS = {"big": 3, "huge": 1, "manylines": 1}
AVERAGE_SIZE = {
    "ticks": 85,
    "llm": 260,
    "logs": 1001,
    "big": 64 * KIB + 8,
    "huge": 16 * MIB + 8,
    "manylines": 200_000 * 27 + 1,
    "heartbeats": 20 * 14 + 85,
    "crlf": 85 + 4,
}
CHECKSUM = {
    "ticks": 0x29A2CAE3,
    "llm": 0x5615649F,
    "logs": 0x685DE034,
    "big": 0xCF6517F5,
    "huge": 0x44538967,
    "manylines": 0x23F2A1B7,
    "heartbeats": 0xC306463E,
    "crlf": 0x5BA0F557,
    "utf8": 0xDF1B3D59,
}

every_shape = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)


@every_shape
def test_same_bytes_everywhere(shape: Shape) -> None:
    """A shape gives the same bytes each time, on every Python."""
    events = EVENTS.get(shape.name, 20)
    stream = shape(events)
    assert stream == b"".join(shape.blocks(events))
    assert crc32(stream) == CHECKSUM[shape.name]


@every_shape
def test_size(shape: Shape) -> None:
    """An event of a shape has the size that the tables of measurements name."""
    events = EVENTS.get(shape.name, 20)
    if shape.name == "utf8":
        stream = shape(events)
        assert sum(byte > 0x7F for byte in stream) > 0.8 * len(stream)
    else:
        assert len(shape(events)) == events * AVERAGE_SIZE[shape.name]


@every_shape
def test_number_of_events(shape: Shape) -> None:
    """A shape has as many events as were asked for, and one in each of its blocks."""
    events = EVENTS.get(shape.name, 20)
    parser = EventStreamParser()
    assert [len(parser.feed(block)) for block in shape.blocks(events)] == [1] * events


@pytest.mark.parametrize("name", ["ticks", "llm", "logs", "heartbeats", "crlf", "utf8"])
@pytest.mark.parametrize("size", [1, 7, 64, 1000, 65536])
def test_parsed_as_the_reference_does(name: str, size: int) -> None:
    """The parser makes of a shape what the standard's algorithm makes of it."""
    stream = SHAPES[name](12)
    parser = EventStreamParser()
    events = [event for chunk in cut(stream, size) for event in parser.feed(chunk)]
    expected = [item for item in parse(stream).output if isinstance(item, Event)]
    assert [Event(event.data, event.type, event.last_event_id) for event in events] == expected


def test_cut() -> None:
    """Chunks are of the size asked for, but the last, and make the stream again."""
    assert cut(b"abcdefg", 3) == [b"abc", b"def", b"g"]
    assert cut(b"abcdef", 3) == [b"abc", b"def"]
    assert cut(b"", 3) == []


def test_any_size() -> None:
    """The streams of any size have that size."""
    (event,) = parse(one_line(1000)).output
    assert isinstance(event, Event)
    assert len(event.data) == 1000
    (event,) = parse(data_lines(50)).output
    assert isinstance(event, Event)
    assert event.data.count("\n") == 49
    assert parse(comments(3)).output == [Comment(" keep-alive")] * 3 + [Event("end")]
