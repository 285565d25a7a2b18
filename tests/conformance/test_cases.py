"""Each case of `cases`, in every cutting and through every way in."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Optional, Union

import pytest

from sse_client import CommentEvent, EventStreamParser, MessageEvent, iter_events

from .cases import CASES, Case
from .reference import Comment, Event, Output, decode, parse, utf8_decode

SHORT = 40
"""Bytes. A stream below this is cut at every pair of places."""
MIDDLING = 300
"""Bytes. Below this, what has come out is compared with the reference after each single byte."""


def plain(output: Iterable[Union[MessageEvent, CommentEvent]]) -> list[Output]:
    """The library's values as those of the cases; no kind of value passes for another."""
    result: list[Output] = []
    for item in output:
        if type(item) is MessageEvent:
            result.append(Event(item.data, item.type, item.last_event_id))
        else:
            assert type(item) is CommentEvent
            result.append(Comment(item.text))
    return result


def events_of(case: Case) -> list[Output]:
    return [item for item in case.output if isinstance(item, Event)]


def new_parser(case: Case) -> EventStreamParser:
    return EventStreamParser(last_event_id=case.initial_id)


def check(case: Case, chunks: Iterable[Union[bytes, bytearray, memoryview]]) -> None:
    """Feed the chunks and compare all that comes out with the case."""
    parser = new_parser(case)
    output: list[Union[MessageEvent, CommentEvent]] = []
    for chunk in chunks:
        output += parser.feed_with_comments(chunk)
    assert plain(output) == case.output
    check_state(case, parser)


def check_events_only(case: Case, chunks: Iterable[Union[bytes, bytearray, memoryview]]) -> None:
    """The same through `feed`, which keeps the comments to itself."""
    parser = new_parser(case)
    events: list[MessageEvent] = []
    for chunk in chunks:
        events += parser.feed(chunk)
    assert plain(events) == events_of(case)
    check_state(case, parser)


def same_time(actual: Optional[float], expected: Optional[float]) -> bool:
    """Whether two reconnection times are equal: None only to None, figures but for their last bits."""
    if actual is None or expected is None:
        return actual is expected
    return type(actual) is float and math.isclose(actual, expected, rel_tol=1e-12)


def check_state(case: Case, parser: EventStreamParser) -> None:
    assert parser.last_event_id == case.last_event_id
    assert same_time(parser.reconnection_time, case.reconnection_time)
    assert parser.error is None


def single_bytes(stream: bytes) -> list[bytes]:
    return [stream[i : i + 1] for i in range(len(stream))]


def places(stream: bytes) -> Iterator[int]:
    """Every place to cut at; in a long stream every one near its ends and some in between."""
    size = len(stream)
    return (i for i in range(size + 1) if i < MIDDLING or i > size - MIDDLING or i % 101 == 0)


every_case = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
short_case = pytest.mark.parametrize(
    "case", [pytest.param(case, id=case.name) for case in CASES if len(case.stream) < SHORT]
)


@every_case
def test_reference_agrees(case: Case) -> None:
    """What is expected by hand is what the standard's algorithm gives, step by step."""
    parsed = parse(case.stream, case.initial_id)
    assert parsed.output == case.output
    assert parsed.last_event_id == case.last_event_id
    assert parsed.reconnection_time == case.reconnection_time


@every_case
def test_whole(case: Case) -> None:
    """A stream that comes in one chunk gives its events, comments, last event ID and reconnection time."""
    check(case, [case.stream])
    check_events_only(case, [case.stream])


@every_case
def test_byte_by_byte(case: Case) -> None:
    """A stream that comes byte by byte gives the same."""
    check(case, single_bytes(case.stream))
    check_events_only(case, single_bytes(case.stream))


@every_case
def test_prompt(case: Case) -> None:
    """After each byte, all that the bytes so far can say has been said, and nothing more."""
    parser = new_parser(case)
    output: list[Union[MessageEvent, CommentEvent]] = []
    for end in range(1, min(len(case.stream), MIDDLING) + 1):
        output += parser.feed_with_comments(case.stream[end - 1 : end])
        so_far = parse(case.stream[:end], case.initial_id)
        assert (plain(output), parser.last_event_id) == (so_far.output, so_far.last_event_id), case.stream[:end]
        assert same_time(parser.reconnection_time, so_far.reconnection_time), case.stream[:end]


@every_case
def test_cut_in_two(case: Case) -> None:
    """A stream cut in two, at whatever place, gives the same."""
    stream = case.stream
    for i in places(stream):
        check(case, [stream[:i], stream[i:]])
        check_events_only(case, [stream[:i], stream[i:]])


@short_case
def test_cut_in_three(case: Case) -> None:
    """A short stream cut at every pair of places gives the same."""
    stream = case.stream
    for i in range(len(stream) + 1):
        for j in range(i, len(stream) + 1):
            check(case, [stream[:i], stream[i:j], stream[j:]])


@every_case
def test_empty_chunks(case: Case) -> None:
    """Empty chunks before, between and after change nothing."""
    chunks: list[bytes] = [b""]
    for byte in single_bytes(case.stream):
        chunks += [byte, b"", b""]
    check(case, chunks)
    check_events_only(case, chunks)
    for i in range(min(len(case.stream), MIDDLING)):
        check(case, [case.stream[:i], b"", case.stream[i:], b""])


@every_case
def test_other_buffers(case: Case) -> None:
    """A bytearray or memoryview is as good as bytes, and its owner may use it again after the call."""
    for size in (1, 2, 3, 7, max(1, len(case.stream))):
        for as_view in (False, True):
            parser = new_parser(case)
            output: list[Union[MessageEvent, CommentEvent]] = []
            for i in range(0, len(case.stream), size):
                buffer = bytearray(case.stream[i : i + size])
                if as_view:
                    with memoryview(buffer) as view:
                        output += parser.feed_with_comments(view)
                else:
                    output += parser.feed_with_comments(buffer)
                buffer[:] = b"\n" * len(buffer)
                buffer.clear()  # refused while anybody still looks into it
            assert plain(output) == case.output
            check_state(case, parser)


@every_case
def test_iter_events(case: Case) -> None:
    """`iter_events` gives the same events as the parser, from any iterable of chunks."""
    for chunks in ([case.stream], single_bytes(case.stream)):
        assert plain(iter_events(chunks, last_event_id=case.initial_id)) == events_of(case)
        assert plain(iter_events(iter(chunks), last_event_id=case.initial_id)) == events_of(case)


@every_case
def test_mixed_calls(case: Case) -> None:
    """`feed` and `feed_with_comments` may take turns on one stream."""
    for first in (0, 1):
        parser = new_parser(case)
        events: list[Union[MessageEvent, CommentEvent]] = []
        for number, byte in enumerate(single_bytes(case.stream)):
            if number % 2 == first:
                events += parser.feed(byte)
            else:
                events += [item for item in parser.feed_with_comments(byte) if isinstance(item, MessageEvent)]
        assert plain(events) == events_of(case)
        check_state(case, parser)


def test_all_cases_in_a_row() -> None:
    """Streams that end with a blank line can follow each other on one parser; only the first may have a mark."""
    chosen = [case for case in CASES if case.stream.endswith(b"\n\n") and case.stream[:1] != b"\xef"]
    assert len(chosen) > 200
    stream = b"".join(case.stream for case in chosen if not case.initial_id)
    expected = parse(stream)
    for size in (1, 5, 64, 1000, len(stream)):
        parser = EventStreamParser()
        output: list[Union[MessageEvent, CommentEvent]] = []
        for i in range(0, len(stream), size):
            output += parser.feed_with_comments(stream[i : i + size])
        assert (plain(output), parser.last_event_id) == (expected.output, expected.last_event_id)
        assert same_time(parser.reconnection_time, expected.reconnection_time)


def test_case_names_are_unique() -> None:
    """No two cases share a name or a stream, and each names its rule."""
    assert [name for name, count in Counter(case.name for case in CASES).items() if count > 1] == []
    streams = Counter((case.stream, case.initial_id) for case in CASES)
    assert [stream for stream, count in streams.items() if count > 1] == []
    assert [case.name for case in CASES if not case.rule.startswith(("9.2.", "Encoding"))] == []
    assert len(CASES) >= 170


def test_origin_is_on_every_event() -> None:
    """The origin that the parser was given is on each of its events."""
    chunks = [b"data: x\n\ndata", b": y\n\nevent: t\ndata: z\n\n"]
    parser = EventStreamParser(origin="https://example.com")
    events = [event for chunk in chunks for event in parser.feed(chunk)]
    assert [event.origin for event in events] == ["https://example.com"] * 3
    assert [event.origin for event in iter_events(chunks, origin="http://a")] == ["http://a"] * 3
    assert [event.origin for event in iter_events(chunks)] == [""] * 3


@pytest.mark.parametrize("whole", [b"data: x\n\n", "data: x\n\n"])
def test_iter_events_refuses_one_chunk(whole: Union[bytes, str]) -> None:
    """A single chunk given for an iterable of chunks is a TypeError at the call, not at the first event."""
    with pytest.raises(TypeError):
        iter_events(whole)  # type: ignore[arg-type]


def test_iter_events_is_prompt() -> None:
    """Each event is yielded before the next chunk is asked for."""
    asked = []

    def chunks() -> Iterator[bytes]:
        for number in range(3):
            asked.append(number)
            yield b"data: %d\r\r" % number

    for number, event in enumerate(iter_events(chunks())):
        assert event.data == str(number)
        assert asked == list(range(number + 1))


def test_events_are_values_of_their_own() -> None:
    """Later chunks don't change an event that has been returned."""
    parser = EventStreamParser()
    (first,) = parser.feed(b"id: 1\nevent: a\ndata: x\n\n")
    (second,) = parser.feed(b"id: 2\nevent: b\ndata: y\n\n")
    assert plain([first, second]) == [Event("x", "a", "1"), Event("y", "b", "2")]


DECODER_CASES = [
    (b"", ""),
    (b"abc", "abc"),
    (b"\xc0\x80", "\ufffd\ufffd"),
    (b"\xe2\x82", "\ufffd"),
    (b"\xf0\x9f\x98", "\ufffd"),
    (b"\xf0\x9f\x98\xe2\x82\xac", "\ufffd\u20ac"),
    (b"\xed\xa0\x80", "\ufffd\ufffd\ufffd"),
    (b"\xf4\x90", "\ufffd\ufffd"),
    (b"\xe0\x80", "\ufffd\ufffd"),
    (b"\xef\xbb\xbfx", "\ufeffx"),
]


@pytest.mark.parametrize(("stream", "text"), DECODER_CASES)
def test_reference_decoder(stream: bytes, text: str) -> None:
    """The reference's decoder counts errors as the Encoding Standard does."""
    assert decode(stream) == text
    assert utf8_decode(b"\xef\xbb\xbf" + stream) == text


def test_reference_decoder_knows_every_character() -> None:
    """The reference's decoder gives back each character there is, a sample of them and every edge."""
    edges = [0x7F, 0x80, 0x7FF, 0x800, 0xFFF, 0x1000, 0xCFFF, 0xD000, 0xD7FF, 0xE000, 0xFFFF, 0x10000]
    edges += [0x3FFFF, 0x40000, 0xFFFFF, 0x100000, 0x10FFFF]
    points = [*edges, *range(0, 0xD800, 97), *range(0xE000, 0x110000, 997)]
    text = "".join(map(chr, points))
    assert decode(text.encode()) == text
