"""Any cutting of any bytes gives what the standard's algorithm gives."""

from __future__ import annotations

import math
from typing import Optional, Union

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sse_client import CommentEvent, EventStreamParser, EventTooLarge, MessageEvent, iter_events

from .reference import Event, Output, Parsed, decode, offset_too_large, parse
from .test_cases import plain, same_time

settings.register_profile("conformance", deadline=None, max_examples=250)
thorough = settings(settings.get_profile("conformance"))

NAMES = [b"data", b"event", b"id", b"retry"]
LINE_ENDS = [b"\n", b"\r", b"\r\n"]
BOM = b"\xef\xbb\xbf"
ODD = [
    *[b"\0", b"0", b"7", b"250", b"9" * 30, b"+", b"_", b"\t", b"\x0b", b"\x0c", b"\x1e", b"x", b"Data", b"[DONE]"],
    *["\u00e9".encode(), "\u20ac".encode(), "\U0001f600".encode(), "\u2028".encode(), "\x85".encode()],
    *["\u0661".encode(), "\u00b2".encode(), "\uff11".encode(), BOM, b"\xef", b"\xef\xbb", b"\xbb\xbf", b"\xbf"],
    *[b"\xc2", b"\xe2\x82", b"\xf0\x9f\x98", b"\x80", b"\xac", b"\xff", b"\xc0\x80", b"\xe0\x80", b"\xed\xa0\x80"],
    *[b"\xf4\x90\x80\x80", b"\xf5"],
]

joined = b"".join
values = st.lists(st.sampled_from([b" ", b":", *ODD]), max_size=4).map(joined)
lines = st.one_of(
    st.just(b""),
    st.tuples(st.sampled_from(NAMES), st.sampled_from([b":", b": ", b":  ", b"", b" :"]), values).map(joined),
    values.map(lambda value: b":" + value),
    values,
)
ended_lines = st.lists(st.tuples(lines, st.sampled_from(LINE_ENDS)).map(joined), max_size=20).map(joined)
tokens = st.lists(st.sampled_from([*NAMES, *LINE_ENDS, b"\n\n", b"\r\r", b":", b" ", *ODD]), max_size=50).map(joined)
starts = st.sampled_from([b"", b"", b"", BOM, BOM + BOM, b"\xef\xbb", b"\xef"])
streams = st.tuples(starts, st.one_of(ended_lines, tokens, st.binary(max_size=60)), st.one_of(st.just(b""), lines)).map(
    joined
)
"""Event streams, mostly well-meant lines, tokens of the format in any order, or any bytes at all."""

places = st.lists(st.integers(min_value=0, max_value=400), max_size=12)
"""Where to cut a stream; equal places make empty chunks, and places beyond the end too."""


def cut_at(stream: bytes, where: list[int]) -> list[bytes]:
    edges = [0, *sorted(where), max([len(stream), *where])]
    return [stream[start:end] for start, end in zip(edges, edges[1:])]


def assert_state(parser: EventStreamParser, expected: Parsed) -> None:
    assert parser.last_event_id == expected.last_event_id
    assert same_time(parser.reconnection_time, expected.reconnection_time)


@thorough
@given(stream=streams, where=places, last_event_id=st.sampled_from(["", "9"]))
@example(stream=b"data: x\r\n\r\ndata: y\r\n\r\n", where=list(range(24)), last_event_id="")
@example(stream=BOM + b"\r\n:c\r\rid\n\n", where=[1, 2], last_event_id="9")
def test_any_cutting(stream: bytes, where: list[int], last_event_id: str) -> None:
    """Events, comments, last event ID and reconnection time don't depend on how the bytes are cut."""
    parser = EventStreamParser(last_event_id=last_event_id)
    output: list[Union[MessageEvent, CommentEvent]] = []
    for chunk in cut_at(stream, where):
        output += parser.feed_with_comments(chunk)
    expected = parse(stream, last_event_id)
    assert plain(output) == expected.output
    assert_state(parser, expected)


@thorough
@given(stream=streams)
def test_byte_by_byte(stream: bytes) -> None:
    """After each byte, all that the bytes so far can say has been said, and nothing more."""
    parser = EventStreamParser()
    output: list[Union[MessageEvent, CommentEvent]] = []
    for end in range(1, len(stream) + 1):
        output += parser.feed_with_comments(stream[end - 1 : end])
        expected = parse(stream[:end])
        assert plain(output) == expected.output
        assert_state(parser, expected)


@thorough
@given(stream=streams, where=places)
def test_events_without_comments(stream: bytes, where: list[int]) -> None:
    """`feed` and `iter_events` give the same events as `feed_with_comments`, and no comments."""
    chunks = cut_at(stream, where)
    parser = EventStreamParser()
    events = [event for chunk in chunks for event in parser.feed(chunk)]
    expected = parse(stream)
    assert plain(events) == [item for item in expected.output if isinstance(item, Event)]
    assert_state(parser, expected)
    assert list(iter_events(chunks)) == events


@thorough
@given(
    blocks=st.lists(st.lists(lines, min_size=1, max_size=6), min_size=1, max_size=3),
    ends=st.lists(st.sampled_from(LINE_ENDS), min_size=1, max_size=5),
    size=st.integers(min_value=1, max_value=5000),
    times=st.integers(min_value=1, max_value=1000),
)
def test_long_streams(blocks: list[list[bytes]], ends: list[bytes], size: int, times: int) -> None:
    """A long stream of large chunks, where fast paths may set in, gives the same."""
    all_lines = [line for block in blocks for line in [*block, b""]]
    once = b"".join(line + ends[number % len(ends)] for number, line in enumerate(all_lines))
    stream = once * min(times, 1 + 8_000 // len(once))
    parser = EventStreamParser()
    output: list[Union[MessageEvent, CommentEvent]] = []
    for start in range(0, len(stream), size):
        output += parser.feed_with_comments(stream[start : start + size])
    expected = parse(stream)
    assert plain(output) == expected.output
    assert_state(parser, expected)


@thorough
@given(
    sizes=st.lists(st.integers(min_value=0, max_value=20_000), min_size=1, max_size=6),
    filling=st.sampled_from([b"x", b": ", b"\xc3\xa9", b"\xff", b"\xe2\x82", b"\0", b"\x0b"]),
    prefixes=st.lists(st.sampled_from([b"data: ", b"data:", b"data:  ", b"id: ", b"event: ", b":", b"x"]), min_size=1),
    end=st.sampled_from(LINE_ENDS),
    chunk_size=st.sampled_from([1, 100, 4096, 5000, 65536, 10**6]),
)
def test_long_lines(sizes: list[int], filling: bytes, prefixes: list[bytes], end: bytes, chunk_size: int) -> None:
    """Long lines of every kind, among short ones, give the same."""
    stream = b"".join(
        prefixes[number % len(prefixes)] + filling * (size // len(filling)) + end * (1 + number % 2)
        for number, size in enumerate(sizes)
    )
    if chunk_size == 1:
        stream = stream[:2000]
    parser = EventStreamParser()
    output: list[Union[MessageEvent, CommentEvent]] = []
    for start in range(0, len(stream), chunk_size):
        output += parser.feed_with_comments(stream[start : start + chunk_size])
    expected = parse(stream)
    assert plain(output) == expected.output
    assert_state(parser, expected)


def run_to_the_limit(
    chunks: list[bytes], limit: int
) -> tuple[list[Output], Optional[EventTooLarge], EventStreamParser]:
    """Feed the chunks until the parser refuses; return what it gave and the error."""
    parser = EventStreamParser(max_event_size=limit)
    output: list[Union[MessageEvent, CommentEvent]] = []
    error: Optional[EventTooLarge] = None
    for chunk in [*chunks, b""]:
        pending = parser.error
        try:
            output += parser.feed_with_comments(chunk)
        except EventTooLarge as raised:
            error = raised
            break
        assert pending is None, "an error is held back for one call only"
    assert parser.error is error
    return plain(output), error, parser


@thorough
@given(stream=streams, where=places, limit=st.integers(min_value=1, max_value=40))
@example(stream=b"data: x\n\ndata: yyyy\n\ndata: z\n\n", where=[], limit=9)
@example(stream=b"data\n" * 12, where=[], limit=10)
@example(stream=b":12345678\n" + b"y" * 10, where=[10], limit=9)
@example(stream=b"a\n" + b"x" * 15 + b"y" * 10, where=[1, 17], limit=20)
def test_limit_is_met_at_the_same_byte(stream: bytes, where: list[int], limit: int) -> None:
    """Whether an event is too large, and what comes out before, doesn't depend on how the bytes are cut."""
    offset = offset_too_large(stream, limit)
    expected = parse(stream[:offset])
    output, error, parser = run_to_the_limit(cut_at(stream, where), limit)
    assert output == expected.output
    assert (error is None) == (offset is None)
    assert_state(parser, expected)
    if error is not None:
        assert (error.limit, error.parameter) == (limit, "max_event_size")


@thorough
@given(stream=streams, limit=st.integers(min_value=1, max_value=30))
def test_limit_is_met_at_once(stream: bytes, limit: int) -> None:
    """The very byte with which an event outgrows the limit sets the error."""
    parser = EventStreamParser(max_event_size=limit)
    for end in range(1, len(stream) + 1):
        parser.feed(stream[end - 1 : end])
        assert (parser.error is not None) == (offset_too_large(stream[:end], limit) is not None)
        if parser.error is not None:
            break


@thorough
@given(stream=streams, where=places, limit=st.integers(min_value=1, max_value=40))
def test_limit_in_iter_events(stream: bytes, where: list[int], limit: int) -> None:
    """`iter_events` yields the events before the one that is too large, then raises."""
    offset = offset_too_large(stream, limit)
    expected = [item for item in parse(stream[:offset]).output if isinstance(item, Event)]
    iterator = iter_events(cut_at(stream, where), max_event_size=limit)
    if offset is None:
        assert plain(iterator) == expected
        return
    assert plain([next(iterator) for _ in expected]) == expected
    with pytest.raises(EventTooLarge):
        next(iterator)


def test_limit_goes_on_raising() -> None:
    """A parser that has met its limit raises at every later call, whatever it is fed."""
    parser = EventStreamParser(max_event_size=10)
    assert plain(parser.feed(b"data: x\n\ndata: 12345\n\n")) == [Event("x")]
    assert isinstance(parser.error, EventTooLarge)
    for chunk in (b"", b"data: y\n\n", b"\n\n"):
        with pytest.raises(EventTooLarge):
            parser.feed(chunk)
        with pytest.raises(EventTooLarge):
            parser.feed_with_comments(chunk)


def test_limit_itself_is_allowed() -> None:
    """An event of exactly the limit passes, one more byte does not."""
    for stream in (b"data: 1234\n\n", b"data:a\ndata:b\n\n", b"id: 123456\ndata\n\n", b":123456789\n\n"):
        most = max(limit for limit in range(1, 20) if offset_too_large(stream, limit) is not None) + 1
        for chunks in ([stream], [stream[i : i + 1] for i in range(len(stream))]):
            assert run_to_the_limit(chunks, most)[1] is None
            assert run_to_the_limit(chunks, most - 1)[1] is not None
    assert run_to_the_limit([b"data: 1234"], 10)[1] is None
    assert run_to_the_limit([b"data: 1234"], 9)[1] is not None


@thorough
@given(
    st.lists(
        st.one_of(
            st.sampled_from([b"A", b"\x80", b"\xbf", b"\xc2", b"\xdf", b"\xe0", b"\xa0", b"\x9f", b"\xed", b"\xef"]),
            st.sampled_from([b"\xf0", b"\x90", b"\x8f", b"\xf1", b"\xf4", b"\xf5", b"\xc0", b"\xc1", b"\xff"]),
            st.binary(min_size=1, max_size=1),
        ),
        max_size=30,
    ).map(joined)
)
def test_replacement_characters(stream: bytes) -> None:
    """U+FFFD is counted as the Encoding Standard's decoder counts it, whatever the bytes."""
    value = stream.replace(b"\r", b"").replace(b"\n", b"")
    (event,) = EventStreamParser().feed(b"data: " + value + b"\n\n")
    assert event.data == decode(value)


@thorough
@given(st.integers(min_value=0), st.integers(min_value=0, max_value=30))
def test_any_number_is_a_reconnection_time(milliseconds: int, zeros: int) -> None:
    """A retry field of digits is that number of milliseconds, in seconds."""
    parser = EventStreamParser()
    parser.feed(b"retry:" + b"0" * zeros + str(milliseconds).encode() + b"\n")
    assert parser.reconnection_time is not None
    assert math.isclose(parser.reconnection_time, milliseconds / 1000, rel_tol=1e-12)
