"""`encode_event` and its kin: what goes in comes out of the parser, and what could not is refused."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sse_client.events import CommentEvent, MessageEvent
from sse_client.parser import EventStreamParser, iter_events
from sse_client.testing.encoding import encode_comment, encode_event, encode_message, encode_retry

text = st.text(st.characters(exclude_categories=["Cs"]))
one_line = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"))


@given(text.map(lambda data: data.replace("\r", "")))
def test_data_without_carriage_returns_comes_back_as_it_was(data: str) -> None:
    """Any data without CR comes out of the parser unchanged."""
    assert list(iter_events([encode_event(data)])) == [MessageEvent(data=data)]


@given(text)
def test_line_breaks_come_back_as_line_feeds(data: str) -> None:
    """Every line break of the data comes back as one LF, whichever it was."""
    [event] = iter_events([encode_event(data)])
    assert event.data == data.replace("\r\n", "\n").replace("\r", "\n")


@given(
    text.map(lambda data: data.replace("\r", "")),
    one_line.filter(bool),
    one_line.map(lambda value: value.replace("\0", "")),
)
def test_type_and_id_come_back_as_they_were(data: str, type: str, id: str) -> None:
    """Any type and ID that are accepted come out of the parser unchanged, with the data."""
    stream = encode_event(data, type=type, id=id, retry=1)
    assert list(iter_events([stream])) == [MessageEvent(type=type, data=data, last_event_id=id)]


@given(st.builds(MessageEvent, one_line.filter(bool), text.map(lambda data: data.replace("\r", ""))))
def test_a_message_event_comes_back_equal(event: MessageEvent) -> None:
    """A MessageEvent without an ID comes out of the parser equal to itself."""
    assert list(iter_events([encode_message(event)])) == [event]


def test_an_id_is_sent_only_where_there_is_one() -> None:
    """A MessageEvent sends its ID; one with an empty ID leaves the stream's ID alone."""
    stream = encode_message(MessageEvent(data="a", last_event_id="7")) + encode_message(MessageEvent(data="b"))
    assert [event.last_event_id for event in iter_events([stream])] == ["7", "7"]


def test_an_empty_id_clears_the_last_event_id() -> None:
    """encode_event tells an empty ID from none."""
    stream = encode_event("a", id="7") + encode_event("b", id="") + encode_event("c")
    assert [event.last_event_id for event in iter_events([stream])] == ["7", "", ""]


def test_the_bytes_of_an_event() -> None:
    """All fields are there, each on its line, and a blank line ends the event."""
    assert encode_event("a\nb", type="t", id="1", retry=0.25) == b"event: t\nid: 1\nretry: 250\ndata: a\ndata: b\n\n"


@pytest.mark.parametrize(
    ("seconds", "line"),
    [(0, b"retry: 0\n"), (3, b"retry: 3000\n"), (0.0015, b"retry: 2\n"), (1e9, b"retry: 1000000000000\n")],
)
def test_retry_is_milliseconds_on_the_wire(seconds: float, line: bytes) -> None:
    """The reconnection time is given in seconds and sent in whole milliseconds."""
    assert encode_retry(seconds) == line
    parser = EventStreamParser()
    parser.feed(line)
    assert parser.reconnection_time == round(seconds * 1000) / 1000


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("type", {"type": ""}),
        ("type", {"type": "a\nb"}),
        ("type", {"type": "a\rb"}),
        ("type", {"type": "\ud800"}),
        ("id", {"id": "a\nb"}),
        ("id", {"id": "a\rb"}),
        ("id", {"id": "a\0b"}),
        ("id", {"id": "\udfff"}),
        ("data", {"data": "a\ud800"}),
        ("retry", {"retry": -0.001}),
        ("retry", {"retry": math.nan}),
        ("retry", {"retry": math.inf}),
    ],
)
def test_what_cannot_be_encoded_is_refused(name: str, fields: dict[str, str]) -> None:
    """A value that no reader could get back is a ValueError that begins with its name."""
    with pytest.raises(ValueError, match=f"^{name} must "):
        encode_event(**{"data": "x", **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("data", {"data": b"x"}),
        ("data", {"data": None}),
        ("type", {"type": 1}),
        ("id", {"id": 1}),
        ("retry", {"retry": "1"}),
        ("retry", {"retry": True}),
    ],
)
def test_a_wrong_type_is_refused(name: str, fields: dict[str, object]) -> None:
    """A value of the wrong type is a TypeError that begins with its name."""
    with pytest.raises(TypeError, match=f"^{name} must be "):
        encode_event(**{"data": "x", **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given_text", "texts"),
    [("", [""]), (" heartbeat", [" heartbeat"]), ("a\r\nb\rc\n", ["a", "b", "c", ""]), ("\x0b\u2028", ["\x0b\u2028"])],
)
def test_a_comment_is_a_line_for_each_line(given_text: str, texts: list[str]) -> None:
    """A comment comes out of the parser as it was, one for each of its lines."""
    assert EventStreamParser().feed_with_comments(encode_comment(given_text)) == [CommentEvent(line) for line in texts]


def test_a_comment_does_not_end_an_event() -> None:
    """A comment between the lines of an event leaves the event whole."""
    stream = b"data: a\n" + encode_comment("x") + b"data: b\n\n"
    assert [event.data for event in iter_events([stream])] == ["a\nb"]
