"""What the parser's users rely on beside the events themselves, which `tests/conformance` holds."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest

from sse_client import EventStreamParser, EventTooLarge, MessageEvent, iter_events

MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("arguments", "error", "named"),
    [
        ({"last_event_id": 7}, TypeError, "last_event_id"),
        ({"last_event_id": None}, TypeError, "last_event_id"),
        ({"last_event_id": "a\nb"}, ValueError, "last_event_id"),
        ({"last_event_id": "a\0b"}, ValueError, "last_event_id"),
        ({"last_event_id": "\ud800"}, ValueError, "last_event_id"),
        ({"max_event_size": 0}, ValueError, "max_event_size"),
        ({"max_event_size": -1}, ValueError, "max_event_size"),
        ({"max_event_size": 1.5}, TypeError, "max_event_size"),
        ({"max_event_size": True}, TypeError, "max_event_size"),
    ],
)
def test_a_wrong_argument_is_named(arguments: dict[str, Any], error: type[Exception], named: str) -> None:
    """A wrong argument fails at the call, and is named."""
    with pytest.raises(error, match=named):
        EventStreamParser(**arguments)


def test_a_new_parser_knows_what_it_was_told() -> None:
    """Before the first byte, the attributes are the arguments, or nothing."""
    parser = EventStreamParser(last_event_id="7")
    assert (parser.last_event_id, parser.reconnection_time, parser.error) == ("7", None, None)
    assert EventStreamParser().last_event_id == ""


def test_events_carry_the_last_event_id_that_was_passed_in() -> None:
    """An event without an ID of its own has the ID that the stream goes on from."""
    assert EventStreamParser(last_event_id="7", origin="http://a").feed(b"data: x\n\n") == [
        MessageEvent("message", "x", "7", "http://a")
    ]


@pytest.mark.parametrize("chunk", ["data: x\n\n", 5, None, [1, 2], object()])
def test_a_chunk_must_be_bytes(chunk: Any) -> None:
    """Anything but bytes is a TypeError, and the parser goes on as if it had not come."""
    parser = EventStreamParser()
    parser.feed(b"data: ")
    for feed in (parser.feed, parser.feed_with_comments):
        with pytest.raises(TypeError, match=f"^chunk must be bytes, not {type(chunk).__name__}$"):
            feed(chunk)
    assert parser.feed(b"x\n\n") == [MessageEvent("message", "x")]


def test_comments_are_for_those_who_ask() -> None:
    """After a call with comments, also one that has failed, the next without them gives none."""
    parser = EventStreamParser()
    assert len(parser.feed_with_comments(b": a\n")) == 1
    assert parser.feed(b": b\n") == []
    with pytest.raises(TypeError):
        parser.feed_with_comments("text")  # type: ignore[arg-type]
    assert parser.feed(b": c\n") == []


def test_the_limit_ends_a_parser() -> None:
    """The call that meets the limit returns what came before; every later call raises the same error."""
    parser = EventStreamParser(max_event_size=8, origin="http://a")
    assert parser.feed(b"data: x\n\ndata: too much") == [MessageEvent("message", "x", "", "http://a")]
    assert isinstance(parser.error, EventTooLarge)
    assert (parser.error.limit, parser.error.parameter, parser.error.url) == (8, "max_event_size", "http://a")
    for chunk in (b"", b"data: y\n\n"):
        with pytest.raises(EventTooLarge) as raised:
            parser.feed(chunk)
        assert raised.value is parser.error


def test_the_limit_holds_in_a_long_quiet_stream() -> None:
    """Events far below the limit can follow each other for ever; one above is met also after them."""
    parser = EventStreamParser(max_event_size=100)
    for _ in range(1000):
        assert len(parser.feed(b"data: " + b"x" * 90 + b"\n\n")) == 1
    parser.feed(b"data: " + b"x" * 94)
    assert parser.error is None
    parser.feed(b"x")
    assert parser.error is not None


@pytest.mark.parametrize("line", ["", "d", "data", "data:x", "id: 7", "\u20ac" * 100])
def test_removeprefix_gives_the_same_object_back(line: str) -> None:
    """Python's `str.removeprefix` returns the very same string on a miss: the parser's cheapest test."""
    line = "".join(line)  # what split() makes is of exact type too
    assert line.removeprefix("data: ") is line
    assert ("data: " + line).removeprefix("data: ") == line


def peak_of_one_event(stream: bytes, size: int) -> int:
    """The most memory that was in use for an event, the event included."""
    chunks = [stream[start : start + size] for start in range(0, len(stream), size)]
    parser = EventStreamParser()
    count = 0
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for chunk in chunks:
            count += len(parser.feed(chunk))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 1
    return peak - before


@pytest.mark.parametrize("size", [64, 1024, 4096, 64 * 1024])
@pytest.mark.parametrize(
    "line", [b"x" * (4 * MIB), b"a line as they come\ndata: " * (4 * MIB // 26)], ids=["one", "many"]
)
def test_one_big_event_needs_little_more_than_twice_its_size(line: bytes, size: int) -> None:
    """Reading an event of 4 MiB takes at most 2.3 times that, as one line and as many."""
    assert peak_of_one_event(b"data: " + line + b"\n\n", size) < 2.3 * 4 * MIB


def test_a_small_rest_does_not_keep_a_big_chunk_alive() -> None:
    """What a parser holds between two chunks is in the size of the unfinished line, not of the chunk."""
    parser = EventStreamParser()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        parser.feed(b": " + b"x" * (2 * MIB) + b"\ndata: unfin")
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held - before < MIB // 4
    assert parser.feed(b"ished\n\n")[0].data == "unfinished"


@pytest.mark.parametrize("cut", range(len(b"data: a\r\nid: 1") + 1))
@pytest.mark.parametrize("end", [b"", b"\n", b"\r", b"\r\n", b"\n\n", b"\r\n\r\n"], ids=repr)
def test_finish(end: bytes, cut: int) -> None:
    """finish() gives the last event without its blank line, however the bytes were cut and whatever the line ending."""
    stream = b"data: a\r\nid: 1" + end
    parser = EventStreamParser()
    events = [*parser.feed(stream[:cut]), *parser.feed(stream[cut:])]
    events += parser.finish()
    assert events == [MessageEvent("message", "a", "1", "")]
    assert parser.unfinished_size == 0


def test_finish_without_an_event() -> None:
    """finish() gives nothing where nothing is unfinished."""
    parser = EventStreamParser()
    parser.feed(b"data: a\n\n: bye\nevent: x")
    assert parser.unfinished_size == 8
    assert parser.finish() == []


def test_iter_events_that_accepts_an_unfinished_one() -> None:
    """iter_events hands the last event over without its blank line where asked to."""
    chunks = [b"data: a\n\nda", b"ta: b"]
    assert [event.data for event in iter_events(chunks)] == ["a"]
    assert [event.data for event in iter_events(chunks, accept_unfinished=True)] == ["a", "b"]


def test_comments_as_an_argument() -> None:
    """feed(comments=True) does as feed_with_comments."""
    assert EventStreamParser().feed(b": a\n", comments=True) == EventStreamParser().feed_with_comments(b": a\n")
